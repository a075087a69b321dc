"""The recipe against the example that everyone starts from, trained side by side on the same data.

    dvc repro perturb                             # the test sets
    python -m benchmarks.train                    # five seeds of each contestant: about half an hour
    python -m benchmarks.train --seeds 1          # a quick look
    python -m benchmarks.train --save-baseline    # trains benchmarks/baseline.keras, and nothing else

The contestants take turns, an epoch each, so that a noisy machine hits all alike; CPU seconds of the whole
process stand beside wall seconds. Only training is timed. Test sets are measured after every epoch and
never used to choose anything. Prints the Markdown tables of benchmarks/README.md; every epoch of every run
goes to benchmarks/train.csv.
"""

import argparse
import math
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from stages.shared.mnist import load_split
from stages.shared.params import HEADLINE, Train, load_params
from stages.shared.quiet_keras import keras
from stages.shared.stage import run, whole_file
from stages.shared.suites import CLEAN, Suite, load_suites
from stages.train import build_network, compiled, train_epoch

BASELINE = Path("benchmarks/baseline.keras")
EPOCHS_CSV = Path("benchmarks/train.csv")
BASELINE_SEED = 42
FAST = {"epochs": 1, "batch_size": 64, "augment": False}


class Contestant(NamedTuple):
    params: Train
    build: Callable[[], keras.Model]
    compile: Callable[[keras.Model, Train, int], keras.Model]


