"""How many drawings of digits, spoilt as pictures of them are, are read and named right.

    python -m benchmarks.reading    # two minutes

The drawings are made of validation digits, which are never trained on. With them the reading of pictures
(mnist_moved/data/pictures.py) was chosen; `python -m benchmarks.wild` then tries it on real pictures.
"""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from mnist_moved.command import make_parser, run
from mnist_moved.data.idx import Digits, evaluation_digits
from mnist_moved.data.pictures import PictureError, read_page, to_mnist
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.paths import RAW

BLANK = "blank paper in a shadow"  # of which being refused is right
COUNT, PAGES = 400, 60  # drawings of each kind

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


def with_a_stroke(digit: np.ndarray, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """A drawing with a straight stroke more; its ends are rows and columns, as shares of the digit."""
    coverage = cut(pen(digit, 200))
    size, margin = np.array(coverage.shape), 100
    width = 2 * np.percentile(ndimage.distance_transform_edt(coverage > 0.5)[coverage > 0.5], 90)
    coverage = np.pad(coverage, margin)
    first, last = (np.array(point) * size + margin for point in (start, end))
    place = np.moveaxis(np.indices(coverage.shape), 0, -1) - first
    along = np.clip(place @ (last - first) / ((last - first) @ (last - first)), 0, 1)
    distance = np.linalg.norm(place - along[..., None] * (last - first), axis=-1)
    return 255 * (1 - np.maximum(coverage, np.clip((width + 1) / 2 - distance, 0, 1)))


def slashed(digit, rng):
    beyond = rng.uniform(0, 0.2)
    return with_a_stroke(digit, (1 + beyond, -beyond), (-beyond, 1 + beyond))


def crossed(digit, rng):
    row, slope = rng.uniform(0.4, 0.6), rng.uniform(-0.05, 0.05)
    return with_a_stroke(digit, (row + slope, 0.1), (row - slope, 1))


def with_an_upstroke(digit, rng):
    coverage = cut(pen(digit, 200))
    top = np.flatnonzero(coverage[len(coverage) // 50] > 0.5).mean() / coverage.shape[1]
    length, angle = rng.uniform(0.3, 0.5), rng.uniform(0.4, 0.9)  # of the height; radians
    aside = length * np.sin(angle) * coverage.shape[0] / coverage.shape[1]
    return with_a_stroke(digit, (0.02, top), (0.02 + length * np.cos(angle), top - aside))


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
    "slashed zeros": slashed,
    "crossed sevens": crossed,
    "ones with an upstroke": with_an_upstroke,
}
OF = {"slashed zeros": 0, "crossed sevens": 7, "ones with an upstroke": 1}  # the digit that a kind is made of


def drawing(kind: str, digit: np.ndarray, number: int) -> Image.Image:
    """One drawing of a kind, mode L."""
    rng = np.random.default_rng([42, [*KINDS].index(kind), number])
    return Image.fromarray(np.rint(KINDS[kind](digit, rng)).clip(0, 255).astype(np.uint8))


def page(digits: Digits, number: int) -> tuple[Image.Image, list[list[int]]]:
    """A photo of two to five slanted rows of three to eight digits, and their labels."""
    rng = np.random.default_rng([43, number])
    height, slope = int(rng.integers(60, 110)), rng.uniform(-0.05, 0.05)
    rows, columns = rng.integers((2, 3), (6, 9))
    sheet = np.zeros((int((rows + 1.5) * 1.7 * height), int((columns + 2) * 1.6 * height)))
    labels: list[list[int]] = []
    for row in range(rows):
        labels.append([])
        left = height
        for chosen in rng.integers(len(digits.labels), size=columns):
            digit = cut(pen(digits.images[chosen], int(height * rng.uniform(0.8, 1.1))))
            top = int((row + 0.75) * 1.7 * height + rng.uniform(-0.1, 0.1) * height + slope * left)
            part = sheet[top : top + digit.shape[0], left : left + digit.shape[1]]  # a view
            np.maximum(part, digit, out=part)
            labels[-1].append(int(digits.labels[chosen]))
            left += digit.shape[1] + int(rng.uniform(0.15, 0.6) * height)
    return Image.fromarray(np.rint(photo(sheet, rng)).clip(0, 255).astype(np.uint8)), labels


def main() -> None:
    make_parser("python -m benchmarks.reading", __doc__).parse_args()
    digits = evaluation_digits(RAW, "validation", 5000)
    network = load_network()
    rows = []
    for kind in tqdm(KINDS, "kinds", leave=False, disable=None):
        chosen = np.flatnonzero(digits.labels == OF[kind]) if kind in OF else np.arange(len(digits.labels))
        images, labels, several = [], [], 0
        for number in chosen[:COUNT]:
            try:
                reading = to_mnist(drawing(kind, digits.images[number], int(number)))
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

    found, right, total = 0, 0, 0
    for number in tqdm(range(PAGES), "pages", leave=False, disable=None):
        picture, labels = page(digits, number)
        content = io.BytesIO()
        picture.save(content, "PNG")
        rows = read_page(content.getvalue())
        total += sum(map(len, labels))
        if [*map(len, rows)] == [*map(len, labels)]:
            found += 1
            images = np.stack([each.image for row in rows for each in row])
            right += (predict(network, images).argmax(axis=1) == np.concatenate(labels)).sum()
    print(
        f"\nOf {PAGES} pages, {found} were cut up rightly, and {right / total:.1%} of {total:,} digits read."
    )


if __name__ == "__main__":
    run(main)
