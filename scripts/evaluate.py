"""Put trained networks from anywhere through all test sets and curves, beside this network and the baseline.

    python -m scripts.evaluate my.h5                                 # print a table, in half a minute or more
    python -m scripts.evaluate my.h5 --quick                         # in some seconds: few digits, no curves
    python -m scripts.evaluate my.h5 other.onnx --out measured       # tables and figures in measured/my, ...
    python -m scripts.compare measured/other measured/my             # and compare them test set by test set
    python -m scripts.evaluate my.h5 --leaderboard benchmarks/models.csv    # add a row, or renew it

Files of Keras (.keras, .h5), ONNX and LiteRT (.tflite) are read; docs/yours.md says what to do with others.
How a network is fed, such as which scale of grey it was trained on, is found out on validation digits, unless
--scale says so. It needs what `dvc repro perturb` makes; ONNX and LiteRT need requirements-formats.txt.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import matplotlib
import pandas as pd

from mnist_moved.command import UserError, make_parser, run
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.idx import Digits, evaluation_digits
from mnist_moved.data.test_sets import CLEAN, TestSet, images_digest, load_test_sets
from mnist_moved.evaluation.baseline import Baseline
from mnist_moved.evaluation.breaking import breaking_table
from mnist_moved.evaluation.curves import examples_of, spread_over
from mnist_moved.evaluation.leaderboard import add_row, identity, read_leaderboard
from mnist_moved.evaluation.metrics import SEEN, UNSEEN, Results, evaluate
from mnist_moved.files import whole_file, write_table
from mnist_moved.networks import Classify
from mnist_moved.networks.external import FEEDINGS, SCALES, TURNS, ExternalNetwork, load_external
from mnist_moved.params import Params, load_params
from mnist_moved.paths import CURVES, PERTURBED, RAW, TABLES, TEST_SETS, baseline_of
from mnist_moved.report import figures as draw
from mnist_moved.report.wording import with_unit

QUICK = 2000  # digits of each test set with --quick


def read_arguments() -> argparse.Namespace:
    parser = make_parser("python -m scripts.evaluate", __doc__)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a .keras, .h5, .onnx or .tflite file"
    )
    parser.add_argument(
        "--scale",
        help=f"of grey, on which the networks were trained: {', '.join(SCALES)}; each also with one of these"
        f" behind it: {', '.join(map(repr, filter(None, TURNS)))}",
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} digits of each test set, no curves")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to keep tables and figures")
    parser.add_argument(
        "--leaderboard", type=Path, metavar="CSV", help="a table to which to add a row a network"
    )
    arguments = parser.parse_args()
    files = arguments.files
    if arguments.out and len({path.stem for path in files}) < len(files):
        parser.error("--out: expected files of different names, as each gets a folder of its name")
    if arguments.leaderboard and len({row_name(path) for path in files}) < len(files):
        parser.error("--leaderboard: expected files of different names, as each gets a row of its name")
    if arguments.scale and arguments.scale not in FEEDINGS:
        parser.error(f"--scale: expected one of those that --help lists, found {arguments.scale}")
    if arguments.quick and (arguments.out or arguments.leaderboard):
        parser.error("--quick: prints a table and keeps none; leave out --out and --leaderboard")
    return arguments


def row_name(path: Path) -> str:
    """What the row of a file is called, which holds no absolute path."""
    return path.name if path.is_absolute() else path.as_posix()


def save(folder: Path, results: Results, test_sets: dict[str, TestSet], params: Params) -> None:
    """Write the tables that scripts.compare reads, and the two figures that show most."""
    for name, table in results.tables.items():
        write_table(folder / f"{name}.csv", table)
    curves, clean = results.tables["curves"], test_sets[CLEAN]
    examples = examples_of(curves, Digits(clean.images[:1], clean.labels[:1]), params.perturb.seed)
    figures = {
        "accuracy_by_test_set": draw.draw_accuracy_by_test_set(
            results.tables["test_sets"].set_index("test_set"),
            {name: each.images[0] for name, each in test_sets.items()},
        ),
        "accuracy_by_strength": draw.draw_curves(curves, params.evaluate.breaking_accuracy, examples),
    }
    for name, figure in figures.items():
        with whole_file(folder / f"{name}.png") as partial:
            draw.save(figure, partial, params.plot.dpi)


def describe(name: str, results: Results, ours: dict[str, float], limit: float) -> str:
    """A line for each test set and one for each curve: the network of that name, this network, and the
    baseline. ours: as of `accuracies_of_this_network`; limit: below which a network is broken."""
    measured = results.tables["test_sets"].set_index("test_set").sort_values("accuracy")
    accuracies = pd.DataFrame(
        {
            name: measured["accuracy"],
            "this network": pd.Series(ours, measured.index, dtype=float),
            "baseline": measured["baseline_accuracy"],
        }
    )
    perturbed = accuracies[measured["group"].isin([SEEN, UNSEEN])]
    accuracies.loc[f"mean of {len(perturbed)} perturbed"] = perturbed.mean(skipna=False)

    text = accuracies.map("{:.2%}".format, na_action="ignore").fillna("-")
    text = text.rename_axis(index=None, columns="accuracy").to_string()
    curves = results.tables["curves"]
    return f"{text}\n\n{describe_curves(name, curves, limit)}" if len(curves) else text


def describe_curves(name: str, curves: pd.DataFrame, limit: float) -> str:
    """A line for each curve: where the network of that name, this network and the baseline break."""
    our_curves = pd.read_csv(CURVES)
    same = curves["images_digest"].tolist() == our_curves["images_digest"].tolist()
    here, ours = (breaking_table(each, limit) for each in (curves, our_curves))
    breaks = pd.DataFrame(
        {
            perturbation: {
                name: row.ours,
                "this network": ours[perturbation].ours if same else "-",
                "baseline": row.baseline,
                "strength": with_unit(perturbation, row.strength),
            }
            for perturbation, row in here.items()
        }
    ).T
    return breaks.rename_axis(index=None, columns=f"below {limit:.0%} from").to_string()


def fewer(
    test_sets: dict[str, TestSet], baseline: Classify, count: int
) -> tuple[dict[str, TestSet], Classify]:
    """So many images of each test set, spread evenly over it, and the baseline as a function of these."""
    some, answers = {}, {}
    for name, test_set in test_sets.items():
        chosen = spread_over(len(test_set.labels), count)
        images, labels = test_set.images[chosen], test_set.labels[chosen]
        some[name] = test_set._replace(images=images, labels=labels)
        answers[images_digest(images)] = baseline(test_set.images)[chosen]
    return some, lambda images: answers[images_digest(images)]


def accuracies_of_this_network(test_sets: dict[str, TestSet], count: int) -> dict[str, float]:
    """What the network that `dvc repro` trained last reached on so many images of each test set, spread
    evenly over it; only of the test sets on which it was evaluated."""
    digests = pd.read_csv(TEST_SETS, dtype={"images_digest": str}).set_index("test_set")["images_digest"]
    found = {}
    for name, test_set in test_sets.items():
        if digests.get(name) == images_digest(test_set.images):
            digits = pd.read_csv(TABLES / f"predictions/{name}.csv")
            digits = digits.iloc[spread_over(len(digits), count)]
            found[name] = (digits["label"] == digits["predicted"]).mean()
    return found


def estimate(network: ExternalNetwork, test_sets: dict[str, TestSet], params: Params) -> str:
    """How long the network will take for all images, from how long it takes for some."""
    some = test_sets[CLEAN].images[:1000]
    start = time.perf_counter()
    network.predict(some)
    points = sum(len(values) for curve in params.perturb.curves.values() for values in curve.values())
    images = sum(len(each.labels) for each in test_sets.values()) + points * params.evaluate.curve_digits
    seconds = (time.perf_counter() - start) / len(some) * images
    return f"{images:,} images, which will take it some {max(1, seconds):.0f} s"


def main() -> None:
    arguments = read_arguments()
    warnings.simplefilter("ignore")  # of Keras, to whoever made a network
    params, dataset = load_params(), read_dataset()
    count, limit = params.train.validation_digits, params.evaluate.breaking_accuracy
    known = evaluation_digits(RAW, "validation", count)
    test_sets = load_test_sets(RAW, PERTURBED, params.evaluate.split, count)
    images = identity(test_sets, params)
    table = read_leaderboard(arguments.leaderboard, images) if arguments.leaderboard else None
    baseline = Baseline(baseline_of(dataset.name))
    asked: Classify = baseline
    ours = accuracies_of_this_network(test_sets, QUICK if arguments.quick else sys.maxsize)
    if arguments.quick:
        test_sets, asked = fewer(test_sets, baseline, QUICK)
        params = params.model_copy(update={"perturb": params.perturb.model_copy(update={"curves": {}})})
    failed = 0
    for path in arguments.files:
        try:
            network = load_external(path, known, arguments.scale)
            print(f"{path}: {network.description}", flush=True)
            print(estimate(network, test_sets, params), flush=True)
            results = evaluate(network.predict, asked, test_sets, params)
        except UserError as error:  # the other files may well be sound
            print(f"error: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        if arguments.out:
            with matplotlib.rc_context(draw.STYLE):
                save(arguments.out / path.stem, results, test_sets, params)
        if arguments.leaderboard:
            table = add_row(table, row_name(path), network.parameters, results, images, limit)
            write_table(arguments.leaderboard, table)
        print(f"\n{describe(path.name, results, ours, limit)}\n", flush=True)
    if failed:
        sys.exit(f"error: {failed} of {len(arguments.files)} files were not measured, for the reasons above")
    print(baseline.describe())


if __name__ == "__main__":
    run(main)
