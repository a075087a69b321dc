"""The MNIST files: what they are called, how to recognise them, and how to read and write them.

IDX, their format: a big-endian 32-bit magic number, one 32-bit size per dimension, the values.
http://yann.lecun.com/exdb/mnist/ (LeCun, Cortes, Burges 1998) defines it.
"""

import math
import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robustness.command import UserError

SIDE = 28  # pixels: of an image
TRAINING_DIGITS = 60_000
TEST_DIGITS = 10_000

SPLITS = {  # split: (images, labels)
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Digits(NamedTuple):
    """Images, uint8 (n, 28, 28), 0 = background, 255 = ink; and their labels, uint8 (n,), 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


class Fingerprint(NamedTuple):
    """What a file is recognised by: its size in bytes and the SHA-256 of its content, in hexadecimal."""

    size: int
    sha256: str


FILES = {
    "train-images-idx3-ubyte": Fingerprint(
        47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": Fingerprint(
        60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": Fingerprint(
        7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": Fingerprint(
        10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}

MAGIC = {2051: (SIDE, SIDE), 2049: ()}  # uint8 images, uint8 labels: the shape of one of them

REMEDY = "Run `dvc repro download` to fetch it again."


def load_split(folder: str | Path, split: str) -> Digits:
    """Read `split`, "train" or "test".

    Raises UserError if a file is missing or malformed, if there are not as many labels as images, or if a
    label is no digit.
    """
    image_file, label_file = (Path(folder, name) for name in SPLITS[split])
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.shape != (len(labels), SIDE, SIDE) or labels.ndim != 1:
        raise UserError(
            f"{image_file} and {label_file.name}: expected a label for each image of 28 x 28 pixels, "
            f"found arrays of {images.shape} and {labels.shape}. {REMEDY}"
        )
    if labels.max() > 9:
        raise UserError(f"{label_file}: expected labels from 0 to 9, found {labels.max()}. {REMEDY}")
    return Digits(images, labels)


def held_out(digits: Digits, count: int) -> Digits:
    """Return the last `count` of MNIST's training digits: those that are never trained on."""
    first = len(digits.labels) - count
    return Digits(*(array[first:] for array in digits))


def evaluation_digits(folder: str | Path, split: str, validation_digits: int) -> Digits:
    """Read the digits to evaluate on: for "test" the test set, for "validation" the held-out training digits.

    validation_digits: how many of those there are. Raises UserError as `load_split` does.
    """
    if split == "validation":
        return held_out(load_split(folder, "train"), validation_digits)
    return load_split(folder, split)


def read_idx(path: str | Path) -> np.ndarray:
    """Read an uncompressed IDX file of uint8 images, (n, 28, 28), or uint8 labels, (n,), with n > 0.

    Raises UserError if the file is missing, or is not exactly what its header announces; a header is
    compared with the length of the file before memory is taken for it.
    """
    try:
        with open(path, "rb") as file:
            header = file.read(16)
            length = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Run `dvc repro download` to fetch it.") from None
    magic = int.from_bytes(header[:4])
    if magic not in MAGIC:
        raise UserError(f"{path}: expected magic number 2051 or 2049 (uint8 IDX), found {magic}. {REMEDY}")
    offset = 8 + 4 * len(MAGIC[magic])
    if length < offset:
        raise UserError(f"{path}: expected an IDX header of {offset} bytes, found {length}. {REMEDY}")
    n, *shape = struct.unpack_from(f">{offset // 4 - 1}I", header, offset=4)
    if tuple(shape) != MAGIC[magic] or n == 0:
        expected = f"one or more of shape {MAGIC[magic]}"
        raise UserError(f"{path}: expected {expected}, found {n} of {tuple(shape)}. {REMEDY}")
    expected = offset + n * math.prod(shape)
    if length != expected:
        raise UserError(f"{path}: expected {expected} bytes, as its header says, found {length}. {REMEDY}")
    return np.fromfile(path, dtype=np.uint8, offset=offset).reshape(n, *shape)


def to_idx(array: np.ndarray) -> bytes:
    """Encode a uint8 array, images (n, 28, 28) or labels (n,), as an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()
