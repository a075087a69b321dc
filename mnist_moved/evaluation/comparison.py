"""Two runs, or two settings with several seeds each, compared test set by test set."""

import numpy as np
import pandas as pd

from mnist_moved.command import UserError
from mnist_moved.evaluation.runs import Run
from mnist_moved.evaluation.significance import STEP, lost_and_gained, mcnemar, verdicts, welch


def common_test_sets(runs: list[Run]) -> list[str]:
    """The test sets of the same images in all runs; UserError if there are none."""
    digests = pd.DataFrame([run.test_sets["images_digest"] for run in runs])
    names = digests.columns[(digests == digests.iloc[0]).all()]
    if names.empty:
        raise UserError(
            "the two sides were evaluated on different images; evaluate both on the same test sets"
        )
    return list(names)


def compare(before: Run, after: Run) -> pd.DataFrame:
    """One row of `mcnemar` for each test set of the same images on both sides, with its group and a verdict.

    Raises UserError if there is no such test set.
    """
    names = common_test_sets([before, after])
    rows = [mcnemar(before.correct[name], after.correct[name]) for name in names]
    return _with_verdict(pd.DataFrame(rows, names), after)


def compare_runs(before: list[Run], after: list[Run]) -> pd.DataFrame:
    """One row of `welch` for each test set of the same images in all runs, with its group and a verdict.

    before_seeds, after_seeds: the accuracy of each run, (n,); lost, gained: numbers of digits, means over the
    pairs of runs with one seed, or NaN if there are no predictions. Raises UserError if there is no such test
    set.
    """
    known = {run.seed: run.correct for run in before if run.correct}
    pairs = [(known[run.seed], run.correct) for run in after if run.correct and run.seed in known]
    names, rows = common_test_sets([*before, *after]), []
    for name in names:
        seeds = [np.array([run.test_sets.at[name, "accuracy"] for run in side]) for side in (before, after)]
        row = welch(*seeds, step=max(STEP, 1 / after[0].test_sets.at[name, "count"]))
        row["before_seeds"], row["after_seeds"] = seeds
        digits = [lost_and_gained(one[name], other[name]) for one, other in pairs]
        row["lost"], row["gained"] = np.mean(digits, axis=0) if pairs else (np.nan, np.nan)
        rows.append(row)
    return _with_verdict(pd.DataFrame(rows, names), after[0])


def _with_verdict(table: pd.DataFrame, after: Run) -> pd.DataFrame:
    verdict = verdicts(table["difference"], table["p"], table["margin"])
    return table.assign(group=after.test_sets["group"], verdict=verdict)
