"""Training: a fresh batch of perturbations for every epoch, and the one loop over epochs, `fit`."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from robustness.command import UserError
from robustness.mnist import Digits, held_out
from robustness.networks import BATCH, build_network, predict
from robustness.params import Train
from robustness.perturbations import perturb
from robustness.quiet_keras import keras

Curves = Sequence[dict[str, float]]  # a row an epoch

RANKED_AFTER = 2  # epochs: then it is clear which digits are easy
KNOWN = 0.8  # the share of the digits that count as well known from then on

CURVE_NAMES = {  # as Keras calls them: as they are called here
    "accuracy": "training/accuracy",
    "loss": "training/loss",
    "val_accuracy": "validation/accuracy",
    "val_loss": "validation/loss",
}


def split(digits: Digits, params: Train) -> tuple[Digits, Digits]:
    """Part the training digits: the first ones to train on, the last ones to validate with.

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


def augment(
    images: np.ndarray, rng: np.random.Generator, augmentation: dict[str, dict[str, Any]]
) -> np.ndarray:
    """Perturb each image by at most one kind, drawn by the kinds' probabilities, at a strength within bounds.

    images: uint8 (n, 28, 28); augmentation: {KIND: {"probability": P, STRENGTH: [LOW, HIGH], ...}}. One
    perturbation on top of another would leave digits that nobody can read, and fewer that are as they were.
    """
    images = images.copy()
    share = rng.random(len(images))
    for kind, setting in augmentation.items():
        chosen = np.flatnonzero((share >= 0) & (share < setting["probability"]))
        share -= setting["probability"]
        bounds = {name: pair for name, pair in setting.items() if name != "probability"}
        strengths = {name: rng.uniform(low, high, len(chosen)) for name, (low, high) in bounds.items()}
        images[chosen], _ = perturb(images[chosen], kind, rng, **strengths)
    return images


def compiled(network: keras.Model, learning_rate: float, steps: int) -> keras.Model:
    """Give a network that has none its optimizer, Adam: its steps grow for a fifth of training, then shrink.

    learning_rate: at its peak; steps: batches in all epochs. Large steps in between are what makes ten epochs
    enough (Smith and Topin 2017, arXiv 1708.07120).
    """
    if network.compiled:
        optimizer, loss = network.optimizer, network.loss
    else:
        warmup = steps // 5
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
        )
        optimizer, loss = keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy"
    # Several batches in one call of TensorFlow: the same results, less waiting for Python.
    network.compile(optimizer, loss, metrics=["accuracy"], steps_per_execution=5)
    return network


def reseed(network: keras.Model, rng: np.random.Generator) -> None:
    """Give dropout, and whatever else draws within a network, new seeds: a saved network has lost its own."""
    for variable in network.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(rng.integers(2**31, size=2))


class Progress(NamedTuple):
    """What training has come to: the network; its learning curves, a row an epoch by the names that
    CURVE_NAMES has; and which of the training digits it knows well, bool (n,)."""

    network: keras.Model
    curves: Curves
    known: np.ndarray


def best_known(network: keras.Model, digits: Digits) -> np.ndarray:
    """The share KNOWN of the digits, unperturbed, of which the network is surest: bool (n,)."""
    right = predict(network, digits.images)[np.arange(len(digits.labels)), digits.labels]
    return np.argsort(np.argsort(-right, kind="stable")) < KNOWN * len(right)


def shuffled(known: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The digits of an epoch in random order, and their weights: a random share of what is known is left
    out, and the rest of it weighs more in proportion (Qin et al. 2023, arXiv 2303.04947)."""
    order = rng.permutation(len(known))
    if share:
        order = order[~known[order] | (rng.random(len(order)) >= share)]
    return order, np.where(known[order], 1 / (1 - share), 1)


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
    `build_network` does.
    """
    n = len(training.images)
    if progress is None:
        keras.utils.set_random_seed(params.seed)
        network = build_network(params.network, params.network_options)
        shorter = max(params.epochs - RANKED_AFTER - 1, 0)  # epochs in which digits are left out
        full, short = (
            math.ceil(n * share / params.batch_size) for share in (1, 1 - KNOWN * params.leave_out)
        )
        steps = (params.epochs - shorter) * full + shorter * short
        progress = Progress(compiled(network, params.learning_rate, steps), [], np.zeros(n, bool))
    network, curves, known = progress
    for epoch in range(len(curves), params.epochs):
        rng = np.random.default_rng([params.seed, epoch])
        if epoch == RANKED_AFTER and params.leave_out:
            known = best_known(network, training)
        # The last epoch has all digits.
        order, weights = shuffled(known, params.leave_out if epoch < params.epochs - 1 else 0, rng)
        images, labels = training.images[order], training.labels[order]
        if params.augment:
            images = augment(images, rng, params.augmentation)
        reseed(network, rng)
        history = network.fit(
            images,
            labels,
            params.batch_size,
            shuffle=False,
            verbose=0,
            sample_weight=weights,
            validation_data=validation,
            validation_batch_size=BATCH,
            callbacks=list(callbacks),
        ).history
        row = {name: round(history[key][-1], 5) for key, name in CURVE_NAMES.items() if key in history}
        curves = [*curves, row]
        yield Progress(network, curves, known)
