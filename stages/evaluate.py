"""Measure the network: models/ + data/ -> metrics/summary.json, metrics/evaluation.json, plots/evaluation/.

The network and the baseline read the test set, or the validation digits, and every altered copy; and some of
the digits at several strengths of each kind, perturbed here, as making them is as quick as reading a file.
summary.json has the few numbers that `dvc metrics diff` compares, evaluation.json the whole account of each
set, plots/evaluation/ the tables from which the pictures are drawn. Run it with `dvc repro evaluate`.
"""

from functools import partial

from robustness.artifacts import (
    EVALUATION,
    EXAMPLES,
    MODEL,
    PERTURBED,
    RAW,
    SUMMARY,
    TABLES,
    baseline_of,
)
from robustness.command import run_stage
from robustness.datasets import read_dataset
from robustness.evaluation import evaluate
from robustness.files import keep_only, write_json, write_table
from robustness.networks import load_network, predict
from robustness.params import load_params
from robustness.suites import load_sets, save_suite


def main() -> None:
    params = load_params()
    paths = MODEL, baseline_of(read_dataset().name)
    network, baseline = (partial(predict, load_network(path)) for path in paths)
    sets = load_sets(RAW, PERTURBED, params.evaluate.split, params.train.validation_digits)
    results = evaluate(
        network,
        baseline,
        sets,
        bins=params.evaluate.calibration_bins,
        curve_digits=params.evaluate.curve_digits,
        curves=params.perturb.curves,
        seed=params.perturb.seed,
        augmentation=params.train.augmentation,
    )

    write_json(EVALUATION, results.accounts)
    write_json(SUMMARY, results.summary)
    tables = {TABLES / f"{name}.csv": table for name, table in results.tables.items()}
    for path, table in tables.items():
        write_table(path, table)
    save_suite(EXAMPLES, results.examples)
    keep_only(TABLES, [*tables, EXAMPLES])


if __name__ == "__main__":
    run_stage(main, __doc__)
