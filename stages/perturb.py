"""Make the altered test sets: data/raw/ -> data/perturbed/SUITE.npz, one for each suite in params.yaml.

A suite is a kind of perturbation with its strength, applied to the 10,000 test digits. Run it with
`dvc repro perturb`.
"""

from robustness.artifacts import PERTURBED, RAW
from robustness.command import run_stage
from robustness.mnist import load_split
from robustness.params import load_params
from robustness.suites import make_suite, save_suite


def main() -> None:
    params = load_params().perturb
    digits = load_split(RAW, "test")
    for name, suite in params.suites.items():
        save_suite(PERTURBED / f"{name}.npz", make_suite(digits, params.seed, name, **suite))
    print(f"{len(params.suites)} altered test sets of {len(digits.labels)} digits in {PERTURBED}/")


if __name__ == "__main__":
    run_stage(main, __doc__)
