"""Draw the pictures: metrics/, plots/ and data/ -> plots/figures/*.png, and print the headline table.

Every title states a finding with its number, so that a picture can be understood on its own.
Run it with `python -m stages.plot`, or `dvc repro plot` to run what it needs first.
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import confusion_matrix

from stages.shared.headline import EVALUATION, TITLES, print_headline
from stages.shared.mnist import load_split
from stages.shared.params import HEADLINE, load_params
from stages.shared.stage import remove_all_but, run, whole_file
from stages.shared.suites import CLEAN, Suite, load_suites

CURVES = Path("plots/training/plots/metrics")
TABLES = Path("plots/evaluation")
OUT = Path("plots/figures")

# Colours that colour-blind people can tell apart (Okabe and Ito 2008), one meaning each.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676"
STYLE = {
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


def draw_learning_curves(curves: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy and loss over the epochs; curves: "training/accuracy", ... -> (step, value)."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    for ax, quantity, label in zip(
        axes, ("accuracy", "loss"), ("accuracy", "loss (cross-entropy)"), strict=True
    ):
        for part, colour in (("training", ORANGE), ("validation", BLUE)):
            curve = curves[f"{part}/{quantity}"]
            ax.plot(
                curve["step"] + 1, curve[quantity], "o-", color=colour, markersize=4, label=f"{part} digits"
            )
        ax.set(xlabel="epoch", ylabel=label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    final = curves["validation/accuracy"]["accuracy"].iloc[-1]
    axes[0].set_title(f"After training, {final:.2%} of the validation digits are right")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[1].set_title("Loss falls as training goes on")
    axes[1].legend()
    return figure


def draw_confusion_matrix(labels: np.ndarray, predicted: np.ndarray, set_title: str) -> Figure:
    """Which digit is taken for which. Colour shows mistakes only: the diagonal would drown them."""
    counts = confusion_matrix(labels, predicted, labels=range(10))
    mistakes = counts * (1 - np.eye(10, dtype=int))
    true, taken = np.unravel_index(mistakes.argmax(), mistakes.shape)
    title = f"{set_title}: {mistakes.sum():,} of {counts.sum():,} digits mistaken"
    if mistakes.any():
        title += f",\nmost often a {true} for a {taken} ({mistakes[true, taken]:,} times)"
    figure, ax = plt.subplots(figsize=(6.4, 5.6))
    image = ax.imshow(np.ma.masked_where(np.eye(10), mistakes), cmap="Oranges", vmin=0)
    for row, column in np.ndindex(10, 10):
        count = counts[row, column]
        dark = mistakes[row, column] > 0.6 * mistakes.max()
        colour = GREY if row == column else "white" if dark else "black"
        if count:
            ax.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8, color=colour)
    ax.set(title=title, xlabel="predicted digit", ylabel="true digit", xticks=range(10), yticks=range(10))
    ax.grid(False)
    figure.colorbar(image, label="mistakes (digits)", shrink=0.8)
    return figure


def draw_before_and_after(before: np.ndarray, after: Suite, columns: int) -> Figure:
    """A row of digits as they are in MNIST, and the same ones altered; before: uint8 (n, 28, 28)."""
    size = (28 * after.drawn["zoom"] / after.drawn["canvas"]).mean()
    figure, axes = plt.subplots(2, columns, figsize=(9, 2.6), squeeze=False)
    figure.suptitle(
        f"The same digits in MNIST and repositioned: at {size:.0%} of their size, at a random place",
        x=0.01,
        ha="left",
    )
    for row, images, name in ((0, before, "MNIST"), (1, after.images, "repositioned")):
        for ax, image, label in zip(axes[row], images, after.labels, strict=False):
            show(ax, image, str(label) if row == 0 else "")
        axes[row, 0].set_ylabel(name)
    return figure


def draw_mistakes(images: np.ndarray, mistakes: pd.DataFrame, set_title: str) -> Figure:
    """The digits that the network gets wrong while being most sure; mistakes: rows of mistakes.csv."""
    columns = 6
    rows = max(1, -(-len(mistakes) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(8, 1.75 * rows + 0.6), squeeze=False)
    figure.suptitle(
        f"{set_title}: the most confident mistakes" if len(mistakes) else f"{set_title}: no mistakes",
        x=0.01,
        ha="left",
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, mistake in zip(axes.flat, mistakes.itertuples(), strict=False):
        ax.axis("on")
        show(
            ax,
            images[mistake.image],
            f"is {mistake.label}, taken for {mistake.predicted}\n{mistake.confidence:.1%} sure",
        )
    return figure


def draw_accuracy_by_suite(evaluation: pd.DataFrame) -> Figure:
    """Accuracy on every altered set as sorted bars with intervals; evaluation: one row a set."""
    clean = evaluation.loc[CLEAN, "accuracy"]
    suites = evaluation.drop(CLEAN).sort_values("accuracy")
    figure, ax = plt.subplots(figsize=(8, 0.32 * len(suites) + 1.6))
    places = np.arange(len(suites))
    colours = [BLUE if seen else ORANGE for seen in suites["seen"]]
    margins = [suites["accuracy"] - suites["accuracy_low"], suites["accuracy_high"] - suites["accuracy"]]
    ax.barh(places, suites["accuracy"], color=colours, xerr=np.clip(margins, 0, None), error_kw={"lw": 1})
    ax.plot(suites["baseline_accuracy"], places, "|", color="black", markersize=12, markeredgewidth=2)
    for place, accuracy in zip(places, suites["accuracy"], strict=True):
        ax.text(0.01, place, f"{accuracy:.1%}", va="center", fontsize=8, color="white")
    ax.axvline(clean, color=GREEN, lw=1, linestyle="--")
    ax.set(
        yticks=places,
        yticklabels=[name.replace("_", " ") for name in suites.index],
        xlim=(0, 1),
        xlabel="accuracy",
    )
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.grid(axis="y")
    worst = suites.iloc[0]
    ax.set_title(
        f"{suites['accuracy'].mean():.1%} right on average over {len(suites)} altered sets;"
        f" hardest: {suites.index[0].replace('_', ' ')}, {worst['accuracy']:.1%}"
    )
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=BLUE),
        plt.Rectangle((0, 0), 1, 1, color=ORANGE),
        plt.Line2D([], [], color="black", marker="|", linestyle="", markersize=12, markeredgewidth=2),
        plt.Line2D([], [], color=GREEN, linestyle="--"),
    ]
    names = [
        "kind used in training",
        "kind never seen in training",
        "baseline network",
        "this network on MNIST",
    ]
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def draw_accuracy_by_size(sizes: pd.DataFrame) -> Figure:
    """Accuracy against the size of the digit, with its 95 % band; sizes: rows of size.csv."""
    figure, ax = plt.subplots(figsize=(6.4, 3.8))
    ax.fill_between(
        sizes["size"],
        sizes["accuracy_low"],
        sizes["accuracy_high"],
        color=BLUE,
        alpha=0.2,
        label="95 % interval",
    )
    ax.plot(sizes["size"], sizes["accuracy"], "o-", color=BLUE, label="this network")
    ax.plot(sizes["size"], sizes["baseline_accuracy"], "s--", color=GREY, label="baseline network")
    smallest = sizes.sort_values("size").iloc[0]
    ax.set_title(
        f"At {smallest['size']:.0%} of its size, {smallest['accuracy']:.1%} of the digits are recognised"
    )
    ax.set(xlabel="size of the digit, compared with MNIST", ylabel="accuracy", ylim=(0, 1.02))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(loc="lower right")
    return figure


def draw_accuracy_by_position(positions: pd.DataFrame) -> Figure:
    """A map for each repositioned set: accuracy by place of the digit; positions: rows of position.csv."""
    names = list(dict.fromkeys(positions["suite"]))
    figure, axes = plt.subplots(1, len(names), figsize=(2.6 * len(names) + 1, 3.2), squeeze=False)
    low = positions["accuracy"].min()
    for ax, name in zip(axes[0], names, strict=True):
        table = positions[positions["suite"] == name].pivot(index="row", columns="column", values="accuracy")
        image = ax.imshow(table, cmap="viridis", vmin=low, vmax=1)
        ax.set(title=name.replace("_", " "), xticks=[], yticks=[])
        ax.set_xlabel(f"{table.min().min():.1%} to {table.max().max():.1%}")
        ax.grid(False)
    worst = positions.loc[positions["accuracy"].idxmin()]
    figure.suptitle(
        f"Accuracy by the place of the digit on the canvas: at worst {worst['accuracy']:.1%}",
        x=0.01,
        ha="left",
    )
    figure.colorbar(image, ax=axes, label="accuracy", format=PercentFormatter(1, 0), shrink=0.8)
    return figure


def draw_reliability(calibration: pd.DataFrame, evaluation: pd.DataFrame) -> Figure:
    """Confidence against accuracy on MNIST and the repositioned set; calibration: rows of calibration.csv."""
    figure, ax = plt.subplots(figsize=(5.4, 4.6))
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, linestyle="--", label="as sure as it is right")
    for name, colour in ((CLEAN, BLUE), (HEADLINE, RED)):
        table = calibration[calibration["suite"] == name]
        error = evaluation.loc[name, "calibration_error"]
        ax.plot(table["confidence"], table["accuracy"], "-", color=colour, alpha=0.6)
        ax.scatter(
            table["confidence"],
            table["accuracy"],
            10 + table["count"] / 60,
            color=colour,
            label=f"{name}: off by {error:.1%} on average",
        )
    ax.set(xlabel="confidence of the network", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    ax.set_title("Can its confidence be believed?\n(dot size: number of digits)")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(loc="upper left")
    return figure


def draw_every_suite(
    clean: np.ndarray, suites: dict[str, Suite], evaluation: pd.DataFrame, columns: int
) -> Figure:
    """A row of the same digits for every set, with its accuracy."""
    rows = {CLEAN: clean} | {name: suite.images for name, suite in suites.items()}
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(0.75 * columns + 2.6, 0.78 * len(rows) + 0.5), squeeze=False
    )
    figure.suptitle(
        "The same digits in every test set, and how many of each set are recognised", x=0.01, ha="left"
    )
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(row, images, strict=False):
            show(ax, image)
        label = f"{name.replace('_', ' ')}  {evaluation.loc[name, 'accuracy']:.1%}"
        row[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def show(ax: plt.Axes, image: np.ndarray, title: str = "") -> None:
    """Show one digit, uint8 (28, 28), as ink on paper."""
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=255)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.set_title(title, fontsize=8, loc="center")
    for spine in ax.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.5)


def main() -> None:
    params = load_params().plot
    images, labels = load_split("data/raw", "test")
    suites = load_suites()
    accounts = json.loads(EVALUATION.read_text())
    evaluation = pd.DataFrame.from_dict(accounts, orient="index").drop(columns="per_digit")
    predictions, mistakes, sizes, positions, calibration = (
        pd.read_csv(TABLES / f"{name}.csv")
        for name in ("predictions", "mistakes", "size", "position", "calibration")
    )
    curves = {
        str(path.relative_to(CURVES).with_suffix("")): pd.read_csv(path, sep="\t")
        for path in CURVES.glob("*/*.tsv")
    }

    plt.rcParams.update(STYLE)
    figures = {
        "learning_curves": draw_learning_curves(curves),
        "before_and_after": draw_before_and_after(images, suites[HEADLINE], params.examples),
        "every_suite": draw_every_suite(images, suites, evaluation, params.examples),
        "accuracy_by_suite": draw_accuracy_by_suite(evaluation),
        "accuracy_by_size": draw_accuracy_by_size(sizes),
        "accuracy_by_position": draw_accuracy_by_position(positions),
        "reliability": draw_reliability(calibration, evaluation),
    }
    for name, set_images in ((CLEAN, images), (HEADLINE, suites[HEADLINE].images)):
        figures[f"confusion_{name}"] = draw_confusion_matrix(labels, predictions[name], TITLES[name])
        figures[f"mistakes_{name}"] = draw_mistakes(
            set_images, mistakes[mistakes["suite"] == name], TITLES[name]
        )
    for name, figure in figures.items():
        with whole_file(OUT / f"{name}.png") as partial:
            figure.savefig(partial, dpi=params.dpi, metadata={"Software": None})
    remove_all_but(OUT, [f"{name}.png" for name in figures])

    print_headline()


if __name__ == "__main__":
    run(main)
