"""`finished` is one real run of the whole pipeline, small and shared; `project` is a copy of it to change."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, Project

SMALL = {
    "perturb.suites": {
        "repositioned": {"kind": "reposition", "canvas": 56},
        "rotate": {"kind": "rotate", "degrees": 30},
        "other_writers": {"pictures": "scikit-learn"},
        "own_pictures": {"pictures": "data/own"},
    },
    "perturb.curves": {"reposition": {"canvas": [28, 56, 112]}, "rotate": {"degrees": [0, 30, 90]}},
    "evaluate.curve_digits": 500,
    "train.epochs": 3,
    "train.training_digits": 3000,
    "train.validation_digits": 1000,
    "train.batch_size": 50,
    "train.augmentation": {"reposition": {"probability": 0.5, "canvas": [28, 84]}},
}


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=0, help="also kill so many stages at random moments")


def pytest_configure():
    """A shell has what it starts in the background ignore Ctrl+C; so would all that tests start from here."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Whatever runs the pipeline is slow: `pytest -m "not slow"` leaves it out."""
    for item in items:
        if "finished" in item.fixturenames:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """The variables of a shell in which the project's own environment is active, and nobody's git and DVC
    settings matter."""
    settings = tmp_path_factory.mktemp("settings")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_"))}
    return inherited | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(settings / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(settings / "system"),
        "DVC_SITE_CACHE_DIR": str(settings / "cache"),
    }


@pytest.fixture(scope="session")
def finished(tmp_path_factory, environment):
    """A clean clone after one `dvc repro` with small settings, whose output it keeps as `output`.

    Tests share it: they may read it, and run what changes nothing.
    """
    clone = Project(tmp_path_factory.mktemp("finished"), environment)
    files = Project(ROOT, environment).run("git ls-files -z --cached --others --exclude-standard").stdout
    for file in files.split("\0"):
        if (ROOT / file).is_file():
            (clone / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, clone / file)
    clone.run("git init --quiet")
    clone.run("git config user.name Test")
    clone.run("git config user.email test@example.org")
    for key, value in SMALL.items():
        clone.set(key, value)
    clone.commit()
    clone.output = clone.run("dvc repro").stdout
    clone.commit()
    return clone


@pytest.fixture
def project(finished, tmp_path):
    """A copy of `finished` to change. It shares the cache, so that only what a test changes runs again."""
    copy = Project(tmp_path / "project", finished.environment)
    shutil.copytree(finished.folder, copy.folder, ignore=shutil.ignore_patterns("cache"))
    (copy / ".dvc/config.local").write_text(f"[cache]\n    dir = {finished / '.dvc/cache'}\n")
    return copy


@pytest.fixture(scope="session")
def unshare():
    """A command that runs another one with mounts and network of its own, where the system allows it."""
    command = ["unshare", "--map-root-user", "--mount", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("this system does not let `unshare` give a process mounts and a network of its own")
    return " ".join(command)
