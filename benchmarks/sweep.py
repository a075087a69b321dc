"""What a sweep costs beside its trainings, and whether it still does with a thousand trials.

    python -m benchmarks.sweep                     # trials of one epoch: some ten minutes
    python -m benchmarks.sweep --trials 1000       # trials that train nothing: half an hour

The first compares a trial with the bare stages that it runs, and two trials side by side with one after the
other, all with one thread each. The second watches the process of `python -m scripts.sweep` while it takes in
experiments of stages that do nothing, in a clone of its own. Prints Markdown.
"""

import itertools
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import psutil
import yaml

from mnist_moved.command import make_parser, run
from mnist_moved.git import head
from mnist_moved.sweeps import cluster, repository
from mnist_moved.sweeps.settings import Trial, plan
from mnist_moved.sweeps.table import spread
from mnist_moved.sweeps.trial import Common

SHORT = ["train.epochs=1"]
ONE_THREAD = dict.fromkeys(["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"], "1")
NOTHING = {  # stages that do nothing, but leave what a sweep reads
    "download": {"cmd": "true", "params": ["download"]},
    "perturb": {"cmd": "true", "params": ["perturb"]},
    "train": {"cmd": "touch models/model.keras", "params": ["train"], "outs": ["models/model.keras"]},
    "evaluate": {
        "cmd": "cp metrics/test_sets.csv metrics/curves.csv plots/evaluation",
        "params": ["train"],
        "outs": [{f"plots/evaluation/{name}.csv": {"cache": False}} for name in ("test_sets", "curves")],
    },
}


def clone(folder: str) -> None:
    """A clone of this repository in `folder`, with the data in place."""
    subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
    for key, value in (("user.name", "benchmark"), ("user.email", "benchmark@localhost")):
        subprocess.run(["git", "config", key, value], cwd=folder, check=True)
    Path(folder, ".dvc/config.local").write_text(f"[cache]\n    dir = {repository.cache()}\n")


def seconds(trials: Sequence[Trial], common: Common, cargo: tuple) -> float:
    """How long it takes to run these trials, all at once."""
    start = time.perf_counter()
    for ended in cluster.run_trials(trials, common, cargo):
        if ended is not None:
            _, outcome = ended
            assert outcome.bundle, outcome.log
    return time.perf_counter() - start


def bare_stages() -> float:
    """How long training and evaluation take without DVC and Ray."""
    with TemporaryDirectory() as folder:
        clone(folder)
        subprocess.run(
            [sys.executable, "-m", "dvc", "checkout", "--quiet", "download", "perturb"],
            cwd=folder,
            check=True,
        )
        params = yaml.safe_load(Path(folder, "params.yaml").read_text())
        params["train"]["epochs"] = 1
        Path(folder, "params.yaml").write_text(yaml.safe_dump(params))
        start = time.perf_counter()
        for stage in ("train", "evaluate"):
            command = [sys.executable, "-m", f"stages.{stage}"]
            subprocess.run(command, cwd=folder, env=os.environ | ONE_THREAD, check=True, capture_output=True)
        return time.perf_counter() - start


def overhead(rounds: int) -> None:
    """Print how long a trial takes, alone and beside another, and how long its stages do."""
    first, *others = plan({"": []}, SHORT, 1 + 3 * rounds)
    cargo, times = (repository.history(), repository.data()), []
    with cluster.connection(None) as folder:
        common = Common(head(), repository.author(), cpus=1, folder=folder)
        times.append(["the first of a node", seconds([first], common, cargo)])
        for start in range(0, 3 * rounds, 3):
            times.append(["its stages alone", bare_stages()])
            times.append(["a trial", seconds(others[start : start + 1], common, cargo)])
            times.append(["two side by side", seconds(others[start + 1 : start + 3], common, cargo)])
    print("| | wall seconds |\n|---|---|")
    for name in dict.fromkeys(name for name, _ in times):
        values = pd.Series([value for each, value in times if each == name])
        print(f"| {name} | {spread(values, 1)} |")


def bookkeeping(trials: int) -> None:
    """Print what the sweep itself takes for each trial, in the course of so many that do nothing."""
    with TemporaryDirectory() as folder:
        clone(folder)
        Path(folder, "dvc.yaml").write_text(yaml.safe_dump({"stages": NOTHING}))
        for name in ("test_sets.csv", "curves.csv"):
            Path(folder, "plots/evaluation", name).rename(Path(folder, "metrics", name))
        subprocess.run(["git", "rm", "--quiet", "-r", "dvc.lock", "plots/evaluation"], cwd=folder, check=True)
        Path(folder, "plots/evaluation").mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=folder, check=True)
        subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
        subprocess.run(["git", "commit", "--quiet", "--message=nothing to do"], cwd=folder, check=True)
        command = [sys.executable, "-m", "scripts.sweep", f"--seeds={trials}", "--table=trials.csv"]
        sweep = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        process, marks = psutil.Process(sweep.pid), []
        start = time.perf_counter()
        taken_in = (line for line in sweep.stdout if line.startswith("default-s"))
        for done, _ in enumerate(taken_in, start=1):
            if done % max(1, trials // 5) == 0:
                spent = process.cpu_times()
                marks.append((done, spent.user + spent.system + spent.children_user + spent.children_system))
        wall = time.perf_counter() - start
        assert sweep.wait() == 0
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"\n{trials} trials in {wall:.0f} s; peak memory of the sweep, or a process of its,", end=" ")
    print(f"{memory / 2**20:.0f} MiB.\n")
    print("| trials | CPU seconds of the sweep for each |\n|---|---|")
    for (before, earlier), (after, later) in itertools.pairwise(marks):
        print(f"| {before + 1} to {after} | {(later - earlier) / (after - before):.3f} |")


def main() -> None:
    parser = make_parser("python -m benchmarks.sweep", __doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed")
    parser.add_argument("--trials", type=int, help="that do nothing; to watch the sweep itself")
    arguments = parser.parse_args()
    if arguments.trials:
        bookkeeping(arguments.trials)
    else:
        overhead(arguments.rounds)


if __name__ == "__main__":
    run(main)
