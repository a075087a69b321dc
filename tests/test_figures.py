"""Every figure can be drawn, states its finding in words, and survives the edges of what can be found."""

import io
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import fontManager
from matplotlib.text import Text
from project import ROOT

from mnist_moved.data.datasets import FASHION_MNIST, MNIST
from mnist_moved.data.test_sets import CLEAN, EXTERNAL, TestSet
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.report import figures as draw
from mnist_moved.report.wording import HEADINGS

# Matplotlib warns of what it cannot lay out.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 10


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context(draw.STYLE):
        yield


def said(figure):
    """Draw a figure and return all that is written in it."""
    figure.savefig(io.BytesIO(), format="png")
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def evaluation(**accuracies):
    """What metrics/evaluation.json says of test sets with these accuracies."""
    accuracy = pd.Series(accuracies, dtype=float)
    table = pd.DataFrame({"accuracy": accuracy, "baseline_accuracy": 0.5})
    table["accuracy_low"], table["accuracy_high"] = accuracy - 0.05, (accuracy + 0.05).clip(upper=1)
    table["baseline_p"] = np.where((accuracy - 0.5).abs() > 0.05, 0.001, 0.5)
    groups = {"clean": CLEAN, "fog": UNSEEN, "others": EXTERNAL}
    return table.assign(group=[groups.get(name, SEEN) for name in accuracies])


@pytest.mark.parametrize("epochs", [1, 3])
def test_learning_curves_state_the_final_validation_accuracy(epochs):
    values = [0.123, 0.456, 0.987][-epochs:]
    history = {
        f"{part}/{quantity}": pd.DataFrame({"step": range(epochs), quantity: values})
        for part in ("training", "validation")
        for quantity in ("accuracy", "loss")
    }
    assert "98.70% of the validation images" in said(draw.draw_learning_curves(history))


@pytest.mark.parametrize(
    ("wrong", "stated"),
    [
        (1, "3 of 30 misclassified,\nmost often trouser taken for sneaker (3 of 3)\n"),
        (None, "0 of 30 misclassified\n"),
    ],
)
def test_a_confusion_matrix_states_the_most_frequent_mistake_if_there_is_one(wrong, stated):
    predictions = pd.DataFrame({"label": LABELS, "predicted": np.where(wrong == LABELS, 7, LABELS)})
    found = said(draw.draw_confusion_matrix(predictions, "Some set", FASHION_MNIST.classes))
    assert f"Some set: {stated}" in found + "\n"


@pytest.fixture
def bundled(monkeypatch):
    """No fonts but those that Matplotlib brings."""
    own = [font for font in fontManager.ttflist if font.fname.startswith(matplotlib.get_data_path())]
    monkeypatch.setattr(fontManager, "ttflist", own)
    monkeypatch.setattr(draw, "findSystemFonts", list)


def test_names_that_the_usual_font_lacks_are_drawn_in_another_that_has_them(bundled):
    usual = matplotlib.rcParams["font.family"]
    assert draw.fonts_for("bag, $1 bill") == usual
    circled = "ⒶⒷⒸⒹⒺⒻⒼⒽⒾⒿ"
    fonts = draw.fonts_for(circled)
    assert fonts == [*usual, "STIXGeneral"]
    predictions = pd.DataFrame({"label": LABELS, "predicted": LABELS})
    with matplotlib.rc_context({"font.family": fonts}):
        assert "Ⓙ" in said(draw.draw_confusion_matrix(predictions, "Some set", tuple(circled)))
    assert draw.fonts_for("おき") is None


def test_a_font_that_was_installed_just_now_is_found(bundled, monkeypatch):
    [stix] = [font.fname for font in fontManager.ttflist if font.fname.endswith("STIXGeneral.ttf")]
    monkeypatch.setattr(fontManager, "ttflist", [f for f in fontManager.ttflist if f.name != "STIXGeneral"])
    assert draw.fonts_for("Ⓐ") is None
    monkeypatch.setattr(draw, "findSystemFonts", lambda: [stix, __file__])
    assert draw.fonts_for("Ⓐ")[-1] == "STIXGeneral"


def test_a_matplotlibrc_of_the_users_own_changes_nothing(tmp_path):
    (tmp_path / "matplotlibrc").write_text("figure.facecolor: black\nfont.size: 30\n")
    code = "import matplotlib, mnist_moved.report.figures; print(matplotlib.rcParams['figure.facecolor'])"
    environment = os.environ | {"MATPLOTLIBRC": str(tmp_path), "PYTHONPATH": str(ROOT)}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True) == "white\n"


def test_a_dollar_in_a_name_is_no_formula():
    predictions = pd.DataFrame({"label": LABELS, "predicted": LABELS[::-1]})
    classes = [rf"$\frac{label}" for label in range(10)]
    assert f"{classes[0]} taken for {classes[9]}" in said(
        draw.draw_confusion_matrix(predictions, "", classes)
    )


@pytest.mark.parametrize(("columns", "strengths", "size"), [(1, {"canvas": 112}, 25), (30, {}, 50)])
def test_before_and_after_states_the_size_of_what_is_shown(columns, strengths, size):
    after = TestSet(IMAGES, LABELS, "reposition", strengths)
    found = said(draw.draw_before_and_after(IMAGES, after, columns, FASHION_MNIST))
    assert f"The same articles in Fashion-MNIST and repositioned: {size}% of their size" in found


