"""What is measured of a network: on each test set, and along each curve of accuracy by strength."""

from collections.abc import Container, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, log_loss
from tqdm import tqdm

from mnist_moved.data.idx import CLASSES, Digits
from mnist_moved.data.test_sets import CLEAN, EXTERNAL, HEADLINE, TestSet, images_digest
from mnist_moved.evaluation.breaking import breaking_point
from mnist_moved.evaluation.curves import evenly, measure_curves
from mnist_moved.evaluation.significance import mcnemar, wilson_interval
from mnist_moved.networks import Classify, Predict
from mnist_moved.params import Params

MISTAKES = 24  # the most confident mistakes on each test set that are kept for the figures
HARD = 2  # of them that are examples on the page

# Two groups of test sets, by whether `train.augmentation` lists their perturbation, be it on or off: so that
# runs with and without it compare alike. Neither has the clean test set or the external ones.
SEEN, UNSEEN = "seen", "unseen"


class Results(NamedTuple):
    """All that is measured of one network."""

    accounts: dict[str, dict[str, Any]]  # of each test set, for metrics/evaluation.json
    summary: dict[str, Any]  # for metrics/summary.json
    tables: dict[str, pd.DataFrame]  # for plots/evaluation/, by name
    examples: TestSet  # for the page


def evaluate(
    network: Predict, baseline: Classify, test_sets: Mapping[str, TestSet], params: Params
) -> Results:
    """Measure a network, beside the baseline, on every test set, CLEAN and others, and along every curve."""
    bins, augmentation = params.evaluate.calibration_bins, params.train.augmentation
    classified, accounts, calibration, mistakes = {}, {}, [], []
    for name, test_set in tqdm(test_sets.items(), "evaluate", unit=" test sets", disable=None):
        probabilities = network(test_set.images)
        digits = classified[name] = classify(test_set, probabilities, baseline(test_set.images))
        accounts[name] = measure(test_set, digits, probabilities, augmentation, bins)
        calibration.append(calibration_table(digits, bins).assign(test_set=name))
        mistakes.append(most_confident_mistakes(digits).assign(test_set=name))

    clean = test_sets[CLEAN]
    some = evenly(Digits(clean.images, clean.labels), params.evaluate.curve_digits)
    curves = measure_curves(some, params.perturb.curves, params.perturb.seed, network, baseline)

    rows = pd.DataFrame.from_dict(accounts, orient="index").drop(columns="per_class")
    tables = {"test_sets": rows.rename_axis("test_set").reset_index()}
    tables |= {f"predictions/{name}": digits[["label", "predicted"]] for name, digits in classified.items()}
    tables |= {"calibration": pd.concat(calibration), "mistakes": pd.concat(mistakes), "curves": curves}
    summary = summarise(accounts) | summarise_curves(curves, params.evaluate.breaking_accuracy)
    return Results(rounded(accounts), rounded(summary), tables, pick_examples(clean, classified[CLEAN]))


def pick_examples(test_set: TestSet, digits: pd.DataFrame) -> TestSet:
    """The first image of each class that is classified correctly, by label, and the most confident mistakes.

    digits: the `classify` table of the test set.
    """
    first = digits[digits["correct"]].drop_duplicates("label").sort_values("label").index
    chosen = [*first, *most_confident_mistakes(digits)["image"][:HARD]]
    return TestSet(test_set.images[chosen], test_set.labels[chosen])


def classify(test_set: TestSet, probabilities: np.ndarray, baseline_predicted: np.ndarray) -> pd.DataFrame:
    """One row for each image of a test set: its label, and what it is classified as.

    probabilities: float (n, 10), softmax outputs; baseline_predicted: classes (n,).
    """
    predicted = probabilities.argmax(axis=1)
    return pd.DataFrame(
        {
            "label": test_set.labels,
            "predicted": predicted,
            "confidence": probabilities.max(axis=1),
            "correct": predicted == test_set.labels,
            "baseline_correct": baseline_predicted == test_set.labels,
        }
    )


