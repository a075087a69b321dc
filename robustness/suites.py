"""The test sets beside MNIST: how one is made, and data/perturbed/SUITE.npz, the file it is kept in."""

import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from robustness.artifacts import CLEAN
from robustness.command import UserError
from robustness.files import write_zip
from robustness.mnist import SIDE, Digits, evaluation_digits
from robustness.perturbations import perturb

PICTURES = "pictures"  # the kind of a set that is not made of MNIST's digits


class Suite(NamedTuple):
    """A test set: uint8 images (n, 28, 28), uint8 labels (n,), and how it was altered: the kind, the
    strengths that params.yaml names, and the random parameters that were drawn, each an array (n,)."""

    images: np.ndarray
    labels: np.ndarray
    kind: str = CLEAN  # the test set as it is
    strengths: Mapping[str, float] = MappingProxyType({})
    drawn: Mapping[str, np.ndarray] = MappingProxyType({})


def make_suite(digits: Digits, seed: int, name: str, kind: str, **strengths: float) -> Suite:
    """Perturb digits. The suite depends on the seed, its name and its strengths, and on no other suite."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    altered, drawn = perturb(digits.images, kind, rng, **strengths)
    return Suite(altered, digits.labels, kind, strengths, drawn)


def digest(images: np.ndarray) -> str:
    """By what the images of a set are told from others: the beginning of their SHA-256, in hexadecimal."""
    return hashlib.sha256(images).hexdigest()[:12]


def save_suite(path: Path, suite: Suite) -> None:
    """Write the arrays as NumPy does, without compression: kind and strengths as text, the drawn by name."""
    arrays = {"images": suite.images, "labels": suite.labels, "kind": suite.kind}
    arrays |= {"strengths": json.dumps(dict(suite.strengths)), **suite.drawn}
    members = {}
    for name, array in arrays.items():
        content = io.BytesIO()
        np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
        members[f"{name}.npy"] = content.getvalue()
    write_zip(path, members)


def load_suite(path: Path) -> Suite:
    """Read one suite; a UserError if the file is not what `save_suite` writes."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays: dict[str, Any] = dict(archive)
        suite = Suite(
            arrays.pop("images"),
            arrays.pop("labels"),
            str(arrays.pop("kind")),
            json.loads(str(arrays.pop("strengths"))),
            drawn=arrays,
        )
        n = len(suite.labels)
        if n == 0 or suite.images.shape != (n, SIDE, SIDE) or suite.images.dtype != np.uint8:
            found = f"{suite.images.dtype} {suite.images.shape} and {n}"
            raise ValueError(f"expected uint8 images (n, 28, 28) and n > 0 labels, found {found}")
        return suite
    # Any exception: on a damaged file zipfile and NumPy raise a dozen types.
    except Exception as error:
        raise UserError(f"{path} is missing or damaged ({error!s:.300}); make it with `dvc repro`") from None


def load_suites(folder: Path) -> dict[str, Suite]:
    """Read every suite in `folder`, by name in alphabetical order; a UserError if there is none."""
    suites = {path.stem: load_suite(path) for path in sorted(folder.glob("[!.]*.npz"))}
    if not suites:
        raise UserError(f"no altered set found in {folder}/; make them with `dvc repro perturb`")
    return suites


def load_sets(raw: Path, perturbed: Path, split: str, validation_digits: int) -> dict[str, Suite]:
    """Read all that a network is evaluated on: the clean set first, then every suite; UserError as above.

    split, validation_digits: as `evaluation_digits` takes them.
    """
    return {CLEAN: Suite(*evaluation_digits(raw, split, validation_digits))} | load_suites(perturbed)
