"""Curves: accuracy against the strength of a perturbation, of a network and the baseline, on the same
digits."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from mnist_moved.data.idx import Digits
from mnist_moved.data.test_sets import TestSet, images_digest
from mnist_moved.evaluation.significance import wilson_interval
from mnist_moved.networks import Classify, Predict
from mnist_moved.perturbations import make_test_set

COLUMNS = ["perturbation", "strength", "value", "images_digest", "count"]
COLUMNS += ["accuracy", "accuracy_low", "accuracy_high", "baseline_accuracy"]


def evenly(digits: Digits, count: int) -> Digits:
    """At most so many digits, spread evenly over a set: the first half of MNIST's test set is the easier."""
    chosen = spread_over(len(digits.labels), count)
    return Digits(digits.images[chosen], digits.labels[chosen])


def spread_over(there: int, count: int) -> np.ndarray:
    """The places of at most `count` of so many, as evenly apart as they can be."""
    count = min(count, there)
    return np.arange(count) * there // count


def strengthen(
    digits: Digits, seed: int, perturbation: str, strength: str, values: Sequence[float]
) -> list[TestSet]:
    """The digits perturbed at each value of a strength, with the same random draws at all of them.

    So a curve is smooth because of the network, not because of luck. At the same seed and value, it is the
    test set that is called as its perturbation.
    """
    return [make_test_set(digits, seed, perturbation, perturbation, **{strength: value}) for value in values]


def measure_curves(
    digits: Digits,
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    seed: int,
    network: Predict,
    baseline: Classify,
) -> pd.DataFrame:
    """One row for each point of each curve: accuracy of the network with its 95 % interval, and the
    baseline's.

    curves, seed: as `perturb` has them in params.yaml. Points of the same images are predicted once: most
    curves begin with the same, clean digits.
    """
    # By digest, of the network and of the baseline: which digits are classified correctly, bool (n,).
    correct: dict[str, tuple[np.ndarray, ...]] = {}
    rows = []
    for perturbation, curve in tqdm(curves.items(), "curves", unit=" curves", disable=None):
        [(strength, values)] = curve.items()
        points = strengthen(digits, seed, perturbation, strength, values)
        digests = [images_digest(point.images) for point in points]
        new = {digest: point for digest, point in zip(digests, points, strict=True) if digest not in correct}
        if new:
            images = np.concatenate([point.images for point in new.values()])
            answers = network(images).argmax(axis=1).reshape(len(new), -1)
            for (digest, point), answer in zip(new.items(), answers, strict=True):
                correct[digest] = answer == digits.labels, baseline(point.images) == digits.labels
        for value, digest in zip(values, digests, strict=True):
            right, baseline_right = correct[digest]
            accuracies = right.mean(), *wilson_interval(right), baseline_right.mean()
            rows.append((perturbation, strength, value, digest, right.size, *accuracies))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"value": float})


def examples_of(curves: pd.DataFrame, digit: Digits, seed: int) -> dict[str, dict[float, np.ndarray]]:
    """The only image of `digit` at each point of each curve: PERTURBATION -> value -> uint8 (28, 28)."""
    examples = {}
    for perturbation, curve in curves.groupby("perturbation", sort=False):
        values = curve["value"].tolist()
        points = strengthen(digit, seed, perturbation, curve["strength"].iloc[0], values)
        examples[perturbation] = {value: point.images[0] for value, point in zip(values, points, strict=True)}
    return examples


def mean_over_seeds(sweep: pd.DataFrame, setting: str, curves: pd.DataFrame) -> pd.Series:
    """Mean accuracy of a setting of a sweep at the points that have the same images in `curves`.

    sweep: rows of its table of curves. Returns a series by (perturbation, value), empty if no point is the
    same.
    """
    points = curves[["perturbation", "value", "images_digest"]]
    rows = sweep[sweep["setting"] == setting].merge(points)
    return rows.groupby(["perturbation", "value"])["accuracy"].mean()
