"""Images and labels of any layout brought to that of the data set: what it is, is found out or set, and said.

Grey levels on any scale, black on white, transposed, of another size; labels one-hot, from 1, or by name.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from mnist_moved.command import UserError
from mnist_moved.data.datasets import BOX, CANVAS, MNIST, Dataset, Layout
from mnist_moved.data.formats import Found, side_of
from mnist_moved.data.idx import CLASSES, SIDE, Digits
from mnist_moved.data.ink import border
from mnist_moved.data.pictures import MIN_SIDE, lay_out

SCALES = ((0, 1), (-0.5, 0.5), (-1, 1), (0, 16), (0, 255), (0, 65535))  # of grey
SLACK = 0.2  # of a scale, by which resampled images may exceed it
LIKE = 0.3  # a mean correlation: a dozen digits are as much like scikit-learn's, thousands much more
FILLED = 0.85  # of an image's side: digits that are longer were cut out to fill it


def bring(found: Found, layout: Layout, dataset: Dataset) -> tuple[Digits, str]:
    """Bring images and labels to the form of the data set, and say in a line how.

    Raises UserError if there are not as many labels as images, or others than the ten classes.
    """
    labels = to_labels(found.labels, dataset)
    images = to_greys(found.images, len(labels[0].labels))
    low, high = layout.levels or scale_of(images)
    ink = np.clip((images - np.float32(low)) / np.float32(high - low), 0, 1)
    reading = find_reading(ink, labels, layout, dataset)
    said = [f"{len(ink):,} images of {' x '.join(map(str, ink.shape[1:]))}", f"grey from {low:g} to {high:g}"]
    if reading.inverted:
        ink = 1 - ink
        said.append("black on white")
    if reading.transposed:
        ink = ink.swapaxes(1, 2)
        said.append("transposed")
    if ink.shape[1:] == (SIDE, SIDE) and layout.fit is None:
        images = np.rint(255 * ink).astype(np.uint8)
    else:
        fit = layout.fit or fit_of(ink)
        images = np.stack([lay_out(each, dataset.box) if fit == BOX else shrink(each) for each in ink])
        box = f"a box of {dataset.box} pixels, centred by mass"
        said.append(
            f"each scaled to {box} (fit: {BOX})" if fit == BOX else f"all scaled alike (fit: {CANVAS})"
        )
    return Digits(images, reading.labels.labels), ", ".join(filter(None, [*said, reading.labels.said]))


class Labels(NamedTuple):
    """Labels, uint8 (n,), and what had to be done for them."""

    labels: np.ndarray
    said: str = ""


class Reading(NamedTuple):
    """One way to read images and labels, and how much like scikit-learn's digits they are then."""

    labels: Labels
    inverted: bool
    transposed: bool
    likeness: float = 0


def find_reading(ink: np.ndarray, ways: Sequence[Labels], layout: Layout, dataset: Dataset) -> Reading:
    """Choose among the ways to read images and labels those that layout leaves open.

    Digits are compared with those of scikit-learn, class by class: the plain way, with the first of the
    labels, is taken unless another one is clearly more like them. Images of 28 x 28 pixels are black on white
    only if nearly all of their border is light, as perturbed ones may be light in part.
    """
    all_light = bool((ink[:, border(ink[0])] > 0.5).mean() > 0.95)
    if dataset.classes != MNIST.classes or ink.shape[1] != ink.shape[2]:
        inverted = all_light if layout.inverted is None else layout.inverted
        return Reading(ways[0], inverted, bool(layout.transposed))
    may_be_inverted = all_light or ink.shape[1:] != (SIDE, SIDE)
    inverted_ways = [False, True] if may_be_inverted else [False]
    if layout.inverted is not None:
        inverted_ways = [layout.inverted]
    transposed_ways = [False, True] if layout.transposed is None else [layout.transposed]
    readings = []
    for labels in ways:
        upright, swapped = likeness(ink, labels.labels)
        for inverted, transposed in itertools.product(inverted_ways, transposed_ways):
            like = (swapped if transposed else upright) * (-1 if inverted else 1)
            readings.append(Reading(labels, inverted, transposed, like))
    plain, best = readings[0], max(readings, key=lambda reading: reading.likeness)
    return best if best.likeness > max(plain.likeness + 0.05, LIKE) else plain


