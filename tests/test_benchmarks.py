"""Each benchmark starts, and ends with the tables that it promises, on the small run's data."""

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


def test_the_race_trains_every_contestant_and_says_how_long_and_how_well(project):
    for key, value in (("training_digits", 500), ("epochs", 2)):
        project.set(f"train.{key}", value)
    output = project.run("python -m benchmarks.train --seeds 1 --table race.csv").stdout
    assert "| | baseline | default | fast |\n" in output
    assert "| parameters | 34,826 | 61,418 | 61,418 |\n" in output
    epochs = pd.read_csv(project / "race.csv")
    assert epochs.groupby("contestant").size().to_dict() == {"baseline": 2, "default": 2, "fast": 1}
    assert (epochs[["wall_seconds", "cpu_seconds", "mnist"]] > 0).all(axis=None)


def test_the_cost_of_the_test_sets_and_of_many_digits_is_measured(project):
    output = project.run("python -m benchmarks.perturb --digits 200").stdout
    assert "| repositioned | " in output
    assert "| glass_blur | " in output
    output = project.run("python -m benchmarks.load --digits 1000").stdout
    assert "| 1,000 | " in output
