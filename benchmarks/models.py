"""Where networks that everyone knows break: train each, and make the leaderboard benchmarks/models.csv and
its picture, benchmarks/models.png.

    dvc repro perturb             # once: the test sets
    python -m benchmarks.models   # half an hour

Files are added by `python -m scripts.evaluate FILE --leaderboard benchmarks/models.csv`; then
`python -m benchmarks.models --draw` draws the picture anew. One run each, so small differences mean nothing.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import Digits, load_split
from mnist_moved.data.test_sets import CLEAN, HEADLINE, load_test_sets
from mnist_moved.evaluation.baseline import Baseline
from mnist_moved.evaluation.breaking import in_words
from mnist_moved.evaluation.leaderboard import add_row, identity, read_leaderboard
from mnist_moved.evaluation.metrics import evaluate
from mnist_moved.files import whole_file, write_table
from mnist_moved.networks import Predict
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.networks.training import fit, training_and_validation
from mnist_moved.params import load_params
from mnist_moved.paths import MODEL, PERTURBED, RAW, baseline_of
from mnist_moved.report import figures as draw
from mnist_moved.report.wording import words
from mnist_moved.sweeps.settings import load_overridden, load_sweep

LEADERBOARD = Path("benchmarks/models.csv")
PICTURE = LEADERBOARD.with_suffix(".png")
layers = keras.layers
Recipe = Callable[[Digits], tuple[Predict, int | None]]  # training digits to a network, and its parameters


def as_it_is(network: keras.Model) -> tuple[Predict, int]:
    return partial(predict, network), network.count_params()


def from_file(path: Path, _: Digits) -> tuple[Predict, int]:
    return as_it_is(load_network(path))


def from_sweep(setting: str, training: Digits) -> tuple[Predict, int]:
    """Train as a setting of the sweep `main` says."""
    *_, last = fit(load_overridden(load_sweep("main").settings[setting]).train, training)
    return as_it_is(last.network)


def by_keras(stack: list[keras.layers.Layer], training: Digits) -> tuple[Predict, int]:
    """Train layers for ten epochs on levels from 0 to 1."""
    keras.utils.set_random_seed(42)
    first = [keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Reshape((28, 28, 1))]
    network = keras.Sequential([*first, *stack, layers.Dense(10, activation="softmax")])
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(training.images, training.labels, batch_size=128, epochs=10, verbose=0)
    return as_it_is(network)


def by_scikit_learn(estimator: object, count: int, training: Digits) -> tuple[Predict, None]:
    """Fit an estimator to the first digits, levels from 0 to 1."""

    def rows(images: np.ndarray) -> np.ndarray:
        return images.reshape(-1, 784) / np.float32(255)

    estimator.fit(rows(training.images[:count]), training.labels[:count])
    if hasattr(estimator, "predict_proba"):
        return lambda images: estimator.predict_proba(rows(images)), None
    return lambda images: softmax(estimator.decision_function(rows(images)), axis=1), None


def dense(units: int) -> keras.layers.Layer:
    return layers.Dense(units, activation="relu")


def convolution(
    filters: int, side: int, activation: str = "relu", padding: str = "same"
) -> keras.layers.Layer:
    return layers.Conv2D(filters, side, activation=activation, padding=padding)


RECIPES: dict[str, Recipe] = {
    MODEL.as_posix(): partial(from_file, MODEL),
    baseline_of("mnist").as_posix(): partial(from_file, baseline_of("mnist")),
    "Keras example, augmented": partial(from_sweep, "baseline_augmented"),
    "LeNet-5 (LeCun et al. 1998)": partial(
        by_keras,
        [
            convolution(6, 5, "tanh"),
            layers.AveragePooling2D(2),
            convolution(16, 5, "tanh", "valid"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
        ],
    ),
    "network of the ONNX model zoo": partial(
        by_keras,
        [
            convolution(8, 5),
            layers.MaxPooling2D(),
            convolution(16, 5),
            layers.MaxPooling2D(3),
            layers.Flatten(),
        ],
    ),
    "two dense layers of 512": partial(
        by_keras, [layers.Flatten(), dense(512), layers.Dropout(0.2), dense(512), layers.Dropout(0.2)]
    ),
    "logistic regression": partial(by_scikit_learn, LogisticRegression(max_iter=50), 60_000),
    "random forest": partial(by_scikit_learn, RandomForestClassifier(100, random_state=42, n_jobs=2), 60_000),
    "multilayer perceptron of scikit-learn": partial(
        by_scikit_learn, MLPClassifier(max_iter=20, random_state=42), 60_000
    ),
    "support vectors of 5,000": partial(by_scikit_learn, SVC(), 5_000),
    "nearest neighbour of 10,000": partial(
        by_scikit_learn, KNeighborsClassifier(1, algorithm="brute", n_jobs=2), 10_000
    ),
}


def draw_leaderboard(table: pd.DataFrame, curves: dict[str, dict[str, list[float]]], limit: float) -> Figure:
    """A row for each network, a column for each perturbation: from which strength on it is broken; the
    farther along its curve, the darker."""
    reach, texts = [], []
    for _, row in table.iterrows():
        shares, points = [], []
        for perturbation, curve in curves.items():
            [values] = curve.values()
            point = row[f"{perturbation} breaks at"]
            point = None if pd.isna(point) else point
            points.append(in_words(point, values).replace("at once", "-").replace("beyond ", "> "))
            ends = np.array([values[0], values[-1] if point is None else point, values[-1]])
            if draw.span_much(values):
                ends = np.log(ends)
            shares.append((ends[1] - ends[0]) / (ends[2] - ends[0]))
        reach.append(shares)
        texts.append(points)
    names = [f"{row.network}  {getattr(row, CLEAN):.1%}" for row in table.itertuples()]
    figure, ax = draw.subplots(figsize=(12, 0.42 * len(names) + 2.4))
    ax.imshow(reach, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for row, points in enumerate(texts):
        for column, point in enumerate(points):
            dark = reach[row][column] > 0.7
            ax.text(
                column, row, point, ha="center", va="center", fontsize=8, color="white" if dark else "black"
            )
    ax.set_xticks(range(len(curves)), [words(name) for name in curves], rotation=45, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.grid(False)
    clean, moved = table[CLEAN], table[HEADLINE]
    draw.entitle(
        figure,
        f"{len(table)} networks classify {clean.min():.1%} to {clean.max():.1%} of MNIST correctly,"
        f" and {moved.min():.0%} to {moved.max():.1%} of it repositioned:\n"
        f"from which strength of each perturbation on they are below {limit:.0%} (-: always)",
    )
    return figure


def main() -> None:
    parser = make_parser("python -m benchmarks.models", __doc__)
    parser.add_argument("--draw", action="store_true", help="train nothing, only draw")
    arguments = parser.parse_args()
    params = load_params()
    limit, curves = params.evaluate.breaking_accuracy, params.perturb.curves
    if not arguments.draw:
        test_sets = load_test_sets(RAW, PERTURBED, "test", params.train.validation_digits)
        images = identity(test_sets, params)
        training, _ = training_and_validation(load_split(RAW, "train"), params.train)
        baseline = Baseline(baseline_of("mnist"))
        table = read_leaderboard(LEADERBOARD, images)
        for name, recipe in RECIPES.items():
            print(name, flush=True)
            network, parameters = recipe(training)
            results = evaluate(network, baseline, test_sets, params)
            table = add_row(table, name, parameters, results, images, limit)
            write_table(LEADERBOARD, table)
    with matplotlib.rc_context(draw.STYLE), whole_file(PICTURE) as partial_file:
        draw.save(draw_leaderboard(pd.read_csv(LEADERBOARD), curves, limit), partial_file, 150)


if __name__ == "__main__":
    run(main)
