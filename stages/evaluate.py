"""Measure the network: models/ + data/ -> metrics/summary.json, metrics/evaluation.json, plots/evaluation/.

The network and the baseline read MNIST's test set, or the validation digits, and every altered copy; and some
of the digits at several strengths of each kind, perturbed here, as making them is as quick as reading a file.
summary.json has the few numbers that `dvc metrics diff` compares, evaluation.json the whole account of each
set, plots/evaluation/ the tables from which the pictures are drawn. Run it with `dvc repro evaluate`.
"""

from functools import partial

import pandas as pd
from tqdm import tqdm

from robustness import evaluation
from robustness.artifacts import BASELINE, CLEAN, EVALUATION, MODEL, PERTURBED, RAW, SUMMARY, TABLES
from robustness.command import run_stage
from robustness.curves import breaking_points, evenly, measure_curve, strengthen
from robustness.files import whole_file, write_json
from robustness.mnist import evaluation_digits
from robustness.networks import load_network, predict
from robustness.params import load_params
from robustness.suites import Suite, load_suites


def write_table(name: str, table: pd.DataFrame) -> None:
    with whole_file(TABLES / f"{name}.csv") as partial:
        table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")


def main() -> None:
    params = load_params()
    network, baseline = (partial(predict, load_network(path)) for path in (MODEL, BASELINE))
    digits = evaluation_digits(RAW, params.evaluate.split, params.train.validation_digits)
    sets = {CLEAN: Suite(*digits)} | load_suites(PERTURBED)

    bins, augmentation = params.evaluate.calibration_bins, params.train.augmentation
    judged, accounts, calibration, mistakes = {}, {}, [], []
    for name, suite in tqdm(sets.items(), "evaluate", unit=" sets", disable=None):
        probabilities = network(suite.images)
        judged[name] = evaluation.judge(suite, probabilities, baseline(suite.images))
        accounts[name] = evaluation.measure(suite, judged[name], probabilities, augmentation, bins)
        calibration.append(evaluation.calibration_table(judged[name], bins).assign(suite=name))
        mistakes.append(evaluation.most_confident_mistakes(judged[name]).assign(suite=name))

    some, curves, known = evenly(digits, params.evaluate.curve_digits), [], {}
    for kind, curve in tqdm(params.perturb.curves.items(), "curves", unit=" kinds", disable=None):
        [(strength, values)] = curve.items()
        points = strengthen(some, params.perturb.seed, kind, strength, values)
        curves.append(measure_curve(points, network, baseline, known))
    curves = pd.concat(curves)

    write_json(EVALUATION, evaluation.rounded(accounts))
    breaking = breaking_points(curves, params.evaluate.breaking_accuracy)
    write_json(SUMMARY, evaluation.rounded(evaluation.summarise(accounts, breaking)))
    table = pd.DataFrame.from_dict(accounts, orient="index").drop(columns="per_digit")
    write_table("suites", table.rename_axis("suite").reset_index())
    for name, table in judged.items():
        write_table(f"predictions/{name}", table[["label", "predicted"]])
    write_table("calibration", pd.concat(calibration))
    write_table("mistakes", pd.concat(mistakes))
    write_table("curves", curves)


if __name__ == "__main__":
    run_stage(main, __doc__)
