"""Time the making of the altered test sets, and print the tables in Markdown.

    dvc repro download              # the digits
    python -m benchmarks.perturb    # half a minute

Three tables: every suite of params.yaml; three kinds beside a loop that does the same to one image after
another with Pillow or SciPy, and by how much the two differ; all suites together over more and more digits.
Times are CPU seconds of this one process, which other work on the machine disturbs less than wall time. All
of it runs on one core, so that on an idle machine the clock shows the same. Each is the best of three runs.
The last line is the most memory that the process held at any time.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from robustness.artifacts import RAW
from robustness.command import run
from robustness.mnist import load_split
from robustness.params import load_params
from robustness.perturbations import Perturbed, perturb

SEED = 42
RUNS = 3
EPOCH = 55_000

Suite = dict[str, Any]


def make(images: np.ndarray, suite: Suite) -> Perturbed:
    return perturb(images, rng=np.random.default_rng(SEED), **suite)


def best_time(work: Callable[..., Any], *arguments: Any) -> float:
    """Return how many CPU seconds the fastest of RUNS calls took."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work(*arguments)
        times.append(time.process_time() - start)
    return min(times)


def print_table(*rows: tuple) -> None:
    header, *body = rows
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for row in body:
        print(f"| {' | '.join(f'{cell:.3f}' if isinstance(cell, float) else str(cell) for cell in row)} |")
    print()


# The loops get what the batch drew at random, so that both make the same images; they differ in rounding.


def reposition_one_by_one(images: np.ndarray, drawn: dict[str, np.ndarray], canvas: int) -> np.ndarray:
    altered = np.empty_like(images)
    for i, (top, left) in enumerate(zip(drawn["top"], drawn["left"], strict=True)):
        built = Image.new("L", (canvas, canvas))
        built.paste(Image.fromarray(images[i]), (int(left), int(top)))
        altered[i] = built.resize((28, 28), Image.Resampling.BOX)
    return altered


def rotate_one_by_one(images: np.ndarray, drawn: dict[str, np.ndarray], degrees: float) -> np.ndarray:
    altered = np.empty_like(images)
    for i, signed in enumerate(drawn["degrees"]):
        pixels = images[i].astype(np.float32)
        altered[i] = ndimage.rotate(pixels, signed, reshape=False, order=1, mode="grid-constant") + 0.5
    return altered


def glass_blur_one_by_one(
    images: np.ndarray, drawn: dict[str, np.ndarray], sigma: float, displacement: float
) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    place = np.mgrid[:28, :28]
    altered = np.empty_like(images)
    for i, image in enumerate(images):
        blurred = ndimage.gaussian_filter(image.astype(np.float32), sigma, mode="constant")
        offset = np.rint(displacement * (2 * rng.random((2, 28, 28), dtype=np.float32) - 1)).astype(int)
        row, column = np.clip(place + offset, 0, 27)
        altered[i] = ndimage.gaussian_filter(blurred[row, column], sigma, mode="constant") + 0.5
    return altered


LOOPS = (
    ({"kind": "reposition", "canvas": 56}, "Pillow", reposition_one_by_one),
    ({"kind": "rotate", "degrees": 30.0}, "SciPy", rotate_one_by_one),
    ({"kind": "glass_blur", "sigma": 0.7, "displacement": 1.5}, "SciPy", glass_blur_one_by_one),
)


def compare(images: np.ndarray, suite: Suite, library: str, loop: Callable[..., np.ndarray]) -> tuple:
    """Return a row: the kind, both times and their ratio, and the largest difference between the images."""
    strengths = {name: value for name, value in suite.items() if name != "kind"}
    altered, drawn = make(images, suite)
    difference = np.abs(altered.astype(int) - loop(images, drawn, **strengths)).max()
    batch = best_time(make, images, suite)
    one_by_one = best_time(lambda: loop(images, drawn, **strengths))
    return suite["kind"], batch, one_by_one, library, f"{one_by_one / batch:.0f}", difference


def peak_mebibytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2**20 if sys.platform == "darwin" else peak // 2**10


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.perturb", description="See benchmarks/README.md.")
    parser.add_argument("--digits", type=int, default=10_000, help="how many a test set has")
    count = parser.parse_args().digits
    suites = {name: suite for name, suite in load_params().perturb.suites.items() if "kind" in suite}
    images = load_split(RAW, "test").images[:count]
    print(f"{len(images)} digits, NumPy {np.__version__}, CPU seconds:\n")

    seconds = {name: best_time(make, images, suite) for name, suite in suites.items()}
    print_table(("suite", "time"), *seconds.items(), ("all", sum(seconds.values())))

    print_table(
        ("kind", "batch", "one by one", "with", "ratio", "largest difference, grey levels"),
        *(compare(images, *row) for row in LOOPS),
    )

    growth = []
    for size in (count // 4, count // 2, count, 2 * count):
        digits = np.resize(images, (size, 28, 28))
        total = sum(best_time(make, digits, suite) for suite in suites.values())
        growth.append((size, total, f"{1e6 * total / size:.0f}"))
    print_table(("digits", "all suites", "microseconds a digit"), *growth)

    digits = np.resize(images, (EPOCH, 28, 28))
    canvas = np.random.default_rng(SEED).uniform(28, 84, EPOCH)
    epoch = best_time(make, digits, {"kind": "reposition", "canvas": canvas})
    print(f"An epoch of {EPOCH} digits, repositioned, each on a canvas of its own size: {epoch:.3f}.")
    print(f"Peak memory: {peak_mebibytes()} MiB.")


if __name__ == "__main__":
    run(main)
