"""Every picture can be drawn, states its finding in words, and survives the edges of what can be found."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from stages.plot import (
    STYLE,
    draw_accuracy_by_position,
    draw_accuracy_by_size,
    draw_accuracy_by_suite,
    draw_before_and_after,
    draw_confusion_matrix,
    draw_every_suite,
    draw_learning_curves,
    draw_mistakes,
    draw_reliability,
)
from stages.shared.suites import Suite

# Matplotlib warns of what it cannot lay out.
pytestmark = pytest.mark.filterwarnings("error")

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 10
SUITE = Suite(IMAGES, LABELS, "reposition", {"canvas": np.full(30, 56.0), "zoom": np.ones(30)})


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context(STYLE):
        yield
    plt.close("all")


def words(figure):
    """Draw a figure and return all that is written in it."""
    figure.savefig(io.BytesIO(), format="png")
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def evaluation(**accuracies):
    """What metrics/evaluation.json says of sets with these accuracies."""
    accuracy = pd.Series(accuracies, dtype=float)
    return pd.DataFrame(
        {
            "accuracy": accuracy,
            "accuracy_low": (accuracy - 0.05).clip(0),
            "accuracy_high": (accuracy + 0.05).clip(upper=1),
            "baseline_accuracy": 0.5,
            "baseline_p": np.where((accuracy - 0.5).abs() > 0.05, 0.001, 0.5),
            "calibration_error": 0.123,
            "seen": accuracy.index != "fog",
        }
    )


@pytest.mark.parametrize("epochs", [1, 3])
def test_learning_curves_state_the_final_validation_accuracy(epochs):
    values = [0.123, 0.456, 0.987][-epochs:]
    curves = {
        f"{part}/{quantity}": pd.DataFrame({"step": range(epochs), quantity: values})
        for part in ("training", "validation")
        for quantity in ("accuracy", "loss")
    }
    assert "98.7" in words(draw_learning_curves(curves))


def test_a_confusion_matrix_states_the_most_frequent_mistake():
    written = words(draw_confusion_matrix(LABELS, np.where(LABELS == 1, 7, LABELS), "Some set"))
    assert "Some set: 3 of 30 digits mistaken" in written
    assert "1 taken for 7 (3 of 3)" in written


def test_a_confusion_matrix_without_mistakes_names_none():
    written = words(draw_confusion_matrix(LABELS, LABELS, "Some set"))
    assert "0 of 30 digits mistaken" in written
    assert "most often" not in written


@pytest.mark.parametrize("columns", [1, 30])
def test_before_and_after_states_the_size_of_the_digits(columns):
    assert "50%" in words(draw_before_and_after(IMAGES, SUITE, columns))


def test_mistakes_are_shown_with_what_they_are_and_what_they_were_taken_for():
    mistakes = pd.DataFrame({"image": [11], "label": [1], "predicted": [7], "confidence": [0.987]})
    written = words(draw_mistakes(IMAGES, mistakes, "Some set"))
    assert "1 taken for 7" in written
    assert "98.7%" in written


def test_a_set_without_mistakes_says_so():
    none = pd.DataFrame({"image": [], "label": [], "predicted": [], "confidence": []})
    assert "Some set: no mistakes" in words(draw_mistakes(IMAGES, none, "Some set"))


def test_accuracy_by_suite_states_the_mean_and_the_hardest():
    written = words(draw_accuracy_by_suite(evaluation(mnist=0.99, rotate=0.876, fog=0.321)))
    assert "59.9%" in written
    assert "hardest: fog, 32.1%" in written


@pytest.mark.parametrize("accuracy", [0, 1])
def test_accuracy_by_suite_of_a_single_one(accuracy):
    assert f"hardest: repositioned, {accuracy:.1%}" in words(
        draw_accuracy_by_suite(evaluation(mnist=accuracy, repositioned=accuracy))
    )


@pytest.mark.parametrize("sizes", [[1.0], [1.0, 0.25, 0.5]])
def test_accuracy_by_size_states_that_of_the_smallest(sizes):
    table = pd.DataFrame({"size": sizes, "accuracy": sizes, "accuracy_low": sizes, "accuracy_high": sizes})
    written = words(draw_accuracy_by_size(table.assign(baseline_accuracy=0.1, count=7)))
    assert f"At {min(sizes):.0%} of their size" in written
    assert f"{min(sizes):.1%}" in written


def test_accuracy_by_position_states_those_at_the_edge_and_inside_and_draws_a_map_for_each_suite():
    table = pd.DataFrame({"row": [0, 3, 6], "column": [0, 3, 6], "accuracy": [0.876, 0.95, 1.0], "count": 5})
    tables = pd.concat([table.assign(suite="a"), table.assign(suite="b_2")], ignore_index=True)
    written = words(draw_accuracy_by_position(tables))
    assert "93.8% at the edge, 95.0% inside" in written
    assert written.count("87.6% to 100.0%") == 2
    assert "b 2" in written


def test_accuracy_by_position_of_digits_with_one_place_all_right():
    table = pd.DataFrame({"row": [0], "column": [0], "accuracy": [1.0], "count": [5], "suite": ["a"]})
    assert "100.0%" in words(draw_accuracy_by_position(table))


def test_reliability_states_the_calibration_error_of_both_sets():
    table = pd.DataFrame({"confidence": [0.5, 1.0], "accuracy": [0.4, 1.0], "count": [1, 99]})
    written = words(
        draw_reliability(
            pd.concat([table.assign(suite="mnist"), table.assign(suite="repositioned")]),
            evaluation(mnist=1, repositioned=0.5),
        )
    )
    assert written.count("12.3 points") == 2


@pytest.mark.parametrize("columns", [1, 30])
def test_every_suite_is_shown_with_its_accuracy(columns):
    figure = draw_every_suite(IMAGES, {"rotate_2": SUITE}, evaluation(mnist=0.99, rotate_2=0.876), columns)
    assert {"MNIST", "rotate 2", "99.0%", "87.6%"} <= {
        part for line in words(figure).splitlines() for part in line.split("  ")
    }
