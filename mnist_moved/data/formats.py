"""Images and labels in the forms that others keep them in: a file or a folder in, two arrays as they are out.

Told by their first bytes: IDX (MNIST, EMNIST, Kuzushiji, QMNIST), .npy and .npz (MNIST-C, Keras, MedMNIST),
CSV (Kaggle), parquet (hubs), .mat (affNIST, EMNIST, courses) and HDF5 (USPS), gzipped or not. No code in a
file is run: pickles are refused, within NumPy's files too.
"""

import gzip
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from scipy.io import loadmat

from mnist_moved.command import UserError
from mnist_moved.data.idx import CLASSES, from_any_idx
from mnist_moved.data.pictures import DIGIT_SIDE, MIN_SIDE, PictureError, decode

FORMS = "IDX, .npy, .npz, .csv, .parquet, .mat or .h5"
ENDING = re.compile(
    r"(ubyte|idx\d|-int|\.np[yz]|\.csv|\.data|\.parquet|\.mat|\.h5|\.hdf5)(\.gz)?$", re.IGNORECASE
)

# Words in the names of files and arrays, which `words` parts: x_test, testX and XTest are x and test.
SPLIT = re.compile(r"(?<![a-z])(train(?:ing)?|test(?:ing)?|t10k|val(?:idation)?)(?![a-z])")
LABEL = re.compile(r"(?<![a-z])(labels?|targets?|class|gnd|y)(?![a-z])")
KIND = re.compile(r"(?<![a-z])(images?|imgs?|data|x|labels?|targets?|y)(?![a-z])|idx\d")

Arrays = Mapping[tuple[str, str], np.ndarray]  # by the names of file and array
MAX_SIDE = 64  # pixels: of images that are rows of numbers


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
    arrays = {}
    for file in files_of(path, split):
        arrays |= {(file.name, name): array for name, array in open_file(file).items()}
    chosen = of_split(arrays, split, divided)
    images = {key: array for key, array in chosen.items() if may_be_images(array) and not is_labels(key)}
    if any(array.ndim > 2 for array in images.values()):  # beside them, a square number is chance
        images = {key: array for key, array in images.items() if array.ndim > 2}
    if len(images) != 1:
        found = f"{listed(images)}; name one file" if images else f"none among {listed(arrays) or 'nothing'}"
        raise UserError(
            f"{path}: expected one array of images{f' to {split}' if divided else ''}, found {found}"
        )
    [key] = images
    if labels:
        beside = of_split({(labels.name, name): array for name, array in open_file(labels).items()}, split)
    else:
        beside = {other: array for other, array in chosen.items() if other != key and is_labels(other)}
    if not beside:
        raise UserError(
            f"{path}: expected labels of {listed(images)}, found none; name their file: labels: PATH"
        )
    # A struct has them in several ways: the plain one, numbers in a row, is taken.
    rank = {other: (array.dtype.kind not in "iuf", np.squeeze(array).ndim) for other, array in beside.items()}
    best = [other for other in beside if rank[other] == min(rank.values())]
    if len(best) > 1:
        raise UserError(
            f"{path}: expected one array of labels, found {listed({each: beside[each] for each in best})}"
        )
    return Found(images[key], beside[best[0]], f"{written(key)} and {written(best[0])}")


def files_of(path: Path, split: str) -> list[Path]:
    """The files to look into: those of a folder, but for other splits; or one, and those beside it that are
    called like it but for what they hold, as its labels are."""
    if path.is_dir():
        files = sorted(each for each in path.glob("[!.]*") if each.is_file() and ENDING.search(each.name))
        names = {each.name for each in files}
        files = [each for each in files if each.suffix != ".gz" or each.stem not in names]
        return [each for each in files if split_of(each.name) in (None, split)] or files
    if not path.is_file():
        raise UserError(f"{path}: expected a file or a folder, found neither")
    beside = [each for each in sorted(path.parent.glob("[!.]*")) if each != path and kin(each) == kin(path)]
    return [path, *(each for each in beside if each.is_file() and LABEL.search(words(each.name)))]


def kin(path: Path) -> str:
    """A name without what it says of images or labels and of its form."""
    return re.sub("[^a-z0-9]", "", KIND.sub("", words(ENDING.sub("", path.name))))


