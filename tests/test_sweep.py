"""A sweep gives ordinary experiments, whatever is lost, killed or interrupted on the way.

Ray is the real one: a cluster of two machines, each of them some processes and a folder on this one; and the
Ray that a sweep starts for itself.
"""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import psutil
import pytest
from project import Project, from_on, stages_run, wait_for

from mnist_moved.sweeps.cluster import PRIVATE

SWEEP = "python -m scripts.sweep"
SECRET = PRIVATE | {"RAY_AUTH_TOKEN": "0" * 64}  # of the cluster, and known to the command
ONE_THREAD = dict.fromkeys(["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"], "1")
LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}

# Two machines in the current folder. At a line of input the second is killed and a new one takes its place;
# at the end of the input the cluster ends.
CLUSTER = """
import itertools, os, sys
from ray.cluster_utils import Cluster

def add(machine, **options):
    os.mkdir(machine)
    os.environ["TMPDIR"] = os.path.abspath(machine)
    return cluster.add_node(num_cpus=1, include_dashboard=False, **options)

cluster = Cluster()
add("machine-1", ray_client_server_port=int(sys.argv[1]))
for number in itertools.count(2):
    last = add(f"machine-{number}")
    print(cluster.address, flush=True)
    if not sys.stdin.readline():
        break
    cluster.remove_node(last, allow_graceful=False)
cluster.shutdown()
"""


class Cluster:
    """Two machines with one processor each. `address`: for a node of it; `client`: for any other machine."""

    def __init__(self, process, folder, port):
        self.process = process
        self.folder = folder
        self.client = f"ray://127.0.0.1:{port}"
        self.address = process.stdout.readline().strip()
        assert self.address, "Ray does not start"
        self.number = 2

    @property
    def second(self):
        """The folder of the second machine."""
        return self.folder / f"machine-{self.number}"

    def replace_second(self):
        """Kill the second machine, and return once another one has taken its place."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline(), "no other machine"
        self.number += 1


@pytest.fixture(scope="module")
def cluster(environment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        TemporaryDirectory(prefix="ray-", dir="/tmp") as short,  # the paths of sockets may not be long
        subprocess.Popen(
            [sys.executable, "-c", CLUSTER, str(port)],
            cwd=folder,
            # Without the latter, Ray Client at times dies of a fork: github.com/ray-project/ray/issues/63202.
            env=environment | SECRET | {"RAY_TMPDIR": short, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        yield Cluster(process, folder, port)


# Training waits while there is such a file, see `held`.
HOLD = """
import pathlib, time
while pathlib.Path({!r}).exists():
    time.sleep(0.1)
"""


def clone_of(finished, folder, **variables):
    """A clone of `finished` with a cache of its own. It trains for one epoch."""
    finished.run(f"git clone --quiet . {folder}")
    clone = Project(folder, finished.environment | variables)
    clone.hold = folder.parent / "hold"
    clone.run("git config user.name Test")
    clone.run("git config user.email test@example.org")
    shutil.copytree(finished / ".dvc/cache", clone / ".dvc/cache", copy_function=os.link)
    stage = clone / "stages/train.py"
    stage.write_text(HOLD.format(str(clone.hold)) + stage.read_text())
    clone.set("train.epochs", 1)
    clone.commit()
    return clone


@pytest.fixture(scope="module")
def swept(finished, cluster, tmp_path_factory):
    """A clone after a sweep of two settings and two seeds, whose command and output it keeps.

    Tests share it: they may read it, and run what changes nothing.
    """
    clone = clone_of(finished, tmp_path_factory.mktemp("swept") / "project", **SECRET)
    options = f"--no-install --address {cluster.client} --table sweep.csv --picture sweep.png"
    clone.command = f"{SWEEP} -S train.augment=true,false --seeds 2 {options}"
    clone.output = clone.run(clone.command).stdout
    clone.kept = [sorted(os.listdir(folder)) for folder in cluster.folder.glob("machine-*/mnist-sweeps-*")]
    return clone


@pytest.fixture
def clone(swept, tmp_path):
    """A copy of `swept` to change. It shares the cache."""
    copy = Project(tmp_path / "project", swept.environment)
    shutil.copytree(swept.folder, copy.folder, ignore=shutil.ignore_patterns("cache"))
    (copy / ".dvc/config.local").write_text(f"[cache]\n    dir = {swept / '.dvc/cache'}\n")
    copy.hold = swept.hold
    return copy


def refs(project):
    """The ref of each experiment, by its name."""
    listed = project.run("git for-each-ref --format=%(refname) refs/exps/*/*/*").stdout.split()
    return {ref.rpartition("/")[2]: ref for ref in listed}


@contextmanager
def held(project):
    """Let no training of this clone, or of a copy of it, begin before the end of the block."""
    project.hold.touch()
    try:
        yield
    finally:
        project.hold.unlink()


def training(sweep, within="/"):
    """Wait for a stage that trains below this folder, and return the folder of its trial."""
    found = []

    def is_found():
        time.sleep(0.2)  # looking takes a processor that others need
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "stages.train" in process.cmdline() and Path(process.cwd()).is_relative_to(within):
                    found.append(Path(process.cwd()))
        return found

    wait_for(is_found, sweep)
    return found[0]


def processes_of(*folders):
    """All processes that work in one of these folders, or whose command line names one."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = [process.info["cwd"] or "", *(process.info["cmdline"] or [])]
        if any(str(folder) in word for folder in folders for word in words):
            found.append(process)
    return found


