"""Intervals, p-values and verdicts are those of the textbooks and of sums worked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t, ttest_ind

from mnist_moved.evaluation.significance import mcnemar, verdicts, welch, wilson_interval


@pytest.mark.parametrize(
    ("correct", "n", "interval"),
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I.
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_interval_of_an_accuracy_is_the_published_one(correct, n, interval):
    assert wilson_interval(np.arange(n) < correct) == pytest.approx(interval, abs=5e-5)


def both_sides(both, lost, gained, neither):
    """Which digits were read right before and after, from how many of each sort there are."""
    counts = [both, lost, gained, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_mcnemar_gives_the_difference_and_interval_of_the_textbook():
    # Agresti, Categorical Data Analysis, 10.1: approval fell from 944 to 880 of 1,600; the standard error is
    # sqrt(150 + 86 - 64**2 / 1600) / 1600 = 0.009549, the interval 1.959964 times that to either side.
    result = mcnemar(*both_sides(both=794, lost=150, gained=86, neither=570))
    assert result["before"] == 944 / 1600
    assert result["after"] == 880 / 1600
    assert result["difference"] == -0.04
    assert result["margin"] == pytest.approx(0.018716, abs=1e-6)
    assert (result["lost"], result["gained"]) == (150, 86)


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    # Two-sided, of a fair coin: 9 of 10 heads or more extreme is 2 * (1 + 10) of 2**10 cases.
    [(1, 9, 22 / 1024), (9, 1, 22 / 1024), (0, 5, 2 / 32), (4, 4, 1), (0, 0, 1)],
)
def test_the_p_value_is_that_of_a_fair_coin_tossed_where_the_networks_disagree(lost, gained, p):
    assert mcnemar(*both_sides(90, lost, gained, 7))["p"] == pytest.approx(p)


def test_welch_gives_the_interval_and_p_value_of_the_textbook():
    # Variances 1 and 8 of 3 and 2 seeds: the squared error of the difference is 1/3 + 8/2 = 13/3, the degrees
    # of freedom (Welch-Satterthwaite) are (13/3)**2 / ((1/3)**2 / 2 + 4**2 / 1) = 338/289.
    result = welch(np.array([1.0, 2, 3]), np.array([4.0, 8]))
    assert (result["before"], result["after"], result["difference"]) == (2, 6, 4)
    assert (result["before_deviation"], result["after_deviation"]) == (1, pytest.approx(8**0.5))
    assert result["margin"] == pytest.approx(t.ppf(0.975, 338 / 289) * (13 / 3) ** 0.5)
    assert result["p"] == pytest.approx(2 * t.sf(4 / (13 / 3) ** 0.5, 338 / 289))


def test_welch_is_that_of_scipy_where_seeds_differ():
    before, after = np.array([0.9901, 0.9893, 0.9907, 0.9911, 0.9888]), np.array([0.9941, 0.9944, 0.9936])
    result, expected = welch(before, after), ttest_ind(after, before, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert result["p"] == pytest.approx(expected.pvalue)
    assert result["difference"] - result["margin"] == pytest.approx(interval.low)
    assert result["difference"] + result["margin"] == pytest.approx(interval.high)


def test_settings_whose_seeds_all_agree_are_told_apart_by_more_than_an_image_only():
    def p(before, after, seeds):
        return welch(np.full(seeds, before), np.full(seeds, after), step=1e-4)["p"]

    assert p(0.1, 0.1, 3) == pytest.approx(1)
    assert p(0.9941, 0.9942, 2) > 0.05
    assert p(0.1, 1, 3) < 1e-9


@pytest.mark.parametrize(
    ("deviation", "seeds", "low", "high"),  # deviation of a setting, in images
    [(5, (3, 6), 0.93, 0.97), (0.3, (2, 2), 0.95, 1)],
)
def test_the_interval_of_welch_holds_the_truth_19_times_in_20_or_more(deviation, seeds, low, high):
    rng = np.random.default_rng(0)
    samples = (rng.normal(9900, deviation, (1000, n)).round() / 10000 for n in seeds)
    results = [welch(*pair) for pair in zip(*samples, strict=True)]
    assert low <= np.mean([abs(result["difference"]) <= result["margin"] for result in results]) <= high


def test_a_clear_difference_is_called_by_its_direction_under_the_name_of_its_set():
    table = pd.DataFrame(
        {"difference": [0.02, -0.02, 0.02], "p": [0.001, 0.001, 0.5]}, ["fog", "edges", "zigzag"]
    )
    assert verdicts(table["difference"], table["p"]).to_dict() == {
        "fog": "better",
        "edges": "worse",
        "zigzag": "no difference shown",
    }


def test_one_lucky_set_among_twenty_is_no_difference():
    assert set(verdicts(pd.Series([0.007] + 19 * [0.0]), pd.Series([0.016] + 19 * [1.0]))) == {
        "no difference shown"
    }


def test_the_rate_of_false_discoveries_is_held_not_the_chance_of_any():
    # Benjamini and Hochberg: the largest p * 4 / rank is 0.04. Bonferroni would clear the first alone.
    p = pd.Series([0.01, 0.02, 0.03, 0.04])
    assert set(verdicts(pd.Series(4 * [0.01]), p)) == {"better"}
