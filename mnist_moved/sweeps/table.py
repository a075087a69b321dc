"""What a sweep measured as a table, a row for each trial and test set, and what is said and drawn of it; and
as another, a row for each trial and point of a curve."""

from io import StringIO

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mnist_moved.data.test_sets import CLEAN, HEADLINE
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.report.figures import BLUE, GREY, ORANGE, RED, subplots
from mnist_moved.report.wording import words
from mnist_moved.sweeps.settings import Trial

COLUMNS = ["test_set", "perturbation", "group", "images_digest", "count", "accuracy"]  # of test_sets.csv
POINTS = ["perturbation", "strength", "value", "images_digest", "count", "accuracy"]  # of curves.csv
COLOURS = [BLUE, ORANGE, RED, GREY, "#009E73", "#CC79A7", "#56B4E9", "black"]  # Okabe and Ito 2008


def rows_of(trial: Trial, test_sets: str) -> pd.DataFrame:
    """The rows of one trial, a test set each; test_sets: the text of its test_sets.csv."""
    return _labelled(trial, test_sets, COLUMNS)


def points_of(trial: Trial, curves: str) -> pd.DataFrame:
    """The rows of one trial, a point of a curve each; curves: the text of its curves.csv."""
    return _labelled(trial, curves, POINTS)


def _labelled(trial: Trial, table: str, columns: list[str]) -> pd.DataFrame:
    rows = pd.read_csv(StringIO(table), dtype={"images_digest": str})[columns]
    rows.insert(0, "setting", trial.setting)
    rows.insert(1, "seed", trial.seed)
    rows.insert(2, "experiment", trial.name)
    return rows


def by_trial(table: pd.DataFrame) -> pd.DataFrame:
    """A row a trial, by setting and seed: accuracy on the two main test sets, the mean of each group and the
    worst of both."""
    return table.groupby(["setting", "seed"], sort=False).apply(_account, include_groups=False)


def _account(rows: pd.DataFrame) -> pd.Series:
    accuracy = rows.set_index("test_set")["accuracy"]
    group = rows.set_index("test_set")["group"]
    return pd.Series(
        {
            CLEAN: accuracy[CLEAN],
            HEADLINE: accuracy[HEADLINE],
            SEEN: accuracy[group == SEEN].mean(),
            UNSEEN: accuracy[group == UNSEEN].mean(),
            "worst": accuracy[group.isin([SEEN, UNSEEN])].min(),
        }
    )


def describe(table: pd.DataFrame) -> str:
    """A line a setting: means ± standard deviations over the seeds, accuracies in percent."""
    lines = {}
    for setting, trials in by_trial(table).groupby("setting", sort=False):
        accuracies = {name: spread(100 * trials[name], 2) for name in trials}
        lines[setting] = {"seeds": len(trials), **accuracies}
    return pd.DataFrame.from_dict(lines, orient="index").to_string()


def spread(values: pd.Series, digits: int) -> str:
    """Mean ± standard deviation; of a single value, the value."""
    if values.isna().all():
        return "unknown"
    deviation = f" ± {values.std():.{digits}f}" if values.count() > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def draw_sweep(table: pd.DataFrame) -> Figure:
    """A row a test set, best first: for each setting a dot a seed, and a bar at their mean."""
    means = table.groupby(["test_set", "setting"], sort=False)["accuracy"].mean().unstack()
    perturbed = (
        table[table["group"].isin([SEEN, UNSEEN])].groupby(["setting", "seed"], sort=False)["accuracy"].mean()
    )
    best = perturbed.groupby("setting").mean().idxmax()
    rows = means.sort_values(best).index
    height = max(0.3, 0.13 * len(means.columns))
    figure, ax = subplots(figsize=(8, height * len(rows) + 1.6))
    offsets = np.linspace(0.3, -0.3, len(means.columns)) if len(means.columns) > 1 else [0]
    for number, (setting, offset) in enumerate(zip(means.columns, offsets, strict=True)):
        trials = table[table["setting"] == setting]
        colour = COLOURS[number % len(COLOURS)]
        places = rows.get_indexer(trials["test_set"]) + offset
        ax.scatter(trials["accuracy"], places, 14, color=colour, alpha=0.5, linewidths=0, label=setting)
        ax.plot(means.loc[rows, setting], np.arange(len(rows)) + offset, "|", color=colour, ms=9, mew=2)
    for row in range(1, len(rows)):
        ax.axhline(row - 0.5, color="#DDDDDD", linewidth=0.5)
    ax.grid(False, axis="y")
    mean = spread(100 * perturbed[best], 2)
    ax.set_title(
        f"Highest mean over the perturbed test sets:\n{best}, {mean} %\n(a dot a seed, a bar their mean)"
    )
    ax.set(
        yticks=range(len(rows)), yticklabels=map(words, rows), ylim=(-0.6, len(rows) - 0.4), xlabel="accuracy"
    )
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside lower center", ncols=max(1, 80 // max(map(len, means.columns))))
    return figure
