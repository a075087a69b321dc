"""Whatever interrupts the pipeline, the next `dvc repro` ends as if nothing had happened.

The faults are real: SIGKILL to a whole process group, a full or read-only file system, no network. By default
three trainings and four other stages are killed, at moments that KILL_SEED (0 unless set) varies.
`KILLS=20 pytest -rP tests/test_faults.py -k killed` kills twenty of each, and lists where.
"""

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from test_pipeline import OUTS, contents, experiments, start

from stages.shared.params import load_params
from stages.shared.stage import whole_file

KILLS = int(os.environ.get("KILLS", "0"))
KILL_SEED = int(os.environ.get("KILL_SEED", "0"))


@contextmanager
def running(project, command):
    """Start a command, and leave none of its processes behind."""
    with start(project, command) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition, process):
    """Return once `condition` is true; fail if `process` ends before."""
    deadline = time.monotonic() + 900
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


def wait_for_line(line, process):
    """Read what `process` prints up to this line; fail if it is not there."""
    printed = []
    for printed_line in process.stdout:
        printed.append(printed_line.rstrip())
        if printed[-1] == line:
            return
    assert line in printed


def forget_what_was_run(project):
    """Leave no output, and no cache from which DVC could restore one."""
    for folder in (".dvc/cache", "data/perturbed", "models", "metrics", "plots"):
        shutil.rmtree(project / folder, ignore_errors=True)
    for file in ("dvc.lock", ".dvc/config.local"):
        (project / file).unlink(missing_ok=True)


def results(project, stages=OUTS):
    return {out: contents(project / out) for stage in stages for out in OUTS[stage]}


def temporary_files(project):
    return [*project.folder.rglob(".*.partial*"), *project.folder.glob("models/checkpoint")]


# Killed while training


def saved_epochs(project):
    """How many epochs are in the checkpoint, or one more: the curves are saved just before the network."""
    checkpoint = project / "models/checkpoint"
    if not list(checkpoint.glob("[!.]*.keras")):
        return 0
    return len(json.loads(next(checkpoint.glob("[!.]*.json")).read_text()))


def in_an_epoch(project, process, rng):
    wait_for((project / "models/checkpoint").exists, process)
    epoch = rng.randrange(8)
    wait_for(lambda: saved_epochs(project) >= epoch, process)
    time.sleep(rng.uniform(0, 0.3 if epoch else 2.5))  # the first one takes longer to start


def while_the_checkpoint_is_saved(project, process, rng):
    epoch = saved_epochs(project) + rng.randrange(4)
    wait_for(lambda: saved_epochs(project) >= epoch, process)
    wait_for(lambda: list(project.folder.glob("models/checkpoint/.*.partial.keras")), process)


def at_the_end(project, process, rng):
    wait_for(lambda: list(project.folder.glob("models/*model*.keras")), process)
    time.sleep(rng.uniform(0, 0.1))


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(project):
    project.set("train.epochs", 20)
    project.set("train.training_digits", 500)
    project.set("train.validation_digits", 200)
    forget_what_was_run(project)
    project.run("dvc repro train")
    undisturbed = results(project, ["train"])

    rng = random.Random(KILL_SEED)
    moments = [in_an_epoch, while_the_checkpoint_is_saved, at_the_end]
    for kill in range(max(KILLS, len(moments))):
        moment = moments[kill % len(moments)]
        if moment is in_an_epoch:
            forget_what_was_run(project)
        saved = saved_epochs(project)
        with running(project, "dvc repro train") as training:
            moment(project, training, rng)
            os.killpg(training.pid, signal.SIGKILL)
            said = training.stdout.read()
        assert training.returncode == -signal.SIGKILL
        assert_goes_on_after(saved, said)
        print(f"{moment.__name__}: {saved_epochs(project)} epochs saved")
        if moment is at_the_end:
            saved = saved_epochs(project)
            assert_goes_on_after(saved, project.run("dvc repro train").stdout)
            assert results(project, ["train"]) == undisturbed
            assert not temporary_files(project)


def assert_goes_on_after(saved, said):
    epochs = re.findall(r"going on after epoch (\d+)", said)
    assert epochs in ([[str(saved)], [str(saved - 1)]] if saved else [[]])


# The checkpoint


@pytest.fixture
def checkpoint(monkeypatch, tmp_path):
    """A function that describes what is trained: Checkpoint(...), with other settings or data if asked to."""
    from stages.train import Checkpoint

    settings = load_params().train
    monkeypatch.chdir(tmp_path)

    def describe(labels=(1, 2), **changed):
        return Checkpoint(settings.model_copy(update=changed), np.array(labels))

    return describe


