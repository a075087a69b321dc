"""A sweep gives ordinary experiments, whatever is lost, killed or interrupted on the way.

Ray is the real one: a cluster of two machines, each of them some processes and a folder on this one; and the
Ray that a sweep starts for itself. But for one trial, the stages do nothing, so that only the sweep is tried.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock

import pandas as pd
import psutil
import pytest
import yaml
from project import ROOT, Project, from_on, stages_run, wait_for

from mnist_moved.command import UserError
from mnist_moved.sweeps.cluster import PRIVATE, explain, session

pytestmark = pytest.mark.slow
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

# A stage that does nothing but what a sweep sees of one. Training waits while there is a file HOLD.
STAGE = """
import os, pathlib, sys, time
import yaml

stage, out, hold = sys.argv[1:]
params = yaml.safe_load(open("params.yaml"))
train = params["train"]
while stage == "train" and os.path.exists(hold):
    time.sleep(0.1)
if train["network"] == "nosuch":
    sys.exit("error: got 'nosuch'")
if stage == "train":
    print("trained in 2.0 s, 3.0 CPU s")
accuracy = 0.9 + 0.05 * train["augment"] + train["seed"] / 10000
tables = {
    "test_sets.csv": f"test_set,perturbation,group,images_digest,count,accuracy\\n"
    f"clean,clean,clean,a,100,{accuracy}\\nrepositioned,reposition,seen,b,100,{accuracy - 0.2}\\n",
    "curves.csv": "perturbation,strength,value,images_digest,count,accuracy\\n"
    f"rotate,degrees,0,a,100,{accuracy}\\n",
}
files = tables if stage == "evaluate" else {"made": f"{stage} {params['evaluate']['split']}"}
pathlib.Path(out).mkdir(parents=True, exist_ok=True)
for name, text in files.items():
    pathlib.Path(out, name).write_text(text)
