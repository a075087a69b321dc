"""Draw the pictures and tell the story: metrics/, plots/, data/ -> plots/figures/*.png, plots/report.html.

models/README.md is the same in short, for whoever gets the network alone.
dvc_plots/vega.js is the code with which the page of `dvc plots show` draws: DVC's own page loads it from the
web, that of this project, .dvc/plots_page.html, takes it from this file. Run it with `dvc repro plot`.
"""

import json

import numpy as np
import pandas as pd
import vl_convert
from matplotlib import pyplot as plt
from tqdm import tqdm

from robustness import artifacts
from robustness import figures as draw
from robustness.artifacts import CLEAN, HEADLINE
from robustness.card import write_card
from robustness.command import run_stage
from robustness.curves import examples_of, mean_over_seeds
from robustness.datasets import Dataset, read_dataset
from robustness.files import keep_only, whole_file, write_text
from robustness.mnist import Digits, load_split
from robustness.params import Params, Train, load_params
from robustness.perturbations import augment
from robustness.report import Picture, finding, write_report
from robustness.suites import Suite, load_sets


def read_curves() -> dict[str, pd.DataFrame]:
    """The learning curves that DVCLive wrote, by name, "validation/accuracy" and so on."""
    folder = artifacts.CURVES / "plots/metrics"
    files = sorted(folder.glob("*/*.tsv"))
    return {
        path.relative_to(folder).with_suffix("").as_posix(): pd.read_csv(path, sep="\t") for path in files
    }


def altered_by_each(images: np.ndarray, settings: Train) -> dict[str, np.ndarray]:
    """The images altered by each kind that training alters some by, KIND -> images, and CLEAN as they are."""
    altered = {CLEAN: images}
    for kind, setting in settings.applied.items():
        rng = np.random.default_rng(settings.seed)
        altered[kind] = augment(images, rng, {kind: {**setting, "probability": 1}})
    return altered


def draw_figures(
    sets: dict[str, Suite], evaluation: pd.DataFrame, params: Params, dataset: Dataset, titles: dict[str, str]
) -> dict[str, plt.Figure]:
    """All figures, by the name of their file; sets: the clean one first, then the others."""
    examples = params.plot.examples
    first = Digits(sets[CLEAN].images[:1], sets[CLEAN].labels[:1])
    images = {name: suite.images for name, suite in sets.items()}
    training = altered_by_each(load_split(artifacts.RAW, "train").images[:examples], params.train)
    tables = {
        name: pd.read_csv(artifacts.TABLES / f"{name}.csv") for name in ("calibration", "curves", "mistakes")
    }
    figures = {
        "learning_curves": draw.draw_learning_curves(read_curves()),
        "before_and_after": draw.draw_before_and_after(images[CLEAN], sets[HEADLINE], examples, dataset),
        "training_images": draw.draw_training_images(training, params.train.applied, examples),
        "every_suite": draw.draw_every_suite(images, evaluation, examples),
        "accuracy_by_suite": draw.draw_accuracy_by_suite(
            evaluation, {name: images[name][0] for name in sets}
        ),
        "accuracy_by_strength": draw.draw_curves(
            tables["curves"],
            params.evaluate.breaking_accuracy,
            examples_of(tables["curves"], first, params.perturb.seed),
            params.train.applied,
            mean_over_seeds(pd.read_csv(artifacts.RECIPE_CURVES), "no_augmentation", tables["curves"]),
        ),
        "reliability": draw.draw_reliability(tables["calibration"]),
    }
    for name, title in titles.items():
        predictions = pd.read_csv(artifacts.TABLES / f"predictions/{name}.csv")
        mistakes = tables["mistakes"].query("suite == @name")
        figures[f"confusion_{name}"] = draw.draw_confusion_matrix(predictions, title, dataset.classes)
        figures[f"mistakes_{name}"] = draw.draw_mistakes(images[name], mistakes, title, dataset.classes)
    return figures


def print_headline(evaluation: pd.DataFrame, titles: dict[str, str]) -> None:
    """Print accuracy and loss on the sets that have a title, and where all the rest is to be found."""
    print(f"\n{'':28}accuracy    loss")
    for name, title in titles.items():
        accuracy, loss = evaluation.loc[name, ["accuracy", "loss"]]
        print(f"{title:28}{accuracy:8.2%}{loss:8.4f}")
    print(f"\nThe whole story, with pictures: {artifacts.REPORT}. Interactive plots: `dvc plots show`.")


def main() -> None:
    params = load_params()
    accounts = json.loads(artifacts.EVALUATION.read_text())
    evaluation = pd.DataFrame.from_dict(accounts, orient="index").drop(columns="per_class")

    plt.rcParams.update(draw.STYLE)
    split, dataset = params.evaluate.split, read_dataset()
    titles = draw.titles(dataset, split, evaluation)
    sets = load_sets(artifacts.RAW, artifacts.PERTURBED, split, params.train.validation_digits)
    pictures = {}
    figures = draw_figures(sets, evaluation, params, dataset, titles)
    for name, figure in tqdm(figures.items(), "plot", unit=" pictures", disable=None):
        path = artifacts.FIGURES / f"{name}.png"
        with whole_file(path) as partial:
            draw.save(figure, partial, params.plot.dpi)
        pictures[name] = Picture(path.read_bytes(), finding(figure))
    keep_only(artifacts.FIGURES, [artifacts.FIGURES / f"{name}.png" for name in figures])
    told = {
        "evaluation": accounts,
        "training": json.loads(artifacts.TRAINING.read_text()),
        "settings": params.train,
        "dataset": dataset,
        "split": split,
        "curves": pd.read_csv(artifacts.TABLES / "curves.csv"),
        "limit": params.evaluate.breaking_accuracy,
    }
    report = write_report(pictures, suites=sets, sweep=pd.read_csv(artifacts.RECIPE), **told)
    write_text(artifacts.REPORT, report)
    write_text(artifacts.CARD, write_card(artifacts.MODEL.stat().st_size, **told))
    # In a scope of its own, or its thousands of one-letter names would be everyone's. DVC's plots are written
    # in version 5 of the language.
    write_text(artifacts.VEGA, f"(() => {{{vl_convert.javascript_bundle(vl_version='5.21')}}})();\n")

    print_headline(evaluation, titles)


if __name__ == "__main__":
    run_stage(main, __doc__)
