"""One digit probed, as the page does: shrunk step by step, slid over every place, perturbed ever more."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnist_moved.data.idx import SIDE
from mnist_moved.networks import Predict
from mnist_moved.perturbations import perturb
from mnist_moved.perturbations.geometry import place

NONE = "none"  # in place of a perturbation
SEED = 42  # the same for every image, so that nothing jumps while one thing changes
SMALLEST = 0.2  # of its size, to which the digit is shrunk
STEPS = 25  # of a curve
PLACES = 20  # along each side of a map, at most


def perturb_digit(
    digit: np.ndarray, size: Any, across: Any, down: Any, perturbation: str, **strengths: Any
) -> np.ndarray:
    """Shrink a digit, uint8 (28, 28), lay it at a place, then perturb it: uint8 (n, 28, 28).

    Everything but the perturbation is one number, or an array (n,), one number an image. size: 1 is that of
    MNIST; across, down: its place, from 0, the left and upper edge, to 1, the right and lower edge;
    perturbation: its name, or NONE.
    """
    numbers = np.broadcast_arrays(np.atleast_1d(size), across, down, *strengths.values())
    size, across, down, *values = numbers
    canvas, n = SIDE / size, len(size)
    room = canvas - SIDE
    images = place(np.repeat(digit[None], n, axis=0), canvas, down * room, across * room)
    if perturbation != NONE:
        for number in range(n):  # one by one, so that all have the same random draws
            strength = {name: float(value[number]) for name, value in zip(strengths, values, strict=True)}
            image = images[number : number + 1]
            image[:] = perturb(image, perturbation, np.random.default_rng(SEED), **strength)
    return images


def steps(values: Any) -> np.ndarray:
    """As many values as a curve has steps, between those given, mildest first: float64 (STEPS,)."""
    return np.interp(np.linspace(0, len(values) - 1, STEPS), np.arange(len(values)), values)


def places(size: float) -> np.ndarray:
    """Where along one side a map tries the digit, from 0 to 1: whole pixels of the canvas, if few."""
    return np.linspace(0, 1, min(round(SIDE / size - SIDE) + 1, PLACES))


def follow(
    digit: np.ndarray,
    controls: Mapping[str, Any],
    changes: Mapping[str, Mapping[str, np.ndarray]],
    networks: Sequence[Predict],
) -> list[dict[str, np.ndarray]]:
    """What networks make of a digit while one control changes and all others stay; all in one batch each.

    controls: as `perturb_digit` takes them; changes: name -> control -> its values (n,). Returns, for each
    network, name -> probabilities, float (n, 10).
    """
    images = [perturb_digit(digit, **controls | change) for change in changes.values()]
    ends = np.cumsum([len(each) for each in images])[:-1]
    together = np.concatenate(images)
    return [dict(zip(changes, np.split(network(together), ends), strict=True)) for network in networks]
