"""Say whether one network, or one setting, is really better than another, test set by test set.

    python -m scripts.compare HEAD                        # the workspace with the last commit
    python -m scripts.compare main my-experiment          # branches, commits or `dvc exp` names
    python -m scripts.compare before/ plots/evaluation/   # two copies of plots/evaluation/
    python -m scripts.compare 'augment-false-*' 'augment-true-*'    # experiments: a seed each, two settings
    python -m scripts.compare benchmarks/main.csv:no_augmentation benchmarks/main.csv:default

`dvc metrics diff` shows that a number changed; this says whether the change means something. One run a side:
both networks saw the same images, so McNemar's exact test (McNemar 1947) looks only at the digits on which
they disagree. Several runs a side, one setting with different seeds: experiments whose names match a pattern,
or the rows of one setting in a table of `python -m scripts.sweep`. Welch's test (Welch 1947) compares their
means. Both are adjusted for the number of test sets (Benjamini and Hochberg 1995). "No difference shown"
leaves open whether there is one; "same within 0.5 points" is said if the whole interval is. Below stands, for
each perturbation, at what strength either side breaks.
"""

from collections.abc import Iterator, Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mnist_moved.command import UserError, make_parser, run
from mnist_moved.evaluation.breaking import mean_in_words
from mnist_moved.evaluation.comparison import compare, compare_runs
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.runs import WORKSPACE, Run, read_runs
from mnist_moved.evaluation.significance import BETTER, WORSE, welch
from mnist_moved.files import whole_file
from mnist_moved.params import load_params
from mnist_moved.report.figures import BLUE, RED, STYLE, subplots
from mnist_moved.report.wording import words

SIDES = ["before", "after"]
Pairs = dict[tuple[str, str], list[list[pd.DataFrame]]]  # (perturbation, strength): curves of either side
ENOUGH = 3  # seeds; the deviation of two says next to nothing


def draw_comparison(table: pd.DataFrame, before: str, after: str) -> Figure:
    """A line for each test set from the accuracy of one side to that of the other, with a dot for each run.

    table: as of `compare` or `compare_runs`; before, after: what the sides are called.
    """
    table = table.sort_values("after")
    rows = np.arange(len(table))
    figure, ax = subplots(figsize=(8, 0.3 * len(table) + 1.4))
    ax.hlines(rows, table["before"], table["after"], color="#BBBBBB", zorder=1)
    for side, name, colour, shift in (("before", before, RED, 0.15), ("after", after, BLUE, -0.15)):
        if f"{side}_seeds" not in table:
            ax.scatter(table[side], rows, 36, colour, label=name, zorder=2)
            continue
        seeds, places = np.stack(table[f"{side}_seeds"]), rows + shift
        mean = f"{name}, mean of {seeds.shape[1]} seeds"
        ax.scatter(
            seeds.T,
            np.tile(places, seeds.shape[1]),
            16,
            colour,
            alpha=0.5,
            lw=0,
            label=f"{name}, one seed each",
        )
        ax.scatter(table[side], places, 100, colour, marker="|", label=mean, zorder=2)
    counts = table["verdict"].value_counts()
    ax.set_title(
        f"{after} is better than {before}\n"
        f"on {counts.get(BETTER, 0)} of {len(table)} test sets, worse on {counts.get(WORSE, 0)}"
    )
    ax.set(yticks=rows, yticklabels=map(words, table.index), xlabel="accuracy")
    ax.xaxis.set_major_formatter("{x:.0%}")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """What is printed of each test set; table: as of `compare` or `compare_runs`."""
    decimals = 1 if "before_seeds" in table else 0
    rows = {
        name: {
            **{side: _accuracy(row, side) for side in SIDES},
            "change (points)": _change(row),
            **{n: f"{row[n]:.{decimals}f}".replace("nan", "-") for n in ("lost", "gained")},
            "p": f"{row['p']:.2g}",
            "verdict": row["verdict"],
        }
        for name, row in table.iterrows()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns="test set")


def remarks(table: pd.DataFrame) -> Iterator[str]:
    """A sentence for the mean of each group, and what the signs mean."""
    several = "before_seeds" in table
    for group in (SEEN, UNSEEN):
        sets = table[table["group"] == group]
        if len(sets):
            seeds = [np.mean([*sets[f"{side}_seeds"]], axis=0) for side in SIDES if several]
            mean = welch(*seeds) if several else sets[SIDES].mean()
            before, after = (f"{_accuracy(mean, side)} {side}" for side in SIDES)
            change = f", change {_change(mean)}" if several else ""
            yield f"mean of {len(sets)} {group} test sets: {before}, {after}{change}"
    if several:
        counts = " and ".join(str(table[f"{side}_seeds"].iloc[0].size) for side in SIDES)
        yield f"±: standard deviation over {counts} seeds; of a change, half its 95 % interval (Welch)"
        yield "lost, gained: digits, on average over pairs of runs with one seed; -: no predictions of any"
    else:
        yield "±: half the 95 % interval of a change"
        yield "lost, gained: digits that only one side classifies correctly"
    yield f"p: of {'Welch' if several else 'McNemar'}'s test; the verdict allows for so many test sets"


