"""A curve is the suite at each strength, and breaks where it falls below the limit for good."""

import numpy as np
import pandas as pd
import pytest
from pictures import DIGITS
from test_perturbations import IDENTITY

from mnist_moved.evaluation.curves import (
    breaking_point,
    breaking_points,
    evenly,
    mean_over_seeds,
    measure_curve,
    strengthen,
)
from mnist_moved.data.idx import Digits
from mnist_moved.perturbations import perturb
from mnist_moved.evaluation.significance import wilson_interval
from mnist_moved.data.test_sets import make_test_set

TEN = Digits(np.ascontiguousarray(DIGITS), np.arange(10, dtype=np.uint8))


def knows(known):
    """A network that reads these images right, and says 0 to all others."""

    def predict(images):
        labels = [
            next((label for label, one in enumerate(known) if (one == image).all()), 0) for image in images
        ]
        return np.eye(10)[labels]

    return predict


# Points


@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (4, [0, 2, 5, 7]), (10, range(10)), (99, range(10))])
def test_digits_are_chosen_evenly_and_no_more_than_there_are(count, chosen):
    some = evenly(TEN, count)
    assert some.labels.tolist() == list(chosen)
    np.testing.assert_array_equal(some.images, DIGITS[some.labels])


# Of those with two strengths, glass blur does nothing only if both say so.
@pytest.mark.parametrize("kind", [kind for kind, strengths in IDENTITY.items() if len(strengths) == 1])
def test_without_strength_a_curve_begins_with_the_clean_digits(kind):
    [(strength, value)] = IDENTITY[kind].items()
    [point] = strengthen(TEN, 42, kind, strength, [value])
    np.testing.assert_array_equal(point.images, DIGITS)


def test_a_point_is_the_suite_of_that_name_kind_and_strength():
    points = strengthen(TEN, 42, "rotate", "degrees", [10, 30])
    np.testing.assert_equal(points[1], make_test_set(TEN, 42, "rotate", "rotate", degrees=30))


def test_the_random_draws_are_the_same_at_all_strengths():
    weak, strong = strengthen(TEN, 42, "reposition", "canvas", [56, 84])
    for place in ("top", "left"):  # the same share of the room there is, rounded to whole pixels
        assert np.abs(weak.drawn[place] / 29 - strong.drawn[place] / 57).max() < 1 / 29


def test_each_point_is_measured_for_both_networks():
    [mild, strong] = points = strengthen(TEN, 42, "stripe", "pixels", [0, 14])
    inverted, _ = perturb(DIGITS, "stripe", np.random.default_rng(0), pixels=14)
    known = {}
    curve = measure_curve(points, knows([*DIGITS]), knows([*inverted]), known)
    # What is known already is not read again.
    pd.testing.assert_frame_equal(measure_curve(points, None, None, known), curve)
    assert curve["accuracy"].tolist() == [1, 0.1]  # 0 is right by luck
    assert curve["baseline_accuracy"].tolist() == [0.1, 1]
    assert (curve["value"].tolist(), {*curve["strength"]}, {*curve["count"]}) == ([0, 14], {"pixels"}, {10})
    assert tuple(curve.loc[1, ["accuracy_low", "accuracy_high"]]) == wilson_interval(np.arange(10) == 0)
    assert curve["images"].nunique() == 2
    assert [mild.kind, strong.kind] == curve["kind"].tolist()


# Where it breaks


@pytest.mark.parametrize(
    ("values", "accuracies", "expected"),
    [
        ([0, 10, 20], [1, 0.9, 0.5], 10),  # at the limit, it is not yet below
        ([0, 10, 20], [1, 0.7, 0.5], 3.33),
        ([0, 10, 20], [1, 1, 0.8], 15),
        ([1, 0.5, 0.1], [1, 0.9, 0.1], 0.5),  # the strength that falls
        ([0, 10, 20], [1, 1, 0.9], None),
        ([2, 10, 20], [0.8, 0.7, 0.5], 2),
        ([0, 10, 20, 30], [1, 0.8, 1, 0.8], 25),  # the first crossing that holds
        ([0, 10, 20], [1, 0.8, 0.95], None),
        ([0, 10, 20], [0.8, 1, 0.8], 15),
    ],
)
def test_the_breaking_point_is_where_accuracy_falls_below_the_limit_for_good(values, accuracies, expected):
    assert breaking_point(values, accuracies, 0.9) == expected


def table(**curves):
    """Rows of curves.csv; KIND: accuracy by value."""
    return pd.DataFrame(
        {"kind": kind, "value": value, "images": f"{kind} {value}", "accuracy": accuracy}
        for kind, curve in curves.items()
        for value, accuracy in curve.items()
    )


def test_every_kind_has_a_breaking_point_in_the_order_of_the_table():
    curves = table(rotate={0: 1, 90: 0.8}, fog={0: 1, 1: 0.95})
    assert list(breaking_points(curves, 0.9).items()) == [("rotate", 45), ("fog", None)]


def test_seeds_are_averaged_where_their_images_are_those_of_the_curve():
    one, two = (table(rotate={0: accuracy, 90: accuracy - 0.5}) for accuracy in (0.9, 0.8))
    sweep = pd.concat([one, two]).assign(setting="off")
    others = table(rotate={0: 0}).assign(setting="on")
    mean = mean_over_seeds(pd.concat([sweep, others]), "off", one)
    assert mean.to_dict() == pytest.approx({("rotate", 0): 0.85, ("rotate", 90): 0.35})
    assert mean_over_seeds(sweep.assign(images="of other digits"), "off", one).empty
