"""The figures: tables and arrays in, Matplotlib figures out.

Every title states a finding with its number, so that a figure can be understood on its own; in the report it
is also the text for people who cannot see it.
"""

import io
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image
from sklearn.metrics import confusion_matrix

from mnist_moved.data.datasets import Dataset
from mnist_moved.data.idx import CLASSES, SIDE
from mnist_moved.data.test_sets import CLEAN, TestSet
from mnist_moved.evaluation.breaking import breaking_points, holds_longer, in_words
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.significance import BETTER, UNCLEAR, WORSE, verdicts
from mnist_moved.perturbations import ranges
from mnist_moved.report.wording import HEADINGS, are_short, with_unit, words

# Colours that colour-blind people can tell apart (Okabe and Ito 2008), one meaning each.
BLUE, ORANGE, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#767676"
rcdefaults()  # a matplotlibrc of the user's own changes no figure
STYLE = {
    "figure.constrained_layout.use": True,
    "figure.titlesize": 11,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in the name of a class is one
}
WIDE, HALF = 8, 5.2  # inches; figures of one width, one below the other, have letters of one size
NOTHING = pd.Series(dtype=float)
CHANCE = 1 / CLASSES  # the accuracy of guessing
PERCENT = "{x:.0%}"  # whole percents on an axis


def subplots(rows: int = 1, columns: int = 1, *, figsize: tuple[float, float], **options: Any) -> tuple:
    """A figure, in inches, and its axes, as of `plt.subplots`, but known to nobody else."""
    figure = Figure(figsize)
    return figure, figure.subplots(rows, columns, **options)


def fonts_for(text: str) -> list[str] | None:
    """The families of fonts to draw a text in, for `font.family`: the usual one, and if it lacks letters,
    another that has these; None if no font here has them."""
    usual = rcParams["font.family"]
    lacking = set(map(ord, text)).difference(*map(letters_of, usual))
    if not lacking:
        return usual
    for path in {*findSystemFonts()} - {font.fname for font in fontManager.ttflist}:
        with suppress(Exception):  # a dozen types: of a font that Matplotlib cannot read
            fontManager.addfont(path)  # installed since Matplotlib wrote down which there are
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # a font of any weight will do
    for name in sorted({font.name for font in fontManager.ttflist}):
        if lacking <= letters_of(name) and not is_last_resort(name):
            return [*usual, name]
    return None


def letters_of(family: str) -> set[int]:
    """The code points that a font has."""
    return {*get_font(findfont(FontProperties(family=[family]))).get_charmap()}


def is_last_resort(family: str) -> bool:
    """Has a font a box for every letter there is? Matplotlib brings one, and so does macOS."""
    return "LastResort" in family.replace(" ", "")