def left_of(*folders):
    """The processes of these folders that are still there after twenty seconds; they are killed then."""
    deadline = time.monotonic() + 20
    while (left := processes_of(*folders)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for process in left:
        process.kill()
    return left


def listening(processes):
    """The IP addresses at which these processes take connections."""
    addresses = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            sockets = process.net_connections("inet")
            addresses |= {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    return addresses


# On a cluster


def test_each_trial_is_an_experiment_and_git_sees_nothing_but_table_and_picture(swept):
    rows = csv.DictReader(swept.run("dvc exp show --csv").stdout.splitlines())
    trials = {row["Experiment"]: (row["train.augment"], row["train.seed"]) for row in rows}
    trials.pop("")
    assert trials == {
        "augment-true-s42": ("True", "42"),
        "augment-true-s43": ("True", "43"),
        "augment-false-s42": ("False", "42"),
        "augment-false-s43": ("False", "43"),
    }
    assert swept.run("git status --porcelain").stdout == "?? sweep-curves.csv\n?? sweep.csv\n?? sweep.png\n"
    assert (swept / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_both_machines_work_and_keep_nothing_but_commit_and_cache(swept):
    commit = swept.run("git rev-parse HEAD").stdout.strip()
    assert swept.kept == [sorted([f"{commit}.bundle", "cache", "lock", "site"])] * 2


def test_the_table_has_what_each_experiment_measured(swept):
    points = pd.read_csv(swept / "sweep-curves.csv").groupby("experiment")["value"].agg(list)
    assert points.tolist() == [[28, 56, 112, 0, 30, 90]] * 4
    table = pd.read_csv(swept / "sweep.csv")
    assert table["experiment"].nunique() == 4
    for (name, setting, seed), rows in table.groupby(["experiment", "setting", "seed"]):
        assert name == f"{setting}-s{seed}"
        accounts = json.loads(swept.run(f"git show {refs(swept)[name]}:metrics/evaluation.json").stdout)
        for suite, accuracy in zip(rows["suite"], rows["accuracy"], strict=True):
            assert accuracy == pytest.approx(accounts[suite]["accuracy"])
    assert (table[["wall_seconds", "cpu_seconds"]] > 0).all(axis=None)


def test_a_trial_is_to_the_byte_what_dvc_exp_run_makes_of_it(clone):
    clone.environment = clone.environment | ONE_THREAD
    overrides = "-S train.augment=false -S train.seed=43"
    ran = clone.run(f"dvc exp run --temp --name bare {overrides} evaluate")
    assert "trained in" in ran.stdout
    found = refs(clone)
    assert clone.run(f"git diff --stat {found['bare']} {found['augment-false-s43']}").stdout == ""


def test_an_applied_trial_needs_only_its_pictures_drawn(clone):
    name = "augment-true-s43"
    clone.run(f"dvc exp apply {name}")
    assert stages_run(clone.run("dvc repro")) == from_on("plot")
    table = pd.read_csv(clone / "sweep.csv").query("experiment == @name").set_index("suite")
    for suite, account in clone.read_json("metrics/evaluation.json").items():
        assert account["accuracy"] == pytest.approx(table.at[suite, "accuracy"])


def test_two_settings_are_compared_by_the_names_of_their_trials(swept):
    compared = swept.run("python -m scripts.compare 'augment-false-*' 'augment-true-*'").stdout
    table = pd.read_csv(swept / "sweep.csv").query("suite == 'clean'")
    means = table.groupby("setting")["accuracy"].mean()
    before, after = (re.escape(f"{means[name]:.2%}") for name in ("augment-false", "augment-true"))
    assert re.search(rf"^clean +{before} ± +\S+ +{after} ± ", compared, re.MULTILINE)


def test_the_same_command_again_runs_nothing_and_says_the_same(swept):
    before = refs(swept), swept.contents("sweep.csv")
    again = swept.run(swept.command).stdout
    assert (refs(swept), swept.contents("sweep.csv")) == before
    assert swept.output.startswith("4 of 4 trials to run, 2 at once for now\n")
    assert re.match(r"\n +seeds +clean .*\n(augment-true|augment-false) +2 ", again)
    assert swept.output.endswith(again)


def test_a_trial_whose_machine_is_killed_runs_again_on_another(clone, cluster):
    command = f"{SWEEP} -S train.seed=7 --seeds 2 --no-install --address {cluster.address}"
    with clone.running(command) as sweep:
        with held(clone):
            lost = training(sweep, within=cluster.second)
            cluster.replace_second()
            assert left_of(lost) == []
            assert not lost.exists()
        said, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, said
    assert {"default-s7", "default-s8"} < {*refs(clone)}


def test_a_trial_that_fails_is_reported_and_the_other_is_done_with_altered_sets_of_its_own(clone, cluster):
    networks = "-S train.network=global_pooling,nosuch --on validation"
    ended = clone.run(f"{SWEEP} {networks} --no-install --address {cluster.address}", code=1)
    failed, done = (f"network-{network}-split-validation" for network in ("nosuch", "global_pooling"))
    report = rf"^{failed}-s42 failed:\n((    .*)?\n)+    .*got 'nosuch'; allowed: global_pooling, standard"
    assert re.search(report, ended.stdout, re.MULTILINE)
    assert ended.stderr.endswith(f"error: 1 of 2 trials failed, {failed}-s42; run the same command again\n")
    assert re.search(rf"^{done} +1 ", ended.stdout, re.MULTILINE)
    assert {name for name in refs(clone) if name.startswith("network")} == {f"{done}-s42"}
    clone.run("git clean --quiet --force")  # beside an untracked file, DVC brings a removed one back
    clone.run(f"dvc exp apply {done}-s42")
    assert stages_run(clone.run("dvc repro")) == from_on("plot")


# Before anything runs


def test_what_is_not_committed_is_not_swept(clone):
    clone.set("train.epochs", 2)
    refused = clone.run(f"{SWEEP} --seeds 2", code=1)
    assert refused.stderr.startswith("error: a trial runs what is committed, and params.yaml differ")


def test_another_experiment_of_the_same_name_is_not_taken_for_a_trial(clone):
    clone.run("dvc exp rename augment-false-s42 augment-true-s44")
    refused = clone.run(f"{SWEEP} -S train.augment=true --seeds 3", code=1)
    assert refused.stderr.startswith("error: there is an experiment augment-true-s44 with other params")


def test_missing_data_are_told_with_how_to_make_them(clone):
    (clone / ".dvc/config.local").unlink()
    refused = clone.run(f"{SWEEP} -S train.seed=1", code=1)
    assert refused.stderr.startswith("error: ")
    assert "`dvc repro perturb`" in refused.stderr


# On this machine alone


def test_a_sweep_of_ones_own_is_private_and_if_stopped_leaves_nothing_and_goes_on(finished, tmp_path):
    from ray._private.utils import get_num_cpus

    clone = clone_of(finished, tmp_path / "project")
    command = f"{SWEEP} --seeds 2 --cpus {get_num_cpus()}"  # one trial after the other

    with clone.running(command) as sweep:
        wait_for(lambda: any((clone / ".git/refs/exps").glob("*/*/default-s42")), sweep)
        with held(clone):
            folder = training(sweep).parent
            assert "127.0.0.1" in listening(processes_of(clone.folder, folder)) <= LOOPBACK
            os.kill(sweep.pid, signal.SIGKILL)
            assert left_of(clone.folder, folder) == []
    assert not folder.exists()
    assert {*refs(clone)} == {"default-s42"}
    clone.run("git fsck")

    with held(clone), clone.running(command) as sweep:
        folder = training(sweep).parent
        os.killpg(sweep.pid, signal.SIGINT)
        said, _ = sweep.communicate(timeout=60)
        assert left_of(clone.folder, folder) == []
    assert not folder.exists()
    assert sweep.returncode == 130
    assert said.splitlines() == [
        "1 of 2 trials to run, 1 at once for now",
        "",
        "interrupted; what was finished is kept",
    ]

    output = clone.run(command).stdout
    assert output.startswith("1 of 2 trials to run, 1 at once for now\n")
    assert {*refs(clone)} == {"default-s42", "default-s43"}
    assert re.search(r"^default +2 ", output, re.MULTILINE)
    assert clone.run("git status --porcelain").stdout == ""
