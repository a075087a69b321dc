"""Make the altered sets: data/raw/, data/own/ -> data/perturbed/SUITE.npz, one for each suite in the params.

A suite is a kind of perturbation with its strength, applied to the test set or, to choose by, to
the validation digits. Or it is a test set of other origin, such as the pictures in data/own/, which is not
there to choose by. Run it with `dvc repro perturb`.
"""

from robustness.artifacts import PERTURBED, RAW
from robustness.command import run_stage
from robustness.datasets import read_dataset
from robustness.elsewhere import read_elsewhere
from robustness.mnist import evaluation_digits
from robustness.params import load_params
from robustness.suites import PICTURES, make_suite, save_suite


def main() -> None:
    params = load_params()
    split, seed = params.evaluate.split, params.perturb.seed
    dataset = read_dataset()
    digits = evaluation_digits(RAW, split, params.train.validation_digits)
    for name, suite in params.perturb.suites.items():
        if PICTURES not in suite:
            save_suite(PERTURBED / f"{name}.npz", make_suite(digits, seed, name, **suite))
        elif split == "test" and (found := read_elsewhere(suite[PICTURES], dataset)):
            save_suite(PERTURBED / f"{name}.npz", found)
    things = f"{len(digits.labels):,} {split} {dataset.things}"
    print(f"{things}, altered in each way of perturb.suites, in {PERTURBED}/")


if __name__ == "__main__":
    run_stage(main, __doc__)
