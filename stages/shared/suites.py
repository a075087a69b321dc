"""The altered test sets as files: data/perturbed/SUITE.npz."""

import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

import numpy as np

from stages.shared.stage import StageError

CLEAN = "mnist"  # the name of the unaltered test set beside the suites' names
FOLDER = Path("data/perturbed")


class Suite(NamedTuple):
    """An altered test set: uint8 images (n, 28, 28), uint8 labels (n,), its kind of perturbation, the random
    parameters that were drawn, each an array (n,), and the strengths that params.yaml names."""

    images: np.ndarray
    labels: np.ndarray
    kind: str
    drawn: dict[str, np.ndarray]
    strengths: Mapping[str, float] = MappingProxyType({})


def load_suites(folder: Path = FOLDER) -> dict[str, Suite]:
    """Read every suite in `folder`, by name in alphabetical order; a StageError if there is none."""
    suites = {path.stem: load_suite(path) for path in sorted(folder.glob("[!.]*.npz"))}
    if not suites:
        raise StageError(f"no altered test set found in {folder}/; make them with `dvc repro perturb`")
    return suites


def load_suite(path: Path) -> Suite:
    """Read one suite; a StageError if the file is not what `python -m stages.perturb` writes."""
    with open(path, "rb") as file:
        try:
            drawn = _read_npz(file)
            kind, strengths = str(drawn.pop("kind")), json.loads(str(drawn.pop("strengths")))
            suite = Suite(drawn.pop("images"), drawn.pop("labels"), kind, drawn, strengths)
            _check(suite)
        # Any exception: on a malformed file zipfile and NumPy raise a dozen types.
        except Exception as error:
            raise StageError(
                f"{path} is damaged ({error!s:.300}); delete it and run `dvc repro perturb`"
            ) from None
    return suite


def _check(suite: Suite) -> None:
    n = suite.labels.size
    if suite.images.dtype != np.uint8 or suite.images.shape != (n, 28, 28) or n == 0:
        raise ValueError(
            f"expected uint8 images ({n}, 28, 28), found {suite.images.dtype} {suite.images.shape}"
        )
    if suite.labels.dtype != np.uint8 or suite.labels.max() > 9:
        raise ValueError(f"expected uint8 labels from 0 to 9, found {suite.labels.dtype} {suite.labels}")
    if not isinstance(suite.strengths, dict):
        raise ValueError(f"expected strengths by name, found {suite.strengths}")
    for name, values in {"labels": suite.labels, **suite.drawn}.items():
        if values.shape != (n,) or values.dtype.kind not in "fiu":
            raise ValueError(f"expected {name} of shape ({n},), found {values.dtype} {values.shape}")


def _read_npz(file: BinaryIO) -> dict[str, np.ndarray]:
    """Read an .npz file as `np.savez` writes it: without compression, so no array is larger than the file.

    np.load takes as much memory as the table of contents and the headers promise, before it reads on.
    """
    # From memory, where no read is longer than the file: zipfile believes what the file says of its sizes.
    with zipfile.ZipFile(io.BytesIO(file.read())) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("it is compressed")
        if sum(member.file_size for member in members) > os.fstat(file.fileno()).st_size:
            raise ValueError("it promises more bytes than it has")
        return {member.filename.removesuffix(".npy"): _read_array(archive.read(member)) for member in members}


def _read_array(content: bytes) -> np.ndarray:
    header = io.BytesIO(content)
    np.lib.format.read_magic(header)
    shape, column_major, dtype = np.lib.format.read_array_header_1_0(header)
    if column_major:
        raise ValueError("it is stored column by column")
    return np.frombuffer(content, dtype, math.prod(shape), header.tell()).reshape(shape)
