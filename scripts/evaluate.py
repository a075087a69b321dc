"""Put trained networks from anywhere through all test sets and curves, beside this one and the baseline.

    python -m scripts.evaluate my.keras                           # print a table
    python -m scripts.evaluate my.keras other.onnx --out judged   # keep tables and pictures in judged/my, ...
    python -m scripts.compare judged/other judged/my              # and compare them set by set
    python -m scripts.evaluate my.keras --table benchmarks/models.csv    # add a row, or renew it

A network takes images of 28 x 28 pixels, as (n, 28, 28), (n, 28, 28, 1), (n, 1, 28, 28) or (n, 784), and
returns ten probabilities or logits. Which scale of grey it was trained on is found out on validation images,
unless --scale says so. It needs what `dvc repro perturb` makes; ONNX files need requirements-models.txt.
"""

import argparse
import hashlib
import json
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from robustness import figures as draw
from robustness.artifacts import CLEAN, HEADLINE, PERTURBED, RAW, TABLES, baseline_of
from robustness.command import UserError, run
from robustness.curves import breaking_points, examples_of
from robustness.datasets import read_dataset
from robustness.evaluation import Results, evaluate
from robustness.files import whole_file, write_table
from robustness.foreign import SCALES, Foreign, load_foreign
from robustness.mnist import Digits, evaluation_digits
from robustness.networks import load_network, predict
from robustness.params import Params, load_params
from robustness.report import breaking_table
from robustness.suites import PICTURES, Suite, digest, load_sets


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m scripts.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a .keras or .onnx file")
    parser.add_argument("--scale", choices=SCALES, help="of grey, on which the networks were trained")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to keep tables and pictures")
    parser.add_argument("--table", type=Path, metavar="CSV", help="a table to which to add a row a network")
    arguments = parser.parse_args()
    if len({path.stem for path in arguments.files}) < len(arguments.files) and arguments.out:
        parser.error("--out: expected files of different names, as each gets a folder of its name")
    return arguments


def identity(sets: dict[str, Suite], params: Params) -> str:
    """What tells the images and the limit that count in the table from others: the beginning of a SHA-256."""
    of = [digest(suite.images) for suite in sets.values() if suite.kind != PICTURES]
    of += [params.perturb.curves, params.perturb.seed]
    of += [params.evaluate.curve_digits, params.evaluate.breaking_accuracy]
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()[:12]


def read_table(path: Path, images: str) -> pd.DataFrame:
    """Read the table of networks, empty if there is none yet; UserError if it is none, or of other images or
    another limit."""
    if not path.exists():
        return pd.DataFrame(columns=["network"])
    try:
        table = pd.read_csv(path, dtype={"images": str})
        same = (table["images"] == images).all()
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: expected a table of this command, found another; {error!r}") from None
    if not same:
        raise UserError(
            f"{path}: its networks were evaluated on other images, or with another"
            " evaluate.breaking_accuracy; name another table"
        )
    return table


def add_row(
    table: pd.DataFrame, path: Path, network: Foreign, results: Results, images: str, limit: float
) -> pd.DataFrame:
    """Add the row of a network to the table, in place of one of the same name; the best is on top."""
    suites = results.tables["suites"].set_index("suite")
    altered = suites.loc[suites["group"].isin(draw.GROUPS), "accuracy"]
    breaking = breaking_points(results.tables["curves"], limit)
    row = {
        "network": path.name if path.is_absolute() else path.as_posix(),
        "parameters": network.parameters,
        "clean": suites.at[CLEAN, "accuracy"],
        "repositioned": suites.at[HEADLINE, "accuracy"],
        "mean": altered.mean(),
        "worst": altered.min(),
        **{f"{kind} breaks at": point for kind, point in breaking.items()},
        "images": images,
    }
    rows = [*table[table["network"] != row["network"]].to_dict("records"), row]
    return pd.DataFrame(rows).sort_values("mean", ascending=False, kind="stable")


def save(folder: Path, results: Results, sets: dict[str, Suite], params: Params) -> None:
    """Write the tables that scripts.compare reads, and the two pictures that show most."""
    for name, table in results.tables.items():
        write_table(folder / f"{name}.csv", table)
    curves, clean = results.tables["curves"], sets[CLEAN]
    examples = examples_of(curves, Digits(clean.images[:1], clean.labels[:1]), params.perturb.seed)
    pictures = {
        "accuracy_by_suite": draw.draw_accuracy_by_suite(
            results.tables["suites"].set_index("suite"), {name: each.images[0] for name, each in sets.items()}
        ),
        "accuracy_by_strength": draw.draw_curves(curves, params.evaluate.breaking_accuracy, examples),
    }
    for name, figure in pictures.items():
        with whole_file(folder / f"{name}.png") as picture:
            draw.save(figure, picture, params.plot.dpi)
        plt.close(figure)


def describe(name: str, results: Results, limit: float) -> str:
    """A line for each set and one for each curve: this network, that of the project if its images were the
    same, and the baseline. limit: of accuracy, below which a network is broken."""
    ours = pd.read_csv(TABLES / "suites.csv", dtype={"images": str}).set_index("suite")
    suites = results.tables["suites"].set_index("suite").sort_values("accuracy")
    same = ours["images"].reindex(suites.index) == suites["images"]
    sets = pd.DataFrame(
        {
            name: suites["accuracy"],
            "this project's": ours["accuracy"].reindex(suites.index).where(same),
            "baseline": suites["baseline_accuracy"],
        }
    )
    altered = sets[suites["group"].isin(draw.GROUPS)]
    sets.loc[f"mean of {len(altered)} altered"] = altered.mean(skipna=False)

    curves, our_curves = results.tables["curves"], pd.read_csv(TABLES / "curves.csv")
    same = curves["images"].tolist() == our_curves["images"].tolist()
    here, ours = (breaking_table(each, limit) for each in (curves, our_curves))
    breaks = pd.DataFrame(
        {
            name: {kind: row["ours"] for kind, row in here.items()},
            "this project's": {kind: ours[kind]["ours"] if same else "-" for kind in here},
            "baseline": {kind: row["baseline"] for kind, row in here.items()},
            "strength": {kind: row["strength"] for kind, row in here.items()},
        }
    )
    texts = sets.map("{:.2%}".format, na_action="ignore").fillna("-"), breaks
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
    sets = load_sets(RAW, PERTURBED, params.evaluate.split, count)
    images = identity(sets, params)
    table = read_table(arguments.table, images) if arguments.table else None
    networks = [load_foreign(path, known, arguments.scale) for path in arguments.files]
    baseline = partial(predict, load_network(baseline_of(dataset.name)))
    for path, network in zip(arguments.files, networks, strict=True):
        print(f"{path}: {network.description}", flush=True)
        results = evaluate(
            network.predict,
            baseline,
            sets,
            bins=params.evaluate.calibration_bins,
            curve_digits=params.evaluate.curve_digits,
            curves=params.perturb.curves,
            seed=params.perturb.seed,
            augmentation=params.train.augmentation,
        )
        if arguments.out:
            with plt.rc_context(draw.STYLE):
                save(arguments.out / path.stem, results, sets, params)
        if arguments.table:
            table = add_row(table, path, network, results, images, limit)
            write_table(arguments.table, table)
        print(f"\n{describe(path.name, results, limit)}\n", flush=True)


if __name__ == "__main__":
    run(main)
