"""What an interrupted training goes on from: the network and its curves after the last finished epoch.

One file: the network as Keras saves it, optimizer included, and in the same archive the curves and a digest
of everything that training depends on. A checkpoint of other params, data, code or packages has another
digest, and is not used.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import numpy as np

from robustness.files import whole_file
from robustness.mnist import Digits
from robustness.params import Train
from robustness.quiet_keras import keras, tensorflow
from robustness.training import Progress

CODE = Path(__file__).parent
PROGRESS = "progress.json"  # the file within the archive that is not Keras's


def digest(params: Train, *digits: Digits) -> str:
    """Describe in a few characters all that decides how training goes."""
    packages = [sys.version, np.__version__, tensorflow.__version__, keras.__version__]
    parts = [params.model_dump_json().encode(), *(version.encode() for version in packages)]
    parts += [path.read_bytes() for path in sorted(CODE.glob("*.py"))]
    parts += [np.ascontiguousarray(array) for each in digits for array in each]
    # A digest of digests, so that no byte can move from one part to the next unseen.
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def save_checkpoint(path: Path, progress: Progress, digest: str) -> None:
    with whole_file(path) as partial:
        progress.network.save(partial)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(PROGRESS, json.dumps({"digest": digest, "curves": progress.curves}))


def load_checkpoint(path: Path, digest: str) -> Progress | None:
    """Return the progress that was saved; None, and say why, if it is of no use."""
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            entries = json.loads(archive.read(PROGRESS))
        if entries["digest"] != digest:
            print("starting over: an earlier run was interrupted, but had other settings, data or code")
            return None
        return Progress(keras.saving.load_model(path, safe_mode=True), entries["curves"])
    # Any exception: on a damaged file Keras raises a dozen types.
    except Exception as error:
        print(f"starting over: {path} cannot be used ({error!s:.300})")
        return None
