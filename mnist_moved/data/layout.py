"""Images and labels of any layout brought to that of the data set: what it is, is found out or set, and said.

Grey levels on any scale, black on white, transposed, of another size; labels one-hot, from 1, or by name.
"""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from mnist_moved.command import UserError
from mnist_moved.data.datasets import BOX, CANVAS, MNIST, Dataset, Layout
from mnist_moved.data.formats import Found, side_of
from mnist_moved.data.idx import CLASSES, SIDE, Digits
from mnist_moved.data.ink import border
from mnist_moved.data.pictures import lay_out

SCALES = ((0, 255), (0, 1), (-1, 1), (0, 16), (-0.5, 0.5), (0, 65535))  # of grey, from paper to ink or back
FILLED = 0.85  # of an image's side: digits that are longer were cut out to fill it


def bring(found: Found, layout: Layout, dataset: Dataset) -> tuple[Digits, str]:
    """Bring images and labels to the form of the data set, and say in a line how.

    Raises UserError if there are not as many labels as images, or others than the ten classes.
    """
    labels, of_labels = to_labels(found.labels, dataset)
    images = to_greys(found.images, len(labels))
    if len(images) == 0:
        raise UserError(f"{found.names}: expected images, found none")
    low, high = layout.levels or scale_of(images)
    ink = np.clip((images - np.float32(low)) / np.float32(high - low), 0, 1)
    side = " x ".join(map(str, ink.shape[1:]))
    said = [f"{len(ink):,} images of {side}", f"grey from {low:g} to {high:g}"]
    inverted = ink[:, border(ink[0])].mean() > 0.5 if layout.inverted is None else layout.inverted
    if inverted:
        ink = 1 - ink
        said.append("black on white")
    transposed = layout.transposed
    if transposed is None:
        transposed = dataset.classes == MNIST.classes and looks_transposed(ink, labels)
    if transposed:
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
    return Digits(images, labels), ", ".join([*said, *of_labels])


def to_greys(images: np.ndarray, count: int) -> np.ndarray:
    """Images as (n, h, w), if there are as many as labels."""
    if images.shape[0] != count and images.shape[-1] == count:
        images = np.moveaxis(images, -1, 0)
    shape = images.shape
    if shape[0] != count:
        raise UserError(f"expected a label for each image, found images of {shape} and {count:,} labels")
    if images.ndim == 2 and side_of(shape[1]):
        return images.reshape(count, side_of(shape[1]), side_of(shape[1]))
    if images.ndim == 4 and shape[1] in (1, 3) and shape[2] == shape[3]:
        images = np.moveaxis(images, 1, -1)
    if images.ndim == 4 and images.shape[-1] in (1, 3):
        return images.mean(axis=-1, dtype=np.float32)
    if images.ndim != 3:
        raise UserError(
            f"expected images of h x w or of a square number of pixels, found an array of {shape}"
        )
    return images


def to_labels(labels: np.ndarray, dataset: Dataset) -> tuple[np.ndarray, list[str]]:
    """Labels as uint8 (n,), and what had to be done for it."""
    labels = np.squeeze(labels)
    said = []
    if labels.ndim == 2:
        one_hot = [
            axis for axis in (0, 1) if labels.shape[axis] == CLASSES and (labels.sum(axis=axis) == 1).all()
        ]
        if one_hot:
            labels, said = labels.argmax(axis=one_hot[0]), ["labels one-hot"]
        elif labels.shape[1] == 8:  # QMNIST: class, series, writer, ...
            labels = labels[:, 0]
    if labels.ndim != 1 or not labels.size:
        raise UserError(f"expected labels (n,) or one-hot (n, {CLASSES}), found an array of {labels.shape}")
    if labels.dtype.kind not in "iufb":
        return by_name(labels, dataset), [*said, "labels by name"]
    found = sorted(set(labels.tolist()))
    if found[0] == 1 and found[-1] == CLASSES:
        if dataset.classes == MNIST.classes:
            labels, said = labels % CLASSES, [*said, "label 10 is a zero"]
        else:
            labels, said = labels - 1, [*said, "labels from 1"]
    elif found[0] < 0 or found[-1] >= CLASSES or any(each % 1 for each in found):
        some = ", ".join(f"{each:g}" for each in found[:12]) + (" ..." if len(found) > 12 else "")
        raise UserError(
            f"expected labels of {CLASSES} classes, 0 to 9 or 1 to 10, found {len(found)}: {some}"
        )
    return labels.astype(np.uint8), said


def by_name(labels: np.ndarray, dataset: Dataset) -> np.ndarray:
    names = {name.casefold(): label for label, name in enumerate(dataset.classes)}
    names |= {str(label): label for label in range(CLASSES)}
    said = [each.decode() if isinstance(each, bytes) else str(each) for each in labels]
    if unknown := sorted({each for each in said if each.casefold() not in names}):
        raise UserError(f"expected labels {', '.join(dataset.classes)}, found {', '.join(unknown[:5])}")
    return np.array([names[each.casefold()] for each in said], np.uint8)


def scale_of(images: np.ndarray) -> tuple[float, float]:
    """The scale of grey whose ends are nearest to those of the images; theirs, if none is near."""
    low, high = float(images.min()), float(images.max())
    if low == high:
        raise UserError(f"expected images, found the level {low:g} everywhere")

    def distance(scale: tuple[float, float]) -> float:
        return max(abs(low - scale[0]), abs(high - scale[1])) / (scale[1] - scale[0])

    nearest = min(SCALES, key=distance)
    return nearest if distance(nearest) <= 0.25 else (low, high)


def looks_transposed(ink: np.ndarray, labels: np.ndarray) -> bool:
    """Are digits clearly more like those of scikit-learn, class by class, if rows and columns are swapped?"""
    if ink.shape[1] != ink.shape[2]:
        return False
    digits = load_digits()
    margin = 2 if fit_of(ink) == CANVAS else 0
    gain = 0.0
    for label in np.unique(labels):
        theirs = np.pad(digits.images[digits.target == label].mean(axis=0), margin)
        theirs = np.asarray(Image.fromarray(np.float32(theirs)).resize(ink.shape[1:]))
        ours = ink[labels == label].mean(axis=0)
        if ours.std():
            as_they_are, swapped = (
                np.corrcoef(each.ravel(), theirs.ravel())[0, 1] for each in (ours, ours.T)
            )
            gain += swapped - as_they_are
    return gain > 0.1 * len(np.unique(labels))


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
    way = Image.Resampling.BOX if min(ink.shape) > SIDE else Image.Resampling.BICUBIC
    scaled = np.asarray(Image.fromarray(np.float32(ink)).resize((SIDE, SIDE), way))
    return np.rint(255 * scaled.clip(0, 1)).astype(np.uint8)
