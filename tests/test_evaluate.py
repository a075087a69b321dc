"""`python -m scripts.evaluate` measures a network from anywhere as the pipeline measures its own."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from mnist_moved.command import UserError
from mnist_moved.evaluation.breaking import breaking_points, in_words
from mnist_moved.evaluation.leaderboard import identity
from mnist_moved.params import load_params
from scripts.evaluate import main, row_name


@pytest.fixture
def evaluate(finished, monkeypatch, capsys):
    """Run the command where the pipeline ran; what it prints."""
    monkeypatch.chdir(finished.folder)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return run


def test_the_network_of_the_run_gets_its_very_tables_beside_the_baseline(evaluate, finished, tmp_path):
    shutil.copy(finished / "models/model.keras", tmp_path / "mine.keras")
    shutil.copy(finished / "models/baselines/mnist.keras", tmp_path / "example.keras")
    files, leaderboard = (tmp_path / "mine.keras", tmp_path / "example.keras"), tmp_path / "models.csv"
    said = evaluate(*files, "--out", tmp_path, "--leaderboard", leaderboard)

    assert "mine.keras: images (n, 28, 28), 0 to 255, to probabilities; " in said
    there = finished / "plots/evaluation"
    tables = {path.relative_to(there) for path in there.rglob("*.csv")}
    assert {path.relative_to(tmp_path / "mine") for path in (tmp_path / "mine").rglob("*.csv")} == tables
    for name in tables:
        assert (tmp_path / "mine" / name).read_text() == (there / name).read_text()
    for figure in ("accuracy_by_test_set.png", "accuracy_by_strength.png"):
        assert (tmp_path / "mine" / figure).read_bytes().startswith(b"\x89PNG")

    account = finished.read_json("metrics/evaluation.json")["rotate"]
    own, own_breaks, example, _ = [line.split() for line in said.splitlines() if line.startswith("rotate ")]
    ours, baseline = (f"{account[key]:.2%}" for key in ("accuracy", "baseline_accuracy"))
    assert own == ["rotate", ours, ours, baseline]
    assert example == ["rotate", baseline, ours, baseline]
    point = breaking_points(pd.read_csv(there / "curves.csv"), 0.95)["rotate"]
    breaks = in_words(point, [0, 30, 90])
    assert " ".join(own_breaks).startswith(f"rotate {breaks} {breaks} ")

    table = pd.read_csv(leaderboard).set_index("network")
    summary = finished.read_json("metrics/summary.json")
    for name in ("clean", "repositioned", "worst"):
        assert table.at["mine.keras", name] == summary[name]
    assert table.at["mine.keras", "parameters"] == 61_418
    assert len(table) == 2
    assert table["mean"].is_monotonic_decreasing

    before = leaderboard.read_bytes()
    evaluate(tmp_path / "mine.keras", "--scale", "0 to 255", "--leaderboard", leaderboard)
    assert leaderboard.read_bytes() == before  # renewed, not added


def test_a_leaderboard_of_other_images_or_limits_is_refused_and_left(evaluate, finished, tmp_path):
    leaderboard, network = tmp_path / "models.csv", finished / "models/model.keras"
    pd.DataFrame({"network": ["other"], "images_digest": "others"}).to_csv(leaderboard, index=False)
    before = leaderboard.read_bytes()
    with pytest.raises(
        UserError, match=r"other images, or with another evaluate\.breaking_accuracy; name an"
    ):
        evaluate(network, "--leaderboard", leaderboard)
    assert leaderboard.read_bytes() == before
    params = load_params()
    other = params.evaluate.model_copy(update={"breaking_accuracy": 0.5})
    assert identity({}, params) != identity({}, params.model_copy(update={"evaluate": other}))


def test_a_file_that_is_no_network_keeps_no_other_from_being_measured(evaluate, finished, tmp_path, capsys):
    (tmp_path / "broken.keras").write_bytes(b"PK")
    with pytest.raises(SystemExit, match="1 of 2 files were not measured"):
        evaluate(tmp_path / "broken.keras", finished / "models/model.keras", "--quick")
    printed = capsys.readouterr()
    assert "broken.keras: expected a whole file of Keras" in printed.err
    account = finished.read_json("metrics/evaluation.json")["rotate"]
    [row] = [line.split() for line in printed.out.splitlines() if line.startswith("rotate ")]
    assert row[1] == row[2]
    assert float(row[1].rstrip("%")) == pytest.approx(100 * account["accuracy"], abs=3)  # of fewer digits
    assert float(row[3].rstrip("%")) == pytest.approx(100 * account["baseline_accuracy"], abs=3)


def test_two_networks_of_one_name_are_not_kept_in_one_place(evaluate, tmp_path):
    """Of a row, the name has the folders, unless it would be an absolute path."""
    for option, folder in (("--out", Path(".")), ("--leaderboard", tmp_path)):
        with pytest.raises(SystemExit, match="2"):
            evaluate(folder / "one/my.h5", folder / "other/my.h5", option, tmp_path / "kept")
    assert row_name(Path("one/my.h5")) != row_name(Path("other/my.h5"))


def test_a_quick_look_keeps_nothing(evaluate, tmp_path):
    with pytest.raises(SystemExit):
        evaluate(tmp_path / "my.h5", "--quick", "--out", tmp_path)
