"""A curve is the test set at each strength, and breaks where it falls below the limit for good."""

import numpy as np
import pandas as pd
import pytest
from pictures import DIGITS

from mnist_moved.data.idx import Digits
from mnist_moved.evaluation.breaking import breaking_point, breaking_points, lost_at
from mnist_moved.evaluation.curves import evenly, mean_over_seeds, measure_curves, strengthen
from mnist_moved.evaluation.significance import wilson_interval
from mnist_moved.perturbations import make_test_set

TEN = Digits(np.ascontiguousarray(DIGITS), np.arange(10, dtype=np.uint8))


@pytest.mark.parametrize(("count", "chosen"), [(1, [0]), (4, [0, 2, 5, 7]), (10, range(10)), (99, range(10))])
def test_digits_are_chosen_evenly_and_no_more_than_there_are(count, chosen):
    some = evenly(TEN, count)
    assert some.labels.tolist() == list(chosen)
    np.testing.assert_array_equal(some.images, DIGITS[some.labels])


def test_a_point_is_the_test_set_called_as_its_perturbation_with_the_same_draws_at_all_strengths():
    weak, strong = strengthen(TEN, 42, "impulse_noise", "fraction", [0.1, 0.3])
    np.testing.assert_equal(strong, make_test_set(TEN, 42, "impulse_noise", "impulse_noise", fraction=0.3))
    hit = weak.images != DIGITS
    assert hit.any()
    np.testing.assert_array_equal(strong.images[hit], weak.images[hit])


def test_each_point_is_measured_for_both_networks_and_the_same_images_once():
    asked = []

    def knows(known):
        """What takes each of these images for its class, and all others for 0."""

        def classify(images):
            asked.append(len(images))
            return (images[:, None] == known).all(axis=(2, 3)).argmax(axis=1)

        return classify

    def network(images):
        return np.eye(10)[knows(DIGITS)(images)]

    curves = {"stripe": {"pixels": [0, 14]}, "rotate": {"degrees": [0]}}
    table = measure_curves(TEN, curves, 42, network, knows(255 - DIGITS))
    assert asked == [20, 10, 10]
    assert table["accuracy"].tolist() == [1, 0.1, 1]  # 0 is correct by luck
    assert table["baseline_accuracy"].tolist() == [0.1, 1, 0.1]
    assert table["perturbation"].tolist() == ["stripe", "stripe", "rotate"]
    assert table["strength"].tolist() == ["pixels", "pixels", "degrees"]
    assert (table["value"].tolist(), {*table["count"]}) == ([0, 14, 0], {10})
    assert tuple(table.loc[1, ["accuracy_low", "accuracy_high"]]) == wilson_interval(np.arange(10) == 0)
    clean, striped, unturned = table["images_digest"]
    assert clean == unturned != striped


@pytest.mark.parametrize(
    ("values", "accuracies", "expected"),
    [
        ([0, 10, 20], [1, 0.9, 0.5], 10),  # at the limit, it is not yet below
        ([0, 10, 20], [1, 0.7, 0.5], 3.33),
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


@pytest.mark.parametrize(
    ("correct", "expected"), [("111", None), ("110", 3), ("100", 2), ("101", None), ("010", 3), ("000", 1)]
)
def test_a_digit_is_lost_where_it_is_never_classified_correctly_again(correct, expected):
    assert lost_at(np.array([*correct]) == "1", np.array([1, 2, 3])) == expected


def table(**curves):
    """Rows of curves.csv; PERTURBATION: accuracy by value."""
    return pd.DataFrame(
        {"perturbation": name, "value": value, "images_digest": f"{name} {value}", "accuracy": accuracy}
        for name, curve in curves.items()
        for value, accuracy in curve.items()
    )


def test_every_perturbation_has_a_breaking_point_in_the_order_of_the_table():
    curves = table(rotate={0: 1, 90: 0.8}, fog={0: 1, 1: 0.95})
    assert list(breaking_points(curves, 0.9).items()) == [("rotate", 45), ("fog", None)]


def test_seeds_are_averaged_where_their_images_are_those_of_the_curve():
    one, two, other = (table(rotate={0: accuracy, 90: accuracy - 0.5}) for accuracy in (0.9, 0.8, 0))
    sweep = pd.concat([one, two, other]).assign(setting=[*["off"] * 4, *["on"] * 2])
    mean = mean_over_seeds(sweep, "off", one)
    assert mean.to_dict() == pytest.approx({("rotate", 0): 0.85, ("rotate", 90): 0.35})
    assert mean_over_seeds(sweep.assign(images_digest="of other digits"), "off", one).empty
