"""External test sets, which are no part of the data set: a user's pictures, sets of others in files, and the
digits of scikit-learn, all brought to the form of the data set."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

from mnist_moved.command import UserError
from mnist_moved.data.datasets import MNIST, Dataset, Layout
from mnist_moved.data.formats import ENDING, read_arrays, split_of
from mnist_moved.data.idx import Digits
from mnist_moved.data.layout import bring
from mnist_moved.data.pictures import MAX_BYTES, PictureError, lay_out, read_digit
from mnist_moved.data.test_sets import EXTERNAL, SCIKIT_LEARN, TestSet
from mnist_moved.paths import OWN


def read_external(
    name: str, options: Mapping[str, Any], dataset: Dataset, others: Collection[Path] = ()
) -> Iterator[tuple[str, TestSet]]:
    """Read what an entry of perturb.test_sets with a source names: by name, none, one or several test sets.

    The source is SCIKIT_LEARN, a file or a folder of arrays, a folder of such folders, or of pictures;
    `others` are files and folders of other entries, which are no part of this one. Raises UserError as
    `read_digits` and `read_folder` do.
    """
    source = options["source"]
    path = Path(source)
    if source == SCIKIT_LEARN:
        if dataset.classes == MNIST.classes:
            yield name, read_other_writers()
        else:
            print(f"{source}: left out, as it has no classes but digits", flush=True)
        return
    if not path.exists() and path != OWN:
        raise UserError(f"{path}: expected a file or a folder, found neither")
    refuse_linked_folder(path)
    split = options.get("split", "test")
    parts = [each for each in sorted(path.glob("[!.]*")) if each not in others and holds_arrays(each)]
    if path != OWN and (path.is_file() or holds_arrays(path)):
        yield name, read_set(path, options, dataset)
    elif path != OWN and parts:
        for part in parts:
            refuse_linked_folder(part)
            word = re.sub("[^a-z0-9]+", "_", part.name.lower())
            yield f"{name}_{word}", read_set(part, options, dataset)
    elif found := read_folder(folder_of(path, split), dataset, others):
        yield name, found


def folder_of(path: Path, split: str) -> Path:
    """The folder of a split, if there is one in this folder."""
    return next((each for each in path.glob("[!.]*") if each.is_dir() and split_of(each.name) == split), path)


def holds_arrays(path: Path) -> bool:
    return path.is_dir() and any(each.is_file() and ENDING.search(each.name) for each in path.iterdir())


def read_set(path: Path, options: Mapping[str, Any], dataset: Dataset) -> TestSet:
    digits = read_digits(path, options.get("split", "test"), options, dataset)
    return TestSet(*digits, EXTERNAL, {"source": path.as_posix()})


def read_digits(
    path: Path, split: str, options: Mapping[str, Any], dataset: Dataset, divided: bool = False
) -> Digits:
    """Read the images and labels of a set of others, and print what was found out of them.

    options: `labels`, and what of Layout is set; divided: as `read_arrays` takes it, which raises UserError,
    as does `bring`.
    """
    inner = folder_of(path, split)
    if inner != path and not holds_arrays(path) and (found := read_folder(inner, dataset)):
        return Digits(found.images, found.labels)
    labels = Path(options["labels"]) if "labels" in options else None
    layout = Layout(**{key: options[key] for key in Layout._fields if key in options})
    found = read_arrays(path, split, labels, divided)
    try:
        digits, said = bring(found, layout, dataset)
    except UserError as error:
        raise UserError(f"{path}: {found.names}: {error}") from None
    print(f"{path}: {found.names}: {said}", flush=True)
    return digits


def read_other_writers() -> TestSet:
    """The digits of scikit-learn, 1,797 of 8 x 8 pixels by 13 people, scaled and centred as MNIST's are.

    They are the test set of Alpaydin and Kaynak 1998 (https://doi.org/10.24432/C50P49): the forms of NIST, as
    MNIST's, but people, scanning and preparation are others.
    """
    digits = load_digits()
    images = np.stack([lay_out(ink) for ink in digits.images / 16])
    return TestSet(images, digits.target.astype(np.uint8), EXTERNAL, {"source": SCIKIT_LEARN})


def read_folder(folder: Path, dataset: Dataset, others: Collection[Path] = ()) -> TestSet | None:
    """Read pictures from a folder for each class, called by its label or by its name, or with such names.

    What cannot be read is named, counted and left out. Returns None if there is no picture. Raises UserError
    if a folder or a name is of no class, if a folder is a link, or if none can be read.
    """
    pictures = sorted(pictures_in(folder, dataset, others))
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


def pictures_in(folder: Path, dataset: Dataset, others: Collection[Path]) -> Iterator[tuple[Path, int]]:
    """Yield each file and its label. Hidden files, as systems leave them, and those of DVC do not count."""
    labels = {name.casefold(): label for label, name in enumerate(dataset.classes)}
    labels |= {str(label): label for label in range(len(dataset.classes))}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts) or path.suffix == ".dvc":
            continue
        if any(folder.joinpath(*parts[:depth]) in others for depth in range(1, len(parts) + 1)):
            continue
        refuse_linked_folder(path)
        # 7/anna.png, or 7_anna.png
        word = parts[0] if len(parts) > 1 or path.is_dir() else re.split(r"[ _.-]", parts[0])[0]
        label = labels.get(word.casefold())
        if label is None:
            expected = f"a folder for each class, 0 to {len(dataset.classes) - 1}, or names like 7_anna.png"
            if dataset.classes != MNIST.classes:
                expected += f"; or {', '.join(dataset.classes)}"
            raise UserError(
                f"{folder}: expected {expected}; found {parts[0]}. Name what is no picture in params.yaml, as"
                " the source of a test set of its own"
            )
        if not path.is_dir():
            yield path, label


def refuse_linked_folder(path: Path) -> None:
    if path.is_symlink() and path.is_dir():
        raise UserError(
            f"{path}: expected a folder, found a link to one, in which DVC sees no change; copy it, or link"
            " its files one by one"
        )