def standard_example() -> keras.Model:
    """The network of the Keras example "Simple MNIST convnet" (Chollet 2015), in our input format."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def compile_standard_example(network: keras.Model, params: Train, batches: int) -> keras.Model:
    network.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def contestants(default: Train) -> dict[str, Contestant]:
    """By name: the standard example, the params of params.yaml, and its documented speed setting."""
    return {
        "standard example": Contestant(
            default.model_copy(update={"augment": False, "batch_size": 128, "epochs": 10}),
            standard_example,
            compile_standard_example,
        ),
        "default": Contestant(default, build_network, compiled),
        "fast": Contestant(default.model_copy(update=FAST), build_network, compiled),
    }


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def accuracy(network: keras.Model, test_set: Suite) -> float:
    predicted = network.predict(test_set.images, 1000, verbose=0).argmax(axis=1)
    return float((predicted == test_set.labels).mean())


def race(
    seed: int, default: Train, images: np.ndarray, labels: np.ndarray, sets: dict[str, Suite]
) -> pd.DataFrame:
    """Train every contestant from one seed, taking turns; one row for each epoch of each."""
    runners = {}
    for name, contestant in contestants(default).items():
        params = contestant.params.model_copy(update={"seed": seed})
        keras.utils.set_random_seed(seed)
        network = contestant.compile(contestant.build(), params, math.ceil(len(images) / params.batch_size))
        runners[name] = network, params
    rows = []
    for epoch in range(max(params.epochs for _, params in runners.values())):
        for name, (network, params) in runners.items():
            if epoch >= params.epochs:
                continue
            wall, cpu = time.perf_counter(), cpu_seconds()
            train_epoch(network, params, epoch, images, labels)
            wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
            last = epoch + 1 == params.epochs
            measured = sets if last else (CLEAN, HEADLINE)
            rows.append(
                {"contestant": name, "seed": seed, "epoch": epoch + 1, "parameters": network.count_params()}
                | {"wall_seconds": wall, "cpu_seconds": cpu}
                | {name: accuracy(network, sets[name]) for name in measured}
            )
    return pd.DataFrame(rows)


def seconds_to(epochs: pd.DataFrame, goal: float) -> float:
    """Wall seconds of training until a run first reaches `goal` on MNIST after an epoch; NaN if never."""
    reached = epochs[CLEAN] >= goal
    return epochs["wall_seconds"].cumsum()[reached.idxmax()] if reached.any() else math.nan


def spread(values: pd.Series, percent: bool = True) -> str:
    """Mean ± standard deviation over the seeds."""
    scale, digits = (100, 2) if percent else (1, 1)
    return f"{scale * values.mean():.{digits}f} ± {scale * values.std():.{digits}f}"


def report(epochs: pd.DataFrame, unseen: list[str]) -> str:
    """Two Markdown tables: the contestants as a whole, and their accuracy epoch by epoch."""
    seeds = epochs["seed"].nunique()
    lines = [
        f"Mean ± standard deviation over {seeds} seeds; accuracies in percent.",
        "",
        "| | " + " | ".join(epochs["contestant"].unique()) + " |",
        "|---" * (epochs["contestant"].nunique() + 1) + "|",
    ]
    columns = []
    for _, runs in epochs.groupby("contestant", sort=False):
        final = runs[runs["epoch"] == runs["epoch"].max()]
        by_seed = runs.groupby("seed")
        to_goal = by_seed.apply(seconds_to, 0.99, include_groups=False)
        columns.append(
            {
                "parameters": f"{final['parameters'].iloc[0]:,}",
                "epochs": str(runs["epoch"].max()),
                "wall seconds an epoch": spread(runs["wall_seconds"], percent=False),
                "CPU seconds an epoch": spread(runs["cpu_seconds"], percent=False),
                "wall seconds of training": spread(by_seed["wall_seconds"].sum(), percent=False),
                "CPU seconds of training": spread(by_seed["cpu_seconds"].sum(), percent=False),
                "MNIST": spread(final[CLEAN]),
                **{
                    name.replace("_", " "): spread(final[name]) for name in final if name.startswith(HEADLINE)
                },
                f"mean of {len(unseen)} suites unseen by the default": spread(final[unseen].mean(axis=1)),
                "wall seconds to 99.0 % on MNIST": (
                    f"{to_goal.mean():.1f} ± {to_goal.std():.1f}"
                    + f" ({to_goal.notna().sum()} of {seeds} runs)"
                ),
            }
        )
    lines += [f"| {row} | " + " | ".join(column[row] for column in columns) + " |" for row in columns[0]]
    curves = (
        epochs.groupby(["epoch", "contestant"], sort=False)[[CLEAN, HEADLINE]].mean().unstack("contestant")
    )
    lines += ["", "| epoch | " + " | ".join(f"{name}: MNIST / repositioned" for name in curves[CLEAN]) + " |"]
    lines += ["|---" * (epochs["contestant"].nunique() + 1) + "|"]
    for epoch, row in curves.iterrows():
        cells = [f"{100 * row[CLEAN, name]:.2f} / {100 * row[HEADLINE, name]:.2f}" for name in curves[CLEAN]]
        lines.append(f"| {epoch} | " + " | ".join("" if "nan" in cell else cell for cell in cells) + " |")
    return "\n".join(lines)


def save_baseline(params: Train, images: np.ndarray, labels: np.ndarray) -> None:
    """Train the standard example alone and keep it: the yardstick of mean corruption error."""
    contestant = contestants(params)["standard example"]
    params = contestant.params.model_copy(update={"seed": BASELINE_SEED})
    keras.utils.set_random_seed(params.seed)
    network = compile_standard_example(contestant.build(), params, 0)
    for epoch in tqdm(range(params.epochs), "standard example", unit=" epochs", disable=None):
        train_epoch(network, params, epoch, images, labels)
    with whole_file(BASELINE) as partial:
        keras.Model(network.inputs, network.outputs).save(partial)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=5, help="runs of each contestant")
    parser.add_argument(
        "--save-baseline", action="store_true", help="only train and save the standard example"
    )
    arguments = parser.parse_args()
    params = load_params()
    images, labels = load_split("data/raw", "train")
    images, labels = images[: params.train.training_digits], labels[: params.train.training_digits]
    if arguments.save_baseline:
        save_baseline(params.train, images, labels)
        return
    sets = {CLEAN: Suite(*load_split("data/raw", "test"), CLEAN, {})} | load_suites()
    seen = {CLEAN, *params.train.augmentation}
    unseen = [name for name, suite in sets.items() if suite.kind not in seen]
    races = []
    for seed in tqdm(range(arguments.seeds), "benchmark", unit=" seeds", disable=None):
        races.append(race(seed, params.train, images, labels, sets))
        pd.concat(races).round(4).to_csv(EPOCHS_CSV, index=False)
        print(report(pd.concat(races), unseen), end="\n\n", flush=True)


if __name__ == "__main__":
    run(main)