"""
STAGES = {  # what each makes, and the params that it reads
    "download": ("data/raw", "download"),
    "perturb": ("data/perturbed", "evaluate.split"),
    "train": ("models", "train"),
    "evaluate": ("plots/evaluation", "train"),
}


class Cluster:
    """Two machines with one processor each. `address`: for a node of it; `client`: for any other machine."""

    def __init__(self, process, folder, port, address):
        self.process = process
        self.folder = folder
        self.client = f"ray://127.0.0.1:{port}"
        self.address = address
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


@contextmanager
def started(python, environment, tmp_path_factory):
    """A cluster whose nodes use this Python; tried several times, as on a busy machine Ray may not come up at
    once."""
    for _ in range(4):
        folder = tmp_path_factory.mktemp("cluster")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with (
            TemporaryDirectory(prefix="ray-", dir="/tmp") as short,  # the paths of sockets may not be long
            subprocess.Popen(
                [python, "-c", CLUSTER, str(port)],
                cwd=folder,
                # Without the latter, Ray Client at times dies of a fork: ray-project/ray#63202.
                env=environment | SECRET | {"RAY_TMPDIR": short, "GRPC_ENABLE_FORK_SUPPORT": "0"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            if address := process.stdout.readline().strip():
                yield Cluster(process, folder, port, address)
                return
    pytest.fail("Ray does not start")


@pytest.fixture(scope="module")
def cluster(environment, tmp_path_factory):
    with started(sys.executable, environment, tmp_path_factory) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def template(environment, tmp_path_factory):
    """A project whose stages do nothing, and have been run; a folder of a larger repository."""
    folder = tmp_path_factory.mktemp("template")
    project = Project(folder / "repository/project", environment | {"PYTHONPATH": str(ROOT)})
    Project(folder / "repository", environment).begin()
    project.folder.mkdir()
    project.hold = folder / "hold"
    shutil.copy(ROOT / "params.yaml", project.folder)
    (project / "stage.py").write_text(STAGE)
    stages = {
        stage: {
            "cmd": f"python stage.py {stage} {out} {project.hold}",
            "params": [read],
            "outs": [{out: {"cache": stage in ("download", "perturb")}}],
        }
        for stage, (out, read) in STAGES.items()
    }
    stages["evaluate"]["deps"] = ["data/perturbed", "models"]
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (project / ".gitignore").write_text("/data/\n")
    project.run("dvc init --quiet --subdir")
    project.run("dvc repro --quiet")
    project.commit()
    return project


def copy_of(project, folder):
    """A copy of a project and its repository, with a cache of its own, to change."""
    copy = Project(folder / "project", project.environment)
    shutil.copytree(project.folder.parent, folder)
    copy.hold = project.hold
    return copy


@pytest.fixture
def clone(template, tmp_path):
    return copy_of(template, tmp_path / "repository")


@pytest.fixture(scope="module")
def swept(template, cluster, tmp_path_factory):
    """A project after a sweep of two settings and two seeds, whose command and output it keeps.

    Tests share it: they may read it, and run what changes nothing.
    """
    project = copy_of(template, tmp_path_factory.mktemp("swept") / "repository")
    project.environment = project.environment | SECRET
    options = f"--no-install --address {cluster.client} --table sweep.csv --figure sweep.png"
    project.command = f"{SWEEP} -S train.augment=true,false -S train.seed=43 --seeds 2 {options}"
    project.output = project.run(project.command).stdout
    project.kept = [sorted(os.listdir(folder)) for folder in cluster.folder.glob("machine-*/mnist-sweeps-*")]
    return project


def refs(project):
    """The ref of each experiment, by its name."""
    listed = project.run("git for-each-ref --format=%(refname) refs/exps/*/*/*").stdout.split()
    return {ref.rpartition("/")[2]: ref for ref in listed}


@contextmanager
def held(project):
    """Let no training begin before the end of the block."""
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
                folder = Path(process.cwd())
                if process.cmdline()[1:3] == ["stage.py", "train"] and folder.is_relative_to(within):
                    found.append(folder)
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


# On this machine alone


def test_a_trial_is_to_the_byte_what_dvc_exp_run_makes_and_lacks_only_figures(finished, tmp_path):
    finished.run(f"git clone --quiet . {tmp_path / 'project'}")
    clone = Project(tmp_path / "project", finished.environment | ONE_THREAD)
    shutil.copytree(finished / ".dvc/cache", clone / ".dvc/cache", copy_function=os.link)
    clone.run("git config user.name Test")
    clone.run("git config user.email test@example.org")
    overrides = "-S train.epochs=1 -S train.seed=43 -S evaluate.split=validation"  # of few digits
    assert re.search(r"-s43: trained in [\d.]+ s, [\d.]+ CPU s, on", clone.run(f"{SWEEP} {overrides}").stdout)
    ran = clone.run(f"dvc exp run --temp --name bare {overrides} evaluate")
    assert "trained in" in ran.stdout
    found = refs(clone)
    trial = "epochs-1-split-validation-s43"
    assert clone.run(f"git diff --stat {found['bare']} {found[trial]}").stdout == ""
    clone.run(f"dvc exp apply {trial}")
    assert stages_run(clone.run("dvc repro --dry")) == from_on("plot")


def test_a_sweep_is_private_and_if_stopped_leaves_nothing_and_goes_on(clone):
    from ray._private.utils import get_num_cpus

    command = f"{SWEEP} --seeds 2 --cpus {get_num_cpus()}"  # one trial after the other

    with clone.running(command) as sweep:
        wait_for(lambda: any((clone / "../.git/refs/exps").glob("*/*/default-s42")), sweep)
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


@pytest.mark.parametrize(
    ("raised", "reason"), [('ValueError("far\\nnear")', "near"), ("TimeoutError()", "TimeoutError")]
)
def test_if_ray_does_not_start_the_last_line_of_its_reason_is_said(clone, raised, reason):
    (clone / "hooks.py").write_text(f"def refuse(environment):\n    raise {raised}\n")
    clone.environment = clone.environment | {"RAY_RUNTIME_ENV_HOOK": "hooks.refuse"}
    refused = clone.run(f"{SWEEP} -S train.epochs=1", code=1)
    assert refused.stderr.startswith(f"error: Ray does not start: {reason}\nMend that; or if this machine")


def test_if_a_cluster_cannot_be_joined_its_reason_is_said_without_its_traceback(monkeypatch):
    traceback = "Initialization failure:\nTraceback (most recent call last):\n  here\nValueError: no room"
    mismatch = "Version mismatch: the cluster was started with:\n    Ray: 1\nThis process with:\n    Ray: 2"
    for message, reason in (
        (traceback, "ValueError: no room"),
        (mismatch, mismatch),
        ("", "ConnectionError"),
    ):
        monkeypatch.setattr("ray.init", Mock(side_effect=ConnectionError(message)))
        with pytest.raises(UserError) as refused, session("here", "cannot join: {}"):
            pass
        assert str(refused.value) == f"cannot join: {reason}"


def test_what_cannot_be_swept_is_refused_before_anything_runs(clone):
    clone.run("dvc exp run --temp --name augment-true-s43 -S train.epochs=7")
    refused = clone.run(f"{SWEEP} -S train.augment=true --seeds 2", code=1)
    assert refused.stderr.startswith("error: there is an experiment augment-true-s43 with other params")
    shutil.rmtree(clone / ".dvc/cache")
    refused = clone.run(f"{SWEEP} -S train.seed=1", code=1)
    assert re.match(r"error: .*`dvc repro perturb`", refused.stderr)
    clone.set("train.epochs", 2)
    refused = clone.run(f"{SWEEP} --seeds 2", code=1)
    assert refused.stderr.startswith("error: a trial runs what is committed, and params.yaml differ")


# On a cluster


def test_each_trial_is_an_experiment_and_git_sees_nothing_but_table_and_figure(swept):
    names = [f"augment-{augment}-s{seed}" for augment in ("false", "true") for seed in (43, 44)]
    assert sorted(refs(swept)) == names
    for name in names:
        train = yaml.safe_load(swept.run(f"git show {refs(swept)[name]}:./params.yaml").stdout)["train"]
        assert name == f"augment-{str(train['augment']).lower()}-s{train['seed']}"
    assert swept.run("git status --short").stdout == "?? sweep-curves.csv\n?? sweep.csv\n?? sweep.png\n"
    assert (swept / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_both_machines_work_and_keep_nothing_but_commit_and_cache(swept):
    commit = swept.run("git rev-parse HEAD").stdout.strip()
    assert swept.kept == [sorted([f"{commit}.bundle", "cache", "lock", "site"])] * 2


def test_the_table_has_what_each_experiment_measured(swept):
    table = pd.read_csv(swept / "sweep.csv").query("test_set == 'clean'").set_index("experiment")
    for setting, accuracy in (("augment-false", 0.9), ("augment-true", 0.95)):
        for seed in (43, 44):
            row = table.loc[f"{setting}-s{seed}"]
            assert row["accuracy"] == pytest.approx(accuracy + seed / 10000)
            assert (row["setting"], row["seed"]) == (setting, seed)
    assert {*pd.read_csv(swept / "sweep-curves.csv")["experiment"]} == {*table.index}


def test_the_same_command_again_runs_nothing_and_says_the_same(swept):
    before = refs(swept), swept.contents("sweep.csv")
    again = swept.run(swept.command).stdout
    assert (refs(swept), swept.contents("sweep.csv")) == before
    assert swept.output.startswith("4 of 4 trials to run, 2 at once for now\n")
    assert re.match(r"\n +seeds +clean .*\n(augment-true|augment-false) +2 ", again)
    assert swept.output.endswith(again)


def test_a_trial_whose_machine_is_killed_runs_again_on_another(clone, cluster):
    clone.environment = clone.environment | SECRET
    command = f"{SWEEP} -S train.seed=7 --seeds 2 --no-install --address {cluster.address}"
    with clone.running(command) as sweep:
        with held(clone):
            lost = training(sweep, within=cluster.second)
            cluster.replace_second()
            assert left_of(lost) == []
            assert not lost.exists()
        said, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, said
    assert {*refs(clone)} == {"default-s7", "default-s8"}


def test_a_trial_that_fails_is_reported_and_the_other_is_done_with_data_of_its_own(clone, cluster):
    clone.environment = clone.environment | SECRET
    networks = "-S train.network=global_pooling,nosuch --on validation"
    ended = clone.run(f"{SWEEP} {networks} --no-install --address {cluster.address}", code=1)
    failed, done = (f"network-{network}-split-validation" for network in ("nosuch", "global_pooling"))
    report = rf"^{failed}-s42 failed:\n((    .*)?\n)+    error: got 'nosuch'"
    assert re.search(report, ended.stdout, re.MULTILINE)
    assert ended.stderr.endswith(f"error: 1 of 2 trials failed, {failed}-s42; run the same command again\n")
    assert re.search(rf"^{done} +1 ", ended.stdout, re.MULTILINE)
    assert {*refs(clone)} == {f"{done}-s42"}
    clone.run(f"dvc exp apply {done}-s42")
    assert (clone / "data/perturbed/made").read_text() == "perturb validation"
    assert stages_run(clone.run("dvc repro")) == []


# The packages of the lock

LOCKED = """# as `make lock` writes it
inflection==0.5.1 \\
    --hash=sha256:f38b2b640938a4f35ade69ac3d053042959b62a0f1076a5bbaa1b9526605a8a2
    # via nothing
