"""Measure the network: models/ + data/ -> metrics/summary.json, metrics/evaluation.json, plots/evaluation/.

The MNIST test set, or the validation digits, and every altered copy are read by the network and by the
baseline. summary.json has the few numbers that `dvc metrics diff` compares, evaluation.json the whole account
of each set, plots/evaluation/ the tables from which the pictures are drawn. Run it with `dvc repro evaluate`.
"""

import pandas as pd
from tqdm import tqdm

from robustness import evaluation
from robustness.artifacts import BASELINE, CLEAN, EVALUATION, PERTURBED, RAW, SUMMARY, TABLES
from robustness.command import run_stage
from robustness.files import whole_file, write_json
from robustness.mnist import SIDE, evaluation_digits
from robustness.networks import load_network, predict
from robustness.params import load_params
from robustness.suites import Suite, load_suites


def write_table(name: str, table: pd.DataFrame) -> None:
    with whole_file(TABLES / f"{name}.csv") as partial:
        table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")


def main() -> None:
    params = load_params()
    network, baseline = load_network(), load_network(BASELINE)
    digits = evaluation_digits(RAW, params.evaluate.split, params.train.validation_digits)
    sets = {CLEAN: Suite(*digits)} | load_suites(PERTURBED)

    bins, augmentation = params.evaluate.calibration_bins, params.train.augmentation
    judged, accounts, calibration, mistakes = {}, {}, [], []
    for name, suite in tqdm(sets.items(), "evaluate", unit=" sets", disable=None):
        probabilities = predict(network, suite.images)
        judged[name] = evaluation.judge(suite, probabilities, predict(baseline, suite.images))
        accounts[name] = evaluation.measure(suite, judged[name], probabilities, augmentation, bins)
        calibration.append(evaluation.calibration_table(judged[name], bins).assign(suite=name))
        mistakes.append(evaluation.most_confident_mistakes(judged[name]).assign(suite=name))

    write_json(EVALUATION, evaluation.rounded(accounts))
    write_json(SUMMARY, evaluation.rounded(evaluation.summarise(accounts)))
    table = pd.DataFrame.from_dict(accounts, orient="index").drop(columns="per_digit")
    write_table("suites", table.rename_axis("suite").reset_index())
    for name, digits in judged.items():
        write_table(f"predictions/{name}", digits[["label", "predicted"]])
    write_table("calibration", pd.concat(calibration))
    write_table("mistakes", pd.concat(mistakes))
    repositioned = [judged[name] for name, suite in sets.items() if suite.kind == "reposition"]
    unmoved = judged[CLEAN].assign(canvas=SIDE, zoom=1)
    write_table("size", evaluation.accuracy_by_size(pd.concat([unmoved, *repositioned])))


if __name__ == "__main__":
    run_stage(main, __doc__)
