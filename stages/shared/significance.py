"""Whether a difference between two networks means something."""

import numpy as np
from scipy.stats import binomtest


def mcnemar(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """McNemar's exact test (1947) of two networks on the same images; boolean (n,): which were read right?

    Returns the difference of accuracy, half the width of its 95 % interval (Wald, for paired
    proportions), the number of digits that only one of the two got right, and the p-value.
    """
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    n, disagree = before.size, lost + gained
    return {
        "before": before.mean(),
        "after": after.mean(),
        "difference": (gained - lost) / n,
        "margin": 1.96 * np.sqrt(disagree - (gained - lost) ** 2 / n) / n,
        "lost": lost,
        "gained": gained,
        "p": binomtest(gained, disagree).pvalue if disagree else 1.0,
    }
