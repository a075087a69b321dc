"""What runs measured, read from where it is: a folder, a revision, experiments, or the table of a sweep."""

import fnmatch
import re
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from mnist_moved import git
from mnist_moved.command import UserError
from mnist_moved.params import PARAMS, parse_yaml
from mnist_moved.paths import CURVES, TABLES, TEST_SETS, curves_of

WORKSPACE = "workspace"
NO_CURVES = pd.DataFrame(columns=["setting", "seed", "perturbation", "strength"])  # before there were any
TEXTS = {"setting": str, "images_digest": str}  # columns that may look like numbers


class Run(NamedTuple):
    """What one run measured: rows of test_sets.csv by name, which digits are classified correctly, bool (n,),
    by test set; and rows of curves.csv, none if it has no curves.

    A run from a sweep's table has no digits: `correct` is empty. A seed is known of one among several runs.
    """

    test_sets: pd.DataFrame
    correct: dict[str, np.ndarray]
    curves: pd.DataFrame
    seed: int | None = None


def read_runs(side: str) -> list[Run]:
    """Read one run as `read_run` does, or all that match a pattern or are in a table; UserError if none."""
    if table := re.fullmatch(r"(.+?\.csv)(?::(.*))?", side):
        return _read_table(*table.groups())
    return _read_experiments(side) if re.search(r"[*?[]", side) else [read_run(side)]


def read_run(side: str) -> Run:
    """Read a revision, or a folder such as plots/evaluation/; UserError if it is neither."""
    try:
        folder = TABLES if side == WORKSPACE else Path(side)
        if folder.is_dir():
            return _read_run(lambda name: (folder / name).read_text(encoding="utf-8"))
        commit = git.commit_of(side)
        return _read_run(lambda name: git.read([commit], TABLES / name)[0])
    except (OSError, ValueError, KeyError, UserError) as error:
        raise UserError(
            f"{side}: expected a folder with {TEST_SETS.name} and predictions/, or a revision with both in"
            f" {TABLES} (`git log` and `dvc exp show` list revisions); {error}"
        ) from None


def _read_run(read: Callable[[str], str]) -> Run:
    """Read a run, given what returns the text of one of its tables by name."""
    test_sets = _parse(read(TEST_SETS.name)).set_index("test_set")
    correct = {}
    for name in test_sets.index:
        digits = _parse(read(f"predictions/{name}.csv"))
        correct[name] = (digits["label"] == digits["predicted"]).to_numpy()
    try:
        curves = _parse(read(CURVES.name))
    except (FileNotFoundError, UserError):
        curves = NO_CURVES
    return Run(test_sets, correct, curves)


def _parse(text: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(text), dtype=TEXTS)


def _read_experiments(pattern: str) -> list[Run]:
    """Read all experiments whose names match: those on HEAD, or if it has none, on one other commit."""
    there = git.experiments()
    matches = [each for each in there if fnmatch.fnmatchcase(each.name, pattern)]
    if not matches:
        names = ", ".join(dict.fromkeys(each.name for each in there))
        raise UserError(
            f"{pattern}: no experiment has such a name; there are:"
            f" {names or 'none; `python -m scripts.sweep` makes some'}"
        )
    matches = [each for each in matches if each.parent == git.head()] or matches
    commits = {each.parent[:7] for each in matches}
    if len(commits) > 1:
        raise UserError(
            f"{pattern}: expected experiments on one commit, found some on {' and '.join(sorted(commits))};"
            " check out the one that you mean"
        )
    commits = [each.commit for each in matches]
    params = [
        parse_yaml(text, f"{PARAMS} of {each.name}")
        for each, text in zip(matches, git.read(commits, PARAMS), strict=True)
    ]
    seeds = [each["train"]["seed"] for each in params]
    _refuse_repeated(pattern, zip(seeds, (each.name for each in matches), strict=True))
    return [read_run(each.commit)._replace(seed=seed) for each, seed in zip(matches, seeds, strict=True)]


def _read_table(path: str, setting: str | None) -> list[Run]:
    """Read the runs of one setting from a table with a row for each run and test set."""
    try:
        table = pd.read_csv(path, dtype=TEXTS)
        rows = table[table["setting"] == setting]
        for _, trials in rows.groupby("test_set"):
            _refuse_repeated(f"{path}:{setting}", zip(trials["seed"], trials["experiment"], strict=True))
        curves = pd.read_csv(curves_of(path), dtype=TEXTS) if curves_of(path).exists() else NO_CURVES
        curves = curves[curves["setting"] == setting]
        runs = [
            Run(trial.set_index("test_set"), {}, curves[curves["seed"] == seed], seed)
            for seed, trial in rows.groupby("seed")
        ]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: expected a table of `python -m scripts.sweep`; {error!r}") from None
    if not runs:
        settings = ", ".join(table["setting"].unique())
        raise UserError(
            f"{path}: expected a colon and one of its settings, {settings}; found {setting or 'none'}"
        )
    return runs


def _refuse_repeated(side: str, runs: Iterable[tuple[int, str]]) -> None:
    """Raise UserError if two runs, seed and name, have one seed."""
    names: dict[int, str] = {}
    for seed, name in sorted(runs):
        if seed in names:
            raise UserError(
                f"{side}: expected one setting, with one run a seed; found {names[seed]} and {name}, both of"
                f" seed {seed} and so not independent. Name one setting more closely"
            )
        names[seed] = name
