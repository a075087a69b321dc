"""Two networks are compared digit by digit, and only on the same images."""

import numpy as np
import pandas as pd
import pytest

from stages.compare import compare, draw_comparison, mcnemar, read_side
from stages.shared.stage import StageError

LABELS = np.arange(1000) % 10


def predictions(wrong, sets=("mnist", "repositioned")):
    """Predictions of LABELS that are wrong in the first so many digits, for each set."""
    predicted = np.where(np.arange(1000) < wrong, (LABELS + 1) % 10, LABELS)
    return pd.DataFrame({"label": LABELS} | dict.fromkeys(sets, predicted))


def test_mcnemar_counts_only_the_digits_on_which_the_networks_disagree():
    before = np.array([True] * 90 + [False] * 10)
    after = np.array([True] * 89 + [False] + [True] * 9 + [False])
    result = mcnemar(before, after)
    assert (result["lost"], result["gained"]) == (1, 9)
    assert result["difference"] == pytest.approx(0.08)
    # Two-sided binomial test of 9 of 10: 2 * (1 + 10) / 2**10.
    assert result["p"] == pytest.approx(22 / 1024)


def test_the_same_predictions_differ_in_nothing():
    table = compare(predictions(30), predictions(30), ["mnist", "repositioned"])
    assert list(table["verdict"]) == ["no difference shown"] * 2
    assert (table["difference"] == 0).all()


def test_a_clear_difference_is_called_by_its_direction():
    assert list(compare(predictions(60), predictions(20), ["mnist"])["verdict"]) == ["better"]
    assert list(compare(predictions(20), predictions(60), ["mnist"])["verdict"]) == ["worse"]


def test_one_lucky_set_among_many_is_no_difference():
    sets = [f"set_{number}" for number in range(20)]
    before, after = predictions(20, sets), predictions(20, sets)
    after["set_0"] = predictions(13, sets)["set_0"]  # p = 0.016 by itself
    assert mcnemar(before["set_0"] == LABELS, after["set_0"] == LABELS)["p"] < 0.05
    assert compare(before, after, sets)["verdict"]["set_0"] == "no difference shown"


def test_the_picture_says_on_how_many_sets_it_is_better():
    table = compare(predictions(60), predictions(20), ["mnist", "repositioned"])
    [axes] = draw_comparison(table, "old", "new").axes
    assert axes.get_title(loc="left") == "new is better than old on 2 of 2 sets, worse on 0"


def test_a_folder_is_read_with_the_digest_of_each_sets_images(tmp_path):
    predictions(3).to_csv(tmp_path / "predictions.csv", index=False)
    pd.DataFrame({"suite": ["mnist"], "images": ["0123abcd"]}).to_csv(tmp_path / "suites.csv", index=False)
    table, images = read_side(str(tmp_path))
    pd.testing.assert_frame_equal(table, predictions(3))
    assert images["mnist"] == "0123abcd"


def test_what_is_neither_folder_nor_revision_is_refused(tmp_path):
    with pytest.raises(StageError, match="no-such-revision: expected a folder with"):
        read_side("no-such-revision")
    with pytest.raises(StageError, match="expected a folder"):
        read_side(str(tmp_path))
