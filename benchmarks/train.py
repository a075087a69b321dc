"""The recipe against the baseline, trained side by side on the same data.

    dvc repro perturb                     # the test sets
    python -m benchmarks.train --seeds 1  # a quick look
    python -m benchmarks.train --table benchmarks/train.csv    # five seeds of each: a quarter of an hour

The contestants take turns, an epoch each, so that a noisy machine hits all alike; CPU seconds of the whole
process stand beside wall seconds. Only training is timed. Test sets are measured after every epoch and
never used to choose anything. Prints the Markdown tables of benchmarks/README.md.
"""

import argparse
import math
import time

import pandas as pd
from tqdm import tqdm

from robustness.artifacts import CLEAN, HEADLINE, PERTURBED, RAW
from robustness.command import run
from robustness.evaluation import OTHERS, group_of
from robustness.files import whole_file
from robustness.mnist import Digits, load_split
from robustness.networks import predict
from robustness.params import Train, load_params
from robustness.quiet_keras import keras
from robustness.suites import Suite, load_suites
from robustness.training import fit, split

BASELINE = {"network": "standard", "batch_size": 128, "augment": False}
FAST = {"epochs": 1, "batch_size": 64, "augment": False}


def contestants(default: Train) -> dict[str, Train]:
    """By name: the baseline, the params of params.yaml, and its documented speed setting."""
    return {
        name: default.model_copy(update=settings)
        for name, settings in {"baseline": BASELINE, "default": {}, "fast": FAST}.items()
    }


def accuracy(network: keras.Model, suite: Suite) -> float:
    return float((predict(network, suite.images).argmax(axis=1) == suite.labels).mean())


def race(seed: int, default: Train, training: Digits, sets: dict[str, Suite]) -> pd.DataFrame:
    """Train every contestant from one seed, taking turns; one row for each epoch of each."""
    running = {
        name: (params.epochs, fit(params.model_copy(update={"seed": seed}), training))
        for name, params in contestants(default).items()
    }
    rows = []
    for epoch in range(1, 1 + max(epochs for epochs, _ in running.values())):
        for name, (epochs, turns) in running.items():
            if epoch > epochs:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            network, _ = next(turns)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            measured = sets if epoch == epochs else (CLEAN, HEADLINE)
            rows.append(
                {"contestant": name, "seed": seed, "epoch": epoch, "parameters": network.count_params()}
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


def column(runs: pd.DataFrame, others: list[str]) -> dict[str, str]:
    """What is said of one contestant, from all its epochs of all seeds."""
    final = runs[runs["epoch"] == runs["epoch"].max()]
    by_seed = runs.groupby("seed")
    to_goal = by_seed.apply(seconds_to, 0.99, include_groups=False)
    return {
        "parameters": f"{final['parameters'].iloc[0]:,}",
        "epochs": str(runs["epoch"].max()),
        "wall seconds an epoch": spread(runs["wall_seconds"], percent=False),
        "CPU seconds an epoch": spread(runs["cpu_seconds"], percent=False),
        "wall seconds of training": spread(by_seed["wall_seconds"].sum(), percent=False),
        "CPU seconds of training": spread(by_seed["cpu_seconds"].sum(), percent=False),
        "MNIST": spread(final[CLEAN]),
        **{name.replace("_", " "): spread(final[name]) for name in final if name.startswith(HEADLINE)},
        f"mean of {len(others)} suites of kinds not in the augmentation": spread(final[others].mean(axis=1)),
        "wall seconds to 99.0 % on MNIST": f"{to_goal.mean():.1f} ± {to_goal.std():.1f}"
        f" ({to_goal.notna().sum()} of {len(to_goal)} runs)",
    }


def tables(epochs: pd.DataFrame, others: list[str]) -> str:
    """Two Markdown tables: the contestants as a whole, and their accuracy epoch by epoch."""
    names = list(epochs["contestant"].unique())
    columns = [column(epochs[epochs["contestant"] == name], others) for name in names]
    lines = [
        f"Mean ± standard deviation over {epochs['seed'].nunique()} seeds; accuracies in percent.",
        "",
        "| | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
        *(f"| {row} | " + " | ".join(each[row] for each in columns) + " |" for row in columns[0]),
        "",
        "| epoch | " + " | ".join(f"{name}: MNIST / repositioned" for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    means = (100 * epochs.groupby(["contestant", "epoch"])[[CLEAN, HEADLINE]].mean()).to_dict("index")
    for epoch in range(1, 1 + epochs["epoch"].max()):
        cells = [means.get((name, epoch)) for name in names]
        shown = (f"{cell[CLEAN]:.2f} / {cell[HEADLINE]:.2f}" if cell else "" for cell in cells)
        lines.append(f"| {epoch} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=5, help="runs of each contestant")
    parser.add_argument("--table", metavar="CSV", help="where to write every epoch of every run")
    arguments = parser.parse_args()
    params = load_params().train
    training, _ = split(load_split(RAW, "train"), params)
    sets = {CLEAN: Suite(*load_split(RAW, "test"))} | load_suites(PERTURBED)
    others = [name for name, suite in sets.items() if group_of(suite.kind, params.augmentation) == OTHERS]
    races = []
    for seed in tqdm(range(arguments.seeds), "benchmark", unit=" seeds", disable=None):
        races.append(race(seed, params, training, sets))
        if arguments.table:
            with whole_file(arguments.table) as partial:
                pd.concat(races).round(4).to_csv(partial, index=False)
        print(tables(pd.concat(races), others), end="\n\n", flush=True)


if __name__ == "__main__":
    run(main)
