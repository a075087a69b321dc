"""A leaderboard: a CSV file with a row for each network that was measured on the same images."""

import hashlib
import json
from pathlib import Path

import pandas as pd

from mnist_moved.command import UserError
from mnist_moved.data.test_sets import CLEAN, EXTERNAL, HEADLINE, TestSet, images_digest
from mnist_moved.evaluation.breaking import breaking_points
from mnist_moved.evaluation.metrics import SEEN, UNSEEN, Results
from mnist_moved.params import Params


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
    table: pd.DataFrame, name: str, parameters: int | None, results: Results, images: str, limit: float
) -> pd.DataFrame:
    """Add the row of a network to a leaderboard, in place of one of the same name; the best is on top.

    parameters: how many numbers were trained, None if nobody knows.
    """
    measured = results.tables["test_sets"].set_index("test_set")
    perturbed = measured.loc[measured["group"].isin([SEEN, UNSEEN]), "accuracy"]
    breaking = breaking_points(results.tables["curves"], limit)
    row = {
        "network": name,
        "parameters": parameters,
        CLEAN: measured.at[CLEAN, "accuracy"],
        HEADLINE: measured.at[HEADLINE, "accuracy"],
        "mean": perturbed.mean(),
        "worst": perturbed.min(),
        **{f"{perturbation} breaks at": point for perturbation, point in breaking.items()},
        "images_digest": images,
    }
    rows = [*table[table["network"] != row["network"]].to_dict("records"), row]
    table = pd.DataFrame(rows).astype({"parameters": "Int64"})
    return table.sort_values("mean", ascending=False, kind="stable")
