"""Time training: settings of the sweep `main` side by side on the same data, into benchmarks/train.csv.

    python -m benchmarks.train              # five seeds of each: 25 minutes
    python -m benchmarks.train --seeds 1    # a quick look; writes nothing

They take turns, an epoch each, so that a noisy machine hits all alike; CPU seconds of the whole process stand
beside wall seconds. After each epoch, off the clock, it counts the test digits that are classified correctly:
so it shows how long a network takes to an accuracy. How good they become in the end is another question,
which `python -m scripts.sweep main` answers.
"""

import time

import pandas as pd
from tqdm import tqdm

from benchmarks.tables import CPU, RACE, WALL, table_of_seconds
from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import Digits, load_split
from mnist_moved.files import write_table
from mnist_moved.networks.saving import predict
from mnist_moved.networks.training import fit, training_and_validation
from mnist_moved.params import Train
from mnist_moved.paths import RAW
from mnist_moved.sweeps.settings import load_overridden, load_sweep

SEEDS = 5
CONTESTANTS = ["baseline", "default", "fast"]


def race(contestants: dict[str, Train], seed: int, training: Digits, test: Digits) -> pd.DataFrame:
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
            spent = {WALL: time.perf_counter() - wall, CPU: time.process_time() - cpu}
            accuracy = (predict(epoch.network, test.images).argmax(axis=1) == test.labels).mean()
            parameters = epoch.network.count_params()
            rows.append({"setting": name, "seed": seed, "parameters": parameters} | spent)
            rows[-1]["accuracy"] = accuracy
    return pd.DataFrame(rows)


def main() -> None:
    parser = make_parser("python -m benchmarks.train", __doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each contestant")
    arguments = parser.parse_args()
    settings = load_sweep("main").settings
    contestants = {name: load_overridden(settings[name]).train for name in CONTESTANTS}
    training, _ = training_and_validation(load_split(RAW, "train"), load_overridden([]).train)
    test = load_split(RAW, "test")
    seeds = tqdm(range(arguments.seeds), "benchmark", unit=" seeds", disable=None)
    epochs = pd.concat([race(contestants, seed, training, test) for seed in seeds])
    if arguments.seeds >= SEEDS:
        write_table(RACE, epochs.round(4))
    print(table_of_seconds(epochs))


if __name__ == "__main__":
    run(main)
