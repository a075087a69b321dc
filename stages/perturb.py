"""Make the test sets: data/raw/, data/own/ -> data/perturbed/NAME.npz, one for each of perturb.test_sets.

A test set is a perturbation with its strengths, applied to the test digits or, to choose by, to the
validation digits. Or it is an external one, such as the pictures in data/own/, which is not there to choose
by. Run it with `dvc repro perturb`.
"""

from pathlib import Path
from typing import Any

from mnist_moved.command import UserError, run_stage
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
    entries = params.perturb.test_sets
    made: set[str] = set()  # of others
    for name, options in entries.items():
        if "source" not in options:
            save_test_set(PERTURBED / f"{name}.npz", make_test_set(digits, seed, name, **options))
        elif split == "test":
            others = {Path(file) for other in entries if other != name for file in files_of(entries[other])}
            for part, found in read_external(name, options, dataset, others):
                if part in made or (part != name and part in entries):
                    raise UserError(f"{options['source']}: two test sets would be called {part}; rename one")
                made.add(part)
                save_test_set(PERTURBED / f"{part}.npz", found)
    things = f"{len(digits.labels):,} {split} {dataset.things}"
    print(f"{things}, with each perturbation of perturb.test_sets, in {PERTURBED}/")


def files_of(options: dict[str, Any]) -> list[str]:
    """The files and folders that an entry of perturb.test_sets names."""
    return [options[key] for key in ("source", "labels") if key in options]


if __name__ == "__main__":
    run_stage(main, __doc__)
