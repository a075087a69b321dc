"""`python -m benchmarks.tables` writes what the tables of the sweeps and of the race hold into
benchmarks/results.md and benchmarks/breaking.png: means ± standard deviations over the seeds, and what
differs."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mnist_moved.command import run
from mnist_moved.data.test_sets import CLEAN, EXTERNAL, HEADLINE
from mnist_moved.evaluation.breaking import breaking_points, holds_longer, mean_in_words
from mnist_moved.evaluation.comparison import compare_runs
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.runs import read_runs
from mnist_moved.evaluation.significance import BETTER, SAME, WORSE, verdicts, welch
from mnist_moved.files import whole_file, write_text
from mnist_moved.report import figures as draw
from mnist_moved.report.wording import KIN, SETTINGS, with_unit, words
from mnist_moved.sweeps.table import spread

FOLDER = Path(__file__).parent
RESULTS, BREAKING, RACE = (FOLDER / name for name in ("results.md", "breaking.png", "train.csv"))
WALL, CPU = "wall_seconds", "cpu_seconds"  # columns of train.csv
WILD = FOLDER / "wild.csv"
WAYS = {"tutorial": "as tutorials do it", "here": "as read here"}  # to prepare a picture for a network
FRAMED = "framed"  # the kind of the same digits with the frame of their cells
RESAMPLES = 10_000
LIMIT = 0.95  # of the breaking points
GOALS = (0.985, 0.99)  # on MNIST, of the time to accuracy
STEP_OF_CURVE = 1 / 2000  # between accuracies at a point
ONE_BY_ONE = ["rotate", "impulse_noise", "stripe", "zigzag", "edges"]  # on which each part shows
EFFECTS = {  # what differs: between which two settings of the sweep `main`
    "this network, not augmented, instead of the baseline": ("baseline", "no_augmentation"),
    "this network instead of the baseline, both augmented": ("baseline_augmented", "default"),
    "augmentation, of the baseline": ("baseline", "baseline_augmented"),
    "augmentation, of this network": ("no_augmentation", "default"),
}
PARTS = {
    "of this network: reposition, instead of no augmentation": ("no_augmentation", "reposition_only"),
    "all of the augmentation, instead of reposition": ("reposition_only", "default"),
}
DOUBTS = {"reposition_only": "reposition alone", "fast": "fast", "baseline_longer": "baseline, 15 epochs"}
CLUTTER = ["stripe", "zigzag", "impulse_noise"]  # ink where a digit has none; edges stand alone
TEXT = """\
# What the sweeps found

Made by `python -m benchmarks.tables` from the tables beside it; means ± standard deviations over the seeds.
[README.md](README.md) says how each sweep is run and what its settings are.

## Two networks, each with augmentation and without: accuracy in percent

Five seeds each. *Seen*: the augmentation lists the perturbation; *unseen*: it does not.

{sets}

## What the network does, and what the augmentation

Differences in points of accuracy, ± half the 95 % interval of five seeds against five (Welch). Bold: there is
a difference, by Welch's test with the false discovery rate of a column's test sets held to 5 %. *Same*: not
bold, and the whole interval within half a point of zero. Anything else five seeds leave open. The means, at
the end, have intervals and no verdict. All is about these test digits; others would differ more. *Network*
means an architecture with its optimizer, batches and epochs, which were not separated.

{effects}

That is at one strength each. As perturbations grow, the augmentation costs more: these are all points of the
curves (2,000 test digits each) at which this network is worse augmented than not, by the same test, of all
points together.

{prices}

## What a doubter would ask, accuracy in percent

This network with reposition as its only augmentation, of 45 % of the digits; for one epoch, without
augmentation (*fast*); and the baseline for its published fifteen epochs instead of ten, with what that
changes. Five seeds each.

{doubts}

What reposition alone changes, and what all the rest of the augmentation on top of it: where that is negative,
reposition alone is better.

{added}

## Digits that nobody here made, accuracy in percent

Pictures of single handwritten digits in public repositories, listed in [wild.csv](wild.csv) and read by
`python -m benchmarks.wild`. Means of five seeds, ± their standard deviation; in brackets a 95 % interval over
repositories (bootstrap), where there are five or more, as the pictures of one are mostly of one hand. What is
refused counts as wrong. *Framed* are the digits of a sudoku again, with the lines of their cells. As
tutorials do it (grey, inverted if light, resized):

{tutorial}

