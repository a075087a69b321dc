"""Intervals, p-values and verdicts are those of textbooks, of SciPy, and of sums worked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from mnist_moved.evaluation.significance import mcnemar, verdicts, welch, wilson_interval

UNCLEAR = "no difference shown"


@pytest.mark.parametrize(
    ("correct", "n", "interval"),
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I.
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0, 0.1611))],
)
def test_the_interval_of_an_accuracy_is_the_published_one(correct, n, interval):
    assert wilson_interval(np.arange(n) < correct) == pytest.approx(interval, abs=5e-5)


def both_networks(both, lost, gained, neither):
    """Which digits are classified correctly before and after, from how many of each sort there are."""
    counts = [both, lost, gained, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_mcnemar_gives_the_difference_and_interval_of_the_textbook():
    # Agresti, Categorical Data Analysis, 10.1: approval fell from 944 to 880 of 1,600; the standard error is
    # sqrt(150 + 86 - 64**2 / 1600) / 1600 = 0.009549, the interval 1.959964 times that to either side.
    found = mcnemar(*both_networks(both=794, lost=150, gained=86, neither=570))
    found.pop("p")
    expected = {"before": 944 / 1600, "after": 880 / 1600, "difference": -0.04, "margin": 0.018716}
    assert found == pytest.approx(expected | {"lost": 150, "gained": 86}, abs=1e-6)


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    # Two-sided, of a fair coin: 9 of 10 heads or more extreme is 2 * (1 + 10) of 2**10 cases.
    [(1, 9, 22 / 1024), (9, 1, 22 / 1024), (0, 5, 2 / 32), (4, 4, 1), (0, 0, 1)],
)
def test_the_p_value_is_that_of_a_fair_coin_tossed_where_the_networks_disagree(lost, gained, p):
    assert mcnemar(*both_networks(90, lost, gained, 7))["p"] == pytest.approx(p)


def test_welch_is_that_of_scipy_where_seeds_differ():
    found, scipy = welch([1, 2, 3], [4, 8]), ttest_ind([4, 8], [1, 2, 3], equal_var=False)
    expected = {"before": 2, "after": 6, "before_deviation": 1, "after_deviation": 8**0.5, "difference": 4}
    expected |= {"margin": scipy.confidence_interval(0.95).high - 4, "p": scipy.pvalue}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("before", "after", "seeds", "low", "high"),
    [(0.1, 0.1, 3, 1, 1), (0.9941, 0.9942, 2, 0.05, 1), (0.1, 1, 3, 0, 1e-9)],
)
def test_settings_whose_seeds_all_agree_are_told_apart_by_more_than_an_image(before, after, seeds, low, high):
    assert low <= welch(np.full(seeds, before), np.full(seeds, after), step=1e-4)["p"] <= high


@pytest.mark.parametrize(
    ("difference", "margin", "p", "expected"),
    [
        (0.002, 0.0029, 0.2, "same within 0.5 points"),
        (-0.002, 0.0031, 0.2, UNCLEAR),
        (-0.004, 0.0005, 0.001, "worse"),  # it is both, and this says more
    ],
)
def test_the_same_is_what_has_its_whole_interval_within_half_a_point(difference, margin, p, expected):
    assert verdicts(*(pd.Series([value]) for value in (difference, p, margin)))[0] == expected


@pytest.mark.parametrize(
    ("difference", "p", "expected"),
    [
        ([0.02, -0.02, 0.02], [0.001, 0.001, 0.5], ["better", "worse", UNCLEAR]),
        ([0.007] + 19 * [0.0], [0.016] + 19 * [1.0], 20 * [UNCLEAR]),  # one lucky test set among twenty
        # Benjamini and Hochberg: the largest p * 4 / rank is 0.04. Bonferroni would clear the first alone.
        (4 * [0.01], [0.01, 0.02, 0.03, 0.04], 4 * ["better"]),
    ],
)
def test_a_verdict_is_by_direction_and_holds_the_rate_of_false_discoveries(difference, p, expected):
    found = verdicts(pd.Series(difference), pd.Series(p, map(str, range(len(p)))))
    assert list(found.items()) == [(str(number), verdict) for number, verdict in enumerate(expected)]
