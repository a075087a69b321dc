"""Every measure has the value that its definition gives by hand."""

import numpy as np
import pandas as pd
import pytest

from mnist_moved.evaluation import metrics
from mnist_moved.evaluation.metrics import calibration_error, calibration_table, judge, measure, rounded, summarise
from mnist_moved.data.test_sets import TestSet


def table(**columns):
    """Some columns of what `judge` returns."""
    return pd.DataFrame({"baseline_correct": True} | columns)


# Calibration


def error_of(confidence, correct, bins=10):
    return calibration_error(calibration_table(table(confidence=confidence, correct=correct), bins))


def test_bins_weigh_in_the_calibration_error_by_their_digits():
    assert error_of([1.0, 1.0, 1.0, 0.6], [True, True, True, False]) == pytest.approx(0.6 / 4)


def test_over_and_under_confidence_cancel_only_within_a_bin():
    assert error_of([0.3, 0.7], [True, False], bins=1) == pytest.approx(0)
    assert error_of([0.3, 0.7], [True, False], bins=2) == pytest.approx(0.7)


def test_full_confidence_belongs_to_the_last_bin():
    bins = calibration_table(table(confidence=[0.8, 1.0, 0.72], correct=[True, False, True]), 4)
    assert bins.to_dict("records") == [
        {"confidence": pytest.approx(0.72), "accuracy": 1, "count": 1},
        {"confidence": pytest.approx(0.9), "accuracy": 0.5, "count": 2},
    ]


# One set


def test_each_digit_is_judged_by_the_most_probable_class_of_either_network():
    images, labels = np.zeros((2, 28, 28), np.uint8), np.uint8([7, 1])
    suite = TestSet(images, labels, "rotate", {"degrees": 30}, {"degrees": np.array([30, -30])})
    probabilities = np.eye(10)[[7, 9]] * [[0.9], [0.5]] + [[0.01], [0.05]]
    assert judge(suite, probabilities, np.eye(10)[[9, 1]]).to_dict("list") == {
        "label": [7, 1],
        "predicted": [7, 9],
        "confidence": pytest.approx([0.91, 0.55]),
        "correct": [True, False],
        "baseline_correct": [False, True],
    }


def account_of(images=b"", kind="rotate", augmentation=()):
    """What is measured of two 0s and two 1s: a network takes one 1 for a 0, the baseline takes both."""
    label, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    digits = table(label=label, predicted=predicted, correct=label == predicted, confidence=0.775)
    digits["baseline_correct"] = label == 0
    suite = TestSet(np.frombuffer(images, np.uint8), label, kind)
    return measure(suite, digits, np.eye(10)[predicted] * 0.75 + 0.025, augmentation, bins=10)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_set_is_measured_even_if_digits_never_occur_or_are_never_predicted():
    account = account_of(b"abc")
    assert (account["kind"], account["count"]) == ("rotate", 4)
    assert account["images"] == "ba7816bf8f01"  # the beginning of the SHA-256 of abc, as in FIPS 180-2
    assert (account["accuracy"], account["baseline_accuracy"]) == (0.75, 0.5)
    wilson = account["accuracy_low"], account["accuracy_high"]
    assert wilson == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert account["loss"] == pytest.approx(-(3 * np.log(0.775) + np.log(0.025)) / 4)
    assert account["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)  # of those that occur
    assert account["calibration_error"] == pytest.approx(0.025)
    assert account["baseline_p"] == 1  # they disagree on one digit
    assert account["per_class"]["1"]["recall"] == 0.5
    assert account["per_class"]["2"]["f1-score"] == 0


def test_the_most_confident_mistakes_come_first_with_their_number_in_the_set():
    n = evaluation.MISTAKES + 3
    digits = table(label=0, predicted=1, correct=np.arange(n) == 1, confidence=np.linspace(0.5, 0.9, n))
    mistakes = evaluation.most_confident_mistakes(digits)
    assert mistakes.columns.tolist() == ["image", "label", "predicted", "confidence"]
    assert mistakes["image"].tolist() == list(range(n - 1, 2, -1))


# Groups and means


@pytest.mark.parametrize(
    ("kind", "group"),
    {
        "rotate": "seen",
        "fog": "seen",
        "edges": "unseen",
        "clean": "clean",
        "pictures": "elsewhere",
    }.items(),
)
def test_a_set_is_grouped_by_whether_the_augmentation_lists_its_kind_at_whatever_probability(kind, group):
    augmentation = {"rotate": {"probability": 0.5, "degrees": [0, 40]}, "fog": {"probability": 0.0}}
    assert account_of(kind=kind, augmentation=augmentation)["group"] == group


def account(accuracy, baseline=0.5, group="seen"):
    return {"accuracy": accuracy, "baseline_accuracy": baseline, "loss": 1 - accuracy, "group": group}


def test_the_summary_has_the_two_main_sets_and_means_over_the_altered_ones():
    clean, fog = account(1, group="clean"), account(0.25, group="unseen")
    accounts = {"clean": clean, "repositioned": account(0.5), "shear": account(0.75), "fog": fog}
    summary = summarise(accounts | {"others": account(0.125, group="elsewhere")})
    assert summary.pop("mce") == pytest.approx(1)
    assert summary == {
        "clean": 1,
        "clean_loss": 0,
        "repositioned": 0.5,
        "seen": 0.625,
        "unseen": 0.25,
        "worst": 0.25,
    }


def test_a_mean_over_no_suites_is_left_out():
    summary = summarise({"clean": account(1, group="clean"), "repositioned": account(0.5)})
    assert summary["seen"] == 0.5
    assert "unseen" not in summary


def test_mean_corruption_error_is_the_mean_ratio_of_errors_where_the_baseline_makes_any():
    accounts = {
        "clean": account(1, baseline=0.9, group="clean"),
        "repositioned": account(0.9, 0.8),
        "fog": account(0.7, 0.6),
    }
    accounts["scale"] = account(0.9, baseline=1)
    assert summarise(accounts)["mce"] == pytest.approx((0.1 / 0.2 + 0.3 / 0.4) / 2)


def test_numbers_are_rounded_to_four_decimals_at_any_depth_and_nothing_else_changes():
    value = {"a": {"b": np.float64(2 / 3)}, "c": 1 / 3, "n": 10**6, "kind": "fog", "clear": True}
    assert rounded(value) == {"a": {"b": 0.6667}, "c": 0.3333, "n": 10**6, "kind": "fog", "clear": True}
