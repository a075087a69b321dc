"""Two networks are compared digit by digit, and only on the same images."""

import sys

import numpy as np
import pandas as pd
import pytest

from robustness.command import UserError
from robustness.evaluation import LISTED, OTHERS
from scripts.compare import Side, compare, draw_comparison, main, read_side


def side(wrong=0, images=None, **groups):
    """A network that is wrong in the first so many of 1000 digits of each set; SET=its group."""
    groups = groups or {"mnist": "mnist", "repositioned": LISTED}
    suites = pd.DataFrame(
        {"group": groups, "images": {name: name if images is None else images for name in groups}}
    )
    return Side(suites, dict.fromkeys(groups, np.arange(1000) >= wrong))


def write(folder, side):
    (folder / "predictions").mkdir(parents=True)
    side.suites.rename_axis("suite").to_csv(folder / "suites.csv")
    for name, right in side.correct.items():
        table = pd.DataFrame({"label": 7, "predicted": np.where(right, 7, 1)})
        table.to_csv(folder / f"predictions/{name}.csv", index=False)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Compare two sides from the command line, and return what it prints."""

    def run(before, after):
        write(tmp_path / "before", before)
        write(tmp_path / "after", after)
        monkeypatch.setattr(sys, "argv", ["compare", str(tmp_path / "before"), str(tmp_path / "after")])
        main()
        return capsys.readouterr().out

    return run


def test_a_clear_difference_is_called_by_its_direction():
    assert list(compare(side(60), side(20))["verdict"]) == ["better", "better"]
    assert list(compare(side(20), side(60))["verdict"]) == ["worse", "worse"]
    assert list(compare(side(30), side(30))["verdict"]) == ["no difference shown"] * 2


def test_only_sets_of_the_same_images_are_compared():
    after = side(20, mnist="mnist", fog=OTHERS)
    assert list(compare(side(60), after).index) == ["mnist"]
    with pytest.raises(UserError, match="evaluated on different images"):
        compare(side(60), side(20, images="other"))


def test_the_picture_says_on_how_many_sets_it_is_better():
    [axes] = draw_comparison(compare(side(60), side(20)), "old", "new").axes
    assert "new is better than old\non 2 of 2 sets, worse on 0" in {
        axes.get_title(loc) for loc in ("left", "center")
    }


def test_the_command_prints_a_row_a_set_and_the_mean_of_each_group(command):
    output = command(
        side(60, mnist="mnist", rotate=LISTED, fog=OTHERS), side(20, mnist="mnist", rotate=LISTED, fog=OTHERS)
    )
    [row] = [line.split() for line in output.splitlines() if line.startswith("rotate")]
    assert row[:4] + row[6:8] + row[9:] == ["rotate", "94.00%", "98.00%", "+4.00", "0", "40", "better"]
    assert "mean of 1 sets of kinds in the augmentation: 94.00% before, 98.00% after" in output
    assert "mean of 1 sets of other kinds: 94.00% before, 98.00% after" in output
    assert "not compared" not in output


def test_the_command_says_why_a_set_is_left_out(command):
    before, after = (
        side(mnist="mnist", rotate=LISTED, fog=OTHERS),
        side(mnist="mnist", rotate=LISTED, edges=OTHERS),
    )
    after.suites.loc["rotate", "images"] = "others"
    output = command(before, after)
    assert "not compared, their images differ: rotate\n" in output
    assert "not compared, only before: fog\n" in output
    assert "not compared, only after: edges\n" in output


def test_each_set_is_judged_by_its_own_labels(tmp_path):
    write(tmp_path / "side", side(100))
    pd.DataFrame({"label": [1, 2, 3], "predicted": [1, 2, 9]}).to_csv(
        tmp_path / "side/predictions/mnist.csv", index=False
    )
    correct = read_side(str(tmp_path / "side")).correct
    assert correct["mnist"].tolist() == [True, True, False]
    assert correct["repositioned"].mean() == 0.9


def test_what_is_neither_folder_nor_revision_is_refused(tmp_path):
    with pytest.raises(UserError, match="no-such-revision: expected a folder with"):
        read_side("no-such-revision")
    with pytest.raises(UserError, match="expected a folder"):
        read_side(str(tmp_path))
