"""What a run made of each set, read from where it is: a folder, a revision, experiments, a sweep's table."""

import fnmatch
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo.experiments.utils import exp_refs
from ruamel.yaml import YAML, YAMLError
from scmrepo.exceptions import SCMError
from scmrepo.git import Git

from robustness.artifacts import TABLES, curves_of
from robustness.command import UserError

WORKSPACE = "workspace"
NO_CURVES = pd.DataFrame(columns=["setting", "seed", "kind", "strength"])  # before there were any


class Side(NamedTuple):
    """What one run made of each set: rows of suites.csv by name, and which digits were read right, (n,); and
    rows of curves.csv, none if it has no curves.

    A run from a sweep's table has no digits: `correct` is empty. A seed is known of one among several runs.
    """

    suites: pd.DataFrame
    correct: dict[str, np.ndarray]
    curves: pd.DataFrame
    seed: int | None = None


def read_runs(side: str) -> list[Side]:
    """Read one run as `read_side` does, or all that match a pattern or are in a table; UserError if none."""
    if table := re.fullmatch(r"(.+?\.csv)(?::(.*))?", side):
        return _read_table(*table.groups())
    return _read_experiments(side) if re.search(r"[*?[]", side) else [read_side(side)]


def read_side(side: str) -> Side:
    """Read a revision, or a folder such as plots/evaluation/; UserError if it is neither."""
    try:
        read = _reader(side)
        suites = pd.read_csv(read("suites.csv"), dtype={"images": str}).set_index("suite")
        predictions = {name: pd.read_csv(read(f"predictions/{name}.csv")) for name in suites.index}
        try:
            curves = pd.read_csv(read("curves.csv"), dtype={"images": str})
        except FileNotFoundError:
            curves = NO_CURVES
        return Side(
            suites,
            {name: (table["label"] == table["predicted"]).to_numpy() for name, table in predictions.items()},
            curves,
        )
    except (OSError, ValueError, KeyError, DvcException, SCMError) as error:
        raise UserError(
            f"{side}: expected a folder with suites.csv and predictions/, or a revision with both in"
            f" {TABLES} (`git log` and `dvc exp show` list revisions); {error}"
        ) from None


def _reader(side: str) -> Callable[[str], TextIO]:
    """Return what opens one of the tables of a side by its name."""
    folder = TABLES if side == WORKSPACE else Path(side)
    if folder.is_dir():
        return lambda name: open(folder / name, encoding="utf-8")
    files = DVCFileSystem(rev=side)
    return lambda name: files.open(str(TABLES / name), "r", encoding="utf-8")


def _read_experiments(pattern: str) -> list[Side]:
    """Read all experiments whose names match: those on HEAD, or if it has none, on one other commit."""
    try:
        git = Git(".")
        refs, head = sorted(exp_refs(git), key=lambda ref: ref.name), git.get_rev()
    except (DvcException, SCMError) as error:
        raise UserError(f"{pattern}: expected the names of experiments; {error}") from None
    matches = [ref for ref in refs if fnmatch.fnmatchcase(ref.name, pattern)]
    if not matches:
        names = ", ".join(dict.fromkeys(ref.name for ref in refs))
        there = names or "none; `python -m scripts.sweep` makes some"
        raise UserError(f"{pattern}: no experiment has such a name; there are: {there}")
    matches = [ref for ref in matches if ref.baseline_sha == head] or matches
    commits = {ref.baseline_sha[:7] for ref in matches}
    if len(commits) > 1:
        raise UserError(
            f"{pattern}: expected experiments on one commit, found some on {' and '.join(sorted(commits))};"
            " check out the one that you mean"
        )
    runs = {ref.name: git.get_ref(str(ref)) for ref in matches}
    seeds = {name: _read_seed(revision) for name, revision in runs.items()}
    _refuse_repeated(pattern, zip(seeds.values(), seeds, strict=True))
    return [read_side(revision)._replace(seed=seeds[name]) for name, revision in runs.items()]


def _read_seed(revision: str) -> int:
    try:
        with DVCFileSystem(rev=revision).open("params.yaml", "r", encoding="utf-8") as file:
            return int(YAML(typ="safe", pure=True).load(file)["train"]["seed"])
    except (OSError, YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{revision}: expected train.seed in its params.yaml; {error!r}") from None


def _read_table(path: str, setting: str | None) -> list[Side]:
    """Read the runs of one setting from a table with a row for each run and set."""
    try:
        names = {"setting": str, "images": str}
        table = pd.read_csv(path, dtype=names)
        rows = table[table["setting"] == setting]
        for _, trials in rows.groupby("suite"):
            _refuse_repeated(f"{path}:{setting}", zip(trials["seed"], trials["experiment"], strict=True))
        curves = pd.read_csv(curves_of(path), dtype=names) if curves_of(path).exists() else NO_CURVES
        curves = curves[curves["setting"] == setting]
        runs = [
            Side(sets.set_index("suite"), {}, curves[curves["seed"] == seed], seed)
            for seed, sets in rows.groupby("seed")
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
