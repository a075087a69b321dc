"""Each benchmark starts, and ends with the tables that it promises, on the small run's data."""

import re
import sys

import pandas as pd
import pytest

from benchmarks import load, models, perturb, tables, train


@pytest.fixture
def printed(project, monkeypatch, capsys):
    """What a benchmark prints, given its module and arguments."""
    for key, value in (("training_digits", 200), ("epochs", 1)):
        project.set(f"train.{key}", value)
    monkeypatch.chdir(project.folder)

    def run(benchmark, *arguments):
        monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
        benchmark.main()
        return capsys.readouterr().out

    return run


def test_the_race_trains_three_settings_and_says_how_long_it_took(printed):
    lines = printed(train, "--seeds", "1").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    table = {row[0]: row[1:] for row in rows}
    assert table[""] == ["baseline", "this network, augmented", "fast"]
    assert table["parameters"] == ["34,826", "61,418", "61,418"]
    assert all(float(cell) > 0 for cell in table["CPU seconds of training"])
    assert table["seeds that reach 99 %"] == ["0 of 1"] * 3


def test_the_time_to_an_accuracy_is_that_of_the_first_epoch_that_has_it():
    epochs = pd.DataFrame({"accuracy": [0.5, 0.9, 0.8, 0.5, 0.6, 0.7], "seed": [1, 1, 1, 2, 2, 2]})
    epochs = epochs.assign(wall_seconds=10.0, cpu_seconds=20.0)
    spent = tables.seconds_to(0.8, epochs)
    assert spent.loc[1].to_dict() == {"wall_seconds": 20, "cpu_seconds": 40}
    assert spent.loc[2].isna().all()


def test_the_picture_of_networks_says_where_each_breaks():
    table = pd.DataFrame(
        {
            "network": ["one", "other"],
            "clean": [0.99, 0.95],
            "repositioned": [0.5, 0.25],
            "rotate breaks at": [30.0, None],
            "shot_noise breaks at": [100.0, 2.5],
        }
    )
    curves = {"rotate": {"degrees": [0, 60]}, "shot_noise": {"photons": [100, 10, 1]}}
    figure = models.draw_leaderboard(table, curves, 0.9)
    [ax] = figure.axes
    assert [text.get_text() for text in ax.texts] == ["30", "-", "> 60", "2.5"]
    shades = ax.images[0].get_array()
    assert shades.tolist() == [[0.5, 0], [1, pytest.approx(0.801, abs=1e-3)]]
    assert "2 networks classify 95.0% to 99.0% of MNIST correctly, and 25% to 50.0%" in figure.get_suptitle()


def test_the_cost_of_the_test_sets_and_of_many_digits_is_measured(printed):
    output = printed(perturb, "--digits", "200")
    assert "| repositioned | " in output
    differences = re.findall(r"^\| (\w+).*? \|.* (?:Pillow|SciPy) .* (\d+) \|$", output, re.MULTILINE)
    assert [name for name, _ in differences] == ["reposition", "blur"]
    assert all(int(grey_levels) <= 1 for _, grey_levels in differences)
    assert "| 1,000 | " in printed(load, "--digits", "1000")
