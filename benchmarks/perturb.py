"""Time the making of the perturbed test sets, and print the tables in Markdown.

    dvc repro download              # the digits
    python -m benchmarks.perturb    # half a minute

Three tables: every perturbed test set of params.yaml; two perturbations beside a loop that does the same to
one image after another with Pillow or SciPy, and by how much the two differ; all test sets together over more
and more digits. Times are CPU seconds of this one process, which other work on the machine disturbs less than
wall time. All of it runs on one core, so that on an idle machine the clock shows the same. Each is the best
of three runs. The last line is the most memory that the process held at any time.
"""

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import load_split
from mnist_moved.params import load_params
from mnist_moved.paths import RAW
from mnist_moved.perturbations import perturb
from mnist_moved.perturbations.geometry import place

SEED = 42
RUNS = 3
EPOCH = 55_000


def make(images: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Perturb images; options: of one of perturb.test_sets."""
    return perturb(images, rng=np.random.default_rng(SEED), **options)


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


# In batches, and one by one with a library: the same but for rounding.


def reposition(images: np.ndarray, canvas: int, top: np.ndarray, left: np.ndarray) -> np.ndarray:
    return place(images, np.full(len(images), float(canvas)), top.astype(float), left.astype(float))


def reposition_one_by_one(images: np.ndarray, canvas: int, top: np.ndarray, left: np.ndarray) -> np.ndarray:
    repositioned = np.empty_like(images)
    for i, image in enumerate(images):
        built = Image.new("L", (canvas, canvas))
        built.paste(Image.fromarray(image), (int(left[i]), int(top[i])))
        repositioned[i] = built.resize((28, 28), Image.Resampling.BOX)
    return repositioned


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    return perturb(images, "glass_blur", np.random.default_rng(SEED), sigma=sigma, displacement=0)


def blur_one_by_one(images: np.ndarray, sigma: float) -> np.ndarray:
    blurred = np.empty_like(images)
    for i, image in enumerate(images):
        once = ndimage.gaussian_filter(image.astype(np.float32), sigma, mode="constant")
        blurred[i] = ndimage.gaussian_filter(once, sigma, mode="constant") + 0.5
    return blurred


def compare(name: str, library: str, batch: Callable, one_by_one: Callable, *arguments: Any) -> tuple:
    """Return a row: what is compared, both times and their ratio, and the largest difference of the
    images."""
    difference = np.abs(batch(*arguments).astype(int) - one_by_one(*arguments)).max()
    times = best_time(batch, *arguments), best_time(one_by_one, *arguments)
    return name, *times, library, f"{times[1] / times[0]:.0f}", difference


def peak_mebibytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2**20 if sys.platform == "darwin" else peak // 2**10


def main() -> None:
    parser = make_parser("python -m benchmarks.perturb", __doc__)
    parser.add_argument("--digits", type=int, default=10_000, help="how many a test set has")
    count = parser.parse_args().digits
    perturbed = {
        name: options for name, options in load_params().perturb.test_sets.items() if "source" not in options
    }
    images = load_split(RAW, "test").images[:count]
    print(f"{len(images)} digits, NumPy {np.__version__}, CPU seconds:\n")

    seconds = {name: best_time(make, images, options) for name, options in perturbed.items()}
    print_table(("test set", "time"), *seconds.items(), ("all", sum(seconds.values())))

    top, left = np.random.default_rng(SEED).integers(29, size=(2, len(images)))
    print_table(
        ("", "batch", "one by one", "with", "ratio", "largest difference, grey levels"),
        compare("reposition", "Pillow", reposition, reposition_one_by_one, images, 56, top, left),
        compare("blur, twice", "SciPy", blur, blur_one_by_one, images, 0.7),
    )

    growth = []
    for size in (count // 4, count // 2, count, 2 * count):
        digits = np.resize(images, (size, 28, 28))
        total = sum(best_time(make, digits, options) for options in perturbed.values())
        growth.append((size, total, f"{1e6 * total / size:.0f}"))
    print_table(("digits", "all test sets", "microseconds a digit"), *growth)

    digits = np.resize(images, (EPOCH, 28, 28))
    canvas = np.random.default_rng(SEED).uniform(28, 84, EPOCH)
    epoch = best_time(make, digits, {"perturbation": "reposition", "canvas": canvas})
    print(f"An epoch of {EPOCH} digits, repositioned, each on a canvas of its own size: {epoch:.3f}.")
    print(f"Peak memory: {peak_mebibytes()} MiB.")


if __name__ == "__main__":
    run(main)
