"""Breaking points: the strength from which on a network's accuracy stays below a limit, in numbers and
words."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd


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


def breaking_points(
    curves: pd.DataFrame, limit: float, accuracy: str = "accuracy"
) -> dict[str, float | None]:
    """The breaking point of each curve, by perturbation; curves: rows of curves.csv, accuracy: a column of
    it."""
    return {
        perturbation: breaking_point(curve["value"].tolist(), curve[accuracy].tolist(), limit)
        for perturbation, curve in curves.groupby("perturbation", sort=False)
    }


def lost_at(correct: np.ndarray, values: np.ndarray) -> float | None:
    """The value from which on one digit is never classified correctly again; None if it is at the last.

    correct: bool (n,), at each of the values, the mildest first.
    """
    if correct[-1]:
        return None
    return float(values[np.flatnonzero(correct)[-1] + 1 if correct.any() else 0])


def holds_longer(ours: float | None, others: float | None, values: Sequence[float]) -> bool:
    """Does a network with one breaking point hold out longer than one with another? values: of the curve."""
    sign = 1 if values[-1] > values[0] else -1
    reach, other_reach = (np.inf if point is None else sign * point for point in (ours, others))
    return bool(reach > other_reach)


def in_words(point: float | None, values: Sequence[float]) -> str:
    """A breaking point in words; values: of the curve, the mildest first."""
    if point is None:
        return f"beyond {values[-1]:g}"
    return "at once" if point == values[0] else f"{point:g}"


def mean_in_words(curves: Sequence[pd.DataFrame], limit: float) -> str:
    """Mean ± standard deviation of the breaking points of several runs; or how many do not break, or do at
    once: where these would, nobody has measured. curves: of one perturbation, a run each."""
    values = curves[0]["value"].tolist()
    points = [breaking_point(curve["value"].tolist(), curve["accuracy"].tolist(), limit) for curve in curves]
    if len({*points}) == 1:
        return in_words(points[0], values)
    for unmeasured in (None, values[0]):
        if count := points.count(unmeasured):
            return f"{in_words(unmeasured, values)} in {count} of {len(points)}"
    mean, deviation = np.mean(points), np.std(points, ddof=1)
    decimals = max(0, 2 - int(np.floor(np.log10(mean))))  # three digits of the mean
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


class Breaking(NamedTuple):
    """Where a network breaks along one curve, in words, also at both ends of its interval; and the
    baseline."""

    strength: str
    ours: str
    low: str
    high: str
    baseline: str


def breaking_table(curves: pd.DataFrame, limit: float) -> dict[str, Breaking]:
    """Where each network falls below the limit, by perturbation; curves: rows of curves.csv."""
    table = {}
    for perturbation, curve in curves.groupby("perturbation", sort=False):
        values = curve["value"].tolist()
        columns = ("accuracy", "accuracy_low", "accuracy_high", "baseline_accuracy")
        points = (breaking_point(values, curve[column].tolist(), limit) for column in columns)
        table[perturbation] = Breaking(
            curve["strength"].iloc[0], *(in_words(each, values) for each in points)
        )
    return table
