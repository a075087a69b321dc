"""External networks, trained by others: whatever they take and return, as functions of images in MNIST's
form.

A Keras file (.keras) or an ONNX file (.onnx, as PyTorch and others export it) runs no code of its own. Other
forms may, as pickles do, and are refused.
"""

import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

from mnist_moved.command import UserError
from mnist_moved.data.idx import CLASSES, SIDE, Digits
from mnist_moved.networks import Predict
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import BATCH

# What training made of the levels 0 to 255 of an image.
SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "0 to 255": lambda images: images,
    "0 to 1": lambda images: images / 255,
    "-1 to 1": lambda images: images / 127.5 - 1,
    "standardised": lambda images: (images / 255 - 0.1307) / 0.3081,  # by mean and deviation of MNIST
}
AS_GOOD = 0.005  # the difference of two accuracies that does not tell one scale from another
LAYOUTS = [(SIDE, SIDE), (SIDE, SIDE, 1), (1, SIDE, SIDE), (SIDE * SIDE,)]
ONNX_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
ONNX_TYPES |= {"tensor(uint8)": "uint8"}


class Opened(NamedTuple):
    """A network as its file has it. shape: of one input; batch: how many it takes at once, None = any."""

    call: Callable[[np.ndarray], Any]
    shape: tuple[int, ...]
    dtype: str
    batch: int | None
    parameters: int

    def outputs(self, images: np.ndarray, scale: str) -> np.ndarray:
        """What it returns for images, uint8 (n, 28, 28), at one of SCALES."""
        size = self.batch or BATCH
        inputs = SCALES[scale](images.astype("float32")).astype(self.dtype).reshape(-1, *self.shape)
        if self.batch:  # not less than so many either
            missing = -len(images) % size
            inputs = np.concatenate([inputs, np.zeros((missing, *self.shape), self.dtype)])
        blocks = [inputs[start : start + size] for start in range(0, len(inputs), size)]
        return np.concatenate([np.asarray(self.call(block)) for block in blocks])[: len(images)]


class ExternalNetwork(NamedTuple):
    """A network as a function of images, and in words what its file takes and returns."""

    predict: Predict
    description: str
    parameters: int


def load_external(path: Path, digits: Digits, scale: str | None = None) -> ExternalNetwork:
    """Load a network that takes images of 28 x 28 pixels and returns ten probabilities, or their logarithms.

    scale: one of SCALES. If None, it is found out on `digits`, which are of no test set: of the scales at
    which most are right, the one of the smallest loss, as at 255 times its scale many a network answers the
    same and is only too sure. Raises UserError if the file is no such network.
    """
    if path.suffix not in OPENERS:
        raise UserError(
            f"{path}: expected a file that ends in {' or '.join(OPENERS)}, which can hold no code"
        )
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise UserError(f"{path}: expected a Keras file, which is a zip archive; found no zip archive")
    opened = OPENERS[path.suffix](path)
    scales = [scale] if scale else ["0 to 255"] if opened.dtype == "uint8" else SCALES
    found = {each: checked_outputs(path, opened, digits, each) for each in scales}
    found = {each: outputs for each, outputs in found.items() if np.isfinite(outputs).all()}
    if not found:
        raise UserError(f"{path}: expected ten probabilities or logits; found numbers that are not finite")
    normal = all(
        outputs.min() >= 0 and np.abs(outputs.sum(axis=1) - 1).max() < 1e-3 for outputs in found.values()
    )
    to_probabilities = np.asarray if normal else partial(softmax, axis=1)  # of logarithms as of logits
    right = {each: (outputs.argmax(axis=1) == digits.labels).mean() for each, outputs in found.items()}
    as_good = [each for each in found if right[each] >= max(right.values()) - AS_GOOD]
    places, tiny = np.arange(len(digits.labels)), 1e-15
    losses = {
        each: -np.log(np.maximum(to_probabilities(found[each])[places, digits.labels], tiny)).mean()
        for each in as_good
    }
    best = min(losses, key=losses.get)
    return ExternalNetwork(
        lambda images: to_probabilities(opened.outputs(images, best)),
        f"images ({', '.join(map(str, ('n', *opened.shape)))}), {best},"
        f" to {'probabilities' if normal else 'logits'};"
        f" {right[best]:.1%} of {len(digits.labels):,} validation images classified correctly",
        opened.parameters,
    )


def checked_outputs(path: Path, opened: Opened, digits: Digits, scale: str) -> np.ndarray:
    """What a network returns for digits, (n, 10); UserError if it does not take them, or returns others."""
    expected = f"{path}: expected images of 28 x 28 pixels to ten classes"
    if opened.shape not in LAYOUTS:
        raise UserError(f"{expected}; found an input of shape {opened.shape}")
    try:
        outputs = opened.outputs(digits.images, scale)
    # Any exception: Keras and ONNX Runtime raise a dozen types when an array does not fit.
    except Exception as error:
        raise UserError(f"{expected}; found that it cannot take them: {error!s:.300}") from None
    if outputs.shape != (len(digits.labels), CLASSES):
        raise UserError(f"{expected}; found an output of shape {outputs.shape[1:]}")
    return outputs


def open_keras(path: Path) -> Opened:
    """Open a Keras file; UserError if it is damaged, needs code, or has not one input and one output."""
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        inputs, outputs = network.inputs, network.outputs
    # Any exception: on a damaged file, or a layer that is not Keras's own, Keras raises a dozen types.
    except Exception as error:
        raise UserError(
            f"{path}: expected a Keras file of Keras's own layers, found another or a damaged one:"
            f" {error!s:.300}"
        ) from None
    one_of_each(path, inputs, outputs)
    [tensor] = inputs
    shape = tuple(tensor.shape[1:])
    return Opened(network.predict_on_batch, shape, tensor.dtype, tensor.shape[0], network.count_params())


def open_onnx(path: Path) -> Opened:
    """Open an ONNX file; UserError if it is damaged or has not one input and one output."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise UserError(
            f"{path}: an ONNX file needs two packages more: pip install -r requirements-models.txt"
        ) from None
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        weights = onnx.load(path).graph.initializer
    # Any exception: ONNX Runtime's own, without a common class.
    except Exception as error:
        raise UserError(
            f"{path}: expected an ONNX file, found another or a damaged one: {error!s:.300}"
        ) from None
    one_of_each(path, session.get_inputs(), session.get_outputs())
    [tensor] = session.get_inputs()
    if tensor.type not in ONNX_TYPES:
        raise UserError(f"{path}: expected an input of type {' or '.join(ONNX_TYPES)}, found {tensor.type}")
    batch, *shape = tensor.shape
    return Opened(
        lambda images: session.run(None, {tensor.name: images})[0],
        tuple(shape),
        ONNX_TYPES[tensor.type],
        batch if isinstance(batch, int) else None,
        int(sum(np.prod(weight.dims) for weight in weights)),
    )


def one_of_each(path: Path, inputs: list[Any], outputs: list[Any]) -> None:
    if (len(inputs), len(outputs)) != (1, 1):
        found = f"{len(inputs)} inputs and {len(outputs)} outputs"
        raise UserError(f"{path}: expected one input and one output, found {found}")


OPENERS = {".keras": open_keras, ".onnx": open_onnx}
