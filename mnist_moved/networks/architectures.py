"""The networks that can be trained, by name.

To add one, write a function here that returns a `keras.Model` and decorate it with `@network`; then
`train.network` in params.yaml may name it, and `train.network_options` hold its arguments. It takes uint8
images (n, 28, 28), returns probabilities (n, 10), and is made of Keras's own layers, so that its file loads
without this project, on any Keras backend. One that comes compiled keeps its optimizer and its loss; any
other is trained as training.py says.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from mnist_moved.command import UserError
from mnist_moved.data.idx import SIDE
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import check_contract, save_network

layers = keras.layers

NETWORKS: dict[str, Callable[..., keras.Model]] = {}


def network(function: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Enter `function` in `NETWORKS` under its own name."""
    NETWORKS[function.__name__] = function
    return function


@network
def global_pooling(channels: int = 48) -> keras.Model:
    """A convolutional network that asks what is in the image, not where; channels: of its last layers."""

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
def baseline() -> keras.Model:
    """The Keras example "Simple MNIST convnet" (Chollet 2015),
    https://keras.io/examples/vision/mnist_convnet/.

    It is compiled as there; its batches have 128 digits.
    """
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
    if unknown := [option for option in options if option not in known]:
        allowed = ", ".join(known) or "none"
        raise UserError(
            f"params.yaml: train.network_options: got {', '.join(unknown)}; allowed for {name}: {allowed}"
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