@pytest.fixture
def network(checkpoint):
    """A network after two epochs of one step each, saved as a checkpoint."""
    from stages.train import keras

    network = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(1)])
    network.compile("adam", "mse")
    network.fit(np.ones((2, 28, 28)), np.array([1, 2]), batch_size=2, epochs=2, verbose=0)
    checkpoint().save(network, [{"loss": 2}, {"loss": 1}])
    return network


def test_a_checkpoint_brings_back_weights_optimizer_and_curves(network, checkpoint):
    loaded, curves = checkpoint().load(steps_per_epoch=1)
    for before, after in zip(network.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())
    for before, after in zip(network.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())
    assert curves == [{"loss": 2}, {"loss": 1}]


def test_an_epoch_whose_network_was_not_saved_is_not_in_the_curves(network, checkpoint):
    checkpoint().curves_file.write_text(json.dumps([{"loss": 2}, {"loss": 1}, {"loss": 0}]))
    assert checkpoint().load(steps_per_epoch=1)[1] == [{"loss": 2}, {"loss": 1}]


@pytest.mark.parametrize("other", [{"learning_rate": 0.5}, {"epochs": 3}, {"labels": (1, 3)}])
def test_a_checkpoint_of_other_settings_or_data_is_removed(network, checkpoint, other):
    assert checkpoint(**other).load(steps_per_epoch=1) == (None, [])
    assert checkpoint().load(steps_per_epoch=1) == (None, [])


@pytest.mark.parametrize("library", ["keras", "numpy", "tensorflow"])
def test_a_checkpoint_of_other_library_versions_is_not_used(network, checkpoint, monkeypatch, library):
    monkeypatch.setattr(f"{library}.__version__", "0")
    assert checkpoint().load(steps_per_epoch=1) == (None, [])


@pytest.mark.parametrize("module", ["stages.train", "stages.shared.perturbations"])
def test_a_checkpoint_of_other_code_is_not_used(network, checkpoint, monkeypatch, tmp_path, module):
    (tmp_path / "edited.py").write_text("")
    monkeypatch.setattr(f"{module}.__file__", str(tmp_path / "edited.py"))
    assert checkpoint().load(steps_per_epoch=1) == (None, [])


@pytest.mark.parametrize(
    "damage",
    [
        lambda saved: os.truncate(saved.network_file, 1000),
        lambda saved: saved.curves_file.unlink(),
        lambda saved: saved.curves_file.write_text('[{"loss": 2}]'),
    ],
    ids=["half a network", "no curves", "too few curves"],
)
def test_a_damaged_checkpoint_is_reported_and_not_used(network, checkpoint, capsys, damage):
    damage(checkpoint())
    assert checkpoint().load(steps_per_epoch=1) == (None, [])
    assert capsys.readouterr().out.startswith("starting over: ")


# Killed anywhere else


@contextmanager
def working(project, stage):
    """A `dvc repro` of one stage, from the moment at which the stage starts."""
    with running(project, f"dvc repro --force --single-item {stage}") as process:
        wait_for_line(f"> python -m stages.{stage}", process)
        yield process


def test_after_any_stage_was_killed_the_pipeline_ends_with_the_same_bytes(finished, project):
    project.set("download.sources", [{"folder": str(finished / "data/raw")}])
    rng = random.Random(KILL_SEED)
    seconds = {}  # that each stage takes here, undisturbed
    for stage in ("download", "perturb", "evaluate", "plot"):
        with working(project, stage) as process:
            start_of_stage = time.monotonic()
            assert process.wait() == 0
        seconds[stage] = time.monotonic() - start_of_stage
    kills = 0
    while kills < max(KILLS, len(seconds)):
        stage = list(seconds)[kills % len(seconds)]
        if stage == "download":
            shutil.rmtree(project / "data/raw", ignore_errors=True)
        with working(project, stage) as process:
            moment = rng.uniform(0, seconds[stage])
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                continue  # it was faster than the first time
        kills += 1
        print(f"{stage}: killed after {moment:.2f} of {seconds[stage]:.2f} s")
        project.run("dvc repro")
        assert results(project) == results(finished)
        assert not temporary_files(project)


# Two at once


PERTURB = "dvc repro --force --single-item perturb"


@contextmanager
def stopped_in_perturb(project):
    """A `dvc repro` that stands still while perturb works."""
    shutil.rmtree(project / "data/perturbed")
    with running(project, PERTURB) as process:
        wait_for_line("> python -m stages.perturb", process)
        wait_for((project / "data/perturbed").exists, process)
        os.killpg(process.pid, signal.SIGSTOP)
        yield process


def test_a_second_dvc_repro_stops_with_the_message_of_dvc_and_disturbs_nothing(finished, project):
    with stopped_in_perturb(project) as first:
        second = project.run("dvc repro", code=255)
        assert "is busy, it is being blocked by" in second.stderr
        os.killpg(first.pid, signal.SIGCONT)
        assert first.wait() == 0
    assert results(project) == results(finished)


