"""What an interrupted training goes on from: the network and its history after the last finished epoch.

One file: the network as Keras saves it, optimizer included, and in the same archive the history and a digest
of everything that training depends on. A checkpoint of other params, data, code or packages has another
digest, and is not used.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import numpy as np

from mnist_moved import data, networks, perturbations
from mnist_moved.data.idx import Digits
from mnist_moved.files import whole_file
from mnist_moved.networks.quiet_keras import keras, tensorflow
from mnist_moved.networks.training import Progress
from mnist_moved.params import Train

ROOMS = [Path(room.__file__).parent for room in (data, perturbations, networks)]  # whose code decides
PROGRESS = "progress.json"  # the file within the archive that is not Keras's


def digest(params: Train, *digits: Digits) -> str:
    """Describe in a few characters all that decides how training goes."""
    packages = [sys.version, np.__version__, tensorflow.__version__, keras.__version__]
    parts = [params.model_dump_json().encode(), *(version.encode() for version in packages)]
    parts += [path.read_bytes() for room in ROOMS for path in sorted(room.glob("*.py"))]
    parts += [np.ascontiguousarray(array) for each in digits for array in each]
    # A digest of digests, so that no byte can move from one part to the next unseen.
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def save_checkpoint(path: Path, progress: Progress, digest: str) -> None:
    """Write the progress, marked with what it depends on."""
    with whole_file(path) as partial:
        progress.network.save(partial)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(PROGRESS, json.dumps({"digest": digest, "history": progress.history}))


def load_checkpoint(path: Path, digest: str) -> Progress | None:
    """Return the progress that was saved; None, and say why, if it is of no use."""
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            entries = json.loads(archive.read(PROGRESS))
        if entries["digest"] != digest:
            print("starting over: an earlier run was interrupted, but had other params, data or code")
            return None
        return Progress(keras.saving.load_model(path, safe_mode=True), entries["history"])
    # Any exception: on a damaged file Keras raises a dozen types.
    except Exception as error:
        print(f"starting over: {path} cannot be used ({error!s:.300})")
        return None
