"""One trial, on whatever machine: an ordinary DVC experiment, in a clone of its own.

This file is sent to the machine as it is and needs nothing of the project there: only git, Python, Ray and
the packages of requirements.txt.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

LOG_LINES = 20  # of a failure that are shown


class Outcome(NamedTuple):
    """What became of a trial: where it ran, what it printed, and if it succeeded, the experiment as a git
    bundle.

    If its data or its perturbed digits are not those of the commit, also their paths within DVC's cache and a
    reference, `ray.ObjectRef`, to their content by path.
    """

    host: str
    log: str
    bundle: bytes | None = None
    data_paths: tuple[str, ...] = ()
    data: Any = None


class Common(NamedTuple):
    """What all trials of a sweep have in common."""

    commit: str
    author: tuple[str, str]  # name, address
    cpus: int  # of a trial, and its threads
    folder: str | None  # in which a node keeps what it needs; by default its temporary files
    place: str = ""  # of the project in its repository


def run_trial(name: str, overrides: tuple[str, ...], common: Common, cargo: list[Any]) -> Outcome:
    """Run the experiment `name`.

    cargo: a reference, `ray.ObjectRef`, to the bundle of the commit and to the content of its data by path,
    fetched if this node does not have them yet.
    """
    import ray  # here, so that whoever has no Ray can import this

    folder = Path(common.folder or tempfile.gettempdir(), f"mnist-sweeps-{os.getuid()}")
    bundle = prepare(folder, common.commit, cargo)
    cache = folder / "cache"
    clone = Path(tempfile.mkdtemp(dir=folder, prefix=f"{name}-"))
    with guarded(clone) as guard:
        author, address = common.author
        options = [f"--config=user.name={author}", f"--config=user.email={address}"]
        git(clone, "clone", "--quiet", "--config=advice.detachedHead=false", *options, str(bundle), ".")
        project = clone / common.place
        (project / ".dvc/config.local").write_text(
            f"[cache]\n    dir = {cache}\n    type = reflink,hardlink,copy\n"
        )
        committed = outputs(project, "download", "perturb")
        command = [sys.executable, "-m", "dvc", "exp", "run", f"--name={name}"]
        command += [f"--set-param={override}" for override in overrides]
        experiment = subprocess.Popen(
            [*command, "evaluate"],
            cwd=project,
            env=environment(folder, common.cpus),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        guard(experiment.pid)
        log = experiment.communicate()[0].decode(errors="replace")
        if experiment.returncode:
            return Outcome(socket.gethostname(), "\n".join(log.rstrip().splitlines()[-LOG_LINES:]))
        ref = f"refs/exps/{common.commit[:2]}/{common.commit[2:]}/{name}"
        bundle = git(clone, "bundle", "create", "--quiet", "-", ref, f"^{common.commit}")
        own = [each for each in outputs(project, "download", "perturb") if each not in committed]
        data = objects(cache, own)
        return Outcome(socket.gethostname(), log, bundle, tuple(data), ray.put(data) if data else None)


def prepare(folder: Path, commit: str, cargo: list[Any]) -> Path:
    """See to it that this node has the commit and its data, once for all trials; return what to clone."""
    import ray

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (found := folder.stat()).st_uid != os.getuid() or found.st_mode & 0o022:
        raise RuntimeError(f"{folder} is not ours alone: others could have us run their code")
    bundle = folder / f"{commit}.bundle"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not bundle.exists():
            history, objects = ray.get(cargo[0])
            files = {f"cache/{path}": content for path, content in objects.items()} | {bundle.name: history}
            for path, content in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                partial = folder / "partial"
                partial.write_bytes(content)
                partial.rename(folder / path)
    return bundle


@contextmanager
def guarded(folder: Path) -> Iterator[Callable[[int], None]]:
    """Yield a function to which to tell a process group; at the end of the block it is killed and `folder`
    removed, even if this process is killed before: a shell waits for the end of a pipe that only it holds.

    That shell runs in the background of another, which ends at once: a worker of Ray whose node is lost kills
    its children, but not those of its children."""
    script = 'exec 3<&0; { read group; read end; kill -KILL "-$group"; rm -rf "$0"; } <&3 3<&- &'
    with subprocess.Popen(
        ["sh", "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as guard:

        def tell(group: int) -> None:
            guard.stdin.write(b"%d\n" % group)
            guard.stdin.flush()

        try:
            yield tell
        finally:
            guard.stdin.close()
            guard.stdout.read()  # to its end, which is that of the shell in the background


def environment(folder: Path, threads: int) -> dict[str, str]:
    """The programs of this very Python, so many threads for TensorFlow, and DVC's notes in our own folder."""
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # trials may share a GPU
    }


def git(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def outputs(project: Path, *stages: str) -> list[str]:
    """The MD5 digests that dvc.lock has of the outputs of some stages."""
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    return [out["md5"] for stage in stages for out in lock["stages"][stage].get("outs", [])]


def objects(cache: Path, digests: list[str]) -> dict[str, bytes]:
    """What DVC's cache has of these outputs, and of the files in those that are folders: content by path."""
    found = {}
    for digest in digests:
        path = f"files/md5/{digest[:2]}/{digest[2:]}"
        if (cache / path).exists():  # else it is kept by git
            found[path] = (cache / path).read_bytes()
            if digest.endswith(".dir"):
                found |= objects(cache, [file["md5"] for file in json.loads(found[path])])
    return found
