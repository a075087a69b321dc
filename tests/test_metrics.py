"""Every measure has the value that its definition gives by hand."""

import numpy as np
import pandas as pd
import pytest

from mnist_moved.data.test_sets import TestSet
from mnist_moved.evaluation import metrics


def table(**columns):
    """Some columns of what `classify` returns."""
    return pd.DataFrame({"baseline_correct": True} | columns)


@pytest.mark.parametrize(
    ("confidence", "correct", "bins", "error"),
    [
        ([1.0, 1.0, 1.0, 0.6], [True, True, True, False], 10, 0.6 / 4),  # bins weigh in by their digits
        ([0.3, 0.7], [True, False], 1, 0),  # over- and underconfidence cancel only within a bin
        ([0.3, 0.7], [True, False], 2, 0.7),
    ],
)
def test_the_calibration_error_is_the_mean_gap_of_the_bins(confidence, correct, bins, error):
    bins = metrics.calibration_table(table(confidence=confidence, correct=correct), bins)
    assert metrics.calibration_error(bins) == pytest.approx(error)


def test_full_confidence_belongs_to_the_last_bin():
    bins = metrics.calibration_table(table(confidence=[0.8, 1.0, 0.72], correct=[True, False, True]), 4)
    np.testing.assert_allclose(bins[["confidence", "accuracy", "count"]], [[0.72, 1, 1], [0.9, 0.5, 2]])


def test_each_digit_is_classified_by_the_most_probable_class_of_either_network():
    test_set = TestSet(np.zeros((2, 28, 28), np.uint8), np.uint8([7, 1]))
    probabilities = np.eye(10)[[7, 9]] * [[0.9], [0.5]] + [[0.01], [0.05]]
    found = metrics.classify(test_set, probabilities, np.array([9, 1]))
    assert found.columns.tolist() == ["label", "predicted", "confidence", "correct", "baseline_correct"]
    np.testing.assert_allclose(found.astype(float), [[7, 7, 0.91, True, False], [1, 9, 0.55, False, True]])


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_test_set_is_measured_even_if_digits_never_occur_or_are_never_predicted():
    # Two 0s and two 1s: the network takes one 1 for a 0, the baseline takes both.
    label, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    digits = table(label=label, predicted=predicted, correct=label == predicted, confidence=0.775)
    digits["baseline_correct"] = label == 0
    test_set = TestSet(np.frombuffer(b"abc", np.uint8), label, "rotate")
    found = metrics.measure(test_set, digits, np.eye(10)[predicted] * 0.75 + 0.025, {"rotate": {}}, bins=10)
    per_class = found.pop("per_class")
    assert (per_class["1"]["recall"], per_class["2"]["f1-score"]) == (0.5, 0)
    expected = {"perturbation": "rotate", "group": "seen", "count": 4}
    expected |= {"images_digest": "ba7816bf8f01"}  # the beginning of the SHA-256 of abc, as in FIPS 180-2
    expected |= {"loss": -(3 * np.log(0.775) + np.log(0.025)) / 4, "calibration_error": 0.025}
    expected |= {"accuracy": 0.75, "accuracy_low": 0.300642, "accuracy_high": 0.954413}  # Wilson
    expected |= {"baseline_accuracy": 0.5, "baseline_p": 1}  # they disagree on one digit
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_most_confident_mistakes_come_first_with_their_number_in_the_test_set():
    n = metrics.MISTAKES + 3
    digits = table(label=0, predicted=1, correct=np.arange(n) == 1, confidence=np.linspace(0.5, 0.9, n))
    mistakes = metrics.most_confident_mistakes(digits)
    assert mistakes.columns.tolist() == ["image", "label", "predicted", "confidence"]
    assert mistakes["image"].tolist() == list(range(n - 1, 2, -1))


def test_a_test_set_is_seen_if_the_augmentation_lists_its_perturbation_at_whatever_probability():
    augmentation = {"rotate": {"probability": 0.5, "degrees": [0, 40]}, "fog": {"probability": 0.0}}
    groups = {"rotate": "seen", "fog": "seen", "edges": "unseen", "clean": "clean", "external": "external"}
    assert {name: metrics.group_of(name, augmentation) for name in groups} == groups


def account(accuracy, baseline, group):
    return {"accuracy": accuracy, "baseline_accuracy": baseline, "loss": 1 - accuracy, "group": group}


def test_the_summary_has_the_two_main_test_sets_and_means_over_the_perturbed_ones():
    accounts = {"clean": account(1, 0.9, "clean"), "others": account(0.125, 0.5, "external")}
    accounts |= {"repositioned": account(0.5, 0.75, "seen"), "shear": account(0.875, 1, "seen")}
    means = {"seen": 0.6875, "unseen": 0.25, "worst": 0.25}
    found = metrics.summarise(accounts | {"fog": account(0.25, 0.25, "unseen")})
    assert found == {"clean": 1, "clean_loss": 0, "repositioned": 0.5} | means
    assert "unseen" not in metrics.summarise(accounts)


@pytest.mark.parametrize(
    ("accuracies", "canvas"), [([1, 0.9, 0.5], 45.5), ([1, 1, 0.96], 56), ([0, 0, 0], 28)]
)
def test_the_summary_has_the_canvas_at_which_it_breaks_or_the_last_that_was_tried(accuracies, canvas):
    curve = pd.DataFrame({"perturbation": "reposition", "value": [28.0, 42.0, 56.0], "accuracy": accuracies})
    assert metrics.summarise_curves(curve, 0.8) == {"breaks_at_canvas": pytest.approx(canvas, abs=0.1)}
    assert metrics.summarise_curves(curve.assign(perturbation="rotate"), 0.8) == {}


def test_numbers_are_rounded_to_four_decimals_at_any_depth_and_nothing_else_changes():
    value = {"a": {"b": np.float64(2 / 3)}, "c": 1 / 3, "n": 10**6, "group": "seen", "clear": True}
    assert metrics.rounded(value) == value | {"a": {"b": 0.6667}, "c": 0.3333}
