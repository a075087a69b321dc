"""The report: the story of one run, with its pictures, in one HTML file that needs nothing else.

The words are in report.html.jinja.
"""

import base64
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import jinja2
from matplotlib.figure import Figure

from robustness.artifacts import CLEAN, HEADLINE
from robustness.evaluation import LISTED, OTHERS
from robustness.figures import mean_size, words
from robustness.params import Train
from robustness.suites import Suite

TEMPLATE = Path(__file__).with_name("report.html.jinja")


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


def write_report(
    pictures: dict[str, Picture],
    evaluation: dict[str, Any],
    training: dict[str, Any],
    settings: Train,
    suites: dict[str, Suite],
    split: str,
) -> str:
    """Return the page; evaluation, training: what is in metrics/evaluation.json and training.json.

    split: which digits of MNIST the network was evaluated on, "test" or "validation".
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
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        pictures=pictures,
        clean=evaluation[CLEAN],
        headline=evaluation[HEADLINE],
        suites=accounts,
        listed=[account for account in accounts.values() if account["group"] == LISTED],
        others=[account for account in accounts.values() if account["group"] == OTHERS],
        LISTED=LISTED,
        strengths={name: suite.strengths for name, suite in suites.items()},
        training=training,
        settings=settings,
        size=mean_size(suites[HEADLINE]),
        split=split,
    )
