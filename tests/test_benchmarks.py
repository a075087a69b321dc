"""Each benchmark starts, and ends with the tables that it promises, on the small run's data."""

import re
import sys

import pandas as pd
import pytest

from benchmarks import load, perturb, tables, train


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
    assert table[""] == ["baseline", "this network", "fast"]
    assert table["parameters"] == ["34,826", "61,418", "61,418"]
    assert all(float(cell) > 0 for cell in table["CPU seconds of training"])
    assert table["seeds that reach 99%"] == ["0 of 1"] * 3


def test_the_time_to_an_accuracy_is_that_of_the_first_epoch_that_has_it():
    epochs = pd.DataFrame({"accuracy": [0.5, 0.9, 0.8, 0.5, 0.6, 0.7], "seed": [1, 1, 1, 2, 2, 2]})
    epochs = epochs.assign(wall_seconds=10.0, cpu_seconds=20.0)
    spent = tables.seconds_to(0.8, epochs)
    assert spent.loc[1].to_dict() == {"wall_seconds": 20, "cpu_seconds": 40}
    assert spent.loc[2].isna().all()


def test_the_cost_of_the_test_sets_and_of_many_digits_is_measured(printed):
    output = printed(perturb, "--digits", "200")
    assert "| repositioned | " in output
    differences = re.findall(r"^\| (\w+).*? \|.* (?:Pillow|SciPy) .* (\d+) \|$", output, re.MULTILINE)
    assert [name for name, _ in differences] == ["reposition", "blur"]
    assert all(int(grey_levels) <= 1 for _, grey_levels in differences)
    assert "| 1,000 | " in printed(load, "--digits", "1000")
