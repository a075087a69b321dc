"""External networks, trained by others: how they are fed and what they return is found out by trying."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp, softmax
from sklearn.metrics import confusion_matrix
from tqdm import tqdm

from mnist_moved.command import UserError
from mnist_moved.data.idx import CLASSES, SIDE, Digits
from mnist_moved.networks import Predict
from mnist_moved.networks.formats import Opened, open_network, reason
from mnist_moved.networks.saving import finite

Feeding = Callable[[np.ndarray], np.ndarray]  # images, uint8 (n, 28, 28), to what a network is fed with
Reading = Callable[[np.ndarray], np.ndarray]  # what it returns, (n, 10), to probabilities

# What training made of the levels 0 to 255 of an image.
SCALES: dict[str, Feeding] = {
    "0 to 255": lambda images: images,
    "0 to 1": lambda images: images / 255,
    "-1 to 1": lambda images: images / 127.5 - 1,
    "-0.5 to 0.5": lambda images: images / 255 - 0.5,
    "standardised": lambda images: (images / 255 - 0.1307) / 0.3081,  # by mean and deviation of MNIST
    "each standardised": lambda images: by_deviation(images),  # by mean and deviation of each image
    "0 or 1": lambda images: 1.0 * (images > 127),
    "length 1": lambda images: by_length(images, (1, 2)),
    "columns of length 1": lambda images: by_length(images, 1),  # as keras.utils.normalize(images, axis=1)
}
RARE = ("each standardised", "0 or 1", "length 1", "columns of length 1")  # few networks are trained so
RARER = 1.02  # times the loss, by which these must be better
ENLARGED, LARGE = ", enlarged", 32
# And how it turned the image. An input of 32 x 32 may have been enlarged to; else there are zeros around it.
TURNS: dict[str, Feeding] = {
    "": lambda images: images,
    ", black on white": lambda images: 255 - images,
    ", transposed": lambda images: images.swapaxes(1, 2),
    ", transposed, black on white": lambda images: 255 - images.swapaxes(1, 2),
    ENLARGED: lambda images: enlarge(images),
}


def by_deviation(images: np.ndarray) -> np.ndarray:
    deviation = images.std(axis=(1, 2), keepdims=True)
    return (images - images.mean(axis=(1, 2), keepdims=True)) / np.maximum(deviation, 1)


def by_length(images: np.ndarray, axes: int | tuple[int, ...]) -> np.ndarray:
    return images / np.maximum(np.linalg.norm(images, axis=axes, keepdims=True), 1)


def enlarge(images: np.ndarray) -> np.ndarray:
    """Resize images (n, 28, 28) to (n, 32, 32) by bilinear interpolation, as PyTorch and TensorFlow do."""
    places = np.clip((np.arange(LARGE) + 0.5) * SIDE / LARGE - 0.5, 0, SIDE - 1)
    shares = np.maximum(1 - np.abs(places[:, None] - np.arange(SIDE)), 0)
    return shares @ images @ shares.T


def composed(turn: Feeding, scale: Feeding) -> Feeding:
    return lambda images: scale(turn(images).astype("float32"))


FEEDINGS = {scale + turn: composed(TURNS[turn], SCALES[scale]) for turn, scale in product(TURNS, SCALES)}
LAYOUTS = [(28, 28), (28, 28, 1), (1, 28, 28), (784,), (32, 32), (32, 32, 1), (1, 32, 32)]
WELL = 0.9  # of the digits: who reads so many is fed as meant
HALF = 0.5  # who reads fewer is not measured
AS_GOOD = 0.01  # the difference of two accuracies that does not tell one way to feed a network from another
CLOSE = 1.15  # times the least loss
ENOUGH = 3000  # digits
TEMPERATURES = 2.0 ** np.arange(-6, 10, 0.5)


class ExternalNetwork(NamedTuple):
    """A network as a function of images, and in words what its file takes and returns."""

    predict: Predict
    description: str
    parameters: int | None


class Tried(NamedTuple):
    """One way to feed a network, and what came of it with digits.

    loss: cross-entropy; calibrated: the same once the network is made as sure as it should be, by the one
    temperature that suits it best (Guo et al. 2017, arXiv 1706.04599).
    """

    feeding: str
    outputs: np.ndarray  # (n, 10)
    correct: np.ndarray  # bool (n,)
    loss: float
    calibrated: float

    @property
    def accuracy(self) -> float:
        return self.correct.mean()


def load_external(path: Path, digits: Digits, feeding: str | None = None) -> ExternalNetwork:
    """Load a network that takes images of digits and returns ten probabilities, their logarithms, or others.

    digits: of no test set, such as validation digits; feeding: one of FEEDINGS, or None to find it out.
    Raises UserError if the file is no such network, or if it reads fewer than half of the digits.
    """
    try:
        opened, digits = open_network(path), Digits(*(array[:ENOUGH] for array in digits))
        layout = layout_of(opened, digits.images[:2])
        outputs = outputs_of(opened, layout, digits, feeding)
        if not outputs or (feeding and feeding not in outputs):
            raise UserError(f"{EXPECTED}; found numbers that are not finite")
        to_probabilities, kind = reading_of(outputs, digits.labels)
        tried = all_tried(outputs, digits.labels, to_probabilities)
        if feeding:
            tried = [each for each in tried if each.feeding == feeding]
        elif max(each.accuracy for each in tried) < HALF:
            raise UserError(unread(tried, digits.labels))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    chosen, others = choose(tried)
    words = f"images ({', '.join(map(str, ('n', *layout)))}), {chosen.feeding}, to {kind};"
    words += f" {chosen.accuracy:.1%} of {len(digits.labels):,} validation digits are right"
    words += ", which it may have been trained on"
    if others:
        words += f"; as good: {' or '.join(map(repr, others))} (--scale)"
    return ExternalNetwork(
        lambda images: finite(
            to_probabilities(ask_network(opened, layout, FEEDINGS[chosen.feeding](images))), path
        ),
        words,
        opened.parameters,
    )


def fits(feeding: str, opened: Opened, layout: tuple[int, ...], images: np.ndarray) -> bool:
    """May a network have been fed so, by the type, the limits and the size of its input?"""
    if not opened.dtype.startswith("float") and not feeding.startswith("0 to 255"):
        return False
    if feeding.endswith(ENLARGED) and LARGE not in layout:
        return False
    low, high = opened.limits
    fed = FEEDINGS[feeding](images[:100])
    room = 0.1 * (high - low) if np.isfinite(high - low) else 0
    return bool(fed.min() >= low - room and fed.max() <= high + room)


def choose(tried: list[Tried]) -> tuple[Tried, list[str]]:
    """The way to feed a network that was most likely meant, and those that do as well.

    About as many digits are right as at the best; the loss is about the least, but for being too sure or not
    sure enough; and of these, the loss as it is decides: at 255 times its scale many a network answers the
    same, and is only too sure. Perturbed digits could not tell: in fog, many a network does better if grey is
    cut off, or each image standardised, that was not trained so.
    """
    best = max(each.accuracy for each in tried)
    equal = [each for each in tried if each.accuracy >= best - AS_GOOD]
    least = min(each.calibrated for each in equal)
    close = [each for each in equal if each.calibrated <= CLOSE * least + 1e-6]
    chosen = min(close, key=unlikelihood)
    return chosen, [each.feeding for each in close if (each.correct != chosen.correct).any()]


def unlikelihood(tried: Tried) -> float:
    """The loss, rounded, so that of equal ones the first is the least; of what is RARE, a little more."""
    return round(float(tried.loss) * (RARER if tried.feeding.startswith(RARE) else 1), 4)


def outputs_of(
    opened: Opened, layout: tuple[int, ...], digits: Digits, feeding: str | None
) -> dict[str, np.ndarray]:
    """What a network returns for digits, float (n, 10), by the way to feed it, in the order of FEEDINGS: for
    the usual ways, as how outputs are read shows in many, and the one that is asked for; for all if none of
    these does well. Those in which it returns what is no number are left out."""
    possible = [name for name in FEEDINGS if fits(name, opened, layout, digits.images)]
    usual = [name for name in possible if name in SCALES or name.endswith(ENLARGED)]
    if feeding and feeding not in possible:
        takes = ", ".join(usual) or "0 to 255"
        raise UserError(
            f"--scale: expected one that its input can have had, such as {takes}; found {feeding}"
        )

    def ask(names: Iterable[str]) -> dict[str, np.ndarray]:
        found = {}
        for name in tqdm([*names], "how it is fed", unit=" ways", leave=False, disable=None):
            try:
                outputs = ask_network(opened, layout, FEEDINGS[name](digits.images))
            # Any exception: Keras, ONNX Runtime and LiteRT raise a dozen types when an array does not fit.
            except Exception as error:
                raise UserError(f"{EXPECTED}; found that it cannot take them: {reason(error)}") from None
            # A logarithm of 0 is minus infinity, and no fault.
            if not np.isnan(outputs).any() and np.isfinite(outputs.max(axis=1)).all():
                found[name] = outputs
        return found

    outputs = ask(dict.fromkeys([*usual, *([feeding] if feeding else [])]))
    best = max((accuracy_of(each, digits.labels) for each in outputs.values()), default=0)
    if best < WELL and not feeding:
        outputs |= ask(name for name in possible if name not in usual)
    return {name: outputs[name] for name in FEEDINGS if name in outputs}


def accuracy_of(outputs: np.ndarray, labels: np.ndarray) -> float:
    return (outputs.argmax(axis=1) == labels).mean()


def all_tried(outputs: dict[str, np.ndarray], labels: np.ndarray, to_probabilities: Reading) -> list[Tried]:
    """What came of each way to feed a network; outputs: by its name; to_probabilities: as of
    `reading_of`."""
    tried = []
    for name, found in outputs.items():
        logs = np.log(np.maximum(to_probabilities(found), 1e-15))
        right = logs[np.arange(len(labels)), labels]
        losses = [(logsumexp(logs / each, axis=1) - right / each).mean() for each in (1, *TEMPERATURES)]
        tried.append(Tried(name, found, found.argmax(axis=1) == labels, losses[0], min(losses)))
    return tried


def reading_of(outputs: dict[str, np.ndarray], labels: np.ndarray) -> tuple[Reading, str]:
    """What makes probabilities of a network's outputs (n, 10), and what those are called.

    outputs: in each way to feed it, as logits may happen to lie between 0 and 1 in one.
    """
    every = np.stack([*outputs.values()])
    if every.min() >= 0 and every.max() <= 1.02:
        # Those of quantised networks sum up to 1 within 0.012, those of a sigmoid each to anything.
        error = np.abs(every.sum(axis=-1) - 1).max()
        return by_sum, "probabilities" if error < 0.02 else "one sigmoid a class"
    best = max(every, key=lambda each: accuracy_of(each, labels))
    if all(abs(np.median(each) - 1) < 0.2 for each in (best.max(axis=1), best.sum(axis=1))):
        return by_sum, "numbers near 0 and 1"  # as trained with squared errors
    error = np.abs(logsumexp(every, axis=-1)).max()
    return partial(softmax, axis=1), "logarithms of probabilities" if error < 1e-2 else "logits"


def by_sum(outputs: np.ndarray) -> np.ndarray:
    positive = np.maximum(outputs, 0)
    return positive / np.maximum(positive.sum(axis=1, keepdims=True), 1e-15)


EXPECTED = "expected images of 28 x 28 pixels to ten classes"


def layout_of(opened: Opened, two: np.ndarray) -> tuple[int, ...]:
    """How a network wants an image to be laid out, one of LAYOUTS; UserError if it is none of them, or if it
    does not return ten numbers. two: images to try it with, uint8 (2, 28, 28)."""
    fitting = [
        layout
        for layout in LAYOUTS
        if len(layout) == len(opened.shape)
        and all(side in (None, pixels) for side, pixels in zip(opened.shape, layout, strict=True))
    ]
    if not fitting:
        free = ", ".join("any" if side is None else str(side) for side in opened.shape)
        raise UserError(f"{EXPECTED}; found an input of shape ({free})")
    problems = []
    for layout in fitting:
        try:
            shape = ask_network(opened, layout, two.astype("float32")).shape
        # Any exception, as above.
        except Exception as error:
            problems.append(f"that it cannot take them: {reason(error)}")
            continue
        if shape == (2, CLASSES):
            return layout
        end = "; take off an ArgMax at its end, if it has one" if np.prod(shape) <= 2 else ""
        problems.append(f"an output of shape {shape} for two images{end}")
    raise UserError(f"{EXPECTED}; found {problems[0]}")


def ask_network(opened: Opened, layout: tuple[int, ...], inputs: np.ndarray) -> np.ndarray:
    """What it returns for inputs (n, 28, 28), laid out so; on a larger image they lie in the middle of the
    level of their corner, which is paper."""
    if LARGE in layout and inputs.shape[1] == SIDE:
        margin, corner = (LARGE - SIDE) // 2, inputs[:, :1, :1]
        inputs = np.pad(inputs - corner, ((0, 0), (margin, margin), (margin, margin))) + corner
    return opened.outputs(inputs.reshape(-1, *layout))


def unread(tried: list[Tried], labels: np.ndarray) -> str:
    """What to say of a network that reads the digits in no way: the best of each turn of the image, and
    whether its classes are but in another order."""
    shares = []
    for turn in TURNS:
        if so := [each for each in tried if each.feeding in {scale + turn for scale in SCALES}]:
            best = max(so, key=lambda each: each.accuracy)
            shares.append(f"{best.accuracy:.1%} ({best.feeding})")
    in_order = {each.feeding: ordered(each.outputs.argmax(axis=1), labels) for each in tried}
    feeding, (share, order) = max(in_order.items(), key=lambda each: each[1][0])
    classes = ", ".join(map(str, order))
    return (
        f"expected a network that reads digits; found one that reads at most {' or '.join(shares)} of"
        f" {len(labels):,} validation digits; with its classes in another order, {share:.1%} ({feeding})"
    ) + (f": its outputs stand for {classes}" if share >= HALF else "")


def ordered(predicted: np.ndarray, labels: np.ndarray) -> tuple[float, list[int]]:
    """The share of digits that is right if the outputs stand for other classes, in the order that fits best;
    and that order."""
    counts = confusion_matrix(labels, predicted, labels=range(CLASSES))
    classes, outputs = linear_sum_assignment(-counts)
    return counts[classes, outputs].sum() / len(labels), classes[np.argsort(outputs)].tolist()
