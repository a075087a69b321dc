"""The card of the trained network, models/README.md; the words are in card.md.jinja."""

from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from robustness.artifacts import CLEAN, HEADLINE
from robustness.datasets import Dataset
from robustness.figures import words
from robustness.params import Train
from robustness.report import breaking_table

TEMPLATE = Path(__file__).with_name("card.md.jinja")


def write_card(
    size: int,
    *,
    evaluation: dict[str, Any],
    training: dict[str, Any],
    settings: Train,
    dataset: Dataset,
    split: str,
    curves: pd.DataFrame,
    limit: float,
) -> str:
    """Return the card; size: of the network's file, in bytes; all else as for `report.write_report`."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "words": words,
        "percent": lambda share: f"{100 * share:.2f} %",
        "kilobytes": lambda count: round(count / 1000),
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        size=size,
        evaluation=evaluation,
        training=training,
        settings=settings,
        dataset=dataset,
        split=split,
        breaking=breaking_table(curves, limit),
        limit=limit,
        CLEAN=CLEAN,
        HEADLINE=HEADLINE,
    )
