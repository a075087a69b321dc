"""Train the baseline of the data set that is in data/raw/: the Keras example, on images as they are.

    python -m scripts.baseline    # models/baselines/NAME.keras, with which each evaluation compares

Those of MNIST and Fashion-MNIST are in git; a data set of one's own needs this once, after `dvc repro
download`. Its settings are those of the baseline in sweeps.yaml, and all others those of params.yaml.
"""

from tqdm import tqdm

from mnist_moved.command import make_parser, run
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.idx import load_split
from mnist_moved.networks.saving import save_network
from mnist_moved.networks.training import fit, training_and_validation
from mnist_moved.paths import RAW, baseline_of
from mnist_moved.sweeps.settings import load_overridden, load_sweep


def main() -> None:
    make_parser("python -m scripts.baseline", __doc__).parse_args()
    example = load_overridden(load_sweep("main").settings["baseline"])
    params = example.train.model_copy(update={"network_options": {}})  # those of another network
    path = baseline_of(read_dataset().name)
    training, validation = training_and_validation(load_split(RAW, "train"), params)
    epochs = fit(params, training, validation)
    *_, last = tqdm(epochs, "train", params.epochs, unit=" epochs", disable=None)
    save_network(last.network, path)
    accuracy = last.history[-1]["validation/accuracy"]
    print(f"{path}: {accuracy:.2%} of the validation images are classified correctly")


if __name__ == "__main__":
    run(main)
