"""Train the baseline of the data set that is in data/raw/: the Keras example, on images as they are.

    python -m scripts.baseline    # models/baselines/NAME.keras, with which each evaluation compares

Those of MNIST and Fashion-MNIST are in git; a data set of one's own needs this once, after `dvc repro
download`. Its settings are those of the baseline in sweeps.yaml, and all others those of params.yaml.
"""

import argparse

from tqdm import tqdm

from robustness.artifacts import RAW, baseline_of
from robustness.command import run
from robustness.datasets import read_dataset
from robustness.mnist import load_split
from robustness.networks import save_network
from robustness.sweeps.settings import load_overridden, load_sweep
from robustness.training import fit, split


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m scripts.baseline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    example = load_overridden(load_sweep("recipe").settings["baseline"])
    params = example.train.model_copy(update={"network_options": {}})  # those of another network
    path = baseline_of(read_dataset().name)
    training, validation = split(load_split(RAW, "train"), params)
    epochs = fit(params, training, validation)
    *_, last = tqdm(epochs, "train", params.epochs, unit=" epochs", disable=None)
    save_network(last.network, path)
    print(f"{path}: {last.curves[-1]['validation/accuracy']:.2%} of the validation images are recognised")


if __name__ == "__main__":
    run(main)
