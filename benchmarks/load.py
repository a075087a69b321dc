"""Measure what an epoch's digits cost in memory and time, up to ten times as many as MNIST has.

    dvc repro download          # the digits
    python -m benchmarks.load   # two minutes; prints a table in Markdown

The training digits are repeated until there are so many, shuffled, and perturbed afresh as in params.yaml:
all that training does to arrays, without the network. Every number of digits has a process of its own,
because a process remembers only the most memory that it ever held; the first row, no digits, is what Python
and NumPy take. Times are CPU seconds, which other work on the machine disturbs less than wall time.
"""

import multiprocessing
import resource
import sys
import time

import numpy as np

from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import load_split
from mnist_moved.params import load_params
from mnist_moved.paths import RAW
from mnist_moved.perturbations import augment

MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10  # getrusage counts bytes there, KiB elsewhere


def measure(n: int) -> tuple[float, float]:
    """Return the CPU seconds for n digits, and the most memory that this process held by then, in MiB."""
    params = load_params().train
    images, _ = load_split(RAW, "train")
    start = time.process_time()
    if n:
        rng = np.random.default_rng(params.seed)
        images = np.resize(images, (n, 28, 28))
        augment(images[rng.permutation(n)], rng, params.augmentation)
    seconds = time.process_time() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MIB


def main() -> None:
    parser = make_parser("python -m benchmarks.load", __doc__)
    parser.add_argument("--digits", type=int, nargs="+", default=[60_000, 300_000, 600_000])
    print("| digits | CPU seconds | peak memory, MiB | above no digits, bytes a digit |\n|---|---|---|---|")
    nothing = None
    for n in [0, *parser.parse_args().digits]:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            seconds, peak = process.apply(measure, [n])
        nothing = nothing or peak
        a_digit = f"{(peak - nothing) * 2**20 / n:,.0f}" if n else ""
        print(f"| {n:,} | {seconds:.1f} | {peak:,.0f} | {a_digit} |", flush=True)


if __name__ == "__main__":
    run(main)