def likeness(ink: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The mean correlation, over the classes, of mean images with those of scikit-learn's digits: as is,
    and with rows and columns swapped."""
    digits = load_digits()
    margin = 2 if fit_of(ink) == CANVAS else 0
    found = []
    for label in np.unique(labels):
        theirs = np.pad(digits.images[digits.target == label].mean(axis=0), margin)
        theirs = np.asarray(Image.fromarray(np.float32(theirs)).resize(ink.shape[1:]))
        ours = ink[labels == label].mean(axis=0)
        if ours.std():
            found.append([np.corrcoef(each.ravel(), theirs.ravel())[0, 1] for each in (ours, ours.T)])
    return tuple(np.mean(found, axis=0)) if found else (0, 0)


def to_greys(images: np.ndarray, count: int) -> np.ndarray:
    """Images as (n, h, w), if there are as many as labels."""
    if images.shape[0] != count and images.shape[-1] == count:
        images = np.moveaxis(images, -1, 0)
    shape = images.shape
    if shape[0] != count:
        raise UserError(f"expected a label for each image, found images of {shape} and {count:,} labels")
    if images.ndim == 4 and shape[1] in (1, 3) and shape[2] == shape[3]:
        images = np.moveaxis(images, 1, -1)
    if images.ndim == 4 and images.shape[-1] in (1, 3):
        images = images.mean(axis=-1, dtype=np.float32)
    pixels = math.prod(images.shape[1:])
    if min(images.shape[1:], default=0) == 1 or images.ndim == 2:  # in a row, or in a column
        images = images.reshape(count, side_of(pixels), -1) if side_of(pixels) else images
    if images.ndim != 3 or min(images.shape[1:]) < MIN_SIDE:
        raise UserError(
            f"expected images of at least {MIN_SIDE} x {MIN_SIDE} pixels, found an array of {shape}"
        )
    if not np.isfinite(images).all():
        wrong = np.count_nonzero(~np.isfinite(images).all(axis=(1, 2)))
        raise UserError(f"expected levels of grey, found numbers that are not finite in {wrong:,} images")
    return images


def to_labels(labels: np.ndarray, dataset: Dataset) -> list[Labels]:
    """The ways in which labels may be meant, the likeliest first."""
    labels = np.atleast_1d(np.squeeze(labels))
    said = ""
    if labels.ndim == 2:
        one_hot = [
            axis for axis in (1, 0) if labels.shape[axis] == CLASSES and (labels.sum(axis=axis) == 1).all()
        ]
        if one_hot:
            labels, said = labels.argmax(axis=one_hot[0]), "labels one-hot"
        elif labels.shape[1] == 8:  # QMNIST: class, series, writer, ...
            labels = labels[:, 0]
    if labels.ndim != 1 or not labels.size:
        raise UserError(f"expected labels (n,) or one-hot (n, {CLASSES}), found an array of {labels.shape}")
    if labels.dtype.kind not in "iufb":
        return [Labels(by_name(labels, dataset), "labels by name")]
    found = sorted(set(labels.tolist()))
    if found[0] == 1 and found[-1] == CLASSES:
        from_one = Labels((labels - 1).astype(np.uint8), "labels from 1")
        if dataset.classes != MNIST.classes:
            return [from_one]
        return [Labels((labels % CLASSES).astype(np.uint8), "label 10 is a zero"), from_one]
    if found[0] < 0 or found[-1] >= CLASSES or any(each % 1 for each in found):
        some = ", ".join(f"{each:g}" for each in found[:12]) + (" ..." if len(found) > 12 else "")
        raise UserError(
            f"expected labels of {CLASSES} classes, 0 to 9 or 1 to 10, found {len(found)}: {some}"
        )
    return [Labels(labels.astype(np.uint8), said)]


def by_name(labels: np.ndarray, dataset: Dataset) -> np.ndarray:
    names = {name.casefold(): label for label, name in enumerate(dataset.classes)}
    names |= {str(label): label for label in range(CLASSES)}
    said = [each.decode() if isinstance(each, bytes) else str(each) for each in labels]
    if unknown := sorted({each for each in said if each.casefold() not in names}):
        raise UserError(f"expected labels {', '.join(dataset.classes)}, found {', '.join(unknown[:5])}")
    return np.array([names[each.casefold()] for each in said], np.uint8)


def scale_of(images: np.ndarray) -> tuple[float, float]:
    """The narrowest scale of grey that holds the images; their own ends, if none does."""
    low, high = float(images.min()), float(images.max())
    if low == high:
        raise UserError(f"expected images, found the level {low:g} everywhere")
    if images.dtype == np.uint8 and high > 16:
        return 0, 255
    for start, end in SCALES:
        slack = SLACK * (end - start) if end == 1 else 0
        if start - slack <= low and high <= end + slack:
            return start, end
    return low, high


def fit_of(ink: np.ndarray) -> str:
    """Do most digits fill their images, so that each is to be scaled by itself, or lie on a canvas?"""
    rows, columns = ((ink > 0.5).any(axis=axis) for axis in (2, 1))
    longest = [
        max(np.ptp(np.flatnonzero(side)) + 1 for side in sides)
        for sides in zip(rows, columns, strict=True)
        if sides[0].any()
    ]
    return BOX if not longest or np.median(longest) >= FILLED * max(ink.shape[1:]) else CANVAS


def shrink(ink: np.ndarray) -> np.ndarray:
    """Scale an image as it is, margins and all, to uint8 (28, 28): by area, if it is larger."""
    missing = np.subtract(max(ink.shape), ink.shape)
    square = np.pad(ink, [(each // 2, each - each // 2) for each in missing])
    way = Image.Resampling.BOX if len(square) > SIDE else Image.Resampling.BICUBIC
    scaled = np.asarray(Image.fromarray(np.float32(square)).resize((SIDE, SIDE), way))
    return np.rint(255 * scaled.clip(0, 1)).astype(np.uint8)