"""


def test_what_a_node_lacks_to_install_packages_is_said_in_a_sentence(monkeypatch):
    from ray._private.runtime_env.pip import PipProcessor

    monkeypatch.setitem(sys.modules, "virtualenv", None)
    with pytest.raises(RuntimeError) as lacking:
        PipProcessor("here", None)
    assert re.match("error: its node lacks virtualenv, .*; install it there .*$", explain(lacking.value))


@pytest.mark.nightly
def test_the_packages_of_the_lock_are_installed_on_nodes_if_their_hashes_are_right(
    clone, environment, tmp_path, tmp_path_factory
):
    # Ray copies the virtual environment in which it runs: this one only says where ours has its packages.
    venv.create(tmp_path / "node", symlinks=True)
    [packages] = (tmp_path / "node").glob("lib/*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))
    (clone / "requirements.txt").write_text(LOCKED)
    (clone / "stage.py").write_text(f"import inflection\n{STAGE}")
    clone.commit()
    clone.environment = clone.environment | SECRET
    with started(tmp_path / "node/bin/python", environment, tmp_path_factory) as cluster:
        command = f"{SWEEP} -S train.seed=7 --address {cluster.client}"
        assert "    error: its node lacks virtualenv" in clone.run(command, code=1).stdout
        (packages / "virtualenv.py").touch()  # needed, but only used outside of a virtual environment
        clone.run(command)
        assert {*refs(clone)} == {"default-s7"}
        (clone / "requirements.txt").write_text(LOCKED.replace("sha256:f38b", "sha256:0000"))
        clone.commit()
        assert "DO NOT MATCH THE HASHES" in clone.run(command, code=1).stdout