def _accuracy(row: Mapping[str, float], side: str) -> str:
    """In percent; over several seeds, with their standard deviation."""
    deviation = row.get(f"{side}_deviation")
    return f"{row[side]:.2%}" + ("" if deviation is None else f" ± {100 * deviation:.2f}")


def _change(row: Mapping[str, float]) -> str:
    return f"{100 * row['difference']:+.2f} ± {100 * row['margin']:.2f}"


def common_curves(before: list[Run], after: list[Run]) -> Pairs:
    """The curves that all runs have of the same images, by perturbation and strength: those of either
    side."""
    sides = [
        [dict(iter(run.curves.groupby(["perturbation", "strength"], sort=False))) for run in side]
        for side in (before, after)
    ]
    first, *others = [run for side in sides for run in side]
    return {
        curve: [[run[curve] for run in side] for side in sides]
        for curve, points in first.items()
        if all(curve in run and same_points(points, run[curve]) for run in others)
    }


def same_points(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Were two curves measured at the same strengths, on the same images?"""
    columns = ["value", "images_digest"]
    return one[columns].to_numpy().tolist() == other[columns].to_numpy().tolist()


def breaking_as_text(curves: Pairs, limit: float) -> pd.DataFrame:
    """The strength at which either side falls below the limit, as text: a row for each curve."""
    rows = {
        perturbation: {side: mean_in_words(runs, limit) for side, runs in zip(SIDES, sides, strict=True)}
        | {"strength": strength}
        for (perturbation, strength), sides in curves.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(columns=f"below {limit:.0%} from")


def left_out(before: list[Run], after: list[Run], compared: pd.Index) -> Iterator[str]:
    """Say which test sets are not compared, and why."""
    runs = [[set(run.test_sets.index) for run in side] for side in (before, after)]
    some_before, some_after = (set.union(*side) for side in runs)
    in_all = set.intersection(*runs[0], *runs[1])
    for reason, names in {
        "their images differ": in_all.difference(compared),
        "not in every run": (some_before & some_after) - in_all,
        "only before": some_before - some_after,
        "only after": some_after - some_before,
    }.items():
        if names:
            yield f"not compared, {reason}: {', '.join(sorted(names))}"


def main() -> None:
    parser = make_parser("python -m scripts.compare", __doc__)
    parser.add_argument(
        "before",
        help="a revision, an experiment, or a copy of plots/evaluation/; or several runs: a quoted pattern of"
        " names of experiments, with * ? or [...], or TABLE.csv:SETTING",
    )
    parser.add_argument("after", nargs="?", default=WORKSPACE, help="another; by default the workspace")
    parser.add_argument("--figure", metavar="PNG", help="also draw the comparison into this file")
    parser.add_argument("--md", action="store_true", help="print Markdown, as for a pull request")
    arguments = parser.parse_args()
    if arguments.figure and not arguments.figure.endswith(".png"):
        parser.error(f"--figure: expected a name that ends in .png, found {arguments.figure}")
    names = arguments.before, arguments.after
    before, after = map(read_runs, names)
    fewest = min(len(before), len(after))
    if fewest == 1 and not (len(before) == len(after) and before[0].correct and after[0].correct):
        raise UserError(
            "expected several runs on both sides, or one on each with its predictions; found"
            f" {len(before)} of {names[0]}, {len(after)} of {names[1]}"
        )
    table = compare(before[0], after[0]) if fewest == 1 else compare_runs(before, after)
    if arguments.figure:  # first: whoever pipes the table into `head` ends the command
        settings = [name.rpartition(".csv:")[2] for name in names]
        with whole_file(arguments.figure) as partial, matplotlib.rc_context(STYLE):
            figure = draw_comparison(table, *(names if settings[0] == settings[1] else settings))
            figure.savefig(partial, dpi=150, metadata={"Software": None})
    curves = common_curves(before, after)
    limit = load_params().evaluate.breaking_accuracy if curves else 0
    tables = [as_text(table), *([breaking_as_text(curves, limit)] if curves else [])]
    if arguments.md:
        sets, *breaking = (each.rename_axis(each.columns.name).to_markdown() for each in tables)
    else:
        sets, *breaking = (each.to_string() for each in tables)
    title = f"{names[1]} compared with {names[0]}:"
    reasons = left_out(before, after, table.index)
    print(title, sets, *remarks(table), *breaking, *reasons, sep="\n\n")
    if fewest == 1:
        cannot = "one run a side cannot tell how much either would differ with another seed"
        print(f"\n{cannot}; `python -m scripts.sweep` can")
    elif fewest < ENOUGH:
        print(f"\nfewer than {ENOUGH} seeds on a side: what stands behind ± is hardly worth anything")


if __name__ == "__main__":
    run(main)
