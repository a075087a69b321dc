"""Images in, perturbed images out: 28 x 28 digits shrunk and moved, turned, blurred, fogged, scribbled on.

contract.py says what a perturbation is, the files beside it hold one family each, and apply.py applies them
to a batch, to a test set, or to training images. Fifteen follow the families of MNIST-C (Mu and Gilmer 2019,
https://arxiv.org/abs/1906.02337), redefined for batches: the same faults at comparable strengths, not the
same bytes. `affine` follows affNIST, `reposition` is this project's own, and `random_filter` is there to
train on.
"""

from mnist_moved.perturbations import blur, filters, geometry, light, noise, obstruction
from mnist_moved.perturbations.apply import augment, make_test_set, perturb
from mnist_moved.perturbations.contract import PERTURBATIONS, ranges

__all__ = [
    "PERTURBATIONS",
    "augment",
    "blur",
    "filters",
    "geometry",
    "light",
    "make_test_set",
    "noise",
    "obstruction",
    "perturb",
    "ranges",
]
