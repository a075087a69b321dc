"""Every picture can be drawn, states its finding in words, and survives the edges of what can be found."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from mnist_moved.paths import CLEAN
from mnist_moved.data.datasets import FASHION_MNIST, MNIST
from mnist_moved.evaluation.metrics import EXTERNAL, SEEN, UNSEEN
from mnist_moved.report.figures import (
    STYLE,
    breaks_at,
    draw_accuracy_by_test_set,
    draw_before_and_after,
    draw_confusion_matrix,
    draw_curves,
    draw_every_test_set,
    draw_learning_curves,
    draw_mistakes,
    draw_reliability,
    draw_training_images,
)
from mnist_moved.data.test_sets import TestSet

# Matplotlib warns of what it cannot lay out.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 10
SUITE = TestSet(IMAGES, LABELS, "reposition", drawn={"canvas": np.full(30, 56.0), "zoom": np.ones(30)})


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
            "group": [
                {"clean": CLEAN, "fog": UNSEEN, "others": EXTERNAL}.get(name, SEEN) for name in accuracies
            ],
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


@pytest.mark.parametrize(
    ("wrong", "stated"),
    [(1, ["3 of 30 mistaken", "trouser taken for sneaker (3 of 3)"]), (None, ["0 of 30 mistaken"])],
)
def test_a_confusion_matrix_states_the_most_frequent_mistake_if_there_is_one(wrong, stated):
    predictions = pd.DataFrame({"label": LABELS, "predicted": np.where(wrong == LABELS, 7, LABELS)})
    written = words(draw_confusion_matrix(predictions, "Some set", FASHION_MNIST.classes))
    assert all(part in written for part in ["Some set: ", *stated])
    assert ("most often" in written) == (wrong is not None)


@pytest.mark.parametrize("columns", [1, 30])
def test_before_and_after_states_the_size_of_what_is_shown(columns):
    written = words(draw_before_and_after(IMAGES, SUITE, columns, FASHION_MNIST))
    assert "The same articles in Fashion-MNIST and repositioned: 50% of their size" in written


def test_mistakes_are_shown_with_what_they_are_and_what_they_were_taken_for():
    mistakes = pd.DataFrame({"image": [11], "label": [1], "predicted": [7], "confidence": [0.987]})
    written = words(draw_mistakes(IMAGES, mistakes, "Some set", MNIST.classes))
    assert "1 taken for 7\n98.7% sure" in written
    named = words(draw_mistakes(IMAGES, mistakes, "Some set", FASHION_MNIST.classes))
    assert "trouser\ntaken for sneaker\n98.7% sure" in named
    assert "Some set: no mistakes" in words(draw_mistakes(IMAGES, mistakes[:0], "Some set", MNIST.classes))


def test_accuracy_by_test_set_states_the_mean_and_the_hardest_and_groups_the_sets():
    figure = draw_accuracy_by_test_set(
        evaluation(clean=0.99, rotate=0.876, fog=0.321, edges=0.5, zigzag=0.4, others=0.1)
    )
    written = words(figure)
    assert "1 of 4 altered sets are recognised better than by the baseline, 2 worse" in written
    assert "52.4% right on average against 50.0%; hardest: fog, 32.1%" in written
    heights = {text.get_text(): text.xy[1] for text in figure.axes[0].texts if hasattr(text, "xy")}
    listed, others = heights["Altered by kinds in the augmentation"], heights["Altered by other kinds"]
    assert listed < heights["rotate"] < heights["edges"] < others < heights["fog"] < heights["From elsewhere"]
    perfect = words(draw_accuracy_by_test_set(evaluation(clean=1, repositioned=1)))
    assert "hardest: repositioned, 100.0%" in perfect


def curve(kind, strength, **accuracies):
    """Rows of curves.csv, and an image for each value."""
    table = pd.DataFrame({"kind": kind, "strength": strength} | accuracies)
    table["accuracy_low"], table["accuracy_high"] = table["accuracy"] - 0.01, table["accuracy"] + 0.01
    return table, {kind: dict(zip(table["value"], IMAGES, strict=False))}


RISING = curve(
    "reposition", "canvas", value=[28, 56, 140], accuracy=[1, 1, 0.8], baseline_accuracy=[1, 0.5, 0.1]
)
FALLING = curve(
    "shot_noise", "photons", value=[100, 1, 0.5], accuracy=[1, 0.98, 0.97], baseline_accuracy=[0.9, 0.8, 0.7]
)


def test_curves_say_how_far_each_network_holds_out_and_run_from_mild_to_strong():
    curves, images = pd.concat([RISING[0], FALLING[0]]), RISING[1] | FALLING[1]
    without = pd.Series(0.5, pd.MultiIndex.from_tuples([("reposition", 28), ("reposition", 140)]))
    figure = draw_curves(curves, 0.95, images, {"reposition": {"canvas": [28, 96]}}, without)
    written = words(figure)
    assert "holds out longer than the baseline against 2 of 2 kinds" in written
    for stated in (
        "77",
        "baseline 30.8",
        "beyond 0.5",
        "baseline at once",
        "canvas, pixels",
        "photons",
        "trained on",
    ):
        assert stated in written.split("\n")
    assert [ax.xaxis_inverted() for ax in figure.axes] == [False, True]
    assert [ax.get_xscale() for ax in figure.axes] == ["linear", "log"]


def test_a_single_curve_can_be_drawn():
    written = words(draw_curves(RISING[0].assign(accuracy=0.5), 0.95, RISING[1]))
    assert "holds out longer than the baseline against 0 of 1 kinds" in written
    assert "trained on" not in written
    assert "without augmentation" not in written


def test_reliability_tells_how_sure_it_is_of_every_set_and_of_which_most_wrongly():
    bins = pd.DataFrame({"confidence": [0.5, 1.0], "accuracy": [0.9, 0.99], "count": [10, 90]})
    fog = bins.assign(accuracy=[0.1, 0.9], suite="fog")
    figure = draw_reliability(pd.concat([bins.assign(suite="clean"), fog]))
    assert "surer than right on 1 of 2 sets" in words(figure)
    assert "most on fog: 95.0% sure, 82.0% right" in words(figure)
    right, sure = (points.get_offsets()[:, 0] for points in figure.axes[0].collections[1:])
    np.testing.assert_allclose(right, [0.981, 0.82])
    np.testing.assert_allclose(sure, [0.95, 0.95])


@pytest.mark.parametrize("columns", [1, 30])
def test_every_test_set_is_shown_with_its_accuracy_the_clean_one_first_and_then_the_best(columns):
    images = dict.fromkeys(["clean", "fog", "rotate_2"], IMAGES)
    figure = draw_every_test_set(images, evaluation(clean=0.8, rotate_2=0.876, fog=0.321), columns)
    rows = [axes.get_ylabel() for axes in figure.axes[::columns]]
    assert rows == ["clean  80.0%", "rotate 2  87.6%", "fog  32.1%"]
    assert "from 87.6% (rotate 2) to 32.1% (fog)" in words(figure)


def test_training_images_are_shown_as_each_kind_alters_them_and_how_many_are():
    augmentation = {"fog": {"probability": 0.1}, "rotate": {"probability": 0.25}}
    figure = draw_training_images(dict.fromkeys(["rotate", "fog", "clean"], IMAGES), augmentation, 2)
    rows = [axes.get_ylabel() for axes in figure.axes[::2]]
    assert rows == ["as they are  65%", "fog  10%", "rotate  25%"]
    said = words(figure)
    assert "35% of the training images are altered, others in each epoch,\nmost of all by rotate: 25%" in said
    assert "All training images are left as they are" in words(draw_training_images({"clean": IMAGES}, {}, 2))


def test_a_breaking_point_that_nobody_measured_is_no_part_of_a_mean():
    five, one, never, already = (
        pd.DataFrame({"value": [0, 10, 20], "accuracy": accuracies})
        for accuracies in ([1, 0.9, 0.9], [1, 0.5, 0.5], [1, 1, 1], [0.5, 0.5, 0.5])
    )
    assert breaks_at([five, one], 0.95) == "3.00 ± 2.83"
    assert breaks_at([five, five], 0.95) == "5"
    assert breaks_at([five, never, never], 0.95) == "beyond 20 in 2 of 3"
    assert breaks_at([five, already, one], 0.95) == "at once in 1 of 3"
    assert breaks_at([already, already], 0.95) == "at once"
