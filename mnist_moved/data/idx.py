"""Files of MNIST's form: what they are called, and how to read and write them.

IDX, their format: a big-endian 32-bit magic number, one 32-bit size per dimension, the values.
http://yann.lecun.com/exdb/mnist/ (LeCun, Cortes, Burges 1998) defines it.
"""

import math
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist_moved.command import UserError
from mnist_moved.files import whole_file

SIDE = 28  # pixels: of an image
CLASSES = 10

SPLITS = {  # split: (images, labels)
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Digits(NamedTuple):
    """Images, uint8 (n, 28, 28), 0 = background, 255 = ink; and their labels, uint8 (n,), 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MAGIC = {2051: (SIDE, SIDE), 2049: ()}  # uint8 images, uint8 labels: the shape of one of them

REMEDY = "Run `dvc repro download` to fetch it again."


def load_split(folder: str | Path, split: str) -> Digits:
    """Read `split`, "train" or "test".

    Raises UserError if a file is missing or malformed, if there are not as many labels as images, or if a
    label is not one of the ten.
    """
    image_file, label_file = (Path(folder, name) for name in SPLITS[split])
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.shape != (len(labels), SIDE, SIDE) or labels.ndim != 1:
        raise UserError(
            f"{image_file} and {label_file.name}: expected a label for each image of 28 x 28 pixels, "
            f"found arrays of {images.shape} and {labels.shape}. {REMEDY}"
        )
    if labels.max() >= CLASSES:
        raise UserError(f"{label_file}: expected labels from 0 to 9, found {labels.max()}. {REMEDY}")
    return Digits(images, labels)


def save_split(folder: Path, split: str, digits: Digits) -> None:
    """Write the two files of a split, "train" or "test"."""
    for name, array in zip(SPLITS[split], digits, strict=True):
        with whole_file(folder / name) as partial:
            partial.write_bytes(to_idx(array))


def held_out(digits: Digits, count: int) -> Digits:
    """Return the last `count` of the training digits: those that are never trained on.

    Raises UserError if that leaves none to train on.
    """
    there = len(digits.labels)
    if count >= there:
        raise UserError(
            f"params.yaml: train.validation_digits: got {count}; allowed: less than {there}, as many as the"
            " training set has"
        )
    return Digits(*(array[there - count :] for array in digits))


def evaluation_digits(folder: str | Path, split: str, validation_digits: int) -> Digits:
    """Read the digits to evaluate on: for "test" the test set, for "validation" the held-out training digits.

    validation_digits: how many of those there are. Raises UserError as `load_split` does.
    """
    if split == "validation":
        return held_out(load_split(folder, "train"), validation_digits)
    return load_split(folder, split)


def read_idx(path: str | Path) -> np.ndarray:
    """Read an uncompressed IDX file as `from_idx` does; UserError if it is missing or not exactly that."""
    try:
        return from_idx(Path(path).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Run `dvc repro download` to fetch it.") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}. {REMEDY}") from None


def from_idx(content: bytes) -> np.ndarray:
    """Decode uint8 images, (n, 28, 28), or uint8 labels, (n,), with n > 0, which cannot be written to.

    Raises ValueError if the content is not exactly what its header announces.
    """
    magic = int.from_bytes(content[:4])
    if magic not in MAGIC:
        raise ValueError(f"expected magic number 2051 or 2049 (uint8 IDX), found {magic}")
    offset = 8 + 4 * len(MAGIC[magic])
    if len(content) < offset:
        raise ValueError(f"expected an IDX header of {offset} bytes, found {len(content)}")
    n, *shape = struct.unpack_from(f">{offset // 4 - 1}I", content, offset=4)
    if tuple(shape) != MAGIC[magic] or n == 0:
        raise ValueError(f"expected one or more of shape {MAGIC[magic]}, found {n} of {tuple(shape)}")
    return from_any_idx(content)


def from_any_idx(content: bytes) -> np.ndarray:
    """Decode IDX of any type and shape; ValueError if the content is not what its header announces."""
    kind, axes = content[2:4]
    start = 4 + 4 * axes
    if kind not in IDX_TYPES or len(content) < start:
        raise ValueError("expected an IDX header, found none")
    shape = struct.unpack_from(f">{axes}I", content, offset=4)
    dtype = np.dtype(IDX_TYPES[kind])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(f"expected {expected} bytes, as its header says, found {len(content)}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def to_idx(array: np.ndarray) -> bytes:
    """Encode a uint8 array, images (n, 28, 28) or labels (n,), as an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()
