"""`python -m scripts.mistakes SET` shows every mistake on a set, and what the baseline makes of it."""

import re

import numpy as np
import pandas as pd
from pictures import DIGITS

from mnist_moved.data.datasets import MNIST
from mnist_moved.data.test_sets import TestSet
from scripts.mistakes import list_mistakes


def test_the_surest_mistake_comes_first_and_what_is_right_not_at_all():
    labels = np.arange(10, dtype=np.uint8)
    answers, baseline = np.eye(10) * 0.9 + 0.01, np.eye(10) * 0.8 + 0.02
    answers[[3, 7]] = answers[[8, 1]]
    answers[7] = np.full(10, 0.05) + 0.5 * np.eye(10)[1]
    mistakes = list_mistakes(TestSet(DIGITS, labels), answers, baseline, MNIST.classes)
    assert [(each["number"], each["label"], each["predicted"]) for each in mistakes] == [
        (3, "3", "8"),
        (7, "7", "1"),
    ]
    assert all(each["baseline_right"] for each in mistakes)


def test_the_page_has_all_mistakes_that_evaluate_counted(finished):
    said = finished.run("python -m scripts.mistakes rotate").stdout.strip()
    page = (finished / said).read_text()
    table = pd.read_csv(finished / "plots/evaluation/predictions/rotate.csv")
    wrong = table[table["label"] != table["predicted"]]
    assert f"Rotate: {len(wrong):,} of 10,000 mistaken" in page
    found = re.findall(
        r"<strong>(\d)</strong> taken for <strong>(\d)</strong>.*?image (\d+)", page, re.DOTALL
    )
    assert {(int(number), int(label), int(taken)) for label, taken, number in found} == {
        *wrong.itertuples(name=None)
    }


def test_a_set_that_there_is_not_is_told_from_those_there_are(finished):
    error = finished.run("python -m scripts.mistakes fog", code=1).stderr
    assert error == ("error: fog: no such set; there are: clean, other_writers, repositioned, rotate\n")
