"""Each benchmark starts, and ends with the tables that it promises, on the small run's data."""

import re

import pytest

pytestmark = pytest.mark.slow


def test_the_race_trains_every_setting_and_says_how_long_it_took(project):
    for key, value in (("training_digits", 200), ("epochs", 1)):
        project.set(f"train.{key}", value)
    output = project.run("python -m benchmarks.train --seeds 1").stdout
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in output.splitlines()]
    table = {row[0]: row[1:] for row in rows}
    assert table[""] == ["default", "no_augmentation", "baseline", "fast"]
    assert table["parameters"] == ["61,418", "61,418", "34,826", "61,418"]
    assert all(float(cell) > 0 for cell in table["CPU seconds of training"])


def test_the_cost_of_the_test_sets_and_of_many_digits_is_measured(project):
    output = project.run("python -m benchmarks.perturb --digits 200").stdout
    assert "| repositioned | " in output
    differences = re.findall(r"^\| (\w+).*? \|.* (?:Pillow|SciPy) .* (\d+) \|$", output, re.MULTILINE)
    assert [name for name, _ in differences] == ["reposition", "blur"]
    assert all(int(grey_levels) <= 1 for _, grey_levels in differences)
    output = project.run("python -m benchmarks.load --digits 1000").stdout
    assert "| 1,000 | " in output
