"""Every measure has the value that its definition gives by hand."""

import numpy as np
import pandas as pd
import pytest

from stages.evaluate import (
    MISTAKES,
    accuracy_by_position,
    accuracy_by_size,
    calibration_error,
    calibration_table,
    judge,
    measure,
    most_confident_mistakes,
    rounded,
    summarise,
    wilson_interval,
)
from stages.shared.suites import Suite


def table(**columns):
    """Some columns of what `judge` returns."""
    return pd.DataFrame({"baseline_correct": True} | columns)


@pytest.mark.parametrize(
    ("correct", "n", "interval"),
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I.
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_interval_of_an_accuracy_is_the_published_one(correct, n, interval):
    assert wilson_interval(np.arange(n) < correct) == pytest.approx(interval, abs=5e-5)


# Calibration


def error_of(confidence, correct, bins=10):
    return calibration_error(calibration_table(table(confidence=confidence, correct=correct), bins))


def test_a_network_as_sure_as_it_is_right_has_no_calibration_error():
    assert error_of([0.75] * 4 + [1.0] * 2, [True, True, True, False, True, True]) == pytest.approx(0)


def test_a_network_that_is_sure_and_always_wrong_has_the_greatest_calibration_error():
    assert error_of([1.0] * 3, [False] * 3) == 1


def test_bins_weigh_in_the_calibration_error_by_their_digits():
    assert error_of([1.0, 1.0, 1.0, 0.6], [True, True, True, False]) == pytest.approx(0.6 / 4)


def test_over_and_under_confidence_cancel_only_within_a_bin():
    assert error_of([0.3, 0.7], [True, False], bins=1) == pytest.approx(0)
    assert error_of([0.3, 0.7], [True, False], bins=2) == pytest.approx(0.7)


# One set


def test_each_digit_is_judged_by_the_most_probable_class_of_either_network():
    images, labels = np.zeros((2, 28, 28), np.uint8), np.uint8([7, 1])
    suite = Suite(images, labels, "rotate", {"degrees": np.array([30, -30])})
    seven, one = np.eye(10)[7] * 0.9 + 0.01, np.eye(10)[1] * 0.5 + 0.05
    judged = judge(suite, np.stack([seven, seven]), np.stack([one, one]))
    assert judged["predicted"].tolist() == [7, 7]
    assert judged["confidence"].tolist() == pytest.approx([0.91, 0.91])
    assert judged["correct"].tolist() == [True, False]
    assert judged["baseline_correct"].tolist() == [False, True]
    assert judged["degrees"].tolist() == [30, -30]


def test_a_set_is_measured_even_if_digits_never_occur_or_are_never_predicted():
    label, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    digits = table(label=label, predicted=predicted, correct=label == predicted, confidence=0.775)
    account = measure(digits, np.eye(10)[predicted] * 0.75 + 0.025, bins=10)
    assert account["accuracy"] == 0.75
    assert account["accuracy_low"] < 0.75 < account["accuracy_high"]
    assert account["baseline_accuracy"] == 1
    assert account["loss"] == pytest.approx(-(3 * np.log(0.775) + np.log(0.025)) / 4)
    assert account["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 10)
    assert account["calibration_error"] == pytest.approx(0.025)
    assert account["per_digit"]["1"]["recall"] == 0.5


def test_the_most_confident_mistakes_come_first_with_their_number_in_the_set():
    n = MISTAKES + 3
    digits = table(label=0, predicted=1, correct=np.arange(n) == 1, confidence=np.linspace(0.5, 0.9, n))
    mistakes = most_confident_mistakes(digits)
    assert mistakes["image"].tolist() == list(range(n - 1, 2, -1))
    assert mistakes["confidence"].is_monotonic_decreasing


# By size and place


def test_accuracy_by_size_puts_together_what_comes_out_at_the_same_size():
    digits = table(canvas=[28.0, 56, 112, 84], zoom=[1.0, 1, 2, 1], correct=[True, True, False, False])
    sizes = accuracy_by_size(digits).set_index("size")
    assert sizes["count"].to_dict() == {0.333: 1, 0.5: 2, 1.0: 1}
    assert sizes["accuracy"].to_dict() == {0.333: 0, 0.5: 0.5, 1.0: 1}
    assert sizes["baseline_accuracy"].tolist() == [1, 1, 1]


def test_accuracy_by_position_counts_cells_from_the_top_left_to_where_the_digit_still_fits():
    top, left, correct = [0, 0, 0, 14, 28], [0, 0, 28, 14, 28], [True, False, True, True, False]
    digits = table(canvas=56.0, zoom=1.0, top=top, left=left, correct=correct)
    cells = accuracy_by_position(digits).set_index(["row", "column"])
    assert cells["count"].to_dict() == {(0, 0): 2, (0, 6): 1, (3, 3): 1, (6, 6): 1}
    assert cells["accuracy"].to_dict() == {(0, 0): 0.5, (0, 6): 1, (3, 3): 1, (6, 6): 0}


def test_a_digit_that_fills_its_canvas_has_one_place():
    cells = accuracy_by_position(table(canvas=56.0, zoom=2.0, top=[0, 0], left=[0, 0], correct=[True, False]))
    assert cells.to_dict("records") == [{"row": 0, "column": 0, "accuracy": 0.5, "count": 2}]


# All sets


def account(accuracy, baseline=0.5, seen=True):
    return {"accuracy": accuracy, "baseline_accuracy": baseline, "loss": 1 - accuracy, "seen": seen}


def test_the_summary_has_every_set_and_means_over_the_altered_ones():
    summary = summarise({"mnist": account(1), "rotate": account(0.5), "fog": account(0.25, seen=False)})
    assert summary["accuracy"] == {"mnist": 1, "rotate": 0.5, "fog": 0.25}
    assert summary["loss"] == {"mnist": 0, "rotate": 0.5, "fog": 0.75}
    assert summary["mean_accuracy"] == {"all_suites": 0.375, "seen_suites": 0.5, "unseen_suites": 0.25}
    assert summary["worst_accuracy"] == 0.25


def test_a_mean_over_no_suites_is_left_out():
    assert summarise({"mnist": account(1), "fog": account(0.5, seen=False)})["mean_accuracy"] == {
        "all_suites": 0.5,
        "unseen_suites": 0.5,
    }


def test_mean_corruption_error_is_the_mean_ratio_of_errors_where_the_baseline_makes_any():
    evaluation = {
        "mnist": account(1, baseline=0),
        "rotate": account(0.9, baseline=0.8),
        "fog": account(0.7, baseline=0.6),
        "scale": account(0.9, baseline=1),
    }
    assert summarise(evaluation)["mean_corruption_error"] == pytest.approx((0.1 / 0.2 + 0.3 / 0.4) / 2)


def test_numbers_are_rounded_to_four_decimals_at_any_depth_and_nothing_else_changes():
    assert rounded({"a": {"b": np.float64(2 / 3)}, "c": 1 / 3, "n": 10**6, "kind": "fog", "seen": True}) == {
        "a": {"b": 0.6667},
        "c": 0.3333,
        "n": 10**6,
        "kind": "fog",
        "seen": True,
    }