As this project reads them. The reading was chosen on drawings made of validation digits
(`python -m benchmarks.reading`); but these pictures showed that it was to be mended, and they were read after
most steps of mending. On others it may do less well.

{here}

What differs, in points: network, augmentation, and reading.

{differences}

And the test set *other writers*: the digits of scikit-learn, 1,797 of 8 x 8 pixels by 13 people.

{writers}

## Beside the literature

The task of [affNIST](https://www.cs.toronto.edu/~tijmen/affNIST/) made anew (the test set *affine*): digits
turned by up to 20 degrees, sheared by up to 0.2, each axis scaled by 0.8 to 1.2, at a random place of 40 x
40 pixels. The papers' networks train on digits that are only moved on such a canvas, and read affNIST's own
files of that size. Here the canvas is shrunk to 28 x 28 pixels, and a digit is placed where its whole image
fits. So the tasks are near, not the same; nor is it claimed that nobody did better. *Affine* came after
network and augmentation were chosen.

{literature}

MNIST-C's own images are not among the test sets: the fifteen here follow its families, at strengths of their
own. Whoever has its files can name them in `perturb.test_sets` ([how](../docs/yours.md#test-sets-of-others)).

## Where each network breaks

The strength from which on accuracy stays below {limit:.0%}. *At once*: broken at the mildest strength that
was tried; *beyond*: not broken at the strongest. A point is 2,000 test digits, which tell an accuracy of
95 % to within 1 point; in between, a straight line is taken. Of photons and factor, less is harder.

{breaking}

![Accuracy by strength](breaking.png)

## How long training takes

`python -m benchmarks.train`: {race_seeds} seeds each, taking turns, an epoch each. *To 99 %*: until, at the
end of an epoch, so many of MNIST's test digits are classified correctly for the first time; means of the
seeds that get there.

{seconds}

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
    """In percent: a row for each setting and seed of a sweep, a column for each test set but external."""
    table = pd.read_csv(FOLDER / f"{name}.csv")
    table = table[table["group"] != EXTERNAL]
    return 100 * table.pivot(index=["setting", "seed"], columns="test_set", values="accuracy")


def groups(name: str) -> dict[str, list[str]]:
    """The names of the test sets of each group, the same in all trials."""
    table = pd.read_csv(FOLDER / f"{name}.csv").drop_duplicates("test_set")
    return {group: list(rows["test_set"]) for group, rows in table.groupby("group")}


def means_of(names: dict[str, list[str]]) -> dict[str, list[str]]:
    """What a row is called that is the mean of several test sets: their names.

    Those that are much like what the augmentation has stand alone.
    """
    seen = [name for name in names[SEEN] if not name.startswith(HEADLINE)]
    unseen = [name for name in names[UNSEEN] if name not in KIN]
    return {
        f"mean of the {len(seen)} seen, not repositioned": seen,
        "mean of clutter: stripe, zigzag, impulse noise": CLUTTER,
        f"mean of {len(unseen)} unseen, without edges and affine": unseen,
        f"mean of all {len(seen) + len(unseen) + 1} families of MNIST-C": [*seen, *unseen, "edges"],
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


def differences(before: str, after: str) -> pd.DataFrame:
    """Of two settings of the sweep `main`: a row of `compare_runs` for each test set but external ones."""
    table = compare_runs(*(read_runs(f"{FOLDER}/main.csv:{setting}") for setting in (before, after)))
    return table[table.index.isin(accuracies("main").columns)]


def difference_of_means(before: str, after: str, names: list[str]) -> dict[str, float]:
    """`welch` of the means over several test sets."""
    measured = accuracies("main")[names].mean(axis=1) / 100
    return welch(measured[before].to_numpy(), measured[after].to_numpy())


def in_points(row: dict[str, float] | pd.Series) -> str:
    """A difference with half its interval: bold, or called the same, if that is its verdict."""
    text = f"{100 * row['difference']:+.2f} ± {100 * row['margin']:.2f}"
    if row.get("verdict") in (BETTER, WORSE):
        return f"**{text}**"
    return f"{text}, same" if row.get("verdict") == SAME else text


def table_of_effects(effects: dict[str, tuple[str, str]]) -> str:
    """A row for each test set and for each mean; a column for each effect."""
    columns = {}
    for title, sides in effects.items():
        columns[title] = {words(name): in_points(row) for name, row in differences(*sides).iterrows()} | {
            mean: in_points(difference_of_means(*sides, names))
            for mean, names in means_of(groups("main")).items()
        }
    return pd.DataFrame(columns).to_markdown()


def table_of_doubts() -> str:
    """A row for each test set: the settings of the sweep `main` that answer a doubt."""
    measured, longer = accuracies("main"), differences("baseline", "baseline_longer")
    rows = {
        words(name): [
            *(spread(measured.loc[setting, name], 2) for setting in DOUBTS),
            in_points(longer.loc[name]),
        ]
        for name in longer.index
    }
    header = [*DOUBTS.values(), "instead of 10"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=header).to_markdown()


def right_in_the_wild() -> pd.DataFrame:
    """A row for each picture of wild.csv: of each network and way, which seeds read it right, float
    (seeds,)."""
    columns = [f"{setting}_{way}" for way in WAYS for setting in SETTINGS]
    table = pd.read_csv(WILD, dtype=dict.fromkeys(columns, str)).dropna(subset=columns)
    for column in columns:
        table[column] = [np.array([*marks], float) for marks in table[column]]
    return table


def over_repositories(values: pd.Series, repositories: pd.Series) -> str:
    """The 95 % interval of the mean of something in percent, by picture, if there are five repositories or
    more: by drawing these anew (bootstrap)."""
    counts = values.groupby(repositories).agg(["sum", "size"])
    if len(counts) < 5:
        return ""
    drawn = np.random.default_rng(0).integers(len(counts), size=(RESAMPLES, len(counts)))
    total, size = counts.to_numpy().T[:, drawn].sum(axis=2)
    low, high = np.percentile(total / size, [2.5, 97.5])
    return f" ({low:.1f} to {high:.1f})"


def in_the_wild(pictures: pd.DataFrame, column: str) -> str:
    """Accuracy on pictures in percent, over the seeds; with an interval over the repositories."""
    text = spread(pd.Series(100 * np.stack(pictures[column]).mean(axis=0)), 1)
    return text + over_repositories(100 * pictures[column].map(np.mean), pictures["repository"])


def difference_in_the_wild(pictures: pd.DataFrame, before: str, after: str) -> str:
    """The same of a difference, picture by picture."""
    change = 100 * (pictures[after].map(np.mean) - pictures[before].map(np.mean))
    return f"{change.mean():+.1f}{over_repositories(change, pictures['repository'])}"


def without_frame() -> pd.DataFrame:
    table = right_in_the_wild()
    return table[table["kind"] != FRAMED]


def table_of_pictures(way: str) -> str:
    """A row for all pictures and for each kind of them, a column for each network."""
    kinds = {"all without a frame": without_frame()} | dict(iter(right_in_the_wild().groupby("kind")))
    rows = {
        words(kind): [
            len(part),
            part["repository"].nunique(),
            *(in_the_wild(part, f"{setting}_{way}") for setting in SETTINGS),
        ]
        for kind, part in kinds.items()
    }
    header = ["pictures", "repositories", *SETTINGS.values()]
    return pd.DataFrame.from_dict(rows, orient="index", columns=header).to_markdown()


def table_of_differences() -> str:
    """What network, augmentation and reading change on all pictures without a frame, and on photos."""
    table = without_frame()
    parts = {"all": table, "photos": table[table["kind"] == "photo"]}
    pairs = {
        f"{title}; {said}": [f"{setting}_{way}" for setting in sides]
        for way, said in WAYS.items()
        for title, sides in EFFECTS.items()
    } | {f"reading, of {said}": [f"{name}_{way}" for way in WAYS] for name, said in SETTINGS.items()}
    rows = {
        title: [difference_in_the_wild(part, *pair) for part in parts.values()]
        for title, pair in pairs.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*parts]).to_markdown()


def along_curves() -> pd.DataFrame:
    """What the augmentation changes of this network: a row of `welch` for each point of a curve, with a
    verdict."""
    point = ["perturbation", "strength", "value"]
    sides = [
        pd.concat(run.curves for run in read_runs(f"{FOLDER}/main.csv:{setting}"))
        .groupby(point, sort=False)["accuracy"]
        .agg(list)
        for setting in ("no_augmentation", "default")
    ]
    rows = [welch(*pair, step=STEP_OF_CURVE) for pair in zip(*sides, strict=True)]
    table = pd.DataFrame(rows, sides[0].index)
    return table.assign(verdict=verdicts(table["difference"], table["p"])).reset_index()


def table_of_prices() -> str:
    table = along_curves()
    lines = [
        [
            words(row.perturbation),
            f"{with_unit(row.perturbation, row.strength)}: {row.value:g}",
            f"{100 * row.before:.1f}",
            f"{100 * row.after:.1f}",
            f"{100 * row.difference:+.1f} ± {100 * row.margin:.1f}",
        ]
        for row in table[table["verdict"] == WORSE].itertuples()
    ]
    header = ["perturbation", "strength", "not augmented", "augmented", "difference"]
    return pd.DataFrame(lines, columns=header).to_markdown(index=False, disable_numparse=True)


def table_of_writers() -> str:
    table = pd.read_csv(FOLDER / "main.csv").query("test_set == 'other_writers'")
    row = {
        name: spread(100 * table.loc[table["setting"] == setting, "accuracy"], 2)
        for setting, name in SETTINGS.items()
    }
    return pd.DataFrame([row]).to_markdown(index=False)


def table_of_literature() -> str:
    """What others reached on affNIST, and what is reached here on the test set `affine`."""
    measured = accuracies("main")["affine"]
    settings = {
        "baseline": ("the Keras example", "digits as they are"),
        "baseline_augmented": ("the Keras example", "this augmentation"),
        "no_augmentation": ("this network", "digits as they are"),
        "reposition_only": ("this network", "digits, 45 % of them moved and shrunk"),
        "default": ("this network", "this augmentation"),
    }
    rows = [
        ("a convolutional network (Sabour, Frosst and Hinton 2017, arXiv 1710.09829)", "digits moved", "66"),
        ("capsules (the same)", "digits moved", "79"),
        ("affine capsules (Gu and Tresp 2020, arXiv 1911.07968)", "digits moved", "93.21"),
        *((*texts, spread(measured[setting], 2)) for setting, texts in settings.items()),
    ]
    return pd.DataFrame(rows, columns=["network", "trained on", "accuracy in percent"]).to_markdown(
        index=False
    )


def curves_by_seed(setting: str) -> dict[str, list[pd.DataFrame]]:
    """The curves of a setting of the sweep `main`, by perturbation: one of each seed."""
    found: dict[str, list[pd.DataFrame]] = {}
    for each in read_runs(f"{FOLDER}/main.csv:{setting}"):
        for name, curve in each.curves.groupby("perturbation", sort=False):
            found.setdefault(name, []).append(curve)
    return found


def table_of_breaking_points() -> str:
    settings = {**SETTINGS, **DOUBTS}
    of = {setting: curves_by_seed(setting) for setting in settings}
    rows = {}
    for name, [first, *_] in of["default"].items():
        points = [mean_in_words(of[setting][name], LIMIT) for setting in settings]
        rows[words(name)] = [with_unit(name, first["strength"].iloc[0]), *points]
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["strength", *settings.values()]
    ).to_markdown()


def draw_breaking() -> Figure:
    """A panel for each perturbation: accuracy by strength, the mean over seeds and from the lowest to the
    highest of them, of either network with augmentation (in full) and without (dashed)."""
    of = {setting: curves_by_seed(setting) for setting in SETTINGS}
    names = [*of["default"]]
    figure, axes = draw.subplots(4, 4, figsize=(draw.WIDE, 8.6), sharey=True)
    styles = {
        setting: (draw.GREY if setting.startswith("baseline") else draw.BLUE, line)
        for setting, line in zip(SETTINGS, ("--", "-", "--", "-"), strict=True)
    }
    longest = 0
    for ax, name in zip(axes.flat, names, strict=True):
        values = of["default"][name][0]["value"].to_numpy()
        ax.axhline(LIMIT, color="black", lw=0.8, linestyle=":")
        for setting, (colour, line) in styles.items():
            seeds = np.array([curve["accuracy"] for curve in of[setting][name]])
            ax.plot(values, seeds.mean(axis=0), line, color=colour, lw=1.5)
            ax.fill_between(values, seeds.min(axis=0), seeds.max(axis=0), color=colour, alpha=0.15, lw=0)
        points = {
            setting: [breaking_points(curve, LIMIT)[name] for curve in of[setting][name]]
            for setting in SETTINGS
        }
        others = [point for setting in SETTINGS if setting != "default" for point in points[setting]]
        longest += all(holds_longer(own, other, values) for own in points["default"] for other in others)
        draw.harder_to_the_right(ax, values)
        ax.set_title(words(name), fontsize=9)
        ax.set_xlabel(with_unit(name, of["default"][name][0]["strength"].iloc[0]), fontsize=8)
        ax.yaxis.set_major_formatter(draw.PERCENT)
        ax.tick_params(labelsize=8)
    draw.entitle(
        figure,
        f"Accuracy as each perturbation grows, mean and range of five seeds: for {longest} of {len(names)}\n"
        f"perturbations, every run of {SETTINGS['default']}, stays above {LIMIT:.0%} longer than all others",
    )
    handles = [Line2D([], [], color=colour, linestyle=line) for colour, line in styles.values()]
    figure.legend(handles, SETTINGS.values(), loc="outside lower center", ncols=4, fontsize=9)
    return figure


def seconds_to(goal: float, epochs: pd.DataFrame) -> pd.DataFrame:
    """Wall and CPU seconds of training until so many test digits are classified correctly, a row a seed; NaN
    if they never are. epochs: of one setting, rows of benchmarks/train.csv."""
    rows = {}
    for seed, trial in epochs.groupby("seed"):
        spent = trial[[WALL, CPU]].cumsum()[trial["accuracy"].to_numpy() >= goal]
        rows[seed] = spent.iloc[0] if len(spent) else pd.Series({WALL: np.nan, CPU: np.nan})
    return pd.DataFrame(rows).T


def table_of_seconds(epochs: pd.DataFrame) -> str:
    """A column for each setting of the race; epochs: rows of benchmarks/train.csv."""
    columns = {}
    for setting, rows in epochs.groupby("setting", sort=False):
        seeds = rows.groupby("seed")[[WALL, CPU]]
        each, totals = seeds.mean(), seeds.sum()
        columns[SETTINGS.get(setting, setting)] = {
            "parameters": f"{rows['parameters'].iloc[0]:,}",
            "epochs": f"{len(rows) // len(totals)}",
            "wall seconds an epoch": spread(each[WALL], 1),
            "CPU seconds an epoch": spread(each[CPU], 1),
            "wall seconds of training": spread(totals[WALL], 1),
            "CPU seconds of training": spread(totals[CPU], 1),
        }
        for goal in GOALS:
            spent = seconds_to(goal, rows)
            columns[SETTINGS.get(setting, setting)] |= {
                f"seeds that reach {100 * goal:g} %": f"{spent[CPU].count()} of {len(totals)}",
                f"wall seconds to {100 * goal:g} %": spread(spent[WALL], 1),
                f"CPU seconds to {100 * goal:g} %": spread(spent[CPU], 1),
            }
    return pd.DataFrame(columns).to_markdown()


def table_of_parts() -> str:
    """A row for each setting of the sweep `ablation`."""
    measured, sets = accuracies("ablation"), [CLEAN, HEADLINE, "repositioned_112", *ONE_BY_ONE]
    title, others = [*means_of(groups("ablation")).items()][-1]
    rows = {
        words(setting.removesuffix("-split-validation")): [
            *(spread(measured.loc[setting, name], 2) for name in sets),
            spread(measured.loc[setting, others].mean(axis=1), 2),
        ]
        for setting in pd.read_csv(FOLDER / "ablation.csv")["setting"].unique()
    }
    header = [*map(words, sets), title]
    return pd.DataFrame.from_dict(rows, orient="index", columns=header).to_markdown()


def write() -> str:
    """All of it, in Markdown."""
    fashion = {"fashion_baseline": "baseline", "fashion": "this network"}
    race = pd.read_csv(RACE)
    return TEXT.format(
        sets=table_of_test_sets("main", SETTINGS, "default"),
        effects=table_of_effects(EFFECTS),
        prices=table_of_prices(),
        doubts=table_of_doubts(),
        added=table_of_effects(PARTS),
        **{way: table_of_pictures(way) for way in WAYS},
        differences=table_of_differences(),
        writers=table_of_writers(),
        literature=table_of_literature(),
        breaking=table_of_breaking_points(),
        limit=LIMIT,
        race_seeds=race["seed"].nunique(),
        seconds=table_of_seconds(race),
        parts=table_of_parts(),
        fashion=table_of_test_sets("fashion_mnist", fashion, "fashion"),
    )


def main() -> None:
    write_text(RESULTS, write())
    with matplotlib.rc_context(draw.STYLE), whole_file(BREAKING) as partial:
        draw.save(draw_breaking(), partial, 150)


if __name__ == "__main__":
    run(main)
