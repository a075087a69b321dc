"""Measure the network: models/ + data/ -> metrics/summary.json, metrics/evaluation.json, plots/evaluation/.

The network and the baseline classify the test set, or the validation digits, and every perturbed copy; and
some of the digits at several strengths of each perturbation, made here, as that is as quick as reading a
file. summary.json has the few numbers that `dvc metrics diff` compares, evaluation.json the whole account of
each test set, plots/evaluation/ the tables from which the figures are drawn. Run it with `dvc repro
evaluate`.
"""

from functools import partial

from mnist_moved.command import run_stage
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.test_sets import load_test_sets, save_test_set
from mnist_moved.evaluation.baseline import Baseline
from mnist_moved.evaluation.metrics import evaluate
from mnist_moved.files import keep_only, write_json, write_table
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.params import load_params
from mnist_moved.paths import EVALUATION, EXAMPLES, PERTURBED, RAW, SUMMARY, TABLES, baseline_of


def main() -> None:
    params = load_params()
    network, baseline = partial(predict, load_network()), Baseline(baseline_of(read_dataset().name))
    test_sets = load_test_sets(RAW, PERTURBED, params.evaluate.split, params.train.validation_digits)
    results = evaluate(network, baseline, test_sets, params)
    print(baseline.describe())

    write_json(EVALUATION, results.accounts)
    write_json(SUMMARY, results.summary)
    tables = {TABLES / f"{name}.csv": table for name, table in results.tables.items()}
    for path, table in tables.items():
        write_table(path, table)
    save_test_set(EXAMPLES, results.examples)
    keep_only(TABLES, [*tables, EXAMPLES])


if __name__ == "__main__":
    run_stage(main, __doc__)
