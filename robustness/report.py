"""The report: the story of one run, with its pictures, in one HTML file that needs nothing else.

The words are in report.html.jinja.
"""

import base64
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from robustness.artifacts import CLEAN, HEADLINE, SCIKIT_LEARN
from robustness.curves import breaking_points
from robustness.datasets import Dataset
from robustness.evaluation import ELSEWHERE, LISTED, OTHERS
from robustness.figures import broken_at, mean_size, with_unit, words
from robustness.params import Train
from robustness.suites import Suite

TEMPLATE = Path(__file__).with_name("report.html.jinja")
COMPARED = ["default", "no_augmentation", "baseline"]  # settings of the sweep that stand beside this run


class Picture(NamedTuple):
    """A picture for the report, and in words what it shows."""

    png: bytes
    finding: str

    @property
    def url(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def finding(figure: Figure) -> str:
    """What the titles of a figure say."""
    titles = [figure.get_suptitle(), *(ax.get_title(loc="left") for ax in figure.axes)]
    return ". ".join(title.replace("\n", " ") for title in titles if title)


def over_seeds(sweep: pd.DataFrame, evaluation: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Mean and standard deviation of accuracy over the seeds, for each setting of a sweep's table.

    Returns a table a setting: a row (mean, std, count) for each set that has the same images as in this run,
    and one, OTHERS, for the mean of the sets of other kinds. evaluation: what is in metrics/evaluation.json.
    """
    images = {name: account["images"] for name, account in evaluation.items()}
    others = [name for name, account in evaluation.items() if account["group"] == OTHERS]
    same = sweep[sweep["images"] == sweep["suite"].map(images)]
    accuracy = same.pivot(index=["setting", "seed"], columns="suite", values="accuracy")
    if others and {*others} <= {*accuracy}:
        accuracy[OTHERS] = accuracy[others].mean(axis=1, skipna=False)
    settings = [name for name in sweep["setting"].unique() if name in accuracy.index]
    tables = {name: accuracy.loc[name].agg(["mean", "std", "count"]).T.dropna() for name in settings}
    return {name: table for name, table in tables.items() if CLEAN in table.index}


def found_in(sweep: pd.DataFrame, evaluation: dict[str, Any]) -> str | None:
    """The experiment of a sweep's table with the very accuracies of this run on all sets; None if none."""
    this = pd.Series({name: account["accuracy"] for name, account in evaluation.items()})
    runs = sweep.pivot(index="experiment", columns="suite", values="accuracy").reindex(columns=this.index)
    return next(iter(runs.index[(runs == this).all(axis=1)]), None)


def breaking_table(curves: pd.DataFrame, limit: float) -> dict[str, dict[str, str]]:
    """Where each network falls below the limit, in words, by kind; curves: rows of curves.csv."""
    columns = {
        "ours": "accuracy",
        "low": "accuracy_low",
        "high": "accuracy_high",
        "baseline": "baseline_accuracy",
    }
    points = {name: breaking_points(curves, limit, column) for name, column in columns.items()}
    table = {}
    for kind, curve in curves.groupby("kind", sort=False):
        strength, values = curve["strength"].iloc[0], curve["value"].tolist()
        table[kind] = {name: broken_at(found[kind], values) for name, found in points.items()}
        table[kind] |= {"strength": with_unit(kind, strength), "name": strength}
    return table


def write_report(
    pictures: dict[str, Picture],
    *,
    evaluation: dict[str, Any],
    training: dict[str, Any],
    settings: Train,
    suites: dict[str, Suite],
    dataset: Dataset,
    split: str,
    sweep: pd.DataFrame,
    curves: pd.DataFrame,
    limit: float,
) -> str:
    """Return the page; evaluation, training: what is in metrics/evaluation.json and training.json.

    split: which images of the data set the network was evaluated on, "test" or "validation"; sweep: the table
    of a sweep, with which this one run is compared; curves: rows of curves.csv; limit: of accuracy, below
    which a network is broken.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "words": words,
        "percent": "{:.1%}".format,
        "points": lambda share: f"{100 * share:.1f}",
        "thousands": "{:,}".format,
        "mean": lambda accounts, name: fmean(account[name] for account in accounts),
    }
    accounts = {name: account for name, account in evaluation.items() if name != CLEAN}
    sweep = sweep[sweep["setting"].isin(COMPARED)]
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        pictures=pictures,
        clean=evaluation[CLEAN],
        headline=evaluation[HEADLINE],
        suites=accounts,
        altered={name: each for name, each in accounts.items() if each["group"] != ELSEWHERE},
        elsewhere={name: each for name, each in accounts.items() if each["group"] == ELSEWHERE},
        breaking=breaking_table(curves, limit),
        limit=limit,
        points=curves["count"].iloc[0],
        listed=[account for account in accounts.values() if account["group"] == LISTED],
        others=[account for account in accounts.values() if account["group"] == OTHERS],
        LISTED=LISTED,
        strengths={name: suite.strengths for name, suite in suites.items()},
        training=training,
        settings=settings,
        size=mean_size(suites[HEADLINE]),
        dataset=dataset,
        split=split,
        seeds=over_seeds(sweep, evaluation),
        experiment=found_in(sweep, evaluation),
        OTHERS=OTHERS,
        CLEAN=CLEAN,
        SCIKIT_LEARN=SCIKIT_LEARN,
        HEADLINE=HEADLINE,
    )
