"""`finished` is one real run of the whole pipeline, small and shared; `project` is a copy of it to change."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, Project

SMALL = {
    "perturb.test_sets": {
        "repositioned": {"perturbation": "reposition", "canvas": 56},
        "rotate": {"perturbation": "rotate", "degrees": 30},
        "other_writers": {"source": "scikit-learn"},
        "own_pictures": {"source": "data/own"},
    },
    "perturb.curves": {"reposition": {"canvas": [28, 56, 112]}, "rotate": {"degrees": [0, 30, 90]}},
    "evaluate.curve_digits": 200,
    "train.epochs": 3,
    "train.training_digits": 3000,
    "train.validation_digits": 1000,
    "train.batch_size": 50,
    "train.augmentation": {"reposition": {"probability": 0.5, "canvas": [28, 84]}},
    "plot.dpi": 60,
}

# Two workers take files of tests in this order, then all others: the longest first, and one that needs no
# pipeline while the other worker runs it.
LONGEST = ["test_sweep", "test_app", "test_pipeline", "test_faults", "test_notebook", "test_own"]


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=0, help="also kill so many stages at random moments")
    parser.addoption("--every", action="store_true", help="also what is marked `nightly`")


def pytest_configure():
    """A shell has what it starts in the background ignore Ctrl+C; so would all that tests start from here."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """Whatever runs the pipeline is slow: `pytest -m "not slow"` leaves it out."""
    names = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: names.get(item.path.stem, len(names)))
    for item in items:
        if "finished" in item.fixturenames:
            item.add_marker("slow")
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")
            if not config.getoption("--every"):
                reason = "guards against other people's releases: make test-all"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def environment(shared):
    """The variables of a shell in which the project's own environment is active, and nobody's git and DVC
    settings matter."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_"))}
    return inherited | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(shared / "settings/global"),
        "DVC_SYSTEM_CONFIG_DIR": str(shared / "settings/system"),
        "DVC_SITE_CACHE_DIR": str(shared / "settings/cache"),
    }


@pytest.fixture(scope="session")
def finished(shared, environment):
    """A clean clone after one `dvc repro` with small params, whose output it keeps as `output`.

    Tests share it: they may read it, and run what changes nothing and locks nothing, so no `dvc`.
    """
    clone, output = Project(shared / "finished", environment), shared / "output"
    with open(shared / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            clone.begin_with_files_of(Project(ROOT, environment))
            for key, value in SMALL.items():
                clone.set(key, value)
            clone.commit()
            said = clone.run("dvc repro").stdout
            clone.commit()
            output.write_text(said)
    clone.output = output.read_text()
    return clone


@pytest.fixture
def project(finished, tmp_path):
    """A copy of `finished` to change. It shares the cache, so that only what a test changes runs again."""
    copy = Project(tmp_path / "project", finished.environment)
    shutil.copytree(finished.folder, copy.folder, ignore=shutil.ignore_patterns("cache"))
    (copy / ".dvc/config.local").write_text(f"[cache]\n    dir = {finished / '.dvc/cache'}\n")
    return copy


@pytest.fixture
def part(project, tmp_path):
    """`project` as a folder of a larger repository."""
    shutil.rmtree(project / ".git")
    larger = Project(tmp_path, project.environment)
    larger.begin()
    larger.commit()
    return project


@pytest.fixture(scope="session")
def unshare():
    """A command that runs another one with mounts and network of its own, where the system allows it."""
    command = ["unshare", "--map-root-user", "--mount", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this system does not let `unshare` give a process mounts and a network of its own")
    return " ".join(command)
