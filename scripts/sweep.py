"""Run many trials, settings times seeds, each an ordinary DVC experiment, here or on a Ray cluster.

    python -m scripts.sweep -S train.augment=true,false --seeds 5
    python -m scripts.sweep -S 'train.learning_rate=choice(0.003,0.01)' --seeds 3 --on validation
    python -m scripts.sweep main                               # a sweep written down in sweeps.yaml
    python -m scripts.sweep main --address ray://head:10001    # on a cluster

What is finished is kept: the same command on the same commit runs only what is missing. Afterwards `dvc exp
show`, `dvc exp apply` and `python -m scripts.compare 'augment-false-*' 'augment-true-*'` know each trial by
the name of its setting and its seed, augment-false-s42.
"""

import argparse
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent

import matplotlib
import pandas as pd
from tqdm import tqdm

from mnist_moved import git
from mnist_moved.command import UserError, make_parser, run
from mnist_moved.files import whole_file
from mnist_moved.paths import CURVES, PARAMS, TEST_SETS, curves_of
from mnist_moved.report.figures import STYLE
from mnist_moved.sweeps import cluster, repository
from mnist_moved.sweeps.settings import Trial, load_sweep, overridden, plan
from mnist_moved.sweeps.table import describe, draw_sweep, points_of, rows_of
from mnist_moved.sweeps.trial import Common, Outcome

LOCK = Path("requirements.txt")


def read_arguments() -> argparse.Namespace:
    parser = make_parser("python -m scripts.sweep", __doc__)
    parser.add_argument("sweep", nargs="?", help="one of sweeps.yaml")
    parser.add_argument(
        "-S", "--set-param", action="append", default=[], metavar="KEY=VALUES", help="as for `dvc exp run`"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="train.seed and the N - 1 numbers after it")
    parser.add_argument("--on", choices=["test", "validation"], help="the digits to evaluate on")
    parser.add_argument("--cpus", type=int, default=1, help="of a trial, and its threads; by default 1")
    parser.add_argument("--gpus", type=float, default=0, help="of a trial; 0.5 lets two share one")
    parser.add_argument("--address", help="of a Ray cluster; by default, this machine alone is used")
    parser.add_argument(
        "--no-install", action="store_true", help=f"the nodes of the cluster have the packages of {LOCK}"
    )
    parser.add_argument(
        "--table",
        metavar="CSV",
        help="where to write a row for each trial and test set; beside it, the points of the curves",
    )
    parser.add_argument("--figure", metavar="PNG", help="where to draw them")
    arguments = parser.parse_args()
    for name, suffix in (("table", ".csv"), ("figure", ".png")):
        if not (getattr(arguments, name) or suffix).endswith(suffix):
            parser.error(f"--{name}: expected a name that ends in {suffix}, found {getattr(arguments, name)}")
    if arguments.cpus < 1 or arguments.gpus < 0:
        parser.error("--cpus: expected at least 1; --gpus: at least 0")
    return arguments


def planned(arguments: argparse.Namespace) -> list[Trial]:
    settings, seeds = {"": []}, 1
    if arguments.sweep:
        sweep = load_sweep(arguments.sweep)
        settings, seeds = sweep.settings, sweep.seeds
    overrides = [*arguments.set_param, *([f"evaluate.split={arguments.on}"] if arguments.on else [])]
    return plan(settings, overrides, seeds if arguments.seeds is None else arguments.seeds)


def experiments_on(commit: str) -> dict[str, str]:
    """The experiments on this commit: the commit of each, by name."""
    return {each.name: each.commit for each in git.experiments() if each.parent == commit}


def refuse_others(trials: list[Trial], found: dict[str, str]) -> None:
    """UserError if an experiment has the name of a trial and other params."""
    texts = git.read([found[trial.name] for trial in trials], PARAMS)
    for trial, text in zip(trials, texts, strict=True):
        with TemporaryDirectory() as folder:
            if overridden(trial.overrides, Path(folder)).read_text(encoding="utf-8") != text:
                raise UserError(
                    f"there is an experiment {trial.name} with other params; rename it (dvc exp rename)"
                )


