"""Pieces of connected ink, and which of them make a digit: ink in, digits in reading order out."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

from mnist_moved.data.ink import PictureError

MIN_DIGIT = 0.2  # of the height of a picture: what is lower is no digit, if there is something else
MIN_PIXELS = 8  # of height: of anything that is looked at inside of a frame
IN_FRAME, IN_GRID = 0.3, 4  # what a frame holds: a thing of this share of its height, or so many things
SPECK, MAX_PIECES = 0.1, 2000  # of the size of most pieces; of a page
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
    digit's size does not; and what has such things in it, such as a frame or a grid."""
    numbers, _, boxes = find_blots(ink)
    tall = np.flatnonzero(heights(boxes) >= MIN_PIXELS)
    outer, inner = boxes[tall, None], boxes[None, tall]
    within = ((outer[..., :2] < inner[..., :2]) & (inner[..., 2:] < outer[..., 2:])).all(axis=2)
    holds = (within & (heights(inner[0]) >= IN_FRAME * heights(boxes[tall])[:, None])).any(axis=1)
    frame = np.zeros(len(boxes), bool)
    frame[tall] = holds | (within.sum(axis=1) >= IN_GRID)
    at_border = (boxes[:, :2] == 0).any(axis=1) | (boxes[:, 2:] == ink.shape).any(axis=1)
    if (~frame & ~at_border & (heights(boxes) >= MIN_DIGIT * ink.shape[0])).any():
        frame |= at_border
    frame[0] = False
    return np.where(ndimage.binary_dilation(frame[numbers], NEIGHBOURS), 0, ink) if frame.any() else ink


def find_sheet(ink: np.ndarray) -> tuple[slice, slice] | None:
    """Where a sheet of paper lies on something of another shade, which was taken for the paper; None if none
    does: the largest piece fills its bounding box, but for strokes in it."""
    numbers, area, boxes = find_blots(ink)
    largest = area.argmax()
    top, left, bottom, right = boxes[largest]
    sheet = numbers[top:bottom, left:right] == largest
    filled = ndimage.binary_fill_holes(sheet)
    strokes = (filled & ~sheet).mean()
    if filled.mean() < 0.88 or not 0.003 <= strokes <= 0.25:
        return None
    edge = round(0.03 * max(sheet.shape))
    return slice(top + edge, bottom - edge), slice(left + edge, right - edge)


def find_digits(ink: np.ndarray) -> list[list[np.ndarray]]:
    """Find the digits of a page, rows from top to bottom and in each from left to right: the numbers of the
    pieces that make one. Raises PictureError if there are thousands.

    Pieces are of one digit if they lie close above each other, or one in the other, or if one is small and
    close to no other as much. What is far smaller or larger than most, or has little ink, is none.
    """
    _, area, boxes = find_blots(ink)
    if area.size < 2:
        return []
    # Specks have no part in it, and may be many.
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    pieces = np.flatnonzero(sides >= SPECK * typical(sides, area))
    if len(pieces) > MAX_PIECES:
        raise PictureError(
            f"expected at most {MAX_PIECES:,} pieces of ink, found {len(pieces):,}; show less at once"
        )
    area, boxes = area[pieces], boxes[pieces]
    _, group = connected_components(belong_together(boxes, typical(heights(boxes), area)))
    groups = [np.flatnonzero(group == number) for number in range(group.max() + 1)]
    hulls = np.array([(*boxes[each, :2].min(axis=0), *boxes[each, 2:].max(axis=0)) for each in groups])
    inks = np.array([area[each].sum() for each in groups])
    longest = (hulls[:, 2:] - hulls[:, :2]).max(axis=1)
    share = longest / typical(longest, inks)
    digits = np.flatnonzero((share >= SMALL) & (share <= 3) & (inks >= typical(inks, inks) / 5))
    return [[pieces[groups[digits[each]]] for each in row] for row in in_rows(hulls[digits])]


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
    [box] = ndimage.find_objects(digit.astype(np.uint8))
    return ink[box] * ndimage.binary_dilation(digit[box], NEIGHBOURS)
