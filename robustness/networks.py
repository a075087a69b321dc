"""The networks that can be trained, by name, and any network as a file.

The contract of a network: uint8 images, shape (n, 28, 28), 0 = background, 255 = ink, to probabilities of ten
classes, float32 (n, 10). It is a plain Keras file that loads without this project, on any Keras backend.

To add one, write a function here that returns a `keras.Model` and decorate it with `@network`; then
`train.network` in params.yaml may name it, and `train.network_options` hold its arguments. A network that
comes compiled keeps its optimizer and its loss; any other is trained as robustness/training.py says.
"""

import inspect
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np

from robustness.artifacts import BASELINES, MODEL
from robustness.command import UserError
from robustness.files import write_zip
from robustness.mnist import SIDE
from robustness.quiet_keras import keras

BATCH = 1000  # digits that are predicted at once

REMEDIES = {
    MODEL.parent: "make it with `dvc repro train`",
    BASELINES: "make it with `python -m scripts.baseline`",
}

NETWORKS: dict[str, Callable[..., keras.Model]] = {}


def network(function: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Enter `function` in `NETWORKS` under its own name."""
    NETWORKS[function.__name__] = function
    return function


@network
def global_pooling(channels: int = 48) -> keras.Model:
    """A convolutional network that asks what is in the image, not where; channels: of its last layers."""
    layers = keras.layers

    def convolution(filters: int, strides: int = 1) -> list[keras.layers.Layer]:
        # Batch normalisation only where the maps are small: there it is cheap, and there it is enough.
        return [
            layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]

    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Rescaling(1 / 255),
            # Each image to mean 0, variance 1: else a grey or foggy background would be taken for ink.
            layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False),
            # Half the resolution at once: all that follows costs a quarter.
            layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            *convolution(channels, strides=2),
            *convolution(channels),
            *convolution(channels),
            # The strongest response anywhere, because the digit may be anywhere.
            layers.GlobalMaxPooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


@network
def standard() -> keras.Model:
    """The Keras example "Simple MNIST convnet" (Chollet 2015), https://keras.io/examples/vision/mnist_convnet/.

    It is compiled as there; its batches have 128 digits.
    """
    layers = keras.layers
    example = keras.Sequential(
        [
            keras.Input((SIDE, SIDE)),
            layers.Reshape((SIDE, SIDE, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    example.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return example


def build_network(name: str, options: Mapping[str, Any] = MappingProxyType({})) -> keras.Model:
    """Build the network of that name, untrained; options: arguments of its function.

    Raises UserError if there is none of that name or it has no such options, or if it breaks the contract.
    """
    if name not in NETWORKS:
        raise UserError(f"params.yaml: train.network: got {name!r}; allowed: {', '.join(NETWORKS)}")
    known = inspect.signature(NETWORKS[name]).parameters
    for option in options:
        if option not in known:
            allowed = ", ".join(known) or "none"
            raise UserError(
                f"params.yaml: train.network_options: got {option}; allowed for {name}: {allowed}"
            )
    try:
        built = NETWORKS[name](**options)
    # Any exception: whatever Keras raises of an option that cannot be, such as -1 channels.
    except Exception as error:
        raise UserError(f"the network {name} cannot be built with {dict(options)}: {error!s:.300}") from None
    check_contract(built, f"the network {name}")
    try:
        with TemporaryDirectory() as folder:
            save_network(built, Path(folder, "network.keras"))
            keras.saving.load_model(Path(folder, "network.keras"), safe_mode=True)
    # Any exception: a Lambda layer, a layer or a model class of one's own each raises another type.
    except Exception as error:
        expected = "expected a Sequential or functional model of Keras's own layers, which loads anywhere"
        raise UserError(f"the network {name}: {expected}, found {error!s:.300}") from None
    return built


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


def predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Predict probabilities, float32 (n, 10), for uint8 images (n, 28, 28)."""
    return network.predict(images, BATCH, verbose=0)


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
