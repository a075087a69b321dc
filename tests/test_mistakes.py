"""`python -m scripts.mistakes NAME` shows every mistake on a test set, and the answer of the baseline."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from pictures import DIGITS

from mnist_moved.command import UserError
from mnist_moved.data.datasets import MNIST
from mnist_moved.data.test_sets import TestSet
from scripts.mistakes import list_mistakes, main


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


def test_the_page_has_all_mistakes_that_evaluate_counted(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished.folder)
    monkeypatch.setattr(sys, "argv", ["mistakes", "rotate"])
    main()
    page = (finished / capsys.readouterr().out.strip()).read_text()
    table = pd.read_csv(finished / "plots/evaluation/predictions/rotate.csv")
    wrong = table[table["label"] != table["predicted"]]
    assert f"Rotate: {len(wrong):,} of 10,000 misclassified" in page
    found = re.findall(
        r"<strong>(\d)</strong> taken for <strong>(\d)</strong>.*?image (\d+)", page, re.DOTALL
    )
    assert {(int(number), int(label), int(taken)) for label, taken, number in found} == {
        *wrong.itertuples(name=None)
    }
    monkeypatch.setattr(sys, "argv", ["mistakes", "fog"])
    with pytest.raises(UserError, match=r"^fog: no such test set; there are: clean, other_writers, re"):
        main()
