"""How sure an accuracy is, and whether a difference between two networks means something."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest, false_discovery_control, norm

LEVEL = 0.05  # of significance
CONFIDENCE = 1 - LEVEL

BETTER, WORSE, UNCLEAR = "better", "worse", "no difference shown"


def wilson_interval(correct: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of an accuracy (Wilson 1927) from a boolean array (n,), n at least 1."""
    interval = binomtest(int(correct.sum()), correct.size).proportion_ci(CONFIDENCE, "wilson")
    return float(interval.low), float(interval.high)


def mcnemar(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """McNemar's exact test (1947) of two networks on the same images; boolean (n,): which were read right?

    Returns the difference of accuracy, half the width of its 95 % interval (Wald, for paired
    proportions), the number of digits that only one of the two got right, and the p-value.
    """
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
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


def verdicts(difference: pd.Series, p: pd.Series) -> pd.Series:
    """Is it BETTER, WORSE or UNCLEAR, set by set? difference: of accuracy; p: that of McNemar's test.

    With some twenty sets, one p-value in twenty would be below 0.05 by luck; they are adjusted for that with
    the false discovery rate of Benjamini and Hochberg (1995).
    """
    clear = false_discovery_control(p) < LEVEL
    return pd.Series(np.where(clear, np.where(difference > 0, BETTER, WORSE), UNCLEAR), p.index)
