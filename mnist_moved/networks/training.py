"""Training: a fresh batch of perturbations for every epoch, and the one loop over epochs, `fit`."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mnist_moved.command import UserError
from mnist_moved.data.idx import CLASSES, Digits, held_out
from mnist_moved.networks.architectures import build_network
from mnist_moved.networks.muon import Muon
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import BATCH
from mnist_moved.params import Train
from mnist_moved.perturbations import augment

GUESSING = math.log(CLASSES)  # the cross-entropy of one who guesses

HISTORY_NAMES = {  # as Keras calls them: as they are called here
    "accuracy": "training/accuracy",
    "loss": "training/loss",
    "val_accuracy": "validation/accuracy",
    "val_loss": "validation/loss",
}


def training_and_validation(digits: Digits, params: Train) -> tuple[Digits, Digits]:
    """Divide the training digits: the first ones to train on, the last ones to validate with.

    Raises UserError if there are not so many.
    """
    there, total = len(digits.labels), params.training_digits + params.validation_digits
    if total > there:
        raise UserError(
            f"params.yaml: train.training_digits + train.validation_digits: got {total}; allowed: at most"
            f" {there}, as many as the training set has"
        )
    training = Digits(*(array[: params.training_digits] for array in digits))
    return training, held_out(digits, params.validation_digits)


def compiled(network: keras.Model, learning_rate: float, steps: int) -> keras.Model:
    """Give a network that has none its optimizer, Muon: its steps grow for a fifth of training, then shrink.

    learning_rate: at its peak; steps: batches in all epochs. Large steps in between are what makes so few
    epochs enough (Smith and Topin 2017, arXiv 1708.07120).
    """
    if network.compiled:
        optimizer, loss = network.optimizer, network.loss
    else:
        warmup = steps // 5
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
        )
        optimizer, loss = Muon(schedule), "sparse_categorical_crossentropy"
    # Several batches in one call of TensorFlow: the same results, less waiting for Python.
    network.compile(optimizer, loss, metrics=["accuracy"], steps_per_execution=5)
    return network


def diverged(row: dict[str, float], is_last: bool) -> bool:
    """Is a metric of an epoch not finite, or in the last one the loss far above that of guessing?

    Early on the loss may be: also a network that was only begun well recovers.
    """
    lost = row["training/loss"] > 2 * GUESSING and row["training/accuracy"] < 2 / CLASSES
    return (is_last and lost) or not all(map(math.isfinite, row.values()))


def reseed(network: keras.Model, rng: np.random.Generator) -> None:
    """Give dropout, and whatever else draws within a network, new seeds: a saved network has lost its own."""
    for variable in network.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(rng.integers(2**31, size=2))


class Progress(NamedTuple):
    """What training has come to: the network, and its history, a row an epoch by the names in
    HISTORY_NAMES."""

    network: keras.Model
    history: Sequence[dict[str, float]]


def fit(
    params: Train,
    training: Digits,
    validation: Digits | None = None,
    progress: Progress | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Iterator[Progress]:
    """Train the network that `params` names, one epoch for each step of the caller's loop.

    Yields the progress so far, whose network the next epoch changes. `progress`: what an earlier loop was
    given last, to go on from there. What is random is drawn from the seed and the number of the epoch, so
    that it ends with the same bytes. `callbacks`: for Keras, called within an epoch. Raises UserError as
    `build_network` does, and if training diverges.
    """
    n = len(training.images)
    if progress is None:
        keras.utils.set_random_seed(params.seed)
        network = build_network(params.network, params.network_options)
        steps = params.epochs * math.ceil(n / params.batch_size)
        progress = Progress(compiled(network, params.learning_rate, steps), [])
    network, history = progress
    for epoch in range(len(history), params.epochs):
        rng = np.random.default_rng([params.seed, epoch])
        order = rng.permutation(n)
        images, labels = training.images[order], training.labels[order]
        if params.augment:
            images = augment(images, rng, params.augmentation)
        reseed(network, rng)
        metrics = network.fit(
            images,
            labels,
            params.batch_size,
            shuffle=False,
            verbose=0,
            validation_data=validation,
            validation_batch_size=BATCH,
            callbacks=list(callbacks),
        ).history
        row = {name: round(metrics[key][-1], 5) for key, name in HISTORY_NAMES.items() if key in metrics}
        if diverged(row, is_last=epoch == params.epochs - 1):
            found = ", ".join(f"{name} {value:g}" for name, value in row.items())
            raise UserError(
                f"training diverged: expected a loss below {GUESSING:.1f}, that of guessing; found {found} in"
                f" epoch {epoch + 1}; lower the learning rate (train.learning_rate: {params.learning_rate:g})"
            )
        history = [*history, row]
        yield Progress(network, history)
