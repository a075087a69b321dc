"""Images and labels in the forms that others keep them in: a file or a folder in, two arrays as they are out.

Told by their first bytes: IDX (MNIST, EMNIST, Kuzushiji, QMNIST), .npy and .npz (MNIST-C, Keras, MedMNIST),
CSV (Kaggle), parquet (hubs), .mat (affNIST, EMNIST, courses) and HDF5 (USPS), gzipped or not. No code in a
file is run: pickles are refused, within NumPy's files too.
"""

import gzip
import io
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from scipy.io import loadmat

from mnist_moved.command import UserError
from mnist_moved.data.pictures import DIGIT_SIDE, MIN_SIDE, PictureError, decode

FORMS = "IDX, .npy, .npz, .csv, .parquet, .mat or .h5"
ENDING = re.compile(
    r"(ubyte|idx\d|-int|\.np[yz]|\.csv|\.data|\.parquet|\.mat|\.h5|\.hdf5)(\.gz)?$", re.IGNORECASE
)
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}

# Words in the names of files, and of arrays in them; "_" and digits part words, so that x_test is x and test.
SPLIT = re.compile(r"(?<![a-z])(train(?:ing)?|test(?:ing)?|t10k|val(?:idation)?)(?![a-z])", re.IGNORECASE)
LABEL = re.compile(r"(?<![a-z])(labels?|targets?|class|y)(?![a-z])", re.IGNORECASE)
KIND = re.compile(r"(?<![a-z])(images?|imgs?|data|x|labels?|targets?|y)(?![a-z])|idx\d", re.IGNORECASE)

Arrays = Mapping[str, np.ndarray]  # by name


class Found(NamedTuple):
    """Images, any numbers, (n, h, w), (n, h, w, colours), (n, h * w) or the transpose of that; labels, (n,)
    or (n, k) or the transpose; and what they are called."""

    images: np.ndarray
    labels: np.ndarray
    names: str


def read_arrays(path: Path, split: str, labels: Path | None = None, divided: bool = False) -> Found:
    """Read the images of a split, "train" or "test", and their labels, from a file or the files of a folder.

    labels: their file, if its name does not tell. divided: what says nothing of splits is refused, and not
    read whole. Raises UserError if it is not clear what is what, and as `open_file` does.
    """
    files = files_of(path)
    if split_words := {file: split_of(file.name) for file in files if split_of(file.name)}:
        files = [file for file in files if split_words.get(file, split) == split] if path.is_dir() else files
    arrays = {}
    for file in files:
        arrays |= {(file.name, name): array for name, array in open_file(file).items()}
    of = {key: split_of(key[1]) or split_of(key[0]) for key in arrays}
    if split in of.values() or divided:
        arrays = {key: array for key, array in arrays.items() if of[key] == split}
    images = {
        key: array for key, array in arrays.items() if may_be_images(array) and not LABEL.search(last(key))
    }
    if len(images) != 1:
        found = listed(images) or f"none among {listed(arrays) or 'nothing'}"
        raise UserError(
            f"{path}: expected one array of images{f' to {split}' if divided else ''}, found {found}"
        )
    [(key, chosen)] = images.items()
    if labels:
        beside = {(labels.name, name): array for name, array in open_file(labels).items()}
    else:
        beside = {
            other: array for other, array in arrays.items() if other != key and LABEL.search(last(other))
        }
    if not beside:
        raise UserError(
            f"{path}: expected labels of {listed(images)}, found none; name their file: labels: PATH"
        )
    # A struct has them in several ways: the plain one, numbers in a row, is taken.
    other = min(
        beside, key=lambda each: (beside[each].dtype.kind not in "iuf", np.squeeze(beside[each]).ndim)
    )
    return Found(chosen, beside[other], f"{written(key)} and {written(other)}")


def files_of(path: Path) -> list[Path]:
    """The files to look into: those of a folder; or one, and those beside it that are called like it but for
    what they hold, as its labels are."""
    if path.is_dir():
        return sorted(each for each in path.iterdir() if each.is_file() and ENDING.search(each.name))
    if not path.is_file():
        raise UserError(f"{path}: expected a file or a folder, found neither")
    kin = KIND.sub("", path.name)
    beside = [
        each for each in sorted(path.parent.iterdir()) if each != path and KIND.sub("", each.name) == kin
    ]
    return [path, *(each for each in beside if each.is_file() and LABEL.search(each.name))]


def split_of(name: str) -> str | None:
    """The split that a name speaks of; None if it speaks of none."""
    found = SPLIT.search(name)
    if not found:
        return None
    word = found[1].lower()
    return (
        "test" if word == "t10k" else next(each for each in ("train", "test", "val") if word.startswith(each))
    )


def last(key: tuple[str, str]) -> str:
    """What an array is called: in a file of one array, as the file."""
    return key[1] if LABEL.search(key[1]) or KIND.search(key[1]) else key[0]


def written(key: tuple[str, str]) -> str:
    return ": ".join(filter(None, key))


def listed(arrays: Mapping[tuple[str, str], np.ndarray]) -> str:
    return ", ".join(f"{written(key)} {array.shape}" for key, array in arrays.items())


def may_be_images(array: np.ndarray) -> bool:
    if array.dtype.kind not in "biuf" or array.ndim < 2:
        return False
    return array.ndim > 2 or any(side_of(length) >= MIN_SIDE for length in array.shape)


