"""Whatever interrupts the pipeline, the next `dvc repro` ends as if nothing had happened.

The faults are real: Ctrl+C and SIGKILL to a whole process group, a full or read-only file system.
`pytest -rP tests/test_faults.py --kills 20` also kills twenty stages at random moments, and lists where.
"""

import os
import random
import re
import shutil
import signal
import time

import pytest
from project import STAGES, stages_run, wait_for


def forget_what_was_run(project):
    """Leave no output, and no cache from which DVC could restore one."""
    for folder in ("data/perturbed", "metrics", "plots"):
        shutil.rmtree(project / folder, ignore_errors=True)
    for file in ("dvc.lock", ".dvc/config.local", "models/model.keras"):
        (project / file).unlink(missing_ok=True)


def interrupt(project, command, number, condition):
    """Run a command, send it a signal once the condition is true, and return what it said."""
    with project.running(command) as process:
        wait_for(condition, process)
        os.killpg(process.pid, number)
        said, _ = process.communicate(timeout=60)
    return said


def test_a_training_interrupted_and_then_killed_goes_on_and_ends_with_the_same_bytes(finished, project):
    checkpoint = project / "models/checkpoint.keras"
    forget_what_was_run(project)
    said = interrupt(project, "dvc repro train", signal.SIGINT, checkpoint.exists)
    assert "interrupted; what was finished is kept" in said
    assert "Traceback" not in said

    saved = checkpoint.stat().st_mtime_ns

    def the_next_epoch_is_saved_and_its_curves_can_be_watched():
        if not checkpoint.exists() or checkpoint.stat().st_mtime_ns == saved:
            return False
        assert "validation/accuracy.tsv" in project.run("dvc plots show --json").stdout
        return True

    said = interrupt(
        project, "dvc repro train", signal.SIGKILL, the_next_epoch_is_saved_and_its_curves_can_be_watched
    )
    assert re.search(r"going on after epoch \d, where an earlier run was interrupted", said)
    project.run("dvc repro train")
    assert project.results(["train"]) == finished.results(["train"])
    assert not project.temporary_files()


def test_a_killed_stage_leaves_nothing_that_the_next_run_does_not_mend(finished, project):
    forget_what_was_run(project)
    started = (project / "data/perturbed").exists
    interrupt(project, "dvc repro perturb", signal.SIGKILL, started)
    project.run("dvc repro perturb")
    assert project.results(["perturb"]) == finished.results(["perturb"])
    assert not project.temporary_files()


def test_a_mistake_in_params_loses_nothing(finished, project):
    params = (project / "params.yaml").read_text()
    project.set("train.epoch", 3)
    failed = project.run("dvc repro --force --single-item train", code=255)
    assert "error: params.yaml: train.epoch: unknown key" in failed.stderr
    (project / "params.yaml").write_text(params)
    assert project.results() == finished.results()
    assert not stages_run(project.run("dvc repro"))


def test_training_that_diverges_loses_nothing(finished, project):
    project.set("train.learning_rate", 1000.0)
    failed = project.run("dvc repro train", code=255)
    assert re.search(
        r"^error: training diverged: .* \(train\.learning_rate: 1000\)$", failed.stderr, re.MULTILINE
    )
    for path in ("models/model.keras", "metrics/training.json"):
        assert project.contents(path) == finished.contents(path)


def test_any_stage_may_be_killed_at_any_moment(finished, project, request):
    if not request.config.getoption("--kills"):
        pytest.skip("takes ten seconds a kill; --kills 20 does it")
    project.set("download.sources.mnist", [{"folder": str(finished / "data/raw")}])
    rng = random.Random(0)
    for kill in range(request.config.getoption("--kills")):
        stage = list(STAGES)[kill % len(STAGES)]
        if stage == "download":
            shutil.rmtree(project / "data/raw", ignore_errors=True)
        moment = rng.uniform(0.3, 5)
        with project.running(f"dvc repro --force --single-item {stage}") as process:
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGKILL)
        print(f"{stage}: killed after {moment:.2f} s")
        project.run("dvc repro")
        assert project.results() == finished.results()
        assert not project.temporary_files()


# Damaged inputs


def cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("stage", "path", "damage", "remedy"),
    [
        ("perturb", "data/raw/t10k-images-idx3-ubyte", cut_in_half, "dvc repro download"),
        ("plot", "data/perturbed/repositioned.npz", cut_in_half, "make it with `dvc repro`"),
        ("plot", "data/perturbed", shutil.rmtree, "dvc repro perturb"),
        ("evaluate", "models/model.keras", cut_in_half, "dvc repro train"),
    ],
)
def test_a_damaged_input_ends_a_stage_with_one_message_and_nothing_written(
    finished, project, stage, path, damage, remedy
):
    damage(project / path)
    ended = project.run(f"python -m stages.{stage}", code=1)
    assert re.match(rf"error: .*{path}.*{remedy}", ended.stderr)
    assert "Traceback" not in ended.stderr
    assert project.results([stage]) == finished.results([stage])


def test_dvc_repro_mends_damaged_and_missing_data(finished, project):
    cut_in_half(project / "data/raw/t10k-images-idx3-ubyte")
    shutil.rmtree(project / "data/perturbed")
    project.run("dvc repro")
    assert project.results() == finished.results()
    assert project.run("git status --porcelain").stdout == ""


# Full disk, read-only folder

# Runs a stage with a folder on a disk of its own, and copies what is then in the folder to ../after.
ON_A_DISK_OF_ITS_OWN = """
stage=$1 folder=$2 state=$3
cp -a $folder ../before
mount -t tmpfs -o size=64m tmpfs $folder
cp -a ../before/. $folder
case $state in
    full)
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


@pytest.mark.parametrize(
    ("stage", "folder", "file", "state"),
    [
        ("perturb", "data/perturbed", "data/perturbed/repositioned.npz", "full"),
        ("perturb", "data/perturbed", "data/perturbed/.*", "read-only"),
    ],
)
def test_a_disk_that_takes_no_more_ends_a_stage_with_one_message(
    unshare, project, stage, folder, file, state
):
    (project / "on_a_disk.sh").write_text(ON_A_DISK_OF_ITS_OWN)
    ended = project.run(f"{unshare} sh on_a_disk.sh {stage} {folder} {state}", code=1)
    reason = {"full": "No space left on device", "read-only": "Read-only file system"}[state]
    assert re.search(rf"error: {file}: {reason}\. Mend that and run the same command again\.", ended.stderr)
    assert "Traceback" not in ended.stderr
    after = project.contents("../after")
    assert not [name for name in after if ".partial" in name]
    assert after.items() >= project.contents(folder).items()
