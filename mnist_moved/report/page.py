"""The report: the story of one run, with its figures, in one HTML file that needs nothing else.

The words are in page.html.jinja.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from mnist_moved.data.datasets import Dataset
from mnist_moved.data.pictures import data_url
from mnist_moved.data.test_sets import CLEAN, EXTERNAL, HEADLINE, SCIKIT_LEARN, TestSet
from mnist_moved.evaluation.breaking import breaking_table
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.params import Params
from mnist_moved.report.figures import size_of
from mnist_moved.report.wording import KIN, SETTINGS, with_unit, words

TEMPLATE = Path(__file__).with_name("page.html.jinja")


@dataclass(frozen=True)
class Findings:
    """All that the report and the card tell of a run."""

    params: Params
    dataset: Dataset
    training: dict[str, Any]  # what is in metrics/training.json
    evaluation: dict[str, Any]  # what is in metrics/evaluation.json
    curves: pd.DataFrame  # rows of curves.csv
    test_sets: dict[str, TestSet]
    sweep: pd.DataFrame  # the table of a sweep, with which this one run is compared


class Illustration(NamedTuple):
    """A figure for the report, and in words what it shows."""

    png: bytes
    finding: str

    @property
    def url(self) -> str:
        return data_url(self.png)


def finding(figure: Figure) -> str:
    """What the titles of a figure say."""
    titles = [figure.get_suptitle(), *(ax.get_title(loc="left") for ax in figure.axes)]
    return ". ".join(title.replace("\n", " ") for title in titles if title)


def over_seeds(sweep: pd.DataFrame, evaluation: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Mean and standard deviation of accuracy over the seeds, for each of SETTINGS in a sweep's table.

    Returns a table a setting: a row (mean, std, count) for each test set that has the same images as in this
    run, and one, UNSEEN, for the mean of the test sets of that group. evaluation: what is in
    metrics/evaluation.json.
    """
    digests = {name: account["images_digest"] for name, account in evaluation.items()}
    unseen = [name for name, account in evaluation.items() if account["group"] == UNSEEN]
    same = sweep[sweep["images_digest"] == sweep["test_set"].map(digests)]
    accuracy = same.pivot(index=["setting", "seed"], columns="test_set", values="accuracy")
    if unseen and {*unseen} <= {*accuracy}:
        accuracy[UNSEEN] = accuracy[unseen].mean(axis=1, skipna=False)
    settings = [name for name in SETTINGS if name in accuracy.index]
    tables = {name: accuracy.loc[name].agg(["mean", "std", "count"]).T.dropna() for name in settings}
    return {name: table for name, table in tables.items() if CLEAN in table.index}


def found_in(sweep: pd.DataFrame, evaluation: dict[str, Any]) -> str | None:
    """The experiment of a sweep's table with the very accuracies of this run on all test sets; None if
    none."""
    this = pd.Series({name: account["accuracy"] for name, account in evaluation.items()})
    runs = sweep.pivot(index="experiment", columns="test_set", values="accuracy").reindex(columns=this.index)
    return next(iter(runs.index[(runs == this).all(axis=1)]), None)


def write_page(illustrations: dict[str, Illustration], found: Findings) -> str:
    """Return the page in HTML; illustrations: by the name of the figure."""
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
    accounts = {name: account for name, account in found.evaluation.items() if name != CLEAN}
    unseen = {name: account for name, account in accounts.items() if account["group"] == UNSEEN}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        vars(found),
        illustrations=illustrations,
        clean=found.evaluation[CLEAN],
        headline=found.evaluation[HEADLINE],
        accounts=accounts,
        perturbed={name: each for name, each in accounts.items() if each["group"] != EXTERNAL},
        external={name: each for name, each in accounts.items() if each["group"] == EXTERNAL},
        seen=[account for account in accounts.values() if account["group"] == SEEN],
        unseen=list(unseen.values()),
        kin={name: of for name, of in KIN.items() if name in unseen and of in found.params.train.applied},
        breaking=breaking_table(found.curves, found.params.evaluate.breaking_accuracy),
        with_unit=with_unit,
        size=size_of(found.test_sets[HEADLINE]),
        seeds=over_seeds(found.sweep, found.evaluation),
        experiment=found_in(found.sweep, found.evaluation),
        UNSEEN=UNSEEN,
        SEEN=SEEN,
        CLEAN=CLEAN,
        SCIKIT_LEARN=SCIKIT_LEARN,
        SETTINGS=SETTINGS,
        HEADLINE=HEADLINE,
    )
