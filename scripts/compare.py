"""Say whether one network is really better than another, set by set.

    python -m scripts.compare HEAD                        # the workspace with the last commit
    python -m scripts.compare main my-experiment          # branches, commits or `dvc exp` names
    python -m scripts.compare before/ plots/evaluation/   # two copies of plots/evaluation/

`dvc metrics diff` shows that a number changed; this says whether the change means something. Both networks
saw the same images, so McNemar's exact test (McNemar 1947) looks only at the digits on which they disagree,
adjusted for the number of sets (Benjamini and Hochberg 1995).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scmrepo.exceptions import SCMError

from robustness.artifacts import TABLES
from robustness.command import UserError, run
from robustness.figures import BLUE, GROUPS, RED, STYLE, words
from robustness.files import whole_file
from robustness.significance import BETTER, WORSE, mcnemar, verdicts

WORKSPACE = "workspace"


class Side(NamedTuple):
    """What a network made of each set: rows of suites.csv by name, and which digits were read right, (n,)."""

    suites: pd.DataFrame
    correct: dict[str, np.ndarray]


def read_side(side: str) -> Side:
    """Read a revision, or a folder such as plots/evaluation/; UserError if it is neither."""
    try:
        read = _reader(side)
        suites = pd.read_csv(read("suites.csv")).set_index("suite")
        predictions = {name: pd.read_csv(read(f"predictions/{name}.csv")) for name in suites.index}
        return Side(
            suites,
            {name: (table["label"] == table["predicted"]).to_numpy() for name, table in predictions.items()},
        )
    except (OSError, ValueError, KeyError, DvcException, SCMError) as error:
        raise UserError(
            f"{side}: expected a folder with suites.csv and predictions/, or a revision with both in"
            f" {TABLES} (`git log` and `dvc exp show` list revisions); {error}"
        ) from None


def _reader(side: str) -> Callable[[str], TextIO]:
    """Return what opens one of the tables of a side by its name."""
    folder = TABLES if side == WORKSPACE else Path(side)
    if folder.is_dir():
        return lambda name: open(folder / name, encoding="utf-8")
    files = DVCFileSystem(rev=side)
    return lambda name: files.open(str(TABLES / name), "r", encoding="utf-8")


def compare(before: Side, after: Side) -> pd.DataFrame:
    """One row of `mcnemar` for each set of the same images on both sides, with its group and a verdict.

    Raises UserError if there is no such set.
    """
    images = after.suites["images"]
    sets = [name for name, digest in before.suites["images"].items() if digest == images.get(name)]
    if not sets:
        raise UserError("the two sides were evaluated on different images; evaluate both on the same suites")
    table = pd.DataFrame([mcnemar(before.correct[name], after.correct[name]) for name in sets], sets)
    table["group"] = after.suites["group"]
    table["verdict"] = verdicts(table["difference"], table["p"])
    return table


def draw_comparison(table: pd.DataFrame, before: str, after: str) -> Figure:
    """A line for each set from the accuracy of one network to that of the other; table: as of `compare`."""
    table = table.sort_values("after")
    rows = range(len(table))
    figure, ax = plt.subplots(figsize=(8, 0.3 * len(table) + 1.4))
    ax.hlines(rows, table["before"], table["after"], color="#BBBBBB", zorder=1)
    for side, name, colour in (("before", before, RED), ("after", after, BLUE)):
        ax.scatter(table[side], rows, 36, colour, label=name, zorder=2)
    counts = table["verdict"].value_counts()
    ax.set_title(
        f"{after} is better than {before}\n"
        f"on {counts.get(BETTER, 0)} of {len(table)} sets, worse on {counts.get(WORSE, 0)}"
    )
    ax.set(yticks=rows, yticklabels=map(words, table.index), xlabel="accuracy")
    ax.xaxis.set_major_formatter("{x:.0%}")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def print_comparison(table: pd.DataFrame) -> None:
    titles = f"{'before':>8}{'after':>9}{'change (points)':>18}{'lost':>7}{'gained':>8}{'p':>10}"
    print(f"{'set':18}{titles}  verdict")
    for name, row in table.iterrows():
        change = f"{100 * row['difference']:+.2f} ± {100 * row['margin']:.2f}"
        print(
            f"{name:18}{row['before']:8.2%}{row['after']:9.2%}{change:>18}"
            f"{row['lost']:7}{row['gained']:8}{row['p']:10.2g}  {row['verdict']}"
        )
    print()
    for group, title in GROUPS.items():
        sets = table[table["group"] == group]
        if len(sets):
            before, after = sets["before"].mean(), sets["after"].mean()
            print(f"mean of {len(sets)} sets of {title}: {before:.2%} before, {after:.2%} after")


def print_left_out(before: Side, after: Side, compared: pd.Index) -> None:
    both = before.suites.index.intersection(after.suites.index)
    for reason, names in {
        "their images differ": both.difference(compared),
        "only before": before.suites.index.difference(both),
        "only after": after.suites.index.difference(both),
    }.items():
        if len(names):
            print(f"not compared, {reason}: {', '.join(names)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", help="a revision, an experiment, or a copy of plots/evaluation/")
    parser.add_argument("after", nargs="?", default=WORKSPACE, help="another; by default the workspace")
    parser.add_argument("--picture", metavar="PNG", help="also draw the comparison into this file")
    arguments = parser.parse_args()
    if not (arguments.picture or "x.png").endswith(".png"):
        parser.error(f"--picture: expected a name that ends in .png, found {arguments.picture}")
    before, after = read_side(arguments.before), read_side(arguments.after)
    table = compare(before, after)
    if arguments.picture:  # first: whoever pipes the table into `head` ends the command
        with whole_file(arguments.picture) as partial, plt.rc_context(STYLE):
            figure = draw_comparison(table, arguments.before, arguments.after)
            figure.savefig(partial, dpi=150, metadata={"Software": None})
    print(f"{arguments.after} compared with {arguments.before}:\n")
    print_comparison(table)
    print_left_out(before, after, table.index)


if __name__ == "__main__":
    run(main)
