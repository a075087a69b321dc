"""Each benchmark starts, and ends with the tables that it promises, on the small run's data."""

import re

import pytest

pytestmark = pytest.mark.slow


def test_the_race_trains_every_setting_and_says_how_long_it_took(project):
    for key, value in (("training_digits", 500), ("epochs", 2)):
        project.set(f"train.{key}", value)
    output = project.run("python -m benchmarks.train --seeds 2").stdout
    assert "| | default | no_augmentation | baseline |\n" in output
    assert "| parameters | 61,418 | 61,418 | 34,826 |\n| epochs | 2 | 2 | 2 |\n" in output
    seconds = re.findall(
        r"^\| CPU seconds of training" + r" \| ([\d.]+) ± [\d.]+" * 3 + r" \|$", output, re.MULTILINE
    )
    assert all(float(value) > 0 for value in seconds[0])


def test_the_cost_of_the_test_sets_and_of_many_digits_is_measured(project):
    output = project.run("python -m benchmarks.perturb --digits 200").stdout
    assert "| repositioned | " in output
    assert "| glass_blur | " in output
    output = project.run("python -m benchmarks.load --digits 1000").stdout
    assert "| 1,000 | " in output