def group_of(perturbation: str, augmentation: Container[str]) -> str:
    """The group to which a test set of this perturbation belongs: SEEN, UNSEEN, EXTERNAL or CLEAN."""
    if perturbation in (CLEAN, EXTERNAL):
        return perturbation
    return SEEN if perturbation in augmentation else UNSEEN


def measure(
    test_set: TestSet,
    digits: pd.DataFrame,
    probabilities: np.ndarray,
    augmentation: Container[str],
    bins: int,
) -> dict[str, Any]:
    """The account of one test set in metrics/evaluation.json, from its `classify` table and probabilities (n,
    10).

    augmentation: the perturbations that `train.augmentation` lists; bins: of confidence, for the calibration
    error.
    """
    low, high = wilson_interval(digits["correct"])
    report = classification_report(
        digits["label"], digits["predicted"], labels=range(CLASSES), output_dict=True, zero_division=0
    )
    return {
        "perturbation": test_set.perturbation,
        "group": group_of(test_set.perturbation, augmentation),
        "images_digest": images_digest(test_set.images),
        "count": len(digits),
        "accuracy": digits["correct"].mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": log_loss(digits["label"], probabilities, labels=range(CLASSES)),
        "calibration_error": calibration_error(calibration_table(digits, bins)),
        "baseline_accuracy": digits["baseline_correct"].mean(),
        "baseline_p": mcnemar(digits["baseline_correct"], digits["correct"])["p"],
        "per_class": {str(label): report[str(label)] for label in range(CLASSES)},
    }


def calibration_table(digits: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Mean confidence, accuracy and count of digits in equal bins of confidence; empty bins are left out.

    This is the reliability diagram of Guo et al. 2017 (arXiv 1706.04599).
    """
    index = np.minimum((digits["confidence"] * bins).astype(int), bins - 1).rename("bin")
    return digits.groupby(index).agg(
        confidence=("confidence", "mean"), accuracy=("correct", "mean"), count=("correct", "size")
    )


def calibration_error(table: pd.DataFrame) -> float:
    """Expected calibration error (Guo et al. 2017): the mean gap of confidence and accuracy, by count."""
    return float(np.average((table["confidence"] - table["accuracy"]).abs(), weights=table["count"]))


def most_confident_mistakes(digits: pd.DataFrame) -> pd.DataFrame:
    """The mistakes with the highest confidence on one test set, with the number of each image in it."""
    mistakes = digits[~digits["correct"]].nlargest(MISTAKES, "confidence")
    return mistakes[["label", "predicted", "confidence"]].rename_axis("image").reset_index()


def summarise(evaluation: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The few numbers that `dvc metrics diff` and `dvc exp show` compare, those of the test sets.

    clean_loss: cross-entropy on the clean test set. The others are accuracies: of the two main test sets, the
    mean of each group of test sets, and the worst of both. A mean over no test set is left out.
    """
    perturbed = [account for account in evaluation.values() if account["group"] in (SEEN, UNSEEN)]
    clean = evaluation[CLEAN]
    summary = {CLEAN: clean["accuracy"], "clean_loss": clean["loss"]}
    summary |= {HEADLINE: evaluation[HEADLINE]["accuracy"]}
    for group in (SEEN, UNSEEN):
        accuracies = [account["accuracy"] for account in perturbed if account["group"] == group]
        summary |= {group: np.mean(accuracies)} if accuracies else {}
    return summary | {"worst": min(account["accuracy"] for account in perturbed)}


def summarise_curves(curves: pd.DataFrame, limit: float) -> dict[str, float]:
    """And that of the curves, left out if there is none of `reposition`.

    breaks_at_canvas: from which canvas on, in pixels, accuracy stays below the limit; the largest that was
    tried if it does not.
    """
    curve = curves[curves["perturbation"] == "reposition"]
    if curve.empty:
        return {}
    canvases = curve["value"].tolist()
    point = breaking_point(canvases, curve["accuracy"].tolist(), limit)
    return {"breaks_at_canvas": canvases[-1] if point is None else point}


def rounded(value: Any) -> Any:
    """Round every number in nested dictionaries to four decimals, so that a diff shows no noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(float(value), 4) if isinstance(value, float) else value
