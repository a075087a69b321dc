"""Pieces of connected ink, and which of them make a digit: ink in, digits in reading order out."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

MIN_DIGIT = 0.2  # of the height of a picture: what is lower is no digit, if there is something else
SMALL = 0.6  # of the height of most digits: what is lower is part of one, or none
NEIGHBOURS = np.ones((3, 3))


class Blots(NamedTuple):
    """Pieces of connected ink."""

    numbers: np.ndarray  # int (h, w): which piece a pixel is of; 0 = paper
    area: np.ndarray  # int (pieces + 1,): pixels of each, 0 of the paper
    boxes: np.ndarray  # int (pieces + 1, 4): top, left, bottom and right of each, 0 of the paper


def find_blots(ink: np.ndarray) -> Blots:
    """Number the pieces of what is more ink than paper; ink: float (h, w), 0 = paper, 1 = ink."""
    numbers, _ = ndimage.label(ink > 0.5, structure=NEIGHBOURS)
    area = np.bincount(numbers.ravel())
    area[0] = 0
    boxes = [
        (rows.start, columns.start, rows.stop, columns.stop)
        for rows, columns in ndimage.find_objects(numbers)
    ]
    return Blots(numbers, area, np.array([(0, 0, 0, 0), *boxes]))


def without_frame(ink: np.ndarray) -> np.ndarray:
    """Take away what touches the border, such as lines of a form or the edge of a table, if something of a
    digit's size does not."""
    numbers, _, boxes = find_blots(ink)
    at_border = (boxes[:, :2] == 0).any(axis=1) | (boxes[:, 2:] == ink.shape).any(axis=1)
    at_border[0] = False
    large = heights(boxes) >= MIN_DIGIT * ink.shape[0]
    if not (large & ~at_border).any():
        return ink
    return np.where(ndimage.binary_dilation(at_border[numbers], NEIGHBOURS), 0, ink)


def find_digits(ink: np.ndarray) -> list[list[np.ndarray]]:
    """Find the digits of a page, rows from top to bottom and in each from left to right: the numbers of the
    pieces that make one.

    Pieces are of one digit if they lie close above each other, or one in the other, or if one is small and
    close to no other as much. What is far smaller or larger than most, or has little ink, is none.
    """
    _, area, boxes = find_blots(ink)
    if area.size < 2:
        return []
    area, boxes = area[1:], boxes[1:]
    _, group = connected_components(belong_together(boxes, typical(heights(boxes), area)))
    groups = [np.flatnonzero(group == number) for number in range(group.max() + 1)]
    hulls = np.array([(*boxes[each, :2].min(axis=0), *boxes[each, 2:].max(axis=0)) for each in groups])
    inks = np.array([area[each].sum() for each in groups])
    longest = (hulls[:, 2:] - hulls[:, :2]).max(axis=1)
    share = longest / typical(longest, inks)
    digits = np.flatnonzero((share >= SMALL) & (share <= 3) & (inks >= typical(inks, inks) / 5))
    return [[1 + groups[digits[each]] for each in row] for row in in_rows(hulls[digits])]


def heights(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 2] - boxes[:, 0]


def typical(values: np.ndarray, ink: np.ndarray) -> float:
    """The value that half of the ink does not exceed: specks may be many, but have little of it."""
    order = np.argsort(values)
    return values[order][np.searchsorted(np.cumsum(ink[order]), ink.sum() / 2)]


def belong_together(boxes: np.ndarray, height: float) -> np.ndarray:
    """Which pieces are of one digit with which others: bool (n, n)."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    first, second = boxes[:, None], boxes[None]
    overlap = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    share = overlap / np.minimum(sizes[:, None], sizes[None])  # of the smaller one's rows and columns
    above = (share[..., 0] < 0.3) & (share[..., 1] >= 0.5)
    inside = (share >= 0.8).all(axis=2)
    gap = -overlap.min(axis=2)
    np.fill_diagonal(gap, np.iinfo(gap.dtype).max)
    nearest = np.arange(len(boxes)) == gap.argmin(axis=1)[:, None]
    small = (sizes[:, 0] < SMALL * height)[:, None] & nearest
    return (gap <= 0.25 * height) & (above | inside | small)


def in_rows(boxes: np.ndarray) -> list[list[int]]:
    """The numbers of boxes in reading order: a box goes on the row of the nearest one on its left that its
    middle lies beside."""
    middles = boxes[:, :2] + boxes[:, 2:]  # twice
    rows: list[list[int]] = []
    for number in np.argsort(middles[:, 1]):
        beside = [row for row in rows if 2 * boxes[row[-1], 0] <= middles[number, 0] <= 2 * boxes[row[-1], 2]]
        if beside:
            max(beside, key=lambda row: middles[row[-1], 1]).append(number)
        else:
            rows.append([number])
    return sorted(rows, key=lambda row: middles[row, 0].mean())


def crop(ink: np.ndarray) -> np.ndarray:
    """Cut ink out by its bounding box, without specks: blots of less than a tenth of the largest's area."""
    numbers, area, _ = find_blots(ink)
    return cut_out(ink, numbers, area >= area.max() / 10)


def cut_out(ink: np.ndarray, numbers: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Cut the chosen pieces out by their bounding box; chosen: bool (pieces + 1,)."""
    digit = chosen[numbers]
    [box] = ndimage.find_objects(digit.astype(int))
    return (ink * ndimage.binary_dilation(digit, NEIGHBOURS))[box]
