"""Light: too much of it, and fog."""

from typing import Annotated

import numpy as np
from numpy.random import Generator

from mnist_moved.data.idx import SIDE
from mnist_moved.perturbations.contract import (
    PIXELS,
    ROWS,
    Between,
    Images,
    per_image,
    perturbation,
    rounded,
    to_uint8,
)


@perturbation
def brightness(
    images: Images, rng: Generator, increase: Annotated[float, Between(0, 1, "of the full scale")] = 0.5
) -> Images:
    """Add this fraction of the full scale to every pixel."""
    return to_uint8(images + 255 * per_image(increase))


@perturbation
def fog(images: Images, rng: Generator, opacity: Annotated[float, Between(0, 1)] = 0.75) -> Images:
    """Mix the image with fog, which makes up this fraction of the light.

    The fog is fractal noise: half of it is one level for the whole image, a quarter varies from corner to
    corner, and each finer octave carries half as much as the one before.
    """
    sides = (1, 2, 3, 5, 9, 17)
    ends = np.cumsum(np.square(sides))
    noise = rounded(rng.random((len(images), ends[-1]), dtype=np.float32))
    density = 0.0
    for octave, (side, end) in enumerate(zip(sides, ends, strict=True), start=1):
        grid = noise[:, end - side**2 : end].reshape(-1, side, side)
        interpolate = rounded(np.maximum(1 - np.abs(ROWS * (side - 1) / (SIDE - 1) - PIXELS[:side]), 0))
        density += 0.5**octave * (interpolate @ grid @ interpolate.T)
    opacity = per_image(opacity)
    return to_uint8((1 - opacity) * images + opacity * 255 * density)
