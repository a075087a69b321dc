"""Geometry: the digit shrunk and moved (`reposition`), turned, leant, scaled, shifted, or all of that."""

from typing import Annotated

import numpy as np
from numpy.random import Generator

from mnist_moved.data.idx import SIDE
from mnist_moved.perturbations.contract import (
    Between,
    Images,
    Strength,
    flat_index,
    per_image,
    perturbation,
    rounded,
    to_uint8,
)


@perturbation
def reposition(
    images: Images, rng: Generator, canvas: Annotated[float, Between(28, 280, "pixels")] = 56.0
) -> Images:
    """Lay the image at a random place on an empty canvas, then shrink that to 28 x 28 by area averaging.

    canvas: side of the canvas, in pixels. The image comes out at 28 / canvas of its size.

    The place is drawn uniformly from all at which the image fits: at whole pixels of a canvas of a whole
    number of pixels, anywhere on any other.
    """
    canvas = np.full(len(images), canvas, float)
    return place(images, canvas, *_anywhere(rng.random((len(images), 2)).T, canvas))


def _anywhere(share: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    """Turn numbers drawn from 0 to 1, (2, n), into upper left corners of images that fit onto each canvas."""
    room = canvas - SIDE
    return np.where(canvas % 1 == 0, np.floor(share * (np.floor(room) + 1)), share * room)


def place(images: np.ndarray, canvas: np.ndarray, top: np.ndarray, left: np.ndarray) -> Images:
    """Do what `reposition` does at a given place, with images (n, side, side).

    canvas: float (n,), side of each canvas in pixels; top, left: float (n,), where on it the upper left
    corner of the image lies, in pixels. What lies beside the canvas is lost.

    The canvas is never built: area averaging is linear and separable, so that the result is, but for a
    factor, R @ image @ C.T, where R[o, i] is the share of input row i that lies within output row o, and C
    the same for columns.
    """
    rows, columns = (_shares(start, canvas, images.shape[1]) for start in (top, left))
    shrunk = rows @ images.astype(float) @ columns.swapaxes(1, 2)
    # Last, because sums of whole pixels are exact: rounding errors cannot tip a half up or down.
    shrunk *= per_image((SIDE / canvas) ** 2)
    return to_uint8(shrunk)


def _shares(start: np.ndarray, canvas: np.ndarray, side: int) -> np.ndarray:
    """Return the share of input pixel i that lies within output pixel o, along one axis: float64 (n, 28,
    side).

    start, canvas: float (n,), in pixels of the canvas, on which an output pixel is canvas / 28 long and the
    first input pixel begins at `start`.
    """
    borders = np.arange(SIDE + 1) * canvas[:, None] / SIDE - start[:, None]
    # The share of each input pixel before each border; between two borders lies an output pixel. On a
    # canvas of 280 it has 100 input pixels: the sum, with these 19 bits twice, needs all 53 of float64.
    before = rounded(borders, 19)[:, :, None] - np.arange(side)
    np.clip(before, 0, 1, out=before)
    return before[:, 1:] - before[:, :-1]


@perturbation
def rotate(images: Images, rng: Generator, degrees: Annotated[float, Between(0, 180)] = 30.0) -> Images:
    """Turn the image about its centre, one way or the other."""
    degrees = degrees * _signs(rng, len(images), 1)[0]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return _resample(images, row=(cosine, sine, 0), column=(-sine, cosine, 0))


@perturbation
def shear(images: Images, rng: Generator, degrees: Annotated[float, Between(0, 60)] = 23.0) -> Images:
    """Slide rows sideways, so that upright strokes lean by this angle to one side or the other."""
    degrees = degrees * _signs(rng, len(images), 1)[0]
    return _resample(images, row=(1, 0, 0), column=(np.tan(np.radians(degrees)), 1, 0))


@perturbation
def scale(images: Images, rng: Generator, factor: Annotated[float, Between(0.2, 1.4)] = 0.7) -> Images:
    """Shrink (factor < 1) or enlarge (factor > 1) the image about its centre."""
    inverse = 1 / np.asarray(factor, float)
    return _resample(images, row=(inverse, 0, 0), column=(0, inverse, 0))


@perturbation
def translate(images: Images, rng: Generator, pixels: Annotated[float, Between(0, 14)] = 3.0) -> Images:
    """Move the image this far along both axes, in one of the four diagonal directions."""
    down, right = pixels * _signs(rng, len(images), 2)
    return _resample(images, row=(1, 0, -down), column=(0, 1, -right))


@perturbation
def affine(
    images: Images,
    rng: Generator,
    canvas: Annotated[float, Between(28, 280, "pixels")] = 40.0,
    degrees: Annotated[float, Between(0, 180)] = 20.0,
    shear: Annotated[float, Between(0, 0.5, "of the height")] = 0.2,
    scale: Annotated[float, Between(0, 0.5, "of the size")] = 0.2,
) -> Images:
    """Scale each axis by its own factor, shear, turn, and then do what `reposition` does.

    The factors are drawn uniformly from 1 - scale to 1 + scale, how far the digit leans, in parts of its
    height, from -shear to shear, the angle from -degrees to degrees. By default this is the task of affNIST
    (Tieleman 2013), but for the canvas, which is shrunk here.
    """
    canvas = np.full(len(images), canvas, float)
    drawn = rng.random((len(images), 6)).T
    lean, high, wide, turn = 2 * drawn[2:] - 1
    lean, high, wide, turn = shear * lean, 1 + scale * high, 1 + scale * wide, np.radians(degrees * turn)
    cosine, sine = np.cos(turn), np.sin(turn)
    margin = SIDE // 4  # the digit may reach out of its image
    row = (cosine / high, sine / high, 0)
    column = ((-sine - lean * cosine) / wide, (cosine - lean * sine) / wide, 0)
    mapped = _resample(images, row, column, SIDE + 2 * margin)
    return place(mapped, canvas, *_anywhere(drawn[:2], canvas) - margin)


def _signs(rng: Generator, n: int, count: int) -> Images:
    """Draw `count` signs an image: float64, shape (count, n), -1 or 1."""
    return np.where(rng.random((n, count)) < 0.5, -1.0, 1.0).T


def _resample(
    images: Images, row: tuple[Strength, ...], column: tuple[Strength, ...], side: int = SIDE
) -> np.ndarray:
    """Map the images affinely onto images (n, side, side): bilinear interpolation, black outside.

    row, column: (a, b, c), each a number or shape (n,). With y and x counted from the centre of either image,
    output pixel (y, x) shows the image at row a * y + b * x + c, and the same for columns.
    """
    # A frame of zeros: coordinates outside the image are clipped into it.
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 2), (1, 2)))
    row, row_part = _whole_and_part(*map(per_image, row), side)
    column, column_part = _whole_and_part(*map(per_image, column), side)
    index = flat_index(row, column, padded)
    below = padded.shape[1]
    upper = padded.take(index)
    upper += column_part * (padded.take(index + 1) - upper)
    lower = padded.take(index + below)
    lower += column_part * (padded.take(index + below + 1) - lower)
    return to_uint8(upper + row_part * (lower - upper))


def _whole_and_part(a: np.ndarray, b: np.ndarray, c: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a * y + b * x + c as an index into the padded image, rounded down, and the remainder."""
    from_centre = np.arange(side, dtype=np.float32) - (side - 1) / 2
    coordinate = a * from_centre[:, None] + (b * from_centre + (c + (SIDE - 1) / 2 + 1))
    np.clip(coordinate, 0, SIDE + 1, out=coordinate)
    whole = np.floor(coordinate)
    return whole, coordinate - whole
