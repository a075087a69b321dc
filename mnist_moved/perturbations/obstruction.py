"""Obstruction: something lies on the digit, a stripe, mud, a line."""

from typing import Annotated

import numpy as np
from numpy.random import Generator

from mnist_moved.data.idx import SIDE
from mnist_moved.perturbations.blur import blur
from mnist_moved.perturbations.contract import (
    COLUMNS,
    ROWS,
    Between,
    Images,
    Strength,
    per_image,
    perturbation,
    rounded,
    to_uint8,
)


@perturbation
def stripe(images: Images, rng: Generator, pixels: Annotated[float, Between(0, 14)] = 7.0) -> Images:
    """Invert a stripe this wide along the left edge of the image, and another along the right."""
    middle_of_column = np.minimum(COLUMNS, SIDE - 1 - COLUMNS) + 0.5
    return np.where(middle_of_column < per_image(pixels), 255 - images, images)


@perturbation
def spatter(
    images: Images, rng: Generator, fraction: Annotated[float, Between(0, 0.9, "of the pixels")] = 0.15
) -> Images:
    """Cover this fraction of the image with blobs of mud: the peaks of smooth noise, in MNIST-C's grey."""
    noise = blur(rounded(rng.random(images.shape, dtype=np.float32)) - 0.5, sigma=1.5)
    ordered = np.sort(noise.reshape(-1, SIDE**2), axis=1)
    rank = ((1 - per_image(fraction)) * (SIDE**2 - 1)).astype(np.intp)
    threshold = np.take_along_axis(ordered, rank[:, 0], axis=1)[:, :, None]
    return np.where(noise > threshold, np.uint8(63), images)


@perturbation
def dotted_line(
    images: Images, rng: Generator, thickness: Annotated[float, Between(0, 8, "pixels")] = 2.0
) -> Images:
    """Draw a dotted line, so many pixels thick, from any row of the left edge to any of the right.

    Dots and gaps are two columns wide, as in MNIST-C.
    """
    left_row, right_row = (SIDE - 1) * rng.random((len(images), 2)).T
    slope = per_image((right_row - left_row) / (SIDE - 1))
    distance = np.abs(ROWS - per_image(left_row) - slope * COLUMNS) / np.sqrt(1 + slope**2)
    return np.where(COLUMNS % 4 < 2, images, _draw_line(images, distance, thickness))


@perturbation
def zigzag(
    images: Images, rng: Generator, thickness: Annotated[float, Between(0, 8, "pixels")] = 2.0
) -> Images:
    """Draw a zigzag line, so many pixels thick, from the left edge to the right.

    Its axis begins in any row and ends within 5 rows of that. The line swings 2 pixels to either side of the
    axis, to and fro every 8 pixels, as in MNIST-C.
    """
    left_share, rise_share = rng.random((len(images), 2)).T
    left_row, rise = (SIDE - 1) * left_share, 10 * rise_share - 5
    angle = np.arctan(rise / (SIDE - 1))
    cosine, sine = per_image(np.cos(angle)), per_image(np.sin(angle))
    below = ROWS - per_image(left_row)
    along, across = cosine * COLUMNS + sine * below, cosine * below - sine * COLUMNS
    swing = np.abs(along - 8 * np.floor(along / 8) - 4) - 2
    # The strokes stand at 45 degrees to the axis.
    distance = np.abs(across - swing) * np.float32(np.sqrt(0.5))
    return _draw_line(images, distance, thickness)


def _draw_line(images: Images, distance: np.ndarray, thickness: Strength) -> Images:
    """Add a line of ink to the images, given each pixel's distance from its middle, in pixels."""
    thickness = per_image(thickness)
    # A line thinner than a pixel cannot fill one.
    ink = np.clip(thickness / 2 + 0.5 - distance, 0, np.minimum(thickness, 1))
    return to_uint8(images + 255 * ink)
