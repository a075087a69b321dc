"""Noise: grain, as of too little light, and single pixels that fail."""

from typing import Annotated

import numpy as np
from numpy.random import Generator

from mnist_moved.perturbations.contract import Between, Images, per_image, perturbation, to_uint8


@perturbation
def shot_noise(images: Images, rng: Generator, photons: Annotated[float, Between(0.1, 1000)] = 3.0) -> Images:
    """Count light photon by photon: Poisson noise, with so many photons expected from a pixel of full ink."""
    photons_per_level = per_image(photons) / 255
    return to_uint8(rng.poisson(images * photons_per_level) / photons_per_level)


@perturbation
def impulse_noise(
    images: Images, rng: Generator, fraction: Annotated[float, Between(0, 1, "of the pixels")] = 0.17
) -> Images:
    """Turn this fraction of the pixels, on average, into pepper (0) and salt (255) in equal parts."""
    chance = rng.random(images.shape, dtype=np.float32)
    half = per_image(fraction) / 2
    perturbed = images.copy()
    perturbed[chance < half] = 0
    perturbed[chance >= 1 - half] = 255
    return perturbed
