"""Test sets: what one is, the file data/perturbed/NAME.npz that keeps one, and all that a network is
evaluated on."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from mnist_moved.command import UserError
from mnist_moved.data.idx import SIDE, evaluation_digits
from mnist_moved.files import write_zip

CLEAN = "clean"  # the name of the test set that is not perturbed, and what stands for its perturbation
HEADLINE = "repositioned"  # the name of the perturbed test set that must be there
EXTERNAL = "external"  # what stands for the perturbation of a test set that is no part of the data set
SCIKIT_LEARN = "scikit-learn"  # the source of one of those


class TestSet(NamedTuple):
    """Images, uint8 (n, 28, 28), their labels, uint8 (n,), and how they were made: the perturbation with the
    strengths that params.yaml names; or EXTERNAL with {"source": ...}."""

    images: np.ndarray
    labels: np.ndarray
    perturbation: str = CLEAN
    strengths: Mapping[str, float | str] = MappingProxyType({})


def images_digest(images: np.ndarray) -> str:
    """Return what identifies the images of a test set: the first twelve hexadecimal digits of their
    SHA-256."""
    return hashlib.sha256(images).hexdigest()[:12]


def save_test_set(path: Path, test_set: TestSet) -> None:
    """Write the arrays as NumPy does, without compression; strengths as JSON."""
    members = {}
    for name, array in test_set._replace(strengths=json.dumps(dict(test_set.strengths)))._asdict().items():
        content = io.BytesIO()
        np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
        members[f"{name}.npy"] = content.getvalue()
    write_zip(path, members)


def load_test_set(path: Path) -> TestSet:
    """Read one test set; a UserError if the file is not what `save_test_set` writes."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, labels, perturbation, strengths = (archive[name] for name in TestSet._fields)
        n = len(labels)
        if n == 0 or images.shape != (n, SIDE, SIDE) or images.dtype != np.uint8:
            found = f"{images.dtype} {images.shape} and {n}"
            raise ValueError(f"expected uint8 images (n, 28, 28) and n > 0 labels, found {found}")
        return TestSet(images, labels, str(perturbation), json.loads(str(strengths)))
    # Any exception: on a damaged file zipfile and NumPy raise a dozen types.
    except Exception as error:
        raise UserError(f"{path} is missing or damaged ({error!s:.300}); make it with `dvc repro`") from None


def load_perturbed(folder: Path) -> dict[str, TestSet]:
    """Read every test set in `folder`, by name in alphabetical order; a UserError if there is none."""
    test_sets = {path.stem: load_test_set(path) for path in sorted(folder.glob("[!.]*.npz"))}
    if not test_sets:
        raise UserError(f"no perturbed test set found in {folder}/; make them with `dvc repro perturb`")
    return test_sets


def load_test_sets(raw: Path, perturbed: Path, split: str, validation_digits: int) -> dict[str, TestSet]:
    """Read all that a network is evaluated on: the clean test set first, then all others; UserError as above.

    split, validation_digits: as `evaluation_digits` takes them.
    """
    return {CLEAN: TestSet(*evaluation_digits(raw, split, validation_digits))} | load_perturbed(perturbed)
