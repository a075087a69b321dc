"""How far until it breaks: accuracy against the strength of a kind, and where it falls below a limit."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from robustness.mnist import Digits
from robustness.significance import wilson_interval
from robustness.suites import Suite, digest, make_suite

Predict = Callable[[np.ndarray], np.ndarray]  # uint8 (n, 28, 28) to probabilities (n, 10)


def evenly(digits: Digits, count: int) -> Digits:
    """At most so many digits, spread evenly over a set: the first half of MNIST's test set is the easier."""
    there = len(digits.labels)
    count = min(count, there)
    chosen = np.arange(count) * there // count
    return Digits(digits.images[chosen], digits.labels[chosen])


def strengthen(digits: Digits, seed: int, kind: str, strength: str, values: Sequence[float]) -> list[Suite]:
    """The digits perturbed at each value of a strength, with the same random draws at all of them.

    So a curve is smooth because of the network, not because of luck. At the same seed and value, it is the
    suite that is called as its kind.
    """
    return [make_suite(digits, seed, kind, kind, **{strength: value}) for value in values]


def examples_of(curves: pd.DataFrame, digit: Digits, seed: int) -> dict[str, dict[float, np.ndarray]]:
    """The only image of `digit` at each point of each curve: KIND -> value -> uint8 (28, 28)."""
    return {
        kind: {
            value: point.images[0]
            for value, point in zip(
                curve["value"],
                strengthen(digit, seed, kind, curve["strength"].iloc[0], curve["value"].tolist()),
                strict=True,
            )
        }
        for kind, curve in curves.groupby("kind", sort=False)
    }


def measure_curve(
    points: Sequence[Suite], network: Predict, baseline: Predict, known: dict[str, tuple[np.ndarray, ...]]
) -> pd.DataFrame:
    """One row for each point of a curve: accuracy of the network with its 95 % interval, and the baseline's.

    points: as `strengthen` makes them. known: by the digest of their images, which digits either network read
    right, bool (n,); what is not known yet is added. Most curves begin with the same, clean digits.
    """
    digests = [digest(point.images) for point in points]
    new = {name: point for name, point in zip(digests, points, strict=True) if name not in known}
    if new:
        images = np.concatenate([point.images for point in new.values()])
        labels = np.stack([point.labels for point in new.values()])
        right = [
            predict(images).argmax(axis=1).reshape(labels.shape) == labels for predict in (network, baseline)
        ]
        known |= dict(zip(new, zip(*right, strict=True), strict=True))
    rows = []
    for point, name in zip(points, digests, strict=True):
        [(strength, value)] = point.strengths.items()
        right, baseline_right = known[name]
        low, high = wilson_interval(right)
        rows.append(
            {
                "kind": point.kind,
                "strength": strength,
                "value": value,
                "images": name,
                "count": right.size,
                "accuracy": right.mean(),
                "accuracy_low": low,
                "accuracy_high": high,
                "baseline_accuracy": baseline_right.mean(),
            }
        )
    return pd.DataFrame(rows)


def breaking_point(values: Sequence[float], accuracies: Sequence[float], limit: float) -> float | None:
    """The value from which on the accuracy stays below the limit, interpolated between two points.

    values: the mildest first; accuracies: at each of them. None if it is not below at the strongest, and the
    mildest if it is below already there.
    """
    reached = np.flatnonzero(np.asarray(accuracies) >= limit)
    if not reached.size:
        return float(values[0])
    last = int(reached[-1])
    if last == len(values) - 1:
        return None
    share = (accuracies[last] - limit) / (accuracies[last] - accuracies[last + 1])
    point = values[last] + share * (values[last + 1] - values[last])
    return float(f"{point:.3g}")  # more than it can be sure of, as it lies between two points


def mean_over_seeds(sweep: pd.DataFrame, setting: str, curves: pd.DataFrame) -> pd.Series:
    """Mean accuracy of a setting of a sweep at the points that have the same images in `curves`.

    sweep: rows of its table of curves. Returns a series by (kind, value), empty if no point is the same.
    """
    rows = sweep[sweep["setting"] == setting].merge(curves[["kind", "value", "images"]])
    return rows.groupby(["kind", "value"])["accuracy"].mean()


def breaking_points(
    curves: pd.DataFrame, limit: float, accuracy: str = "accuracy"
) -> dict[str, float | None]:
    """The breaking point of each kind; curves: rows as of `measure_curve`, accuracy: one of their columns."""
    return {
        kind: breaking_point(curve["value"].tolist(), curve[accuracy].tolist(), limit)
        for kind, curve in curves.groupby("kind", sort=False)
    }
