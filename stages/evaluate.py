"""Measure the network on the MNIST test set and on every altered one.

models/model.keras + data/ -> metrics/summary.json, the few numbers that `dvc metrics diff` compares;
metrics/evaluation.json, the whole account of each set; plots/evaluation/*.csv, what the pictures are drawn
from. Run it with `python -m stages.evaluate`, or `dvc repro evaluate` to run what it needs first.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import classification_report, log_loss
from tqdm import tqdm

from stages.shared.mnist import load_split
from stages.shared.network import load_network
from stages.shared.params import load_params
from stages.shared.significance import mcnemar
from stages.shared.stage import run, whole_file
from stages.shared.suites import CLEAN, Suite, load_suites

BASELINE = Path("benchmarks/baseline.keras")
TRAINING = Path("metrics/training.json")
METRICS = Path("metrics")
PLOTS = Path("plots/evaluation")

MISTAKES = 24  # the most confident mistakes of each set that are kept for the pictures
POSITION_CELLS = 7  # rows and columns of the map of accuracy by position
BATCH = 1000


def wilson_interval(correct: np.ndarray | pd.Series) -> tuple[float, float]:
    """The 95 % interval of an accuracy (Wilson 1927) from a boolean array (n,), n at least 1."""
    interval = binomtest(int(correct.sum()), correct.size).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


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


def judge(suite: Suite, probabilities: np.ndarray, baseline_probabilities: np.ndarray) -> pd.DataFrame:
    """One row for each digit of a set: what it is, what it was taken for, and its random parameters.

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
        | suite.drawn
    )


def measure(digits: pd.DataFrame, probabilities: np.ndarray, bins: int) -> dict[str, Any]:
    """The account of one set in metrics/evaluation.json, from its `judge` table and probabilities (n, 10)."""
    low, high = wilson_interval(digits["correct"])
    report = classification_report(
        digits["label"], digits["predicted"], labels=range(10), output_dict=True, zero_division=0
    )
    return {
        "accuracy": digits["correct"].mean(),
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": log_loss(digits["label"], probabilities, labels=range(10)),
        "macro_f1": report["macro avg"]["f1-score"],
        "calibration_error": calibration_error(calibration_table(digits, bins)),
        "baseline_accuracy": digits["baseline_correct"].mean(),
        "baseline_p": mcnemar(digits["baseline_correct"], digits["correct"])["p"],
        "per_digit": {digit: report[digit] for digit in map(str, range(10))},
    }


def most_confident_mistakes(digits: pd.DataFrame) -> pd.DataFrame:
    """The mistakes of one set that the network was most sure of, with the number of each image in the set."""
    mistakes = digits[~digits["correct"]].nlargest(MISTAKES, "confidence")
    return mistakes[["label", "predicted", "confidence"]].rename_axis("image").reset_index()


def accuracy_by_size(digits: pd.DataFrame) -> pd.DataFrame:
    """Accuracy with its interval for each size of the digit, 1 being its size in MNIST."""
    rows = []
    for size, group in digits.groupby((28 * digits["zoom"] / digits["canvas"]).round(3)):
        low, high = wilson_interval(group["correct"])
        rows.append(
            {
                "size": size,
                "accuracy": group["correct"].mean(),
                "accuracy_low": low,
                "accuracy_high": high,
                "baseline_accuracy": group["baseline_correct"].mean(),
                "count": len(group),
            }
        )
    return pd.DataFrame(rows)


def accuracy_by_position(digits: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in each cell of a grid over all places where the digit fits, counted from the top left."""
    room = (digits["canvas"] - 28 * digits["zoom"]).clip(lower=1e-9)
    row, column = (
        (digits[edge] / room * POSITION_CELLS).clip(upper=POSITION_CELLS - 1).astype(int)
        for edge in ("top", "left")
    )
    return (
        digits.groupby([row.rename("row"), column.rename("column")])["correct"]
        .agg(accuracy="mean", count="size")
        .reset_index()
    )


def summarise(evaluation: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The numbers that `dvc metrics diff` compares: accuracy and loss of each set, and means over the suites.

    Mean corruption error, as in MNIST-C (Mu and Gilmer 2019, arXiv 1906.02337): the mean over the suites
    of the network's error divided by the baseline's; below 1, the network is the more robust of the two.
    """
    suites = {name: account for name, account in evaluation.items() if name != CLEAN}
    accuracy = {
        "all_suites": [account["accuracy"] for account in suites.values()],
        "seen_suites": [account["accuracy"] for account in suites.values() if account["seen"]],
        "unseen_suites": [account["accuracy"] for account in suites.values() if not account["seen"]],
    }
    errors = [(1 - account["accuracy"], 1 - account["baseline_accuracy"]) for account in suites.values()]
    return {
        "accuracy": {name: account["accuracy"] for name, account in evaluation.items()},
        "loss": {name: account["loss"] for name, account in evaluation.items()},
        "mean_accuracy": {group: np.mean(values) for group, values in accuracy.items() if values},
        "worst_accuracy": min(accuracy["all_suites"]),
        "mean_corruption_error": np.mean([error / baseline for error, baseline in errors if baseline > 0]),
    }


def rounded(value: Any) -> Any:
    """Round every number in nested dictionaries to four decimals, so that a diff shows no noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(float(value), 4) if isinstance(value, float) else value


def write_json(path: Path, value: Any) -> None:
    with whole_file(path) as partial:
        partial.write_text(json.dumps(rounded(value), indent=2) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")


def main() -> None:
    params = load_params().evaluate
    network = load_network()
    baseline = load_network(BASELINE, f"bring it back with `git checkout {BASELINE}`")
    augmented = json.loads(TRAINING.read_text())["augmentation"]
    images, labels = load_split("data/raw", "test")
    sets = {CLEAN: Suite(images, labels, CLEAN, {})} | load_suites()

    judged, evaluation = {}, {}
    for name, suite in tqdm(sets.items(), "evaluate", unit=" sets", disable=None):
        probabilities = network.predict(suite.images, BATCH, verbose=0)
        judged[name] = judge(suite, probabilities, baseline.predict(suite.images, BATCH, verbose=0))
        evaluation[name] = {
            "kind": suite.kind,
            "seen": suite.kind == CLEAN or augmented.get(suite.kind, 0) > 0,
            "images": hashlib.sha256(suite.images).hexdigest()[:12],
        } | measure(judged[name], probabilities, params.calibration_bins)

    def by_suite(table: Callable[..., pd.DataFrame], names: Iterable[str], *arguments: Any) -> pd.DataFrame:
        return pd.concat([table(judged[name], *arguments).assign(suite=name) for name in names])

    repositioned = [name for name, suite in sets.items() if suite.kind == "reposition"]
    write_json(METRICS / "evaluation.json", evaluation)
    write_json(METRICS / "summary.json", summarise(evaluation))
    for name, table in {
        "predictions": pd.DataFrame({"label": labels} | {name: judged[name]["predicted"] for name in sets}),
        "calibration": by_suite(calibration_table, sets, params.calibration_bins),
        "mistakes": by_suite(most_confident_mistakes, sets),
        "size": accuracy_by_size(
            pd.concat([judged[CLEAN].assign(canvas=28, zoom=1)] + [judged[name] for name in repositioned])
        ),
        "position": by_suite(accuracy_by_position, repositioned),
        "suites": pd.DataFrame.from_dict(evaluation, orient="index")
        .drop(columns="per_digit")
        .rename_axis("suite")
        .reset_index(),
    }.items():
        write_csv(PLOTS / f"{name}.csv", table)


if __name__ == "__main__":
    run(main)
