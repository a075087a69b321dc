"""Networks of this project as files: written, the same weights always as the same bytes, read, and asked."""

import json
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mnist_moved.command import UserError
from mnist_moved.data.idx import SIDE
from mnist_moved.files import write_zip
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.paths import BASELINES, MODEL

BATCH = 512  # images that are predicted at once: more need more memory, and are no faster

REMEDIES = {
    MODEL.parent: "make it with `dvc repro train`",
    BASELINES: "make it with `python -m scripts.baseline`",
}


def predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Predict probabilities, float32 (n, 10), for uint8 images (n, 28, 28); UserError as of `finite`."""
    # Not `network.predict`, which sets up and tears down an input pipeline each time.
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    return finite(np.concatenate([network.predict_on_batch(batch) for batch in batches]), "the network")


def finite(probabilities: np.ndarray, name: object) -> np.ndarray:
    """Return what a network answered, (n, 10); UserError if it holds numbers that are not finite."""
    wrong = np.count_nonzero(~np.isfinite(probabilities).all(axis=1))
    if wrong:
        raise UserError(
            f"{name}: expected probabilities, found numbers that are not finite for {wrong:,} of"
            f" {len(probabilities):,} images; was its learning rate too high?"
        )
    return probabilities


def save_network(network: keras.Model, path: Path = MODEL) -> None:
    """Write a network without its optimizer, the same weights always as the same bytes."""
    [images], [probabilities] = network.inputs, network.outputs
    with TemporaryDirectory() as folder:
        saved = Path(folder, "network.keras")
        keras.Model(images, probabilities, name="mnist_classifier").save(saved)
        with zipfile.ZipFile(saved) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    # Keras writes down the time, and the memory addresses of objects that layers may share: none do.
    members["metadata.json"] = json.dumps({"keras_version": keras.__version__}).encode()
    members["config.json"] = re.sub(rb', "shared_object_id": \d+', b"", members["config.json"])
    write_zip(path, members)


def load_network(path: Path = MODEL) -> keras.Model:
    """Load a network, running no code in it; UserError if there is none that keeps the contract."""
    try:
        loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
    # Any exception: on a damaged file Keras raises a dozen types.
    except Exception as error:
        remedy = REMEDIES.get(path.parent, "name another file")
        raise UserError(f"{path} is missing or damaged ({error!s:.300}); {remedy}") from None
    check_contract(loaded, path)
    return loaded


def check_contract(network: keras.Model, name: object) -> None:
    """Raise UserError unless `network` takes uint8 images (n, 28, 28) and returns probabilities (n, 10)."""
    expected = f"{name}: expected uint8 images (n, 28, 28) to probabilities (n, 10), found"
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    try:
        found = np.asarray(network.predict_on_batch(images))
    # Any exception: Keras and TensorFlow raise a dozen types when an array does not fit.
    except Exception as error:
        raise UserError(f"{expected} that it cannot take them: {error!s:.300}") from None
    if found.shape != (2, 10):
        raise UserError(f"{expected} an output of shape {found.shape}")
    if not np.isfinite(found).all():
        raise UserError(f"{expected} numbers that are not finite; was its learning rate too high?")
    if found.min() < 0 or np.abs(found.sum(axis=1) - 1).max() > 1e-3:
        raise UserError(
            f"{expected} an output from {found.min():g} to {found.max():g}; it ends in no softmax"
        )
