"""Perturbations applied: to a batch, to the digits of a test set, and to training images, a few of them each.

perturb(images, "rotate", np.random.default_rng(42), degrees=30.0)
"""

import zlib
from typing import Any

import numpy as np

from mnist_moved.data.idx import Digits
from mnist_moved.data.test_sets import TestSet
from mnist_moved.perturbations.contract import PERTURBATIONS, Strength

# 128 float32 images are 400 kB: the few temporaries of a perturbation stay in a core's cache.
CHUNK = 128


def perturb(
    images: np.ndarray, perturbation: str, rng: np.random.Generator, **strengths: Strength
) -> np.ndarray:
    """Apply a perturbation to any number of images, chunk by chunk: the same bytes in less memory.

    images: uint8 (n, 28, 28), returned as such; strengths: a number, or an array (n,), one number an image.
    Raises KeyError if there is no perturbation of that name.
    """
    perturbed = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        chunk = slice(start, start + CHUNK)
        part = {name: value[chunk] if np.ndim(value) else value for name, value in strengths.items()}
        perturbed[chunk] = PERTURBATIONS[perturbation](images[chunk], rng, **part)
    return perturbed


def make_test_set(digits: Digits, seed: int, name: str, perturbation: str, **strengths: float) -> TestSet:
    """Perturb digits. The test set depends on the seed, its name and its strengths, and on no other test
    set."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    images = perturb(digits.images, perturbation, rng, **strengths)
    return TestSet(images, digits.labels, perturbation, strengths)


def augment(
    images: np.ndarray, rng: np.random.Generator, augmentation: dict[str, dict[str, Any]]
) -> np.ndarray:
    """Perturb each image by at most one perturbation, at a strength drawn between its bounds.

    images: uint8 (n, 28, 28); augmentation: {PERTURBATION: {"probability": P, STRENGTH: [LOW, HIGH], ...}}.
    One perturbation on top of another would leave digits that nobody can read, and fewer that are as they
    were.
    """
    images = images.copy()
    shares = np.cumsum([each["probability"] for each in augmentation.values()])
    drawn = np.searchsorted(shares, rng.random(len(images)), side="right")
    for number, (perturbation, options) in enumerate(augmentation.items()):
        chosen = np.flatnonzero(drawn == number)
        bounds = {name: pair for name, pair in options.items() if name != "probability"}
        strengths = {
            name: low + (high - low) * rng.random(len(chosen)) for name, (low, high) in bounds.items()
        }
        images[chosen] = perturb(images[chosen], perturbation, rng, **strengths)
    return images
