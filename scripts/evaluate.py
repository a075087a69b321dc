"""Put trained networks from anywhere through all test sets and curves, beside this network and the baseline.

    python -m scripts.evaluate my.keras                              # print a table
    python -m scripts.evaluate my.keras other.onnx --out measured    # tables and figures in measured/my, ...
    python -m scripts.compare measured/other measured/my             # and compare them test set by test set
    python -m scripts.evaluate my.keras --leaderboard benchmarks/models.csv    # add a row, or renew it

A network takes images of 28 x 28 pixels, as (n, 28, 28), (n, 28, 28, 1), (n, 1, 28, 28) or (n, 784), and
returns ten probabilities or logits. Which scale of grey it was trained on is found out on validation images,
unless --scale says so. It needs what `dvc repro perturb` makes; ONNX files need requirements-models.txt.
"""

import argparse
import hashlib
import json
from pathlib import Path

import matplotlib
import pandas as pd

from mnist_moved.command import UserError, make_parser, run
from mnist_moved.data.datasets import read_dataset
from mnist_moved.data.idx import Digits, evaluation_digits
from mnist_moved.data.test_sets import CLEAN, EXTERNAL, HEADLINE, TestSet, images_digest, load_test_sets
from mnist_moved.evaluation.baseline import Baseline
from mnist_moved.evaluation.breaking import breaking_points, breaking_table
from mnist_moved.evaluation.curves import examples_of
from mnist_moved.evaluation.metrics import SEEN, UNSEEN, Results, evaluate
from mnist_moved.files import whole_file, write_table
from mnist_moved.networks.external import SCALES, ExternalNetwork, load_external
from mnist_moved.params import Params, load_params
from mnist_moved.paths import CURVES, PERTURBED, RAW, TEST_SETS, baseline_of
from mnist_moved.report import figures as draw
from mnist_moved.report.wording import with_unit


def read_arguments() -> argparse.Namespace:
    parser = make_parser("python -m scripts.evaluate", __doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a .keras or .onnx file")
    parser.add_argument("--scale", choices=SCALES, help="of grey, on which the networks were trained")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to keep tables and figures")
    parser.add_argument(
        "--leaderboard", type=Path, metavar="CSV", help="a table to which to add a row a network"
    )
    arguments = parser.parse_args()
    if len({path.stem for path in arguments.files}) < len(arguments.files) and arguments.out:
        parser.error("--out: expected files of different names, as each gets a folder of its name")
    return arguments


def identity(test_sets: dict[str, TestSet], params: Params) -> str:
    """What identifies the images and the limit of a leaderboard: the first twelve digits of a SHA-256."""
    of = [images_digest(each.images) for each in test_sets.values() if each.perturbation != EXTERNAL]
    of += [params.perturb.curves, params.perturb.seed]
    of += [params.evaluate.curve_digits, params.evaluate.breaking_accuracy]
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()[:12]


def read_leaderboard(path: Path, images: str) -> pd.DataFrame:
    """Read a leaderboard, empty if there is none yet; UserError if it is none, or of other images or another
    limit."""
    if not path.exists():
        return pd.DataFrame(columns=["network"])
    try:
        table = pd.read_csv(path, dtype={"images_digest": str})
        same = (table["images_digest"] == images).all()
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{path}: expected a leaderboard of this command, found another file; {error!r}"
        ) from None
    if not same:
        raise UserError(
            f"{path}: its networks were evaluated on other images, or with another"
            " evaluate.breaking_accuracy; name another file"
        )
    return table


def add_row(
    table: pd.DataFrame, path: Path, network: ExternalNetwork, results: Results, images: str, limit: float
) -> pd.DataFrame:
    """Add the row of a network to a leaderboard, in place of one of the same name; the best is on top."""
    measured = results.tables["test_sets"].set_index("test_set")
    perturbed = measured.loc[measured["group"].isin([SEEN, UNSEEN]), "accuracy"]
    breaking = breaking_points(results.tables["curves"], limit)
    row = {
        "network": path.name if path.is_absolute() else path.as_posix(),
        "parameters": network.parameters,
        CLEAN: measured.at[CLEAN, "accuracy"],
        HEADLINE: measured.at[HEADLINE, "accuracy"],
        "mean": perturbed.mean(),
        "worst": perturbed.min(),
        **{f"{perturbation} breaks at": point for perturbation, point in breaking.items()},
        "images_digest": images,
    }
    rows = [*table[table["network"] != row["network"]].to_dict("records"), row]
    return pd.DataFrame(rows).sort_values("mean", ascending=False, kind="stable")


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


def describe(name: str, results: Results, limit: float) -> str:
    """A line for each test set and one for each curve: the network of that name, this network if its images
    were the same, and the baseline. limit: of accuracy, below which a network is broken."""
    ours = pd.read_csv(TEST_SETS, dtype={"images_digest": str}).set_index("test_set")
    measured = results.tables["test_sets"].set_index("test_set").sort_values("accuracy")
    ours = ours.reindex(measured.index)
    same = ours["images_digest"] == measured["images_digest"]
    accuracies = pd.DataFrame(
        {
            name: measured["accuracy"],
            "this network": ours["accuracy"].where(same),
            "baseline": measured["baseline_accuracy"],
        }
    )
    perturbed = accuracies[measured["group"].isin([SEEN, UNSEEN])]
    accuracies.loc[f"mean of {len(perturbed)} perturbed"] = perturbed.mean(skipna=False)

    curves, our_curves = results.tables["curves"], pd.read_csv(CURVES)
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
    texts = accuracies.map("{:.2%}".format, na_action="ignore").fillna("-"), breaks
    titles = "accuracy", f"below {limit:.0%} from"
    return "\n\n".join(
        text.rename_axis(index=None, columns=title).to_string()
        for text, title in zip(texts, titles, strict=True)
    )


def main() -> None:
    arguments = read_arguments()
    params, dataset = load_params(), read_dataset()
    count, limit = params.train.validation_digits, params.evaluate.breaking_accuracy
    known = evaluation_digits(RAW, "validation", count)
    test_sets = load_test_sets(RAW, PERTURBED, params.evaluate.split, count)
    images = identity(test_sets, params)
    table = read_leaderboard(arguments.leaderboard, images) if arguments.leaderboard else None
    networks = [load_external(path, known, arguments.scale) for path in arguments.files]
    baseline = Baseline(baseline_of(dataset.name))
    for path, network in zip(arguments.files, networks, strict=True):
        print(f"{path}: {network.description}", flush=True)
        results = evaluate(network.predict, baseline, test_sets, params)
        if arguments.out:
            with matplotlib.rc_context(draw.STYLE):
                save(arguments.out / path.stem, results, test_sets, params)
        if arguments.leaderboard:
            table = add_row(table, path, network, results, images, limit)
            write_table(arguments.leaderboard, table)
        print(f"\n{describe(path.name, results, limit)}\n", flush=True)
    print(baseline.describe())


if __name__ == "__main__":
    run(main)
