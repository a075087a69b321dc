"""Trials as tasks of Ray (Moritz et al. 2018, arXiv 1712.05889), on this machine or on a cluster.

Ray is imported where it is used: how private it is to be, it reads from the environment when it is imported.
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mnist_moved.command import UserError, quiet_stderr
from mnist_moved.sweeps import trial as on_node
from mnist_moved.sweeps.head import last_line
from mnist_moved.sweeps.settings import Trial

RETRIES = 3  # of a trial whose machine or worker is lost
MEMORY = 1.5 * 2**30  # bytes that a trial is given
PATIENCE = 10  # seconds for a cluster to answer

DOES_NOT_START = (
    "Ray does not start: {}\n"
    "Mend that; or if this machine is busy, run the same command again when it is less so."
)

PRIVATE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # has Ray listen on the loopback address only, on Linux too
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def connection(address: str | None) -> Iterator[str | None]:
    """Be connected to the cluster at `address`, or to one on this machine that ends with this block.

    Yields the folder of the latter's files, None for the former. Raises UserError if there is no Ray, here or
    there.
    """
    if find_spec("ray") is None:
        raise UserError("a sweep needs Ray: `pip install -r requirements-sweep.txt` installs it")
    if address is None:
        with own_cluster() as (address, folder), session(address, DOES_NOT_START):
            yield folder
    else:
        check_address(address)
        with session(address, f"--address {address}: {{}}"):
            yield None


@contextmanager
def own_cluster() -> Iterator[list[str]]:
    """Start Ray on this machine, for us alone; yields its address and the folder of its files."""
    os.environ |= PRIVATE | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [sys.executable, "-m", "mnist_moved.sweeps.head"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,  # Ctrl+C is ours to answer
        ) as head,
    ):
        line = head.stdout.readline()
        if not line:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
            raise UserError(DOES_NOT_START.format(said[-1] if said else "it was killed"))
        yield line.split()


def check_address(address: str) -> None:
    """UserError if nothing listens at this address."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--address {address}: expected a Ray cluster, as at ray://head:10001; {error}"
        ) from None


@contextmanager
def session(address: str, failure: str) -> Iterator[None]:
    """Be connected to the Ray at `address`; failure: what to say of it, {} is the reason."""
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    # Any exception: Ray raises a dozen types, if the token, the version or whatever listens there is wrong.
    except Exception as error:
        # Two versions that differ take several lines; a traceback of the cluster's ends with its reason.
        reason = str(error).strip()
        if not reason or "Traceback" in reason:
            reason = last_line(error)
        raise UserError(failure.format(reason)) from None
    try:
        yield
    finally:
        with quiet_stderr():  # Ray complains of what it ends itself
            ray.shutdown()


def room(cpus: float, gpus: float) -> tuple[float, int]:
    """What a trial of so many CPUs and GPUs may have: memory in bytes; and how many find room now."""
    import ray

    needs = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [node for node in alive if all(node.get(name, 0) >= needs[name] for name in needs)]
    memory = min([MEMORY, *(node["memory"] for node in nodes)])
    needs["memory"] = memory
    return memory, sum(int(min(node[name] // needs[name] for name in needs)) for node in nodes)


def run_trials(
    trials: Sequence[Trial],
    common: on_node.Common,
    cargo: tuple[bytes, dict[str, bytes]],
    packages: Sequence[str] = (),
    gpus: float = 0,
) -> Iterator[tuple[Trial, on_node.Outcome] | None]:
    """Run all trials and yield each, as it ends, with what `run_trial` returns; and None once a second.

    cargo: sent to each node once, see `run_trial`; packages: lines of a requirements.txt, installed on each
    node once; gpus: of a trial.
    """
    import ray

    ray.cloudpickle.register_pickle_by_value(on_node)  # nodes have none of our files
    memory, _ = room(common.cpus, gpus)
    environment = {}
    if packages:
        environment["pip"] = {"packages": [*packages]}
        # That a node could not install them, it remembers for ten minutes, but not of another environment.
        environment["env_vars"] = {"SWEEP": secrets.token_hex(8)}
    task = ray.remote(on_node.run_trial).options(
        num_cpus=common.cpus, num_gpus=gpus, memory=memory, max_retries=RETRIES, runtime_env=environment
    )
    sent = [ray.put(cargo)]  # in a list, or Ray would fetch it for every trial
    waiting = {task.remote(trial.name, trial.overrides, common, sent): trial for trial in trials}
    while waiting:
        ended, _ = ray.wait([*waiting], num_returns=len(waiting), timeout=1)
        for reference in ended:
            try:
                outcome = ray.get(reference)
            except ray.exceptions.RayError as error:  # its node is lost, or could not be made ready
                outcome = on_node.Outcome("", explain(error))
            yield waiting.pop(reference), outcome
        yield None


def explain(error: Exception) -> str:
    """What is shown of a trial that Ray could not run: its last lines, or what a node lacks."""
    said = str(error)
    if "install virtualenv" in said:
        return (
            "error: its node lacks virtualenv, with which Ray installs packages; install it there"
            " (ray[default] has it), or say --no-install if all nodes have the packages of requirements.txt"
        )
    return "\n".join(said.splitlines()[-on_node.LOG_LINES :])


def fetch(reference: Any) -> dict[str, bytes]:
    """The data that an outcome refers to; none if its node is lost meanwhile."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayError:
        return {}


def running(cpus: float) -> int:
    """How many trials run now: by the processors that are in use."""
    import ray

    return round((ray.cluster_resources().get("CPU", 0) - ray.available_resources().get("CPU", 0)) / cpus)
