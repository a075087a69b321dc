"""Filters: only how each pixel differs from its neighbours is left."""

from typing import Annotated

import numpy as np
from numpy.random import Generator

from mnist_moved.data.idx import SIDE
from mnist_moved.perturbations.blur import blur
from mnist_moved.perturbations.contract import Between, Images, per_image, perturbation, rounded, to_uint8


@perturbation
def random_filter(images: Images, rng: Generator, gain: Annotated[float, Between(1, 10)] = 2.0) -> Images:
    """See only how each pixel differs from its neighbours: what a random filter of mean zero answers.

    gain: how many times as strong as full ink the strongest answer of the image is, before it is cut off.

    The filter has 3 x 3 normal weights, less their mean; its answers count without their sign. The random
    filters of Xu et al. 2021 (arXiv 2007.13003), which are not of mean zero, keep the flat parts of an image.
    """
    weights = rounded(rng.standard_normal((len(images), 3, 3, 1, 1)))
    weights = (weights - weights.mean(axis=(1, 2), keepdims=True)).astype(np.float32)
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    answer = np.float32(0)
    for row, column in np.ndindex(3, 3):
        answer += weights[:, row, column] * padded[:, row : row + SIDE, column : column + SIDE]
    answer = np.abs(answer)
    strongest = np.maximum(answer.max(axis=(1, 2), keepdims=True), 1)
    return to_uint8(answer / strongest * 255 * per_image(gain))


@perturbation
def edges(images: Images, rng: Generator, sigma: Annotated[float, Between(0.5, 2, "pixels")] = 1.0) -> Images:
    """Keep only the outlines, as ink one pixel thick.

    sigma: standard deviation of the Gaussian blur that comes first, in pixels.

    The detector of Canny (1986, https://doi.org/10.1109/TPAMI.1986.4767851) without its hysteresis, as ink on
    paper has no faint edges to follow: a pixel is an edge if the blurred image is steep there, and steeper
    than at its neighbours uphill and downhill.
    """
    down, right = np.gradient(blur(images, sigma).astype(np.float32), axis=(1, 2))
    steepness = down**2 + right**2
    padded = np.pad(steepness, ((0, 0), (1, 1), (1, 1)))

    def steepest_along(row_step: int, column_step: int) -> np.ndarray:
        ahead = padded[:, 1 + row_step :, 1 + column_step :][:, :SIDE, :SIDE]
        behind = padded[:, 1 - row_step :, 1 - column_step :][:, :SIDE, :SIDE]
        # Of two neighbours equally steep, one is kept.
        return (steepness >= ahead) & (steepness > behind)

    # Uphill lies the neighbour whose direction is nearest: 22.5 degrees part it from the next.
    tangent = np.float32(np.tan(np.pi / 8))
    sideways, upright = np.abs(down) < tangent * np.abs(right), np.abs(right) < tangent * np.abs(down)
    steepest = np.select(
        [sideways, upright, down * right > 0],
        [steepest_along(0, 1), steepest_along(1, 0), steepest_along(1, 1)],
        steepest_along(1, -1),
    )
    least_steepness = 10**2  # 10 grey levels a pixel
    return np.where(steepest & (steepness > least_steepness), np.uint8(255), np.uint8(0))
