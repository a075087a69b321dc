"""Draw the figures and tell the story: metrics/, plots/, data/ -> plots/figures/*.png, plots/report.html.

models/README.md is the same in short, for whoever gets the network alone.
dvc_plots/vega.js is the code with which the page of `dvc plots show` draws: DVC's own page loads it from the
web, that of this project, .dvc/plots_page.html, takes it from this file. Run it with `dvc repro plot`.
"""

import json
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import vl_convert
from matplotlib.figure import Figure
from tqdm import tqdm

from mnist_moved import paths
from mnist_moved.command import run_stage
from mnist_moved.data.datasets import Dataset, read_dataset
from mnist_moved.data.idx import Digits, load_split
from mnist_moved.data.test_sets import CLEAN, HEADLINE, load_test_sets
from mnist_moved.evaluation.curves import examples_of, mean_over_seeds
from mnist_moved.files import keep_only, whole_file, write_text
from mnist_moved.params import Train, load_params
from mnist_moved.perturbations import augment
from mnist_moved.report import figures as draw
from mnist_moved.report.card import write_card
from mnist_moved.report.page import Findings, Illustration, finding, write_page
from mnist_moved.report.wording import titles


def read_learning_curves() -> dict[str, pd.DataFrame]:
    """What DVCLive wrote, by name, "validation/accuracy" and so on."""
    folder = paths.LEARNING_CURVES / "plots/metrics"
    files = sorted(folder.glob("*/*.tsv"))
    return {
        path.relative_to(folder).with_suffix("").as_posix(): pd.read_csv(path, sep="\t") for path in files
    }


def augmented_by_each(images: np.ndarray, params: Train) -> dict[str, np.ndarray]:
    """The images with each perturbation that training applies, PERTURBATION -> images, and CLEAN as they
    are."""
    augmented = {CLEAN: images}
    for name, options in params.applied.items():
        rng = np.random.default_rng(params.seed)
        augmented[name] = augment(images, rng, {name: options | {"probability": 1}})
    return augmented


def draw_figures(found: Findings, evaluation: pd.DataFrame, named: dict[str, str]) -> dict[str, Figure]:
    """All figures, by the name of their file; named: the test sets of which each mistake is shown, and
    titles."""
    params, examples = found.params, found.params.plot.examples
    clean = found.test_sets[CLEAN]
    first = Digits(clean.images[:1], clean.labels[:1])
    images = {name: test_set.images for name, test_set in found.test_sets.items()}
    training = augmented_by_each(load_split(paths.RAW, "train").images[:examples], params.train)
    sweep = pd.read_csv(paths.curves_of(paths.MAIN_SWEEP))
    figures = {
        "learning_curves": draw.draw_learning_curves(read_learning_curves()),
        "before_and_after": draw.draw_before_and_after(
            images[CLEAN], found.test_sets[HEADLINE], examples, found.dataset
        ),
        "training_images": draw.draw_training_images(training, params.train.applied, examples),
        "every_test_set": draw.draw_every_test_set(images, evaluation, examples),
        "accuracy_by_test_set": draw.draw_accuracy_by_test_set(
            evaluation, {name: each[0] for name, each in images.items()}
        ),
        "accuracy_by_strength": draw.draw_curves(
            found.curves,
            params.evaluate.breaking_accuracy,
            examples_of(found.curves, first, params.perturb.seed),
            params.train.applied,
            mean_over_seeds(sweep, "no_augmentation", found.curves),
        ),
        "reliability": draw.draw_reliability(pd.read_csv(paths.TABLES / "calibration.csv")),
    }
    every_mistake = pd.read_csv(paths.TABLES / "mistakes.csv")
    for name, title in named.items():
        predictions = pd.read_csv(paths.TABLES / f"predictions/{name}.csv")
        mistakes = every_mistake[every_mistake["test_set"] == name]
        classes = found.dataset.classes
        figures[f"confusion_{name}"] = draw.draw_confusion_matrix(predictions, title, classes)
        figures[f"mistakes_{name}"] = draw.draw_mistakes(images[name], mistakes, title, classes)
    return figures


def legible(dataset: Dataset) -> tuple[Dataset, list[str]]:
    """The data set as figures speak of it, and the families of fonts that they need for that.

    If no font here has the letters of its classes' names, these are numbers, and which is which is printed.
    """
    if fonts := draw.fonts_for("".join(dataset.classes)):
        return dataset, fonts
    numbers = tuple(map(str, range(len(dataset.classes))))
    numbered = ", ".join(map("{} {}".format, numbers, dataset.classes))
    print(
        f"figures name the classes by numbers, as no font here has their letters: {numbered}\n"
        "Install one that has, such as Noto, and run `dvc repro --force --single-item plot`."
    )
    return dataset._replace(classes=numbers), matplotlib.rcParams["font.family"]


def print_headline(evaluation: pd.DataFrame, named: dict[str, str]) -> None:
    """Print accuracy and loss on the test sets that have a title, and where all the rest is to be found."""
    print(f"\n{'':28}accuracy    loss")
    for name, title in named.items():
        accuracy, loss = evaluation.loc[name, ["accuracy", "loss"]]
        print(f"{title:28}{accuracy:8.2%}{loss:8.4f}")
    print(f"\nThe whole story, with figures: {paths.REPORT}. Interactive plots: `dvc plots show`.")


def main() -> None:
    params = load_params()
    split = params.evaluate.split
    found = Findings(
        params,
        read_dataset(),
        training=json.loads(paths.TRAINING.read_text()),
        evaluation=json.loads(paths.EVALUATION.read_text()),
        curves=pd.read_csv(paths.CURVES),
        test_sets=load_test_sets(paths.RAW, paths.PERTURBED, split, params.train.validation_digits),
        sweep=pd.read_csv(paths.MAIN_SWEEP),
    )
    evaluation = pd.DataFrame.from_dict(found.evaluation, orient="index").drop(columns="per_class")
    named = titles(found.dataset, split, evaluation)
    illustrations = {}
    dataset, fonts = legible(found.dataset)
    with matplotlib.rc_context(draw.STYLE | {"font.family": fonts}):
        figures = draw_figures(replace(found, dataset=dataset), evaluation, named)
        for name, figure in tqdm(figures.items(), "plot", unit=" figures", disable=None):
            path = paths.FIGURES / f"{name}.png"
            with whole_file(path) as partial:
                draw.save(figure, partial, params.plot.dpi)
            illustrations[name] = Illustration(path.read_bytes(), finding(figure))
    keep_only(paths.FIGURES, [paths.FIGURES / f"{name}.png" for name in figures])
    write_text(paths.REPORT, write_page(illustrations, found))
    write_text(paths.CARD, write_card(paths.MODEL.stat().st_size, found))
    # In a scope of its own, or its thousands of one-letter names would be everyone's. DVC's plots are written
    # in version 5 of the language.
    write_text(paths.VEGA, f"(() => {{{vl_convert.javascript_bundle(vl_version='5.21')}}})();\n")

    print_headline(evaluation, named)


if __name__ == "__main__":
    run_stage(main, __doc__)
