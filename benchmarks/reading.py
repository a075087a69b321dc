"""How many drawings of digits, spoilt as pictures of them are, are read and named right.

    python -m benchmarks.reading    # a minute

The drawings are made of validation digits, which are never trained on. With them the reading of pictures
(mnist_moved/data/pictures.py) was chosen; `python -m benchmarks.wild` then tries it on real pictures.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import evaluation_digits
from mnist_moved.data.pictures import PictureError, to_mnist
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.paths import RAW

BLANK = "blank paper in a shadow"  # of which being refused is right
COUNT = 400  # drawings of each kind

Coverage = np.ndarray  # float (h, w): how much of each pixel a digit covers, 0 to 1


def pen(digit: np.ndarray, side: int) -> Coverage:
    """A digit so many pixels high, its strokes as crisp as a pen's."""
    large = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC), float)
    return np.clip((large / 255 - 0.5) * side / 28 + 0.5, 0, 1)


def cut(digit: Coverage, margin: float = 0) -> Coverage:
    """What a digit covers, with so much paper around as a share of its longest side."""
    rows, columns = (np.flatnonzero((digit > 0.5).any(axis=axis)) for axis in (1, 0))
    digit = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(digit, round(margin * max(digit.shape)))


def on_sheet(digit: np.ndarray, rng: np.random.Generator) -> Coverage:
    """Somewhere on a sheet up to three times as large."""
    side = int(rng.integers(60, 250))
    digit = pen(digit, side)
    room = rng.integers(side // 10, side, (2, 2))
    return np.pad(digit, room)


def cell(digit: np.ndarray, rng: np.random.Generator) -> Coverage:
    """In a cell of a form, cut out with its lines or parts of them, and not quite straight."""
    side = int(rng.integers(40, 120))
    sheet = np.pad(cut(pen(digit, side)), rng.integers(side // 5, side // 2, (2, 2)))
    thickness = int(rng.integers(1, side // 8))
    lines = np.zeros_like(sheet)
    for turn in range(4):
        if rng.random() < 0.85:
            offset = int(rng.integers(0, side // 12 + 1))
            slope = rng.uniform(-0.03, 0.03)
            edge = np.rot90(lines, turn)  # a view
            where = np.arange(edge.shape[0])[:, None] - offset - slope * np.arange(edge.shape[1])[None]
            edge[(where >= 0) & (where < thickness)] = rng.uniform(0.6, 1)
    return np.maximum(sheet, ndimage.gaussian_filter(lines, 0.7))


def photo(
    coverage: Coverage, rng: np.random.Generator, ink: float = 170, shade: float = 0.3, noise: float = 4
) -> np.ndarray:
    """Grey levels, dark on light: paper in light that falls off, a pen of so many levels, blur, noise."""
    h, w = coverage.shape
    down, right = np.mgrid[0 : 1 : h * 1j, 0 : 1 : w * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    fall = (np.cos(angle) * (down - 0.5) + np.sin(angle) * (right - 0.5)) / 1.5 + 0.5
    light = (1 - shade * fall) * rng.uniform(0.75, 1)
    grey = (235 - ink * coverage) * light
    grey = ndimage.gaussian_filter(grey, max(h, w) / 300)
    return grey + rng.normal(0, noise, grey.shape)


def inverted_at_times(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 255 - grey if rng.random() < 0.3 else grey


def drawn(digit, rng):
    return inverted_at_times(255 * (1 - on_sheet(digit, rng)), rng)


def photographed(digit, rng):
    return photo(on_sheet(digit, rng), rng)


def in_strong_light(digit, rng):
    return photo(on_sheet(digit, rng), rng, shade=0.7, noise=6)


def in_a_shadow(digit, rng):
    """Half of the paper in the soft shadow of a hand."""
    grey = photo(on_sheet(digit, rng), rng, ink=190)
    h, w = grey.shape
    down, right = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4)
    depth = np.cos(angle) * down + np.sin(angle) * right - offset
    return grey * (1 - 0.3 / (1 + np.exp(-depth * rng.uniform(4, 12))))


def with_a_dark_edge(digit, rng):
    """Of a table or a thumb at one side."""
    grey = photo(on_sheet(digit, rng), rng)
    edge = np.rot90(grey, int(rng.integers(4)))  # a view
    width = rng.uniform(0.02, 0.08) * edge.shape[0]
    slope = rng.uniform(-0.05, 0.05)
    where = np.arange(edge.shape[0])[:, None] - width - slope * np.arange(edge.shape[1])[None]
    edge *= 1 - rng.uniform(0.5, 0.95) * np.clip(0.5 - where / 4, 0, 1)
    return grey


def cut_out(margin):
    def make(digit, rng):
        coverage = cut(pen(digit, int(rng.integers(40, 250))), margin)
        return inverted_at_times(255 * (1 - coverage), rng)

    return make


def cut_out_small(digit, rng):
    """As old scanners kept them: 16 x 16 pixels, stretched to fill them, black or white."""
    coverage = cut(pen(digit, 140))
    small = Image.fromarray(np.float32(coverage)).resize((16, 16), Image.Resampling.BOX)
    return inverted_at_times(255.0 * (np.asarray(small) < 0.5), rng)


def cut_out_of_a_photo(digit, rng):
    return photo(cut(pen(digit, int(rng.integers(40, 250))), rng.uniform(0, 0.05)), rng)


def faint(digit, rng):
    return photo(on_sheet(digit, rng), rng, ink=rng.uniform(50, 90), shade=0.15, noise=2)


def uneven(digit, rng):
    """A pen that presses here more, there less."""
    coverage = on_sheet(digit, rng)
    pressure = ndimage.zoom(rng.uniform(0, 1, (5, 5)), np.divide(coverage.shape, 5), order=1)
    pressure = np.resize(pressure, coverage.shape) if pressure.shape != coverage.shape else pressure
    return photo(coverage * (0.15 + 0.85 * pressure), rng, ink=190, shade=0.15, noise=3)


def with_a_blot(digit, rng):
    """A faint pen, and one dark dot on the digit."""
    coverage = 0.4 * on_sheet(digit, rng)
    row, column = rng.choice(np.argwhere(coverage > 0.3))
    rows, columns = np.ogrid[: coverage.shape[0], : coverage.shape[1]]
    size = max(coverage.shape) * rng.uniform(0.008, 0.02)
    coverage[(rows - row) ** 2 + (columns - column) ** 2 < size**2] = 1
    return photo(coverage, rng, ink=200, shade=0.1, noise=2)


def framed(digit, rng):
    return inverted_at_times(255 * (1 - cell(digit, rng)), rng)


def framed_photo(digit, rng):
    return photo(cell(digit, rng), rng, ink=rng.uniform(80, 180))


def in_a_sharp_shadow(digit, rng):
    """Part of the paper in the sharp shadow of a thing close by."""
    grey = photo(on_sheet(digit, rng), rng, ink=190, shade=0.15)
    h, w = grey.shape
    down, right = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.7, 0.7)
    dark = np.cos(angle) * down + np.sin(angle) * right > offset
    return grey * (1 - rng.uniform(0.2, 0.5) * ndimage.gaussian_filter(dark.astype(float), 1))


def nothing_in_a_shadow(digit, rng):
    return in_a_shadow(np.zeros_like(digit), rng)


def on_lines(digit, rng):
    """On ruled or squared paper."""
    coverage = on_sheet(digit, rng)
    pitch, level = int(rng.integers(20, 60)), rng.uniform(0.1, 0.25)
    lines = np.zeros_like(coverage)
    lines[int(rng.integers(pitch)) :: pitch] = level
    if rng.random() < 0.5:
        lines[:, int(rng.integers(pitch)) :: pitch] = level
    return photo(np.maximum(coverage, lines), rng)


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "drawn": drawn,
    "photographed": photographed,
    "in strong light": in_strong_light,
    "in a shadow": in_a_shadow,
    "in a sharp shadow": in_a_sharp_shadow,
    "with a dark edge": with_a_dark_edge,
    "cut out, no margin": cut_out(0),
    "cut out, margin 5 %": cut_out(0.05),
    "cut out, margin 25 %": cut_out(0.25),
    "cut out, 16 x 16": cut_out_small,
    "cut out of a photo": cut_out_of_a_photo,
    "faint": faint,
    "uneven": uneven,
    "faint with a blot": with_a_blot,
    "framed": framed,
    "framed, a photo": framed_photo,
    "on lines": on_lines,
    BLANK: nothing_in_a_shadow,
}


def drawing(kind: str, digit: np.ndarray, number: int) -> Image.Image:
    """One drawing of a kind, mode L."""
    rng = np.random.default_rng([42, [*KINDS].index(kind), number])
    return Image.fromarray(np.rint(KINDS[kind](digit, rng)).clip(0, 255).astype(np.uint8))


def main() -> None:
    make_parser("python -m benchmarks.reading", __doc__).parse_args()
    digits = evaluation_digits(RAW, "validation", 5000)
    network = load_network()
    rows = []
    for kind in tqdm(KINDS, "kinds", leave=False, disable=None):
        images, labels, several = [], [], 0
        for number in range(COUNT):
            try:
                reading = to_mnist(drawing(kind, digits.images[number], number))
            except PictureError:
                continue
            images.append(reading.image)
            labels.append(digits.labels[number])
            several += reading.several
        refused = COUNT - len(labels)
        right = refused
        if kind != BLANK:
            right = (predict(network, np.stack(images)).argmax(axis=1) == labels).sum()
        rows.append((kind, right / COUNT, refused / COUNT, several / COUNT))
    table = pd.DataFrame(rows, columns=["drawings", "right", "refused", "taken for several digits"])
    print(table.to_markdown(index=False, floatfmt=".1%"))


if __name__ == "__main__":
    run(main)
