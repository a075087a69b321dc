"""The card of the trained network, models/README.md; the words are in card.md.jinja."""

from pathlib import Path

import jinja2

from mnist_moved.data.test_sets import CLEAN, HEADLINE
from mnist_moved.evaluation.breaking import breaking_table
from mnist_moved.report.page import Findings
from mnist_moved.report.wording import with_unit, words

TEMPLATE = Path(__file__).with_name("card.md.jinja")


def write_card(size: int, found: Findings) -> str:
    """Return the card in Markdown; size: of the network's file, in bytes."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "words": words,
        "percent": lambda share: f"{100 * share:.2f} %",
        "kilobytes": lambda count: round(count / 1000),
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        vars(found),
        size=size,
        breaking=breaking_table(found.curves, found.params.evaluate.breaking_accuracy),
        with_unit=with_unit,
        CLEAN=CLEAN,
        HEADLINE=HEADLINE,
    )
