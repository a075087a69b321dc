"""The altered test sets as files: data/perturbed/SUITE.npz."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.shared.stage import StageError

CLEAN = "mnist"  # the name of the unaltered test set beside the suites' names
FOLDER = Path("data/perturbed")


class Suite(NamedTuple):
    """An altered test set: uint8 images (n, 28, 28), uint8 labels (n,), its kind of perturbation, and the
    random parameters that were drawn, each an array (n,)."""

    images: np.ndarray
    labels: np.ndarray
    kind: str
    drawn: dict[str, np.ndarray]


def load_suites(folder: Path = FOLDER) -> dict[str, Suite]:
    """Read every suite in `folder`, by name in alphabetical order; a StageError if there is none."""
    suites = {path.stem: load_suite(path) for path in sorted(folder.glob("[!.]*.npz"))}
    if not suites:
        raise StageError(f"no altered test set found in {folder}/; make them with `dvc repro perturb`")
    return suites


def load_suite(path: Path) -> Suite:
    """Read one suite; a StageError if the file is not what `python -m stages.perturb` writes."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            drawn = dict(arrays)
        images, labels, kind = drawn.pop("images"), drawn.pop("labels"), str(drawn.pop("kind"))
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise StageError(f"{path} is damaged ({error}); delete it and run `dvc repro perturb`") from None
    if images.shape != (len(labels), 28, 28) or images.dtype != np.uint8:
        raise StageError(
            f"{path}: expected uint8 images (n, 28, 28), as many labels, found {images.dtype} {images.shape}"
            f" and {len(labels)} labels; delete it and run `dvc repro perturb`"
        )
    return Suite(images, labels, kind, drawn)
