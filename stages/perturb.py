"""Make the altered sets: data/raw/ -> data/perturbed/SUITE.npz, one for each suite in the params.

A suite is a kind of perturbation with its strength, applied to the 10,000 test digits or, to choose by, to
the validation digits. Run it with `dvc repro perturb`.
"""

from robustness.artifacts import PERTURBED, RAW
from robustness.command import run_stage
from robustness.mnist import evaluation_digits
from robustness.params import load_params
from robustness.suites import make_suite, save_suite


def main() -> None:
    params = load_params()
    split, suites = params.evaluate.split, params.perturb.suites
    digits = evaluation_digits(RAW, split, params.train.validation_digits)
    for name, suite in suites.items():
        save_suite(PERTURBED / f"{name}.npz", make_suite(digits, params.perturb.seed, name, **suite))
    print(f"{len(suites)} altered sets of {len(digits.labels)} {split} digits in {PERTURBED}/")


if __name__ == "__main__":
    run_stage(main, __doc__)
