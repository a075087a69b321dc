"""Train the baseline of the data set that is in data/raw/: the Keras example, on images as they are.

    python -m scripts.baseline              # models/baselines/NAME.keras, with which evaluations compare
    python -m scripts.baseline --answers    # NAME.json: what it answers to all test sets of params.yaml

The networks of MNIST and Fashion-MNIST are in git; a data set of one's own needs this once, after `dvc repro
download`. Its settings are those of the baseline in sweeps.yaml, and all others those of params.yaml. The
answers, those of MNIST in git, save each evaluation half of its time; without them, or with other test sets,
it asks the network. They need what `dvc repro perturb` makes.
"""

from pathlib import Path

from tqdm import tqdm

from mnist_moved.command import make_parser, run
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.idx import Digits, load_split
from mnist_moved.data.test_sets import CLEAN, load_test_sets
from mnist_moved.evaluation.baseline import Baseline
from mnist_moved.evaluation.curves import evenly, strengthen
from mnist_moved.networks.saving import save_network
from mnist_moved.networks.training import fit, training_and_validation
from mnist_moved.params import load_params
from mnist_moved.paths import PERTURBED, RAW, baseline_of
from mnist_moved.sweeps.settings import load_overridden, load_sweep


def train(path: Path) -> None:
    example = load_overridden(load_sweep("main").settings["baseline"])
    params = example.train.model_copy(update={"network_options": {}})  # those of another network
    training, validation = training_and_validation(load_split(RAW, "train"), params)
    epochs = fit(params, training, validation)
    *_, last = tqdm(epochs, "train", params.epochs, unit=" epochs", disable=None)
    save_network(last.network, path)
    accuracy = last.history[-1]["validation/accuracy"]
    print(f"{path}: {accuracy:.2%} of the validation images are classified correctly")


def answer(path: Path) -> None:
    params, baseline = load_params(), Baseline(path, known=False)
    test_sets = load_test_sets(RAW, PERTURBED, params.evaluate.split, params.train.validation_digits)
    clean = test_sets[CLEAN]
    some = evenly(Digits(clean.images, clean.labels), params.evaluate.curve_digits)
    sets = [*test_sets.values()]
    for perturbation, curve in params.perturb.curves.items():
        [(strength, values)] = curve.items()
        sets += strengthen(some, params.perturb.seed, perturbation, strength, values)
    for each in tqdm(sets, "answer", unit=" sets", disable=None):
        baseline(each.images)
    baseline.save()
    print(f"{baseline.file}: answers to {baseline.asked:,} images")


def main() -> None:
    parser = make_parser("python -m scripts.baseline", __doc__)
    parser.add_argument("--answers", action="store_true", help="do not train, but answer all test sets")
    arguments = parser.parse_args()
    path = baseline_of(read_dataset().name)
    if arguments.answers:
        answer(path)
    else:
        train(path)


if __name__ == "__main__":
    run(main)
