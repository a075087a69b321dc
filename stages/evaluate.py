"""Measure the network: models/ + data/ -> metrics/summary.json, metrics/evaluation.json, plots/evaluation/.

The MNIST test set and every altered one are read by the network and by the baseline. summary.json has the few
numbers that `dvc metrics diff` compares, evaluation.json the whole account of each set, plots/evaluation/ the
tables from which the pictures are drawn. Run it with `dvc repro evaluate`, or by itself with
`python -m stages.evaluate`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
from tqdm import tqdm

from robustness.artifacts import BASELINE, CLEAN, EVALUATION, PERTURBED, RAW, SUMMARY, TABLES
from robustness.command import run_stage
from robustness.evaluation import (
    accuracy_by_size,
    calibration_table,
    judge,
    measure,
    most_confident_mistakes,
    rounded,
    summarise,
)
from robustness.files import whole_file, write_json
from robustness.mnist import SIDE, load_split
from robustness.networks import load_network, predict
from robustness.params import load_params
from robustness.suites import Suite, load_suites


def write_table(name: str, table: pd.DataFrame) -> None:
    with whole_file(TABLES / f"{name}.csv") as partial:
        table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")


def main() -> None:
    params = load_params()
    network, baseline = load_network(), load_network(BASELINE)
    sets = {CLEAN: Suite(*load_split(RAW, "test"))} | load_suites(PERTURBED)

    bins, augmentation = params.evaluate.calibration_bins, params.train.augmentation
    judged, evaluation = {}, {}
    for name, suite in tqdm(sets.items(), "evaluate", unit=" sets", disable=None):
        probabilities = predict(network, suite.images)
        judged[name] = judge(suite, probabilities, predict(baseline, suite.images))
        evaluation[name] = measure(suite, judged[name], probabilities, augmentation, bins)

    def by_set(table: Callable[..., pd.DataFrame], names: Iterable[str], *arguments: Any) -> pd.DataFrame:
        return pd.concat([table(judged[name], *arguments).assign(suite=name) for name in names])

    write_json(EVALUATION, rounded(evaluation))
    write_json(SUMMARY, rounded(summarise(evaluation)))
    accounts = pd.DataFrame.from_dict(evaluation, orient="index").drop(columns="per_digit")
    write_table("suites", accounts.rename_axis("suite").reset_index())
    for name, digits in judged.items():
        write_table(f"predictions/{name}", digits[["label", "predicted"]])
    write_table("calibration", by_set(calibration_table, sets, bins))
    write_table("mistakes", by_set(most_confident_mistakes, sets))
    repositioned = [name for name, suite in sets.items() if suite.kind == "reposition"]
    unmoved = judged[CLEAN].assign(canvas=SIDE, zoom=1)
    write_table("size", accuracy_by_size(pd.concat([unmoved, *(judged[name] for name in repositioned)])))


if __name__ == "__main__":
    run_stage(main, __doc__)