def words(name: str) -> str:
    """A name in lower case, its words parted."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=^[xyXY])(?=t)", "_", name).lower()


def of_split(arrays: Arrays, split: str, divided: bool = False) -> Arrays:
    """The arrays of a split by their names, or all if these say nothing of splits and need not."""
    of = {key: split_of(key[1]) or split_of(key[0]) for key in arrays}
    if split not in of.values() and not divided:
        return arrays
    return {key: array for key, array in arrays.items() if of[key] == split}


def split_of(name: str) -> str | None:
    """The split that a name speaks of; None if it speaks of none."""
    found = SPLIT.search(words(name))
    if not found:
        return None
    return (
        "test" if found[1] == "t10k" else next(each for each in ("train", "test", "val") if each in found[1])
    )


def is_labels(key: tuple[str, str]) -> bool:
    """Does an array say that it holds labels? In a file of one array, the file's name does."""
    file, name = map(words, key)
    return bool(LABEL.search(name if LABEL.search(name) or KIND.search(name) else file))


def written(key: tuple[str, str]) -> str:
    return ": ".join(filter(None, key))


def listed(arrays: Arrays) -> str:
    return ", ".join(f"{written(key)} {array.shape}" for key, array in arrays.items())


def may_be_images(array: np.ndarray) -> bool:
    if array.dtype.kind not in "biuf" or array.ndim < 2:
        return False
    return array.ndim > 2 or any(MIN_SIDE <= side_of(length) <= MAX_SIDE for length in array.shape)


def side_of(pixels: int) -> int:
    """The side of a square of so many pixels; 0 if there is none."""
    side = math.isqrt(max(pixels, 0))
    return side if side * side == pixels else 0


def open_file(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file by name, "" if it has one; UserError if it is of no known form or damaged."""
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


def decode_arrays(content: bytes) -> dict[str, np.ndarray]:
    if content.startswith(b"PK"):
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            if not all(f"{name}.npy" in archive.zip.namelist() for name in archive.files):
                remedy = "unpack it; if it holds pickles, which can run code, save the arrays as .npz"
                raise UserError(f"expected {FORMS}, found another archive; {remedy}")
            return read_npz(archive)
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


def read_npz(archive: np.lib.npyio.NpzFile) -> dict[str, np.ndarray]:
    """The arrays of an archive but those of objects, which are pickles."""
    arrays = {}
    for name in archive.files:
        try:
            arrays[name] = archive[name]
        except ValueError as error:
            if "Object arrays" not in str(error):
                raise
    return arrays


def flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, np.ndarray]]:
    """The arrays of nested structs, their names joined by dots."""
    leaves = []
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves += flat(value, f"{above}{name}.")
        elif not name.startswith("__"):
            leaves.append((f"{above}{name}", np.asarray(value)))
    return leaves


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
    fields = [field.strip().strip('"') for field in re.split(parted, first.strip())]
    counted = fields == [*map(str, range(len(fields)))]  # as pandas names columns that have no names
    header = 0 if counted or re.search(r"[a-df-z]", first, re.IGNORECASE) else None
    table = pd.read_csv(io.StringIO(text), sep=parted, header=header, skipinitialspace=True)
    return table.dropna(axis="columns", how="all")  # of marks at the ends of lines


def table_arrays(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Images and labels of a table with a row an image: a column of pictures, or a column a pixel."""
    named = [column for column in table.columns if LABEL.search(words(str(column)))]
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
    if columns in (1, CLASSES):
        return {"": values}  # labels, one-hot or not
    if side_of(columns - 1):
        # The label is in the first column or the last: the other is a corner, where most images are empty.
        ends = [column if is_whole(column) else np.zeros(1) for column in values[:, [0, -1]].T]
        label = (
            -1 if (np.unique(ends[1]).size, ends[1].max()) > (np.unique(ends[0]).size, ends[0].max()) else 0
        )
        return {"labels": values[:, label], "images": np.delete(values, label, axis=1)}
    if side_of(columns - CLASSES):  # Semeion's: one column a class at the end
        return {"labels": values[:, -CLASSES:], "images": values[:, :-CLASSES]}
    return {"images": values}


def is_whole(column: np.ndarray) -> bool:
    """May it be labels?"""
    return bool((column % 1 == 0).all() and column.min() >= 0 and column.max() <= CLASSES)


def pixels(picture: dict[str, Any] | bytes) -> np.ndarray:
    """Decode a picture in a table, as hubs keep it: uint8 (h, w)."""
    content = picture.get("bytes") if isinstance(picture, dict) else picture
    if not content:
        raise UserError("expected pictures in the table, found the addresses of pictures elsewhere")
    try:
        return np.asarray(decode(content, DIGIT_SIDE))
    except PictureError as error:
        raise UserError(f"a picture in the table: {error}") from None
