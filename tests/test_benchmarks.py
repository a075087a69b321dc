"""Each benchmark starts, and ends with the tables that it promises, on the small run's data."""

import re
import sys

import pytest

from benchmarks import load, perturb, train


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


def test_the_race_trains_every_setting_and_says_how_long_it_took(printed):
    lines = printed(train, "--seeds", "1").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    table = {row[0]: row[1:] for row in rows}
    assert table[""] == ["default", "no_augmentation", "baseline", "fast"]
    assert [cell.replace(",", "") for cell in table["parameters"]] == ["61418", "61418", "34826", "61418"]
    assert all(float(cell) > 0 for cell in table["CPU seconds of training"])


def test_the_cost_of_the_test_sets_and_of_many_digits_is_measured(printed):
    output = printed(perturb, "--digits", "200")
    assert "| repositioned | " in output
    differences = re.findall(r"^\| (\w+).*? \|.* (?:Pillow|SciPy) .* (\d+) \|$", output, re.MULTILINE)
    assert [name for name, _ in differences] == ["reposition", "blur"]
    assert all(int(grey_levels) <= 1 for _, grey_levels in differences)
    assert "| 1,000 | " in printed(load, "--digits", "1000")
