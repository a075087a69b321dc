"""How sure an accuracy is, and whether a difference between two networks or settings means something."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest, false_discovery_control, norm, t

LEVEL = 0.05  # of significance
CONFIDENCE = 1 - LEVEL
STEP = 1e-4  # between accuracies on 10,000 digits, and between those in test_sets.csv, of four decimals

SMALL = 0.005  # a difference of accuracy; to be the same is to differ by less, half a point
BETTER, WORSE, UNCLEAR = "better", "worse", "no difference shown"
SAME = f"same within {100 * SMALL:g} points"


def wilson_interval(correct: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of an accuracy (Wilson 1927) from a boolean array (n,), n at least 1.

    It takes digits for independent. Those of one writer are not, and MNIST does not say whose a digit is
    (QMNIST does: Yadav and Bottou 2019, arXiv 1905.10498); for other writers it is too narrow.
    """
    interval = binomtest(int(correct.sum()), correct.size).proportion_ci(CONFIDENCE, "wilson")
    return float(interval.low), float(interval.high)


def lost_and_gained(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """How many digits only the first, and only the second, of two networks read right; boolean (n,)."""
    return int((before & ~after).sum()), int((after & ~before).sum())


def mcnemar(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """McNemar's exact test (1947) of two networks on the same images; boolean (n,): which were read right?

    Returns the difference of accuracy, half the width of its 95 % interval (Wald, for paired
    proportions), the number of digits that only one of the two got right, and the p-value.
    """
    lost, gained = lost_and_gained(before, after)
    n, disagree = before.size, lost + gained
    deviation = np.sqrt(disagree - (gained - lost) ** 2 / n) / n
    return {
        "before": before.mean(),
        "after": after.mean(),
        "difference": (gained - lost) / n,
        "margin": norm.ppf(1 - LEVEL / 2) * deviation,
        "lost": lost,
        "gained": gained,
        "p": binomtest(gained, disagree).pvalue if disagree else 1.0,
    }


def welch(before: np.ndarray, after: np.ndarray, step: float = STEP) -> dict[str, float]:
    """Welch's t-test (1947, Biometrika 34, 28-35) of two settings, from the accuracies of their seeds.

    before, after: float (m,) and (n,), fractions, at least two each. Returns both means and standard
    deviations, the difference of the means, half the width of its 95 % interval, and the p-value.

    step: between one possible accuracy and the next. Seeds with the very same accuracy are the same to within
    one step, no better: each variance counts as at least that of rounding to whole steps, step**2 / 12
    (Sheppard 1898). So seeds that agree by luck make no difference certain, and nothing is divided by zero.
    """
    samples = np.asarray(before, float), np.asarray(after, float)
    squares = np.array([max(sample.var(ddof=1), step**2 / 12) / sample.size for sample in samples])
    freedom = squares.sum() ** 2 / (squares**2 / [sample.size - 1 for sample in samples]).sum()
    difference, error = samples[1].mean() - samples[0].mean(), np.sqrt(squares.sum())
    return {
        "before": samples[0].mean(),
        "after": samples[1].mean(),
        "before_deviation": samples[0].std(ddof=1),
        "after_deviation": samples[1].std(ddof=1),
        "difference": difference,
        "margin": t.ppf(1 - LEVEL / 2, freedom) * error,
        "p": 2 * t.sf(abs(difference) / error, freedom),
    }


def verdicts(difference: pd.Series, p: pd.Series, margin: pd.Series | float = np.inf) -> pd.Series:
    """Is it BETTER, WORSE, SAME or UNCLEAR, set by set?

    difference: of accuracy; p: that of its test; margin: half the width of its 95 % interval, if known. With
    some twenty sets, one p-value in twenty would be below 0.05 by luck; they are adjusted for that with the
    false discovery rate of Benjamini and Hochberg (1995). No difference shown is not the same as none: SAME
    is what has its whole interval within half a point of zero (two one-sided tests, Schuirmann 1987, Journal
    of Pharmacokinetics and Biopharmaceutics 15, 657-680).
    """
    clear, same = false_discovery_control(p) < LEVEL, abs(difference) + margin < SMALL
    cases = {BETTER: clear & (difference > 0), WORSE: clear, SAME: same}
    return pd.Series(np.select([*cases.values()], [*cases], UNCLEAR), p.index)
