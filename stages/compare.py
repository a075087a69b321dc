"""Say whether one network is really better than another, set by set.

    python -m stages.compare HEAD                        # the workspace with the last commit
    python -m stages.compare main my-experiment          # branches, commits or `dvc exp` names
    python -m stages.compare before/ plots/evaluation/   # two folders with predictions.csv and suites.csv

`dvc metrics diff` shows that a number changed; this says whether the change means something. Both networks
saw the same images, so McNemar's exact test (McNemar 1947) looks only at the digits on which they disagree.
With some twenty sets, one p-value in twenty would be below 0.05 by luck; they are adjusted for that with
the false discovery rate of Benjamini and Hochberg (1995).
"""

import argparse
from pathlib import Path

import dvc.api
import numpy as np
import pandas as pd
from dvc.exceptions import DvcException
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.stats import false_discovery_control
from scmrepo.exceptions import SCMError

from stages.shared.significance import mcnemar
from stages.shared.stage import StageError, run, whole_file

TABLES = Path("plots/evaluation")
WORKSPACE = "workspace"


def read_side(side: str) -> tuple[pd.DataFrame, pd.Series]:
    """Read what a network predicted: a row for each image, the columns label, mnist, SUITE, ...

    side: a revision, or a folder with predictions.csv and suites.csv. Also returns a digest of the images
    of each set, by which other images of the same name are told apart.
    """
    folder = TABLES if side == WORKSPACE else Path(side)
    revision = None if folder.is_dir() else side
    try:
        predictions = _read_csv(folder if revision is None else TABLES, "predictions.csv", revision)
        suites = _read_csv(folder if revision is None else TABLES, "suites.csv", revision)
        return predictions, suites.set_index("suite")["images"]
    except (OSError, ValueError, KeyError, DvcException, SCMError) as error:
        raise StageError(
            f"{side}: expected a folder with predictions.csv and suites.csv, or a revision with both in"
            f" {TABLES} (`git log` and `dvc exp show` list revisions); {error}"
        ) from None


def _read_csv(folder: Path, name: str, revision: str | None) -> pd.DataFrame:
    if revision is None:
        return pd.read_csv(folder / name)
    with dvc.api.open(str(folder / name), rev=revision) as file:
        return pd.read_csv(file)


def compare(before: pd.DataFrame, after: pd.DataFrame, sets: list[str]) -> pd.DataFrame:
    """One row of `mcnemar` for each of `sets`, with adjusted p-values and a verdict."""
    rows = [mcnemar(before[name] == before["label"], after[name] == after["label"]) for name in sets]
    table = pd.DataFrame(rows, index=sets)
    table["p"] = false_discovery_control(table["p"])
    better = np.where(table["difference"] > 0, "better", "worse")
    table["verdict"] = np.where(table["p"] < 0.05, better, "no difference shown")
    return table


def draw_comparison(table: pd.DataFrame, before: str, after: str) -> Figure:
    """A line for each set from the accuracy of one network to that of the other; table: as of `compare`."""
    table = table.sort_values("after")
    rows = range(len(table))
    figure, ax = plt.subplots(figsize=(8, 0.3 * len(table) + 1.4), layout="constrained")
    ax.hlines(rows, table["before"], table["after"], color="#BBBBBB", zorder=1)
    for side, name, colour in (("before", before, "#D55E00"), ("after", after, "#0072B2")):
        ax.scatter(table[side], rows, 36, colour, label=name, zorder=2)
    verdicts = table["verdict"].value_counts()
    ax.set_title(
        f"{after} is better than {before} on {verdicts.get('better', 0)} of {len(table)} sets,"
        f" worse on {verdicts.get('worse', 0)}",
        loc="left",
    )
    ax.set(yticks=rows, yticklabels=table.index.str.replace("_", " "), xlabel="accuracy")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", help="a revision, an experiment, or a copy of plots/evaluation/")
    parser.add_argument("after", nargs="?", default=WORKSPACE, help="the like; by default the workspace")
    parser.add_argument("--picture", metavar="PNG", help="also draw the comparison into this file")
    sides = parser.parse_args()
    (before, before_images), (after, after_images) = read_side(sides.before), read_side(sides.after)
    sets = [name for name in before_images.index if before_images[name] == after_images.get(name)]
    if not sets:
        raise StageError(f"{sides.before} and {sides.after} were evaluated on different images")
    table = compare(before, after, sets)
    print(f"{sides.after} compared with {sides.before}:\n")
    print(
        f"{'set':18}{'before':>8}{'after':>9}{'change (points)':>18}{'lost':>7}{'gained':>8}{'p':>10}"
        "  verdict"
    )
    for name, row in table.iterrows():
        change = f"{100 * row['difference']:+.2f} ± {100 * row['margin']:.2f}"
        print(
            f"{name:18}{row['before']:8.2%}{row['after']:9.2%}{change:>18}"
            f"{row['lost']:7}{row['gained']:8}{row['p']:10.2g}  {row['verdict']}"
        )
    if sides.picture:
        with whole_file(sides.picture) as partial:
            draw_comparison(table, sides.before, sides.after).savefig(
                partial, dpi=150, metadata={"Software": None}
            )
    others = sorted({*before_images.index, *after_images.index} - {*sets})
    if others:
        print(f"\nNot compared, because the images are not the same: {', '.join(others)}")


if __name__ == "__main__":
    run(main)
