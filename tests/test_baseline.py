"""The baseline's answers are kept beside it, and only what is not kept is asked anew."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from pictures import DIGITS as STRIP
from project import ROOT

from mnist_moved.command import UserError
from mnist_moved.evaluation.baseline import Baseline
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.paths import baseline_of

NETWORK = ROOT / baseline_of("mnist")
DIGITS = np.ascontiguousarray(STRIP)


@pytest.fixture
def network(tmp_path):
    return shutil.copy(NETWORK, tmp_path / "mine.keras")


def test_what_was_answered_once_is_read_and_all_else_is_asked(network):
    answers = predict(load_network(network), DIGITS).argmax(axis=1)
    first = Baseline(network)
    np.testing.assert_array_equal(first(DIGITS), answers)
    first.save()
    kept = Baseline(network)
    np.testing.assert_array_equal(kept(DIGITS), answers)
    assert (first.asked, kept.asked) == (10, 0)
    kept(255 - DIGITS)
    kept(255 - DIGITS)
    assert kept.asked == 10
    assert kept.describe() == "the baseline was asked about 10 of 30 images; the rest was known"
    assert Baseline(network, known=False).answers == {}


def test_another_network_has_not_answered_what_its_predecessor_did(network):
    first = Baseline(network)
    first(DIGITS)
    first.save()
    shutil.copy(ROOT / baseline_of("fashion_mnist"), network)
    assert Baseline(network).answers == {}
    for damage in ("{", "[]", "<<<<<<< HEAD"):
        first.file.write_text(damage)
        with pytest.raises(UserError, match=r"mine\.json is damaged .* delete it, or make"):
            Baseline(network)
    network.unlink()
    with pytest.raises(UserError, match=r"mine\.keras is missing or damaged"):
        Baseline(network)(DIGITS)


def test_in_git_are_the_answers_to_all_that_the_committed_run_measured(finished):
    test_sets = pd.read_csv(ROOT / "plots/evaluation/test_sets.csv", index_col="test_set")
    curves = pd.read_csv(ROOT / "plots/evaluation/curves.csv")
    kept = json.loads(NETWORK.with_suffix(".json").read_text())
    assert {*kept["answers"]} == {*test_sets["images_digest"], *curves["images_digest"]}
    clean = pd.read_csv(finished / "plots/evaluation/predictions/clean.csv")["label"]
    answers = np.array([*kept["answers"][test_sets.at["clean", "images_digest"]]], int)
    assert (answers == clean).mean() == pytest.approx(test_sets.at["clean", "baseline_accuracy"], abs=1e-4)


def test_an_evaluation_has_the_same_bytes_with_them_and_without(project):
    with_them = project.results(["evaluate"])
    assert "asked about 1,000 of 32,797 images;" in project.run("python -m stages.evaluate").stdout
    (project / "models/baselines/mnist.json").unlink()
    assert "asked about 32,797 of 32,797 images;" in project.run("python -m stages.evaluate").stdout
    assert project.results(["evaluate"]) == with_them


def test_the_command_answers_all_test_sets_and_points_of_curves_and_no_others(project):
    said = project.run("python -m scripts.baseline --answers").stdout
    assert said == "models/baselines/mnist.json: answers to 32,797 images\n"
    kept = project.read_json("models/baselines/mnist.json")["answers"]
    committed = json.loads(NETWORK.with_suffix(".json").read_text())["answers"]
    assert len(kept) == 4 + 5
    assert len({*kept} & {*committed}) == 4
    assert "asked about 0 of 32,797 images;" in project.run("python -m stages.evaluate").stdout
