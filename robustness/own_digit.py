"""One digit, altered as the page asks: shrunk step by step, slid over every place, perturbed ever more."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from robustness.mnist import SIDE
from robustness.perturbations import perturb, place

NONE = "none"  # the kind of perturbation that is none
SEED = 42  # the same for every image, so that nothing jumps while one thing changes
SMALLEST = 0.2  # of its size, to which the digit is shrunk
STEPS = 25  # of a curve
PLACES = 20  # along each side of a map, at most


def alter(digit: np.ndarray, size: Any, across: Any, down: Any, kind: str, **strengths: Any) -> np.ndarray:
    """Shrink a digit, uint8 (28, 28), lay it at a place, then perturb it: uint8 (n, 28, 28).

    Everything but the kind is one number, or an array (n,), one number an image. size: 1 is that of MNIST;
    across, down: its place, from 0, the left and upper edge, to 1, the right and lower edge; kind: of
    perturbation, or NONE.
    """
    numbers = np.broadcast_arrays(np.atleast_1d(size), across, down, *strengths.values())
    size, across, down, *values = numbers
    canvas, n = SIDE / size, len(size)
    room = canvas - SIDE
    images = place(np.repeat(digit[None], n, axis=0), canvas, np.ones(n), down * room, across * room)
    if kind != NONE:
        for number in range(n):  # one by one, so that all have the same random draws
            strength = {name: float(value[number]) for name, value in zip(strengths, values, strict=True)}
            images[number], _ = perturb(
                images[number : number + 1], kind, np.random.default_rng(SEED), **strength
            )
    return images


def steps(values: Any) -> np.ndarray:
    """As many values as a curve has steps, between those given, mildest first: float64 (STEPS,)."""
    return np.interp(np.linspace(0, len(values) - 1, STEPS), np.arange(len(values)), values)


def places(size: float) -> np.ndarray:
    """Where along one side a map tries the digit, from 0 to 1: whole pixels of the canvas, if few."""
    return np.linspace(0, 1, min(round(SIDE / size - SIDE) + 1, PLACES))


def lost_at(right: np.ndarray, values: np.ndarray) -> float | None:
    """The value from which on a digit is never read right again; None if it is right at the last.

    right: bool (n,), at each of the values, the mildest first.
    """
    if right[-1]:
        return None
    return float(values[np.flatnonzero(right)[-1] + 1 if right.any() else 0])


def follow(
    digit: np.ndarray,
    settings: Mapping[str, Any],
    changes: Mapping[str, Mapping[str, np.ndarray]],
    networks: Sequence[Callable[[np.ndarray], np.ndarray]],
) -> list[dict[str, np.ndarray]]:
    """What networks make of a digit while one thing changes and all else is as set; all in one batch each.

    settings: as `alter` takes them; changes: name -> setting -> its values (n,). Returns, for each network,
    name -> probabilities, float (n, 10).
    """
    images = [alter(digit, **settings | change) for change in changes.values()]
    ends = np.cumsum([len(each) for each in images])[:-1]
    together = np.concatenate(images)
    return [dict(zip(changes, np.split(network(together), ends), strict=True)) for network in networks]
