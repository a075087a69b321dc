"""A copy of the project, in which tests type what a user types."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from functools import reduce
from hashlib import sha256
from operator import getitem
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
OUTS = {
    stage: [out if isinstance(out, str) else next(iter(out)) for out in entry["outs"]]
    for stage, entry in STAGES.items()
}


class Project:
    """A folder that holds the project, and the shell in which its commands are typed."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment

    def __truediv__(self, path):
        return self.folder / path

    def begin(self):
        """Make the folder a git repository."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run("git init --quiet")
        self.run("git config user.name Test")
        self.run("git config user.email test@example.org")

    def begin_with_files_of(self, other):
        """Make the folder a git repository with all files of another that git does not ignore."""
        for file in other.run("git ls-files -z --cached --others --exclude-standard").stdout.split("\0"):
            if (other / file).is_file():
                (self / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(other / file, self / file)
        self.begin()

    def run(self, command, code=0):
        """Run a command to its end and return it; fail, with its output, if its exit code is another."""
        process = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert process.returncode == code, f"{command}\n{process.stdout}{process.stderr}"
        return process

    @contextmanager
    def running(self, command):
        """A command in a process group of its own, of which nothing is left behind."""
        with subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def set(self, key, value):
        """Edit params.yaml, as in set("train.epochs", 2)."""
        params = yaml.safe_load((self / "params.yaml").read_text())
        *sections, name = key.split(".")
        reduce(getitem, sections, params)[name] = value
        (self / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def commit(self):
        self.run("git add --all")
        self.run("git commit --quiet --message=test")

    def read_json(self, path):
        return json.loads((self / path).read_text())

    def contents(self, path):
        """A digest of the bytes of a file, or of every file in a folder, by path."""
        path = self / path
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        return {str(file.relative_to(path)): sha256(file.read_bytes()).hexdigest() for file in files}

    def results(self, stages=OUTS):
        return {out: self.contents(out) for stage in stages for out in OUTS[stage]}

    def temporary_files(self):
        return [*self.folder.rglob(".*.partial*"), *self.folder.glob("models/checkpoint*")]


def stages_run(process):
    return re.findall(r"Running stage '(\w+)'", process.stdout)


def from_on(first):
    """A stage and those that what it makes leads to, in the order of dvc.yaml, whatever stages that has."""
    found = [first]
    for stage, entry in STAGES.items():
        if any(dep in OUTS[earlier] for earlier in found for dep in entry["deps"]):
            found.append(stage)
    return found


def wait_for(condition, process):
    """Return once `condition` is true; fail if `process` ends before."""
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
