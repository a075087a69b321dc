"""Fetch the four MNIST files: sources in params.yaml -> data/raw/, uncompressed, whatever they came from.

Run it with `dvc repro download`.
"""

from robustness.artifacts import RAW
from robustness.command import run_stage
from robustness.params import load_params
from robustness.sources import fetch


def main() -> None:
    params = load_params().download
    origins = fetch(RAW, params.sources, params.timeout_seconds)
    print(f"{RAW}: all MNIST files, checksums verified, {' and '.join(dict.fromkeys(origins.values()))}")


if __name__ == "__main__":
    run_stage(main, __doc__)
