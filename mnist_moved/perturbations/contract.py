"""What a perturbation is, and the registry of all there are.

The contract of a perturbation, `function(images, rng, **strengths) -> perturbed`:

- `images`: uint8, shape (n, 28, 28), 0 = background, 255 = ink, n >= 0. It is never written to.
- A strength is a keyword in a natural unit, with a default and, as its annotation, the range that params.yaml
  may ask for and, unless its name says it, the unit. A call passes one number for all images, or an array of
  shape (n,), one number an image.
- It returns a new uint8 array of the same shape.
- Random numbers come from one call to `rng` whose first axis is the image, or that reads the stream image
  after image, and no image sees another. So a batch gives the same bytes as its images one at a time, the
  first k images do not depend on n, and `perturb` may work in chunks.
- It returns the same bytes on every processor. What differs between them is the order of sums (`@`, einsum,
  sum, mean) and the last bit of exp, log, tan, hypot, `**` and their kin. So a perturbation sums up only
  `rounded` numbers, which is exact in any order; and it computes such functions in float64, then rounds by
  `rounded` or `per_image`: what can differ still, less than one number in 2^28, is what lies in the middle
  between two. +, -, *, / and sqrt, element by element, are the same everywhere, as is all of integers and
  sorting. Of `rng`, `random` and `integers` are. `normal` is a logarithm in part, to be rounded; `poisson`
  only compares with one. `uniform` may round otherwise, `low + (high - low) * rng.random(n)` does not.

To add one, write such a function in a file of this folder and decorate it with `@perturbation`: params.yaml
may name it then, and the tests find it in `PERTURBATIONS`.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, NamedTuple, get_origin

import numpy as np

from mnist_moved.command import UserError
from mnist_moved.data.idx import SIDE

PIXELS = np.arange(SIDE, dtype=np.float32)
ROWS, COLUMNS = PIXELS[:, None], PIXELS[None, :]

Images = np.ndarray  # uint8 (n, 28, 28)
Strength = float | np.ndarray

PERTURBATIONS: dict[str, Callable[..., Images]] = {}


class Between(NamedTuple):
    """The annotation of a strength: from where to where it may go, and the unit unless its name says it."""

    low: float
    high: float
    unit: str = ""


def perturbation(function: Callable[..., Images]) -> Callable[..., Images]:
    """Enter `function` in `PERTURBATIONS` under its own name; UserError if its signature breaks the
    contract."""
    signature = inspect.signature(function)
    images_and_rng, strengths = [*signature.parameters][:2], [*signature.parameters.values()][2:]
    if images_and_rng != ["images", "rng"] or not all(
        get_origin(each.annotation) is Annotated and each.default != each.empty for each in strengths
    ):
        raise UserError(
            f"{inspect.getsourcefile(function)}: {function.__name__}: expected (images, rng, STRENGTH:"
            f" Annotated[float, Between(LOW, HIGH)] = DEFAULT, ...), found {signature}"
        )
    PERTURBATIONS[function.__name__] = function
    return function


class Range(NamedTuple):
    """What may be asked of a strength: from `low` to `high`, or else `default`; and in what unit."""

    low: float
    high: float
    default: float
    unit: str


def ranges(perturbation: str) -> dict[str, Range]:
    """The strengths of a perturbation, by name, from its signature; KeyError if there is no such
    perturbation."""
    strengths = list(inspect.signature(PERTURBATIONS[perturbation]).parameters.values())[2:]
    found = {}
    for each in strengths:
        [(low, high, unit)] = each.annotation.__metadata__
        found[each.name] = Range(low, high, each.default, unit)
    return found


# What most perturbations need


def per_image(strength: Strength) -> np.ndarray:
    """Return one number for all images, or one an image, as float32 that broadcasts against (n, 28, 28)."""
    return np.asarray(strength, np.float32).reshape(-1, 1, 1)


def rounded(values: np.ndarray, bits: int = 16) -> np.ndarray:
    """Round float64 numbers to multiples of 2^-bits, by which a difference in their last bit is gone.

    A sum of products of such numbers is exact, and so the same in any order, if its bits before and after
    the point are no more than the 53 of float64: pixels, of 8 bits, weighted by numbers of 16 bits that sum
    up to 1 need 24, weighted twice, along rows and columns, 40.
    """
    return np.rint(np.asarray(values, float) * 2.0**bits) * 2.0**-bits


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Round, halves up, and saturate at 0 and 255."""
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)


def flat_index(row: np.ndarray, column: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return where whole coordinates, shape (1 or n, 28, 28), lie in the flattened images (n, side, side)."""
    n, side, _ = images.shape
    first_pixel = np.arange(n).reshape(-1, 1, 1) * side**2
    return first_pixel + (row * side + column).astype(np.intp)
