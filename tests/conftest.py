"""Copies of the project, in which tests type what a user types.

`finished` is one real run of the whole pipeline, small and shared; `project` is a copy of it to change.
"""

import os
import shlex
import shutil
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

SMALL = {
    "perturb.suites": {
        "repositioned": {"kind": "reposition", "canvas": 56},
        "rotate": {"kind": "rotate", "degrees": 30},
    },
    "train.epochs": 1,
    "train.training_digits": 3000,
    "train.validation_digits": 1000,
    "train.batch_size": 50,
    "train.augmentation": {"reposition": {"probability": 0.5, "canvas": [28, 84]}},
}


class Project:
    """A copy of the project in a git repository of its own."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment

    def __truediv__(self, path):
        return self.folder / path

    def run(self, command, code=0, timeout=900):
        """Run a command to its end and return it; fail, with its output, if its exit code is another."""
        process = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert process.returncode == code, f"{command}\n{process.stdout}{process.stderr}"
        return process

    def set(self, key, value):
        """Edit params.yaml, as in set("train.epochs", 2)."""
        params = yaml.safe_load((self / "params.yaml").read_text())
        *sections, name = key.split(".")
        reduce(getitem, sections, params)[name] = value
        (self / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def commit(self):
        self.run("git add --all")
        self.run("git commit --quiet --message=test")


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
