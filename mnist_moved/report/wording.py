"""How test sets, their groups and the strengths of perturbations are called in tables, figures and pages."""

from collections.abc import Sequence

import pandas as pd

from mnist_moved.data.datasets import Dataset
from mnist_moved.data.test_sets import CLEAN, EXTERNAL, HEADLINE
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.perturbations import ranges

HEADINGS = {
    CLEAN: "Not perturbed",
    SEEN: "Perturbations that the augmentation lists (seen)",
    UNSEEN: "Other perturbations (unseen)",
    EXTERNAL: "External",
}

# Settings of the sweep `main`, two networks by augmentation.
SETTINGS = {
    "baseline": "baseline",
    "baseline_augmented": "baseline, augmented",
    "no_augmentation": "this network, not augmented",
    "default": "this network, augmented",
}

# Unseen, but much like a perturbation of the augmentation: what that is.
KIN = {"edges": "random_filter", "affine": "reposition"}


def words(name: str) -> str:
    """A name as people write it: `shot_noise` is shot noise."""
    return name.replace("_", " ")


def with_unit(perturbation: str, strength: str) -> str:
    """What the strength of a perturbation is called, with its unit unless the name says it."""
    unit = ranges(perturbation)[strength].unit
    return f"{strength}, {unit}" if unit else strength


def titles(dataset: Dataset, split: str, evaluation: pd.DataFrame) -> dict[str, str]:
    """The test sets of which each mistake is shown, by name, and what they are called in full: the two main
    ones and the external ones.

    split: "test" or "validation"; evaluation: one row a test set.
    """
    external = evaluation.index[evaluation["group"] == EXTERNAL]
    return {
        CLEAN: f"{dataset.title} {split} set",
        HEADLINE: f"Repositioned {split} set",
        **{name: words(name).capitalize() for name in external},
    }


def are_short(classes: Sequence[str]) -> bool:
    """Is there room for the names of classes where there is for digits?"""
    return max(map(len, classes)) < 3