def test_a_stage_that_outlived_its_dvc_is_waited_for(finished, project):
    with stopped_in_perturb(project) as first:
        first.kill()
        first.wait()
        with running(project, PERTURB) as second:
            wait_for_line("waiting for an earlier run of perturb in this folder to end", second)
            os.killpg(first.pid, signal.SIGCONT)
            assert second.wait() == 0
    assert results(project) == results(finished)


def test_two_experiments_side_by_side_give_what_each_gives_alone(project):
    digits = {"few": 500, "more": 600}
    command = "dvc exp run --temp -n {} -S train.training_digits={}"
    for experiment in [start(project, command.format(*choice)) for choice in digits.items()]:
        experiment.communicate(timeout=600)
        assert experiment.returncode == 0
    for name, number in digits.items():
        project.set("train.training_digits", number)
        project.run("dvc repro --force --single-item train evaluate")
        rows = experiments(project)
        measured = [column for column in rows[name] if column.startswith(("accuracy", "loss", "training"))]
        together, alone = ([rows[row][column] for column in measured] for row in (name, "workspace"))
        assert together == alone
        assert measured


# Full disk, read-only folder, no network


@pytest.fixture(scope="session")
def unshare():
    """A command that runs another one with mounts and network of its own, where the system allows it."""
    command = ["unshare", "--map-root-user", "--mount", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this system does not let `unshare` give a process mounts and a network of its own")
    return " ".join(command)


# Runs a stage with a folder on a disk of its own, and copies what is then in the folder to ../after.
ON_A_DISK_OF_ITS_OWN = """
stage=$1 folder=$2 state=$3
cp -a $folder ../before
mount -t tmpfs -o size=64m tmpfs $folder
cp -a ../before/. $folder
case $state in
    full)
        [ $folder != plots/training ] || rm -r $folder/*
        head -c 64M /dev/zero > $folder/ballast 2> /dev/null
        truncate -s -4K $folder/ballast ;;
    read-only)
        mount -o remount,ro $folder ;;
esac
python -m stages.$stage
code=$?
cp -a $folder ../after
rm -f ../after/ballast
exit $code
"""


def run_on_a_disk(project, unshare, stage, folder, state):
    (project / "on_a_disk.sh").write_text(ON_A_DISK_OF_ITS_OWN)
    ended = project.run(f"{unshare} sh on_a_disk.sh {stage} {folder} {state}", code=1)
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize(
    ("stage", "folder", "file"),
    [
        ("download", "data/raw", "data/raw/t10k-labels-idx1-ubyte: "),
        ("perturb", "data/perturbed", "data/perturbed/repositioned.npz: "),
        ("train", "models", r"models/checkpoint/\w+.keras: "),
        ("train", "plots/training", ""),  # DVCLive, which removes old curves first, names no file
        ("evaluate", "metrics", "metrics/evaluation.json: "),
        ("plot", "plots/figures", "plots/figures/learning_curves.png: "),
    ],
)
def test_a_full_disk_ends_a_stage_with_one_message(unshare, finished, project, stage, folder, file):
    if stage == "download":
        project.set("download.sources", [{"folder": str(finished / "data/raw")}])
        (project / "data/raw/t10k-labels-idx1-ubyte").unlink()
    message = run_on_a_disk(project, unshare, stage, folder, "full")
    assert re.match(f"error: {file}No space left on device", message)
    after = contents(project / "../after")
    assert not [name for name in after if ".partial" in name]
    if folder != "plots/training":
        assert after.items() >= contents(project / folder).items()


@pytest.mark.parametrize(("stage", "folder"), [("perturb", "data/perturbed"), ("plot", "plots/figures")])
def test_a_read_only_folder_ends_a_stage_with_one_message(unshare, project, stage, folder):
    message = run_on_a_disk(project, unshare, stage, folder, "read-only")
    assert re.match(rf"error: {folder}/\S+: Read-only file system", message)
    assert contents(project / "../after") == contents(project / folder)


def fill_the_disk(path):
    with whole_file(path) as partial:
        partial.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_write_that_fails_names_the_file_and_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("earlier")
    with pytest.raises(OSError, match="No space left") as failure:
        fill_the_disk(path)
    assert failure.value.filename == str(path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"metrics.json": "earlier"}


def test_only_download_needs_a_network(unshare, finished, project):
    again = project.run(f"{unshare} dvc repro --force --single-item perturb train evaluate plot")
    assert re.findall(r"Running stage '(\w+)'", again.stdout) == ["perturb", "train", "evaluate", "plot"]
    assert results(project) == results(finished)


def test_dvc_neither_counts_usage_nor_looks_for_updates(project):
    assert project.run("dvc config core.analytics").stdout == "false\n"
    assert project.run("dvc config core.check_update").stdout == "false\n"
