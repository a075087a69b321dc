"""`python -m benchmarks.tables` writes what the tables of the sweeps hold into benchmarks/results.md: means ±
standard deviations over the seeds."""

from pathlib import Path

import pandas as pd

from mnist_moved.command import run
from mnist_moved.data.test_sets import CLEAN, HEADLINE
from mnist_moved.evaluation.breaking import mean_in_words
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.runs import read_runs
from mnist_moved.files import write_text
from mnist_moved.paths import curves_of
from mnist_moved.report.wording import with_unit, words
from mnist_moved.sweeps.table import CPU, spread

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.md"
LIMIT = 0.95  # of the breaking points
ONE_BY_ONE = ["rotate", "impulse_noise", "stripe", "zigzag", "edges"]  # on which each part shows
COLUMNS = {  # settings of the sweep `main`: what they are called
    "baseline": "baseline",
    "fast": "fast",
    "no_augmentation": "augmentation off",
    "default": "this network",
}
TEXT = """\
# What the sweeps found

Made by `python -m benchmarks.tables` from the tables beside it; means ± standard deviations over the seeds.
[README.md](README.md) says how each sweep is run and what its settings are.

## Every test set, accuracy in percent

Five seeds each.

{sets}

## Where each network breaks

The strength from which on accuracy stays below {limit:.0%}. *At once*: broken at the mildest strength that
was tried; *beyond*: not broken at the strongest. A point is 2,000 test digits, which tell an accuracy of
95 % to within 1 point.

{breaking}

## What each part is good for, accuracy in percent

Three seeds each, on validation digits with all these perturbations: this network (*default*) without each
perturbation of its augmentation, one at a time. *Two perturbations* is reposition and random filter alone, so
that it trains on none of the fifteen. Measured with the recipe before this one: ten epochs of Adam, canvases
of up to 100 pixels, images that differ here and there by a grey level.

{parts}

## Fashion-MNIST, accuracy in percent

Five seeds each, with that earlier recipe too.

{fashion}
"""


def accuracies(name: str) -> pd.DataFrame:
    """In percent: a row for each setting and seed of a sweep, a column for each test set."""
    table = pd.read_csv(FOLDER / f"{name}.csv")
    return 100 * table.pivot(index=["setting", "seed"], columns="test_set", values="accuracy")


def groups(name: str) -> dict[str, list[str]]:
    """The names of the test sets of each group, the same in all trials."""
    table = pd.read_csv(FOLDER / f"{name}.csv").drop_duplicates("test_set")
    return {group: list(rows["test_set"]) for group, rows in table.groupby("group")}


def means_of(names: dict[str, list[str]]) -> dict[str, list[str]]:
    """What a row is called that is the mean of several test sets: their names."""
    seen, unseen = names[SEEN], names[UNSEEN]
    others = [name for name in seen + unseen if not name.startswith(HEADLINE)]
    return {
        f"mean of the {len(seen)} seen": seen,
        f"mean of the {len(unseen)} unseen": unseen,
        f"mean of all {len(others)} that are not repositioned": others,
    }


def table_of_test_sets(name: str, columns: dict[str, str], last: str) -> str:
    """A row for each test set, the worst for the setting `last` first."""
    measured, sets = accuracies(name), groups(name)
    order = [CLEAN, *measured.loc[last].mean().drop(CLEAN).sort_values().index]
    group_of = {name: group for group in (SEEN, UNSEEN) for name in sets[group]}
    rows = {
        words(name): [
            *(spread(measured.loc[setting, name], 2) for setting in columns),
            group_of.get(name, ""),
        ]
        for name in order
    } | {
        title: [*(spread(measured.loc[setting, names].mean(axis=1), 2) for setting in columns), ""]
        for title, names in means_of(sets).items()
    }
    header = [*columns.values(), "group"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=header).to_markdown()


def table_of_breaking_points() -> str:
    runs = {setting: read_runs(f"{FOLDER}/main.csv:{setting}") for setting in COLUMNS}
    rows = {}
    curves = pd.read_csv(curves_of(FOLDER / "main.csv")).drop_duplicates("perturbation")
    for name, strength in zip(curves["perturbation"], curves["strength"], strict=True):
        points = [
            mean_in_words([run.curves[run.curves["perturbation"] == name] for run in side], LIMIT)
            for side in runs.values()
        ]
        rows[words(name)] = [with_unit(name, strength), *points]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["strength", *COLUMNS.values()]).to_markdown()


def table_of_parts() -> str:
    """A row for each setting of the sweep `ablation`, and the CPU seconds of its training."""
    measured, sets = accuracies("ablation"), [CLEAN, HEADLINE, "repositioned_112", *ONE_BY_ONE]
    title, others = [*means_of(groups("ablation")).items()][-1]
    trials = pd.read_csv(FOLDER / "ablation.csv").drop_duplicates(["setting", "seed"])
    rows = {
        words(setting.removesuffix("-split-validation")): [
            *(spread(measured.loc[setting, name], 2) for name in sets),
            spread(measured.loc[setting, others].mean(axis=1), 2),
            spread(seconds, 0),
        ]
        for setting, seconds in trials.groupby("setting", sort=False)[CPU]
    }
    header = [*map(words, sets), title, "training, CPU seconds"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=header).to_markdown()


def write() -> str:
    """All of it, in Markdown."""
    fashion = {"fashion_baseline": "baseline", "fashion": "this network"}
    return TEXT.format(
        sets=table_of_test_sets("main", COLUMNS, "default"),
        breaking=table_of_breaking_points(),
        limit=LIMIT,
        parts=table_of_parts(),
        fashion=table_of_test_sets("fashion_mnist", fashion, "fashion"),
    )


def main() -> None:
    write_text(RESULTS, write())


if __name__ == "__main__":
    run(main)
