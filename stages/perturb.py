"""Make the test sets: data/raw/, data/own/ -> data/perturbed/NAME.npz, one for each of perturb.test_sets.

A test set is a perturbation with its strengths, applied to the test digits or, to choose by, to the
validation digits. Or it is an external one, such as the pictures in data/own/, which is not there to choose
by. Run it with `dvc repro perturb`.
"""

from mnist_moved.command import run_stage
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.external import read_external
from mnist_moved.data.idx import evaluation_digits
from mnist_moved.data.test_sets import save_test_set
from mnist_moved.params import load_params
from mnist_moved.paths import PERTURBED, RAW
from mnist_moved.perturbations import make_test_set


def main() -> None:
    params = load_params()
    split, seed = params.evaluate.split, params.perturb.seed
    dataset = read_dataset()
    digits = evaluation_digits(RAW, split, params.train.validation_digits)
    for name, options in params.perturb.test_sets.items():
        if "source" not in options:
            save_test_set(PERTURBED / f"{name}.npz", make_test_set(digits, seed, name, **options))
        elif split == "test" and (found := read_external(options["source"], dataset)):
            save_test_set(PERTURBED / f"{name}.npz", found)
    things = f"{len(digits.labels):,} {split} {dataset.things}"
    print(f"{things}, with each perturbation of perturb.test_sets, in {PERTURBED}/")


if __name__ == "__main__":
    run_stage(main, __doc__)
