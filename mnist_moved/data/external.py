"""External test sets, which are no part of the data set: a user's pictures, and the digits of scikit-learn.

All are brought to the form of the data set as `python -m scripts.predict` brings any picture to it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

from mnist_moved.command import UserError
from mnist_moved.data.datasets import MNIST, Dataset
from mnist_moved.data.pictures import MAX_BYTES, PictureError, lay_out, read_digit
from mnist_moved.data.test_sets import EXTERNAL, SCIKIT_LEARN, TestSet


def read_external(source: str, dataset: Dataset) -> TestSet | None:
    """Read the test set of a folder as `read_folder` does, or that of SCIKIT_LEARN, which has digits only.

    Returns None if there is nothing of the classes of the data set.
    """
    if source != SCIKIT_LEARN:
        return read_folder(Path(source), dataset)
    if dataset.classes == MNIST.classes:
        return read_other_writers()
    print(f"{source}: left out, as it has no classes but digits", flush=True)
    return None


def read_other_writers() -> TestSet:
    """The digits of scikit-learn, 1,797 of 8 x 8 pixels by 13 people, scaled and centred as MNIST's are.

    They are the test set of Alpaydin and Kaynak 1998 (https://doi.org/10.24432/C50P49): the forms of NIST, as
    MNIST's, but people, scanning and preparation are others.
    """
    digits = load_digits()
    images = np.stack([lay_out(ink) for ink in digits.images / 16])
    return TestSet(images, digits.target.astype(np.uint8), EXTERNAL, {"source": SCIKIT_LEARN})


def read_folder(folder: Path, dataset: Dataset) -> TestSet | None:
    """Read the pictures in a folder with a folder for each class, called by its label or by its name.

    What cannot be read is named, counted and left out. Returns None if there is no picture. Raises UserError
    if a folder is no class, if a picture is in none or only a link out of the folder, or if none can be read.
    """
    pictures = sorted(pictures_in(folder, dataset))
    images, labels, faults = [], [], []
    for path, label in tqdm(pictures, folder.name, unit=" pictures", leave=False, disable=None):
        try:
            with open(path, "rb") as content:
                images.append(read_digit(content.read(MAX_BYTES + 1), dataset.box).image)
            labels.append(label)
        except (PictureError, OSError) as error:
            faults.append(f"{path}: {error.strerror if isinstance(error, OSError) else error}")
    if faults:
        print(
            f"{folder}: {len(faults)} of {len(pictures)} pictures left out", *faults, sep="\n  ", flush=True
        )
    if not pictures:
        return None
    if not images:
        raise UserError(f"{folder}: expected pictures, found {len(faults)} files of which none can be read")
    return TestSet(np.stack(images), np.array(labels, np.uint8), EXTERNAL, {"source": str(folder)})


def pictures_in(folder: Path, dataset: Dataset) -> Iterator[tuple[Path, int]]:
    """Yield each file and its label; hidden files, as systems leave them, do not count."""
    labels = {name.casefold(): label for label, name in enumerate(dataset.classes)}
    labels |= {str(label): label for label in range(len(dataset.classes))}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f"{path}: expected a picture or a folder, found a link out of {folder}; copy it here"
            )
        if len(parts) == 1 and (path.is_file() or parts[0].casefold() not in labels):
            expected = f"a folder for each class, 0 to {len(dataset.classes) - 1}"
            if dataset.classes != MNIST.classes:
                expected += f", or {', '.join(dataset.classes)}"
            raise UserError(f"{folder}: expected {expected}; found {parts[0]}")
        if path.is_file():
            yield path, labels[parts[0].casefold()]