def test_mistakes_are_shown_with_what_they_are_and_what_they_were_taken_for():
    mistakes = pd.DataFrame({"image": [11], "label": [1], "predicted": [7], "confidence": [0.987]})
    for rows, classes, stated in (
        (mistakes, MNIST.classes, "1 taken for 7\n98.7% sure"),
        (mistakes, FASHION_MNIST.classes, "trouser\ntaken for sneaker\n98.7% sure"),
        (mistakes[:0], MNIST.classes, "Some set: no mistakes"),
    ):
        assert stated in said(draw.draw_mistakes(IMAGES, rows, "Some set", classes))


def test_accuracy_by_test_set_states_the_mean_and_the_hardest_and_groups_the_test_sets():
    accounts = evaluation(clean=0.99, rotate=0.876, fog=0.321, edges=0.5, zigzag=0.4, others=0.1)
    figure = draw.draw_accuracy_by_test_set(accounts)
    found = said(figure)
    assert "better than one run of the baseline on 1 of 4 perturbed test sets, worse on 2" in found
    assert "52.4% right on average against 50.0%; hardest: fog, 32.1%" in found
    heights = {text.get_text(): text.xy[1] for text in figure.axes[0].texts if hasattr(text, "xy")}
    order = [HEADINGS[SEEN], "rotate", "edges", HEADINGS[UNSEEN], "fog", HEADINGS[EXTERNAL], "others"]
    assert sorted(order, key=heights.get) == order
    perfect = draw.draw_accuracy_by_test_set(evaluation(clean=1, repositioned=1))
    assert "hardest: repositioned, 100.0%" in said(perfect)


def curve(perturbation, strength, values, accuracies, baselines):
    """Rows of curves.csv, and an image for each value."""
    rows = {"value": values, "accuracy": accuracies, "baseline_accuracy": baselines}
    table = pd.DataFrame({"perturbation": perturbation, "strength": strength} | rows)
    table["accuracy_low"], table["accuracy_high"] = table["accuracy"] - 0.01, table["accuracy"] + 0.01
    return table, {perturbation: dict(zip(values, IMAGES, strict=False))}


def test_curves_say_how_far_each_network_holds_out_and_run_from_mild_to_strong():
    rising, images = curve("reposition", "canvas", [28, 56, 140], [1, 1, 0.8], [1, 0.5, 0.1])
    falling, others = curve("shot_noise", "photons", [100, 1, 0.5], [1, 0.98, 0.97], [0.9, 0.8, 0.7])
    without = pd.Series(0.5, pd.MultiIndex.from_tuples([("reposition", 28), ("reposition", 140)]))
    curves, bounds = pd.concat([rising, falling]), {"reposition": {"canvas": [28, 96]}}
    figure = draw.draw_curves(curves, 0.95, images | others, bounds, without)
    found = said(figure)
    assert "below it later than one run of the baseline does, for 2 of 2" in found
    stated = {"77", "baseline 30.8", "beyond 0.5", "baseline at once", "canvas, pixels", "photons"}
    assert stated | {"trained on", "not augmented, mean of seeds"} <= {*found.split("\n")}
    assert [ax.xaxis_inverted() for ax in figure.axes] == [False, True]
    assert [ax.get_xscale() for ax in figure.axes] == ["linear", "log"]
    # A single curve, of a network that was not trained on any.
    alone = said(draw.draw_curves(rising.assign(accuracy=0.5), 0.95, images))
    assert "below it later than one run of the baseline does, for 0 of 1" in alone
    assert "trained on" not in alone
    assert "not augmented, mean of seeds" not in alone


def test_reliability_tells_how_sure_it_is_of_every_test_set_and_of_which_most_wrongly():
    bins = pd.DataFrame({"confidence": [0.5, 1.0], "accuracy": [0.9, 0.99], "count": [10, 90]})
    fog = bins.assign(accuracy=[0.1, 0.9], test_set="fog")
    figure = draw.draw_reliability(pd.concat([bins.assign(test_set="clean"), fog]))
    stated = "more sure than right on 1 of 2 test sets,\nmost on fog: 95.0% sure, 82.0% right"
    assert stated in said(figure)
    right, sure = (points.get_offsets()[:, 0] for points in figure.axes[0].collections[1:])
    np.testing.assert_allclose([right, sure], [[0.981, 0.82], [0.95, 0.95]])


@pytest.mark.parametrize("columns", [1, 30])
def test_every_test_set_is_shown_with_its_accuracy_the_clean_one_first_and_then_the_best(columns):
    images = dict.fromkeys(["clean", "fog", "rotate_2"], IMAGES)
    figure = draw.draw_every_test_set(images, evaluation(clean=0.8, rotate_2=0.876, fog=0.321), columns)
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["clean  80.0%", "rotate 2  87.6%", "fog  32.1%"]
    assert "from 87.6% (rotate 2) to 32.1% (fog)" in said(figure)
    [shown] = figure.axes[0].get_images()
    first, last = shown.get_array()[1:29, 1:29], shown.get_array()[-29:-1, -29:-1]
    np.testing.assert_array_equal([first, last], [IMAGES[0], IMAGES[columns - 1]])


def test_training_images_are_shown_with_each_perturbation_and_how_many_have_it():
    augmentation = {"fog": {"probability": 0.1}, "rotate": {"probability": 0.25}}
    images = dict.fromkeys(["rotate", "fog", "clean"], IMAGES)
    figure = draw.draw_training_images(images, augmentation, 2)
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["as they are  65%", "fog  10%", "rotate  25%"]
    stated = "35% of the training images are perturbed, others in each epoch,\nmost of all by rotate: 25%"
    assert stated in said(figure)
    assert "All training images are left as they are" in said(draw.draw_training_images(images, {}, 2))