def run_missing(trials: list[Trial], total: int, commit: str, arguments: argparse.Namespace) -> list[str]:
    """Run trials and take in their experiments one by one; return the names of those that failed."""
    cargo, cache = (repository.history(), repository.data()), repository.cache()
    packages = locked_packages() if arguments.address and not arguments.no_install else []
    failed = []
    with (
        cluster.connection(arguments.address) as folder,
        tqdm(None, "sweep", total, initial=total - len(trials), smoothing=0, disable=None) as bar,
    ):
        _, places = cluster.room(arguments.cpus, arguments.gpus)
        if not places and not arguments.address:
            raise UserError(
                f"--cpus {arguments.cpus} --gpus {arguments.gpus:g}: expected no more than this machine has"
            )
        when = f"{places} at once for now" if places else "when the cluster has room"
        tqdm.write(f"{len(trials)} of {total} trials to run, {when}")
        common = Common(commit, repository.author(), arguments.cpus, folder, repository.place())
        for ended in cluster.run_trials(trials, common, cargo, packages, arguments.gpus):
            if ended is None:
                bar.set_postfix_str(f"{cluster.running(arguments.cpus)} running, {len(failed)} failed")
                continue
            trial, outcome = ended
            try:
                take_in(outcome, cache)
            except UserError as error:
                failed.append(trial.name)
                tqdm.write(f"{trial.name} failed:\n{indent(str(error), '    ')}")
                continue
            bar.update()
            trained = re.search("^trained in .+$", outcome.log, re.MULTILINE)
            tqdm.write(f"{trial.name}: {trained[0] if trained else 'trained before'}, on {outcome.host}")
    return failed


def take_in(outcome: Outcome, cache: Path) -> None:
    """Take in the experiment of a trial; UserError if it failed, or if there is one of its name meanwhile."""
    if outcome.bundle is None:
        raise UserError(outcome.log)
    lacking = not all((cache / path).exists() for path in outcome.data_paths)
    repository.adopt(outcome.bundle, cluster.fetch(outcome.data) if lacking else {}, cache)


def locked_packages() -> list[str]:
    """The lines of requirements.txt, one a package."""
    lines = LOCK.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    return [line for line in lines if not line.lstrip().startswith("#")]


def collect(trials: list[Trial], commit: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of test sets and of points of all trials that have an experiment on this commit."""
    found = experiments_on(commit)
    done = [trial for trial in trials if trial.name in found]
    commits = [found[trial.name] for trial in done]
    test_sets, curves = git.read(commits, TEST_SETS), git.read(commits, CURVES)
    rows = [rows_of(trial, text) for trial, text in zip(done, test_sets, strict=True)]
    points = [points_of(trial, text) for trial, text in zip(done, curves, strict=True)]
    return (pd.concat(rows), pd.concat(points)) if rows else (pd.DataFrame(), pd.DataFrame())


def save(table: pd.DataFrame, points: pd.DataFrame, arguments: argparse.Namespace) -> None:
    if arguments.table:
        for path, rows in ((arguments.table, table), (curves_of(arguments.table), points)):
            with whole_file(path) as partial:
                rows.to_csv(partial, index=False, lineterminator="\n")
    if arguments.figure:
        with whole_file(arguments.figure) as partial, matplotlib.rc_context(STYLE):
            draw_sweep(table).savefig(partial, dpi=150, metadata={"Software": None})


def main() -> None:
    arguments = read_arguments()
    trials = planned(arguments)
    written = [arguments.table, arguments.table and curves_of(arguments.table), arguments.figure]
    commit = repository.clean_commit(but=filter(None, written))
    found = experiments_on(commit)
    refuse_others([trial for trial in trials if trial.name in found], found)
    missing = [trial for trial in trials if trial.name not in found]
    failed = run_missing(missing, len(trials), commit, arguments) if missing else []
    table, points = collect(trials, commit)
    if len(table):
        save(table, points, arguments)
        print(f"\n{describe(table)}")
    if failed:
        names = ", ".join(failed)
        raise UserError(f"{len(failed)} of {len(trials)} trials failed, {names}; run the same command again")


if __name__ == "__main__":
    run(main)