def side_of(pixels: int) -> int:
    """The side of a square of so many pixels; 0 if there is none."""
    side = math.isqrt(pixels)
    return side if side * side == pixels else 0


def open_file(path: Path) -> Arrays:
    """Read the arrays of a file by name, "" if it has one; UserError of no known form, or damaged."""
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        if not content:
            raise UserError(f"expected {FORMS}, found an empty file")
        return decode_arrays(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    # Any exception: on a damaged file these readers raise two dozen types.
    except Exception as error:
        raise UserError(
            f"{path}: expected {FORMS}, found a damaged file: {str(error).splitlines()[0]:.200}"
        ) from None


def decode_arrays(content: bytes) -> Arrays:
    if content.startswith(b"PK"):
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            if not all(isinstance(archive[name], np.ndarray) for name in archive.files):
                raise UserError(
                    f"expected {FORMS}, found another archive; a pickle can run code, so save as .npz"
                )
            return {name: archive[name] for name in archive.files}
    if content.startswith(b"\x93NUMPY"):
        return {"": np.load(io.BytesIO(content), allow_pickle=False)}
    if content.startswith(b"\x80"):
        raise UserError(f"expected {FORMS}, found a pickle, which can run code; save the arrays as .npz")
    if content.startswith(b"PAR1"):
        return table_arrays(read_parquet(content))
    if content.startswith((b"\x89HDF", b"MATLAB 7.3")):
        with h5py.File(io.BytesIO(content)) as file:
            names: list[str] = []
            file.visititems(lambda name, each: names.append(name) if isinstance(each, h5py.Dataset) else None)
            # MATLAB writes its arrays with the axes in the opposite order.
            return {
                name: file[name][()].T if content.startswith(b"MATLAB") else file[name][()] for name in names
            }
    if content.startswith(b"MATLAB 5.0"):
        return dict(flat(loadmat(io.BytesIO(content), simplify_cells=True)))
    if content.startswith(b"\0\0"):
        return {"": from_any_idx(content)}
    return table_arrays(read_csv(content))


def flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, np.ndarray]]:
    """The arrays of nested structs, their names joined by dots."""
    leaves = []
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves += flat(value, f"{above}{name}.")
        elif not name.startswith("__"):
            leaves.append((f"{above}{name}", np.asarray(value)))
    return leaves


def from_any_idx(content: bytes) -> np.ndarray:
    """Decode IDX of any type and shape (http://yann.lecun.com/exdb/mnist/)."""
    kind, axes = content[2:4]
    start = 4 + 4 * axes
    if kind not in IDX_TYPES or len(content) < start:
        raise UserError(f"expected {FORMS}, found none of them")
    shape = struct.unpack_from(f">{axes}I", content, offset=4)
    dtype = np.dtype(IDX_TYPES[kind])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise UserError(f"expected {expected:,} bytes, as its header says, found {len(content):,}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def read_parquet(content: bytes) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except ImportError:
        remedy = "`pip install -r requirements-formats.txt` installs it"
        raise UserError(f"parquet is read by pyarrow, which is not installed: {remedy}") from None


def read_csv(content: bytes) -> pd.DataFrame:
    """Read a table, parted by commas, semicolons, tabs or spaces, with a line of names or without."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"expected {FORMS}, found none of them") from None
    first = text.lstrip().partition("\n")[0]
    parted = next((mark for mark in ",;\t" if mark in first), r"\s+")
    header = 0 if re.search(r"[a-df-z]", first, re.IGNORECASE) else None
    table = pd.read_csv(io.StringIO(text), sep=parted, header=header, skipinitialspace=True)
    return table.dropna(axis="columns", how="all")  # of marks at the ends of lines


def table_arrays(table: pd.DataFrame) -> Arrays:
    """Images and labels of a table with a row an image: a column of pictures, or a column a pixel."""
    named = [column for column in table.columns if LABEL.search(str(column))]
    pictures = [column for column in table.columns if isinstance(table[column].iloc[0], (dict, bytes))]
    if pictures:
        arrays = {"images": np.stack([pixels(each) for each in table[pictures[0]]])}
        return arrays | ({"labels": table[named[0]].to_numpy()} if named else {})
    if named:
        arrays = {"labels": table[named[0]].to_numpy()}
        rest = table.drop(columns=named)
        others = [
            column
            for column in rest.columns
            if re.fullmatch(r"unnamed.*|id|index", str(column), re.IGNORECASE)
        ]
        return arrays | {"images": rest.drop(columns=others).to_numpy(np.float32)}
    columns = table.shape[1]
    values = table.to_numpy(np.float32)
    if side_of(columns - 1):
        # The label is in the first column or the last: where more of the classes are, as a corner is empty.
        label = max(
            (0, -1), key=lambda column: np.unique(values[:, column]).size * (values[:, column].max() < 11)
        )
        return {"labels": values[:, label], "images": np.delete(values, label, axis=1)}
    if side_of(columns - 10):  # Semeion's: one column a class at the end
        return {"labels": values[:, -10:], "images": values[:, :-10]}
    return {"images": values}


def pixels(picture: dict[str, Any] | bytes) -> np.ndarray:
    """Decode a picture in a table, as hubs keep it: uint8 (h, w)."""
    content = picture.get("bytes") if isinstance(picture, dict) else picture
    if not content:
        raise UserError("expected pictures in the table, found the addresses of pictures elsewhere")
    try:
        return np.asarray(decode(content, DIGIT_SIDE))
    except PictureError as error:
        raise UserError(f"a picture in the table: {error}") from None