def draw_learning_curves(history: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy and loss over the epochs; history: "training/accuracy", ... -> (step, value)."""
    figure, axes = subplots(1, 2, figsize=(WIDE, 3.4))
    for ax, quantity in zip(axes, ("accuracy", "loss"), strict=True):
        for part, colour, line in (("training", ORANGE, "s--"), ("validation", BLUE, "o-")):
            curve = history[f"{part}/{quantity}"]
            ax.plot(curve["step"] + 1, curve[quantity], line, color=colour, ms=4, label=f"{part} images")
        ax.set(xlabel="epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    accuracy, loss = (history[f"validation/{quantity}"][quantity] for quantity in ("accuracy", "loss"))
    axes[0].set(
        ylabel="accuracy", title=f"{accuracy.iloc[-1]:.2%} of the validation images\nare classified correctly"
    )
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[1].set(
        ylabel="loss (cross-entropy)",
        ylim=(0, None),
        title=f"Validation loss: {loss.iloc[0]:.3f} at first,\n{loss.iloc[-1]:.3f} at last",
    )
    axes[1].legend()
    return figure


def draw_confusion_matrix(predictions: pd.DataFrame, title: str, classes: Sequence[str]) -> Figure:
    """Which class is taken for which; title: of the test set. Colour shows mistakes only: the diagonal would
    drown them."""
    counts = confusion_matrix(predictions["label"], predictions["predicted"], labels=range(CLASSES))
    mistakes = counts * (1 - np.eye(CLASSES, dtype=int))
    most = mistakes.max()
    true, taken = np.unravel_index(mistakes.argmax(), mistakes.shape)
    title = f"{title}: {mistakes.sum():,} of {counts.sum():,} misclassified"
    if most:
        title += (
            f",\nmost often {classes[true]} taken for {classes[taken]} ({most:,} of {counts[true].sum():,})"
        )
    figure, ax = subplots(figsize=(HALF, 5.4))
    ax.imshow(np.ma.masked_where(np.eye(CLASSES), mistakes), cmap="Oranges", vmin=0, vmax=max(most, 1))
    for row, column in np.argwhere(counts):
        dark = mistakes[row, column] > 0.6 * most
        colour = GREY if row == column else "white" if dark else "black"
        ax.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=8, color=colour)
    ax.set(title=title, xlabel="predicted", ylabel="true", xticks=range(CLASSES), yticks=range(CLASSES))
    aslant = {} if are_short(classes) else {"rotation": 45, "ha": "right"}
    ax.set_xticklabels(classes, **aslant)
    ax.set_yticklabels(classes)
    ax.grid(False)
    return figure


def draw_before_and_after(before: np.ndarray, after: TestSet, columns: int, dataset: Dataset) -> Figure:
    """A row of images as they are in the data set, and the same ones repositioned; before: uint8 (n, 28,
    28)."""
    figure, axes = subplots(2, columns, figsize=(max(WIDE, 0.4 * columns), 2.3), squeeze=False)
    entitle(
        figure,
        f"The same {dataset.things} in {dataset.title} and repositioned:"
        f" {size_of(after):.0%} of their size, at random places",
    )
    for row, images, name in ((0, before, dataset.title), (1, after.images, "repositioned")):
        for ax, image, label in zip(axes[row], images, after.labels, strict=False):
            show(ax, image, dataset.classes[label] if row == 0 else "")
        axes[row, 0].set_ylabel(name, fontsize=9)
    return figure


def draw_mistakes(
    images: np.ndarray, mistakes: pd.DataFrame, set_title: str, classes: Sequence[str]
) -> Figure:
    """The mistakes with the highest confidence on one test set; mistakes: rows of mistakes.csv."""
    short = are_short(classes)
    columns = 6 if short else 4
    rows = max(1, -(-len(mistakes) // columns))
    figure, axes = subplots(
        rows, columns, figsize=(HALF, (1.24 if short else 1.9) * rows + 0.6), squeeze=False
    )
    title = f"{set_title}: no mistakes"
    if len(mistakes):
        worst = next(mistakes.nlargest(1, "confidence").itertuples())
        title = (
            f"{set_title}: the most confident mistakes,\n"
            f"first of all: {classes[worst.label]} taken for {classes[worst.predicted]},"
            f" {worst.confidence:.1%} sure"
        )
    entitle(figure, title)
    for ax in axes.flat:
        ax.axis("off")
    for ax, mistake in zip(axes.flat, mistakes.itertuples(), strict=False):
        ax.axis("on")
        names = classes[mistake.label], classes[mistake.predicted]
        title = f"{names[0]}{' ' if short else chr(10)}taken for {names[1]}\n{mistake.confidence:.1%} sure"
        show(ax, images[mistake.image], title)
    return figure


def draw_accuracy_by_test_set(
    evaluation: pd.DataFrame, examples: Mapping[str, np.ndarray] = MappingProxyType({})
) -> Figure:
    """Accuracy on every test set: the baseline's, this network's with its interval, and what lies between.

    evaluation: one row a test set; examples: NAME -> an image of it, uint8 (28, 28), shown beside its name.
    """
    verdict = verdicts(evaluation["accuracy"] - evaluation["baseline_accuracy"], evaluation["baseline_p"])
    evaluation = evaluation.assign(colour=verdict.map({BETTER: BLUE, WORSE: RED, UNCLEAR: "black"}))
    best_first = evaluation.sort_values("accuracy", ascending=False, kind="stable")
    groups = [(HEADINGS[group], best_first[best_first["group"] == group]) for group in HEADINGS]
    groups = [(heading, rows) for heading, rows in groups if len(rows)]
    height = sum(1 + len(rows) for _, rows in groups)
    figure, ax = subplots(figsize=(WIDE, 0.3 * height + 1.7))
    beside(ax, 0, 1, 68, "this network")
    beside(ax, 0, 1, 120, "baseline", color=GREY)
    place = 0
    for heading, rows in groups:
        beside(ax, place, 0, -125, heading, "left", weight="bold", backgroundcolor="white")
        for row in rows.itertuples():
            place += 1
            ax.plot([row.baseline_accuracy, row.accuracy], [place, place], color=row.colour, lw=2, alpha=0.4)
            ax.plot(row.baseline_accuracy, place, "o", color=GREY, mfc="white", clip_on=False)
            ax.plot(row.accuracy, place, "o", color=row.colour, clip_on=False)
            ax.plot([row.accuracy_low, row.accuracy_high], [place, place], "k", lw=1, zorder=3)
            beside(ax, place, 0, -32, words(row.Index))
            beside(ax, place, 1, 68, f"{row.accuracy:.1%}", color=row.colour)
            beside(ax, place, 1, 120, f"{row.baseline_accuracy:.1%}", color=GREY)
            if row.Index in examples:
                image, units = miniature(examples[row.Index]), (ax.get_yaxis_transform(), "offset points")
                ax.add_artist(AnnotationBbox(image, (0, place), (-17, 0), *units, pad=0))
        place += 1
    ax.axvline(CHANCE, color=GREY, lw=1, linestyle=":")
    ax.set(xlim=(0, 1), ylim=(height - 0.5, -0.5), xlabel="accuracy", yticks=[])
    ax.xaxis.set_major_formatter(PERCENT)
    ax.spines["left"].set_visible(False)
    perturbed = evaluation[evaluation["group"].isin([SEEN, UNSEEN])]
    counts, means = perturbed["colour"].value_counts(), perturbed.mean(numeric_only=True)
    hardest = perturbed["accuracy"].idxmin()
    entitle(
        figure,
        f"This run is better than one run of the baseline on {counts.get(BLUE, 0)} of {len(perturbed)}"
        f" perturbed test sets, worse on {counts.get(RED, 0)};\n"
        f"{means['accuracy']:.1%} right on average against {means['baseline_accuracy']:.1%};"
        f" hardest: {words(hardest)}, {perturbed.loc[hardest, 'accuracy']:.1%}",
    )
    handles = {
        "better than the baseline": Line2D([], [], color=BLUE, marker="o"),
        "worse": Line2D([], [], color=RED, marker="o"),
        "no clear difference": Line2D([], [], color="black", marker="o"),
        "baseline": Line2D([], [], color=GREY, marker="o", mfc="white", linestyle=""),
        "95% interval": Line2D([], [], color="black", lw=1),
        "guessing": Line2D([], [], color=GREY, lw=1, linestyle=":"),
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize=8)
    return figure


def beside(
    ax: Axes, place: int, side: int, points: int, text: str, align: str = "right", **style: Any
) -> None:
    """Write text outside the axes, so many points from their left (side 0) or right end (side 1)."""
    at, units = (side, place), (ax.get_yaxis_transform(), "offset points")
    ax.annotate(text, at, (points, 0), *units, ha=align, va="center", **style)


def draw_curves(
    curves: pd.DataFrame,
    limit: float,
    examples: Mapping[str, Mapping[float, np.ndarray]],
    augmentation: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    without: pd.Series = NOTHING,
) -> Figure:
    """A panel for each perturbation: accuracy against its strength, harder to the right, with its 95 % band.

    curves: rows of curves.csv; limit: below which a network is broken; examples: PERTURBATION -> value -> an
    image of it, uint8 (28, 28), shown above; augmentation: what training perturbed by, whose bounds are
    shaded; without: mean accuracy of this network without augmentation, by (perturbation, value).
    """
    ours = breaking_points(curves, limit)
    baselines = breaking_points(curves, limit, "baseline_accuracy")
    columns = min(4, len(ours))
    rows = -(-len(ours) // columns)
    figure, axes = subplots(rows, columns, figsize=(WIDE, 2.2 * rows + 1.1), squeeze=False, sharey=True)
    longer = 0
    for ax, (name, curve) in zip(axes.flat, curves.groupby("perturbation", sort=False), strict=False):
        strength, values = curve["strength"].iloc[0], curve["value"].to_numpy()
        longer += holds_longer(ours[name], baselines[name], values)
        if strength in augmentation.get(name, {}):
            ax.axvspan(*augmentation[name][strength], color=BLUE, alpha=0.08, lw=0)
        ax.axhline(limit, color=GREY, lw=1, linestyle=":")
        if len(without):
            off = without.reindex([(name, value) for value in values]).to_numpy()
            ax.plot(values, off, "^-", color=ORANGE, ms=3, lw=1)
        draw_curve(ax, curve, examples[name])
        ax.set_title(words(name), fontsize=9, pad=36)
        above = {"xytext": (0, 24), "textcoords": "offset points", "xycoords": "axes fraction", "fontsize": 8}
        ax.annotate(in_words(ours[name], values), (0, 1), color=BLUE, **above)
        theirs = f"baseline {in_words(baselines[name], values)}"
        ax.annotate(theirs, (1, 1), color=GREY, ha="right", **above)
        ax.set_xlabel(with_unit(name, strength), fontsize=8)
    for ax in axes.flat[len(ours) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.yaxis.set_major_formatter(PERCENT)
        ax.set_ylabel("accuracy", fontsize=8)
    entitle(
        figure,
        f"How far until it breaks (below {limit:.0%}, from the strength above each panel on):\n"
        f"this run falls below it later than one run of the baseline does, for {longer} of {len(ours)}",
    )
    handles = {
        "this network, 95% band": Line2D([], [], color=BLUE, marker="o", ms=4),
        "baseline": Line2D([], [], color=GREY, marker="s", ms=4, linestyle="--"),
        f"{limit:.0%}": Line2D([], [], color=GREY, lw=1, linestyle=":"),
    }
    if len(without):
        handles["not augmented, mean of seeds"] = Line2D([], [], color=ORANGE, marker="^", ms=4)
    if augmentation:
        handles["trained on"] = Rectangle((0, 0), 1, 1, color=BLUE, alpha=0.08, lw=0)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=9)
    return figure


def draw_curve(ax: Axes, curve: pd.DataFrame, examples: Mapping[float, np.ndarray]) -> None:
    """Both networks' accuracy against one strength, harder to the right; above, five examples."""
    values = curve["value"].to_numpy()
    ax.plot(values, curve["baseline_accuracy"], "s--", color=GREY, ms=3, lw=1)
    ax.fill_between(values, curve["accuracy_low"], curve["accuracy_high"], color=BLUE, alpha=0.25, lw=0)
    ax.plot(values, curve["accuracy"], "o-", color=BLUE, ms=3, lw=1.5)
    ax.set(ylim=(0, 1.03))
    ax.tick_params(labelsize=8)
    harder_to_the_right(ax, values)
    places = np.log(values) if ax.get_xscale() == "log" else values
    shown = np.abs(places - np.linspace(places[0], places[-1], 5)[:, None]).argmin(axis=1)
    for value in values[np.unique(shown)]:
        image, units = miniature(examples[value]), (ax.get_xaxis_transform(), "offset points")
        ax.add_artist(AnnotationBbox(image, (value, 1), (0, 11), *units, pad=0, annotation_clip=False))


def span_much(values: Sequence[float]) -> bool:
    """Do the strengths of a curve span so much that they belong on a logarithmic axis?"""
    return min(values) > 0 and max(values) > 50 * min(values)


def harder_to_the_right(ax: Axes, values: np.ndarray) -> None:
    """Let the strengths of a curve, the mildest first, grow to the right, in proportion if they span much."""
    if span_much(values):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
    if values[-1] < values[0]:
        ax.invert_xaxis()


def draw_reliability(calibration: pd.DataFrame) -> Figure:
    """How sure the network is of each test set, beside how often it is right; calibration: of
    calibration.csv."""
    counts = calibration["count"]
    sums = calibration[["confidence", "accuracy"]].mul(counts, axis=0).groupby(calibration["test_set"]).sum()
    means = sums.div(counts.groupby(calibration["test_set"]).sum(), axis=0)
    means = means.sort_values("accuracy", ascending=False)
    too_sure = (means["confidence"] - means["accuracy"]).sort_values()
    rows = np.arange(len(means))[::-1]
    figure, ax = subplots(figsize=(WIDE, 0.22 * len(means) + 1.5))
    ax.hlines(rows, means["accuracy"], means["confidence"], color=GREY, lw=1, zorder=1)
    ax.scatter(means["accuracy"], rows, 30, BLUE, label="how often it is right")
    ax.scatter(means["confidence"], rows, 60, ORANGE, marker="|", lw=2.5, label="how sure it is")
    worst = too_sure.index[-1]
    ax.set_title(
        f"The network is more sure than right on {(too_sure > 0).sum()} of {len(means)} test sets,\nmost on"
        f" {words(worst)}: {means.at[worst, 'confidence']:.1%} sure, {means.at[worst, 'accuracy']:.1%} right"
    )
    ax.set(yticks=rows, yticklabels=map(words, means.index))
    ax.xaxis.set_major_formatter(PERCENT)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure


def draw_every_test_set(images: Mapping[str, np.ndarray], evaluation: pd.DataFrame, columns: int) -> Figure:
    """A row of images of every test set, with its accuracy; images: NAME -> uint8 (n, 28, 28)."""
    accuracy = evaluation["accuracy"]
    rows = sorted(images, key=lambda name: (name != CLEAN, -accuracy[name]))
    title = (
        "The first images of every test set, and how many of it are classified correctly:\n"
        f"from {accuracy.max():.1%} ({words(accuracy.idxmax())})"
        f" to {accuracy.min():.1%} ({words(accuracy.idxmin())})"
    )
    return draw_rows({f"{words(name)}  {accuracy[name]:.1%}": images[name] for name in rows}, title, columns)


def draw_training_images(
    images: Mapping[str, np.ndarray], augmentation: Mapping[str, Mapping[str, Any]], columns: int
) -> Figure:
    """A row of training images for each perturbation of the augmentation, below the same images as they are.

    images: PERTURBATION or CLEAN -> uint8 (n, 28, 28); augmentation: PERTURBATION -> its options, the
    probability among them.
    """
    shares = {name: options["probability"] for name, options in augmentation.items()}
    left = 1 - sum(shares.values())
    title = "All training images are left as they are"
    if shares:
        most = max(shares, key=shares.get)
        title = (
            f"{1 - left:.0%} of the training images are perturbed, others in each epoch,\n"
            f"most of all by {words(most)}: {shares[most]:.0%}"
        )
    rows = {f"{words(name)}  {share:.0%}": images[name] for name, share in shares.items()}
    return draw_rows({f"as they are  {left:.0%}": images[CLEAN], **rows}, title, columns)


def draw_rows(rows: Mapping[str, np.ndarray], title: str, columns: int) -> Figure:
    """The first images of each row, beside its name; rows: NAME -> uint8 (n, 28, 28)."""
    frame, gap = 1, 4  # pixels, around each image and between two
    side = frame + SIDE + frame + gap
    mosaic = np.zeros((len(rows), side, columns, side), np.uint8)
    for row, images in zip(mosaic, rows.values(), strict=True):
        shown = images[:columns].swapaxes(0, 1)
        row[: side - gap, : shown.shape[1], : side - gap] = 90  # light grey
        row[frame : frame + SIDE, : shown.shape[1], frame : frame + SIDE] = shown
    # One image, as Matplotlib would take seconds to lay out hundreds.
    figure, ax = subplots(figsize=(max(WIDE, 0.4 * columns), 0.6 * len(rows) + 0.5))
    entitle(figure, title)
    show(ax, mosaic.reshape(len(rows) * side, -1)[:-gap, :-gap])
    ax.set_yticks(np.arange(len(rows)) * side + side // 2, rows, fontsize=10)
    ax.tick_params(length=0)
    ax.set_anchor("W")  # where the layout expects it: names that begin left of the figure would be cut
    ax.spines[:].set_visible(False)
    return figure


def miniature(image: np.ndarray) -> OffsetImage:
    """An image, uint8 (28, 28), as large as a line of text."""
    return OffsetImage(255 - image, zoom=0.6, cmap="gray", norm=Normalize(0, 255))


def show(ax: Axes, image: np.ndarray, title: str = "") -> None:
    """Show an image, uint8 (height, width), as ink on paper."""
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.set_title(title, fontsize=8, loc="center")
    for spine in ax.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.5)


def size_of(repositioned: TestSet) -> float:
    """How large the images of a repositioned test set are, 1 being their size in the clean one."""
    default = ranges("reposition")["canvas"].default
    return SIDE / repositioned.strengths.get("canvas", default)


def entitle(figure: Figure, title: str) -> None:
    """Give a figure of several axes one title, where the titles of all other figures stand."""
    figure.suptitle(title, x=0.01, ha="left")


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a PNG of 256 colours: nobody sees the difference, and git keeps a third of the bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi)
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
