"""Blur: frosted glass, and a camera that moved."""

from typing import Annotated

import numpy as np
from numpy.random import Generator

from mnist_moved.data.idx import SIDE
from mnist_moved.perturbations.contract import (
    COLUMNS,
    PIXELS,
    ROWS,
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
def glass_blur(
    images: Images,
    rng: Generator,
    sigma: Annotated[float, Between(0, 3, "pixels")] = 0.7,
    displacement: Annotated[float, Between(0, 4, "pixels")] = 1.5,
) -> Images:
    """Look through frosted glass: blur, show at every pixel one near it, blur again.

    sigma: standard deviation of either Gaussian blur, in pixels.
    displacement: how far away the pixel shown may lie, along either axis, in pixels. Distances are drawn
        uniformly up to it and rounded to whole pixels.

    MNIST-C swaps neighbours one after another, each swap waiting for the last; here all pixels look up their
    neighbours at once, as the light through a pane of glass does.
    """
    blurred = rounded(blur(images, sigma), 8)
    chance = rng.random((len(images), 2, SIDE, SIDE), dtype=np.float32)
    offset = np.rint(per_image(displacement)[:, None] * (2 * chance - 1))
    row = np.clip(ROWS + offset[:, 0], 0, SIDE - 1)
    column = np.clip(COLUMNS + offset[:, 1], 0, SIDE - 1)
    return to_uint8(blur(blurred.take(flat_index(row, column, blurred)), sigma))


@perturbation
def motion_blur(images: Images, rng: Generator, pixels: Annotated[float, Between(0, 28)] = 7.0) -> Images:
    """Average the image along a straight path of this length, as if the camera moved during the exposure.

    The direction of the path is drawn within 45 degrees of horizontal, as in MNIST-C.
    """
    degrees = 90 * rng.random(len(images)) - 45
    slope = np.tan(np.radians(degrees)).astype(np.float32)[:, None]
    reach = per_image(pixels * np.cos(np.radians(degrees)) / 2)
    steps = int(np.ceil(np.max(reach, initial=0)))
    # A frame of zeros: rows outside the image are clipped into it.
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 2), (steps, steps)))
    number = np.arange(len(images))[:, None]
    total, weights = np.float32(0), np.float32(0)
    # No direction is steeper than 45 degrees, so one step a column leaves no gaps.
    for step in range(-steps, steps + 1):
        moved = padded[:, :, steps + step : steps + step + SIDE]
        row = np.clip(PIXELS + 1 - step * slope, 0, SIDE + 1)
        whole = row.astype(np.intp)
        upper, lower = moved[number, whole], moved[number, whole + 1]
        weight = np.clip(reach + 0.5 - abs(step), 0, 1)
        total += weight * (upper + (row - whole.astype(np.float32))[:, :, None] * (lower - upper))
        weights += weight
    return to_uint8(total / weights)


def blur(values: np.ndarray, sigma: Strength) -> np.ndarray:
    """Blur images, shape (n, 28, 28), by a Gaussian of this standard deviation, black outside: float64.

    Exact in any order for values of 16 bits, before and after the point together: 48 of float64's 53.
    """
    distance = np.abs(ROWS - COLUMNS).astype(float)
    weights = rounded(np.exp(-0.5 * (distance / np.maximum(per_image(sigma), 1e-3)) ** 2))
    # All rows are divided by what the middle one needs: near an edge, some light is spread out of the image.
    weights = rounded(weights / weights[:, SIDE // 2].sum(axis=1).reshape(-1, 1, 1))
    return weights @ values @ weights.swapaxes(1, 2)
