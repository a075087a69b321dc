"""A digest of what every perturbation makes of the same digits, as JSON: test_perturbations.py runs it under
settings by which NumPy, the BLAS in it, and the C library behave as on other processors.

    OPENBLAS_CORETYPE=Nehalem python tests/processors.py
"""

import json
from hashlib import sha256

import numpy as np
from pictures import DIGITS

from mnist_moved.data.external import read_other_writers
from mnist_moved.params import load_params
from mnist_moved.perturbations import PERTURBATIONS, augment, perturb, ranges

N = 2000  # digits


def digest(array):
    return sha256(np.ascontiguousarray(array)).hexdigest()


def all_digests():
    """A digest of N digits by perturbation, at any of its strengths and at its default; of their
    augmentation by params.yaml; and of scikit-learn's digits as they are read."""
    images, found = np.resize(DIGITS, (N, 28, 28)), {}
    for name, perturbation in PERTURBATIONS.items():
        share = np.random.default_rng(0).random(N)
        any_strength = {each: low + (high - low) * share for each, (low, high, *_) in ranges(name).items()}
        at_default = perturbation(images, np.random.default_rng(1))
        found[name] = digest([perturb(images, name, np.random.default_rng(1), **any_strength), at_default])
    augmentation = load_params().train.augmentation
    found["other_writers"] = digest(read_other_writers().images)
    found["augmentation"] = digest(augment(images, np.random.default_rng(2), augmentation))
    return found


def arithmetic():
    """A digest of what differs between processors: a matrix product, and functions of either precision."""
    values = np.random.default_rng(0).random((200, 200)) * 20
    both = values, values.astype(np.float32)
    return digest(
        [function(each) for each in both for function in (np.exp, np.cos, np.tan, lambda a: a @ a.T)]
    )


if __name__ == "__main__":
    print(json.dumps(all_digests() | {"arithmetic": arithmetic()}))
