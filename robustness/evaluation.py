"""What is measured of a network: on each test set, and at each strength of each kind of perturbation."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, log_loss
from tqdm import tqdm

from robustness.artifacts import CLEAN, HEADLINE
from robustness.curves import Predict, evenly, measure_curve, strengthen
from robustness.mnist import CLASSES, SIDE, Digits
from robustness.significance import mcnemar, wilson_interval
from robustness.suites import PICTURES, Suite, digest

MISTAKES = 24  # the most confident mistakes of each set that are kept for the pictures
HARD = 2  # of them that are examples on the page

# Two groups of suites, whether or not `train.augment` is on: so that runs with and without it compare alike.
LISTED = "augmentation_kinds"  # suites of kinds that `train.augmentation` lists
OTHERS = "other_kinds"
ELSEWHERE = "elsewhere"  # sets that are no part of the data set: in none of these means


class Results(NamedTuple):
    """All that is measured of one network."""

    accounts: dict[str, dict[str, Any]]  # of each set, for metrics/evaluation.json
    summary: dict[str, Any]  # for metrics/summary.json
    tables: dict[str, pd.DataFrame]  # for plots/evaluation/, by name
    examples: Suite  # for the page


def evaluate(
    network: Predict,
    baseline: Predict,
    sets: Mapping[str, Suite],
    *,
    bins: int,
    curve_digits: int,
    curves: Mapping[str, Mapping[str, list[float]]],
    seed: int,
    augmentation: Mapping[str, Any],
) -> Results:
    """Measure a network, beside the baseline, on every set and along every curve; sets: CLEAN and others.

    bins: of confidence, for the calibration error; curve_digits: how many make a point of a curve.
    curves, seed: as `perturb` has them in params.yaml; augmentation: the kinds that `train.augmentation`
    lists.
    """
    judged, accounts, calibration, mistakes = {}, {}, [], []
    for name, suite in tqdm(sets.items(), "evaluate", unit=" sets", disable=None):
        probabilities = network(suite.images)
        judged[name] = judge(suite, probabilities, baseline(suite.images))
        accounts[name] = measure(suite, judged[name], probabilities, augmentation, bins)
        calibration.append(calibration_table(judged[name], bins).assign(suite=name))
        mistakes.append(most_confident_mistakes(judged[name]).assign(suite=name))

    clean = sets[CLEAN]
    some, points, known = evenly(Digits(clean.images, clean.labels), curve_digits), [], {}
    for kind, curve in tqdm(curves.items(), "curves", unit=" kinds", disable=None):
        [(strength, values)] = curve.items()
        altered = strengthen(some, seed, kind, strength, values)
        points.append(measure_curve(altered, network, baseline, known))
    points = pd.concat(points)

    suites = pd.DataFrame.from_dict(accounts, orient="index").drop(columns="per_class")
    tables = {"suites": suites.rename_axis("suite").reset_index()}
    tables |= {f"predictions/{name}": table[["label", "predicted"]] for name, table in judged.items()}
    tables |= {"calibration": pd.concat(calibration), "mistakes": pd.concat(mistakes), "curves": points}
    summary = rounded(summarise(accounts))
    return Results(rounded(accounts), summary, tables, pick_examples(clean, judged[CLEAN]))


def pick_examples(suite: Suite, digits: pd.DataFrame) -> Suite:
    """The first image of each class that is recognised, by label, and those that are mistaken most surely.

    digits: the `judge` table of the set.
    """
    first = digits[digits["correct"]].drop_duplicates("label").sort_values("label").index
    chosen = [*first, *most_confident_mistakes(digits)["image"][:HARD]]
    return Suite(suite.images[chosen], suite.labels[chosen])


def judge(suite: Suite, probabilities: np.ndarray, baseline_probabilities: np.ndarray) -> pd.DataFrame:
    """One row for each image of a set: what it is, and what it was taken for.

    Both probabilities: float (n, 10), softmax outputs.
    """
    predicted = probabilities.argmax(axis=1)
    return pd.DataFrame(
        {
            "label": suite.labels,
            "predicted": predicted,
            "confidence": probabilities.max(axis=1),
            "correct": predicted == suite.labels,
            "baseline_correct": baseline_probabilities.argmax(axis=1) == suite.labels,
        }
    )


def group_of(kind: str, augmentation: Mapping[str, Any]) -> str:
    """The group to which a set of this kind belongs: LISTED, OTHERS, ELSEWHERE, or CLEAN for itself."""
    return {CLEAN: CLEAN, PICTURES: ELSEWHERE}.get(kind, LISTED if kind in augmentation else OTHERS)


def measure(
    suite: Suite, digits: pd.DataFrame, probabilities: np.ndarray, augmentation: Mapping[str, Any], bins: int
) -> dict[str, Any]:
    """The account of one set in metrics/evaluation.json, from its `judge` table and probabilities (n, 10).

    augmentation: the kinds that `train.augmentation` lists; bins: of confidence, for the calibration error.
    """
    low, high = wilson_interval(digits["correct"])
    report = classification_report(
        digits["label"], digits["predicted"], labels=range(CLASSES), output_dict=True, zero_division=0
    )
    classes = {str(label): report[str(label)] for label in range(CLASSES)}
    return {
        "kind": suite.kind,
        "group": group_of(suite.kind, augmentation),
        "images": digest(suite.images),
        "count": len(digits),
        "accuracy": digits["correct"].mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": log_loss(digits["label"], probabilities, labels=range(CLASSES)),
        # Of the classes that are there: a small set may lack some.
        "macro_f1": np.mean([each["f1-score"] for each in classes.values() if each["support"]]),
        "calibration_error": calibration_error(calibration_table(digits, bins)),
        "baseline_accuracy": digits["baseline_correct"].mean(),
        "baseline_p": mcnemar(digits["baseline_correct"], digits["correct"])["p"],
        "per_class": classes,
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
    """The mistakes of one set that the network was most sure of, with the number of each image in the set."""
    mistakes = digits[~digits["correct"]].nlargest(MISTAKES, "confidence")
    return mistakes[["label", "predicted", "confidence"]].rename_axis("image").reset_index()


def digit_size(canvas: Any, zoom: Any) -> Any:
    """How large a repositioned digit is, 1 being its size in MNIST."""
    return SIDE * zoom / canvas


def summarise(evaluation: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The few numbers that `dvc metrics diff` and `dvc exp show` compare: accuracies, but for two of them.

    clean_loss: cross-entropy on the set as it is. mce: mean corruption error, as in MNIST-C (Mu and
    Gilmer 2019, arXiv 1906.02337): the mean over the suites of the network's error divided by the baseline's;
    below 1, the network is the more robust of the two. The others are means over a group of suites, and the
    worst of all suites. A mean over no suites is left out.
    """
    suites = [account for account in evaluation.values() if account["group"] in (LISTED, OTHERS)]
    errors = [(1 - account["accuracy"], 1 - account["baseline_accuracy"]) for account in suites]
    clean = evaluation[CLEAN]
    summary = {CLEAN: clean["accuracy"], "clean_loss": clean["loss"]}
    summary |= {HEADLINE: evaluation[HEADLINE]["accuracy"]}
    for group in (LISTED, OTHERS):
        accuracies = [account["accuracy"] for account in suites if account["group"] == group]
        summary |= {group: np.mean(accuracies)} if accuracies else {}
    return summary | {
        "worst": min(account["accuracy"] for account in suites),
        "mce": np.mean([error / baseline for error, baseline in errors if baseline > 0]),
    }


def rounded(value: Any) -> Any:
    """Round every number in nested dictionaries to four decimals, so that a diff shows no noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(float(value), 4) if isinstance(value, float) else value
