"""Time training: the settings of the sweep `main` side by side on the same data.

    python -m benchmarks.train              # five seeds of each: half an hour
    python -m benchmarks.train --seeds 1    # a quick look

They take turns, an epoch each, so that a noisy machine hits all alike; CPU seconds of the whole process stand
beside wall seconds. How good they become is another question, which `python -m scripts.sweep main` answers.
"""

import time

import pandas as pd
from tqdm import tqdm

from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import Digits, load_split
from mnist_moved.networks.training import fit, training_and_validation
from mnist_moved.params import Train
from mnist_moved.paths import RAW
from mnist_moved.sweeps.settings import load_overridden, load_sweep
from mnist_moved.sweeps.table import spread


def race(contestants: dict[str, Train], seed: int, training: Digits) -> pd.DataFrame:
    """Train every contestant from one seed, taking turns; one row for each epoch of each."""
    running = {
        name: fit(params.model_copy(update={"seed": seed}), training) for name, params in contestants.items()
    }
    rows = []
    while running:
        for name, epochs in [*running.items()]:
            wall, cpu = time.perf_counter(), time.process_time()
            if (epoch := next(epochs, None)) is None:
                del running[name]
                continue
            spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            rows.append({"name": name, "seed": seed, "parameters": epoch.network.count_params()} | spent)
    return pd.DataFrame(rows)


def describe(epochs: pd.DataFrame) -> str:
    """A Markdown table: a column for each contestant, seconds as mean ± standard deviation."""
    columns = {}
    for name, rows in epochs.groupby("name", sort=False):
        totals = rows.groupby("seed")[["wall", "cpu"]].sum()
        columns[name] = {
            "parameters": f"{rows['parameters'].iloc[0]:,}",
            "epochs": f"{len(rows) // len(totals)}",
            "wall seconds an epoch": spread(rows["wall"], 1),
            "CPU seconds an epoch": spread(rows["cpu"], 1),
            "wall seconds of training": spread(totals["wall"], 1),
            "CPU seconds of training": spread(totals["cpu"], 1),
        }
    return pd.DataFrame(columns).to_markdown()


def main() -> None:
    parser = make_parser("python -m benchmarks.train", __doc__)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each contestant")
    arguments = parser.parse_args()
    settings = load_sweep("main").settings
    contestants = {name: load_overridden(overrides).train for name, overrides in settings.items()}
    training, _ = training_and_validation(load_split(RAW, "train"), load_overridden([]).train)
    races = [
        race(contestants, seed, training)
        for seed in tqdm(range(arguments.seeds), "benchmark", unit=" seeds", disable=None)
    ]
    print(describe(pd.concat(races)))


if __name__ == "__main__":
    run(main)
