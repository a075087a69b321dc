"""This repository, as a sweep sees it: what is sent to a trial, and the experiments that came back."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from mnist_moved.command import UserError
from mnist_moved.files import whole_file
from mnist_moved.git import git, head, top_folder


def clean_commit(but: Iterable[str | Path]) -> str:
    """The commit that is checked out; UserError if files differ from it, `but` for these."""
    commit = head()  # first: where git refuses a repository, `git diff` prints its manual
    own = {os.path.relpath(path) for path in but}
    changed = git("diff", "--name-only", "--relative", "-z", "HEAD").decode().split("\0")
    changed = [name for name in changed if name and name not in own]
    if changed:
        names = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise UserError(
            f"a trial runs what is committed, and {names} differ from the last commit; commit them"
            " (git commit -a), or put them aside (git stash)"
        )
    return commit


def author() -> tuple[str, str]:
    """Name and address of whoever made the last commit, to go with its experiments."""
    name, address = git("log", "-1", "--format=%cn%x00%ce").decode().strip().split("\0")
    return name, address


def place() -> str:
    """Where in its repository the project lies: "", or a path that ends in a slash."""
    return git("rev-parse", "--show-prefix").decode().removesuffix("\n")


def history() -> bytes:
    """The last commit with all before it, as a file from which git can clone; UserError if one is lacking."""
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        raise UserError(
            "this clone lacks older commits, without which git cannot pass it on: git fetch --unshallow"
        )
    # Below the top folder, git 2.39 takes "-" for the name of a file.
    return git("bundle", "create", "--quiet", "-", "HEAD", folder=top_folder())


def data() -> dict[str, bytes]:
    """MNIST and the perturbed test sets as they lie in DVC's cache: content by path within it.

    With the very same images everywhere, the results of all machines can be compared. Raises UserError if one
    that dvc.lock names is missing.
    """
    try:
        with Repo() as repo:
            objects = set().union(*repo.used_objs(["download", "perturb"]).values())
            paths = [Path(repo.cache.local.oid_to_path(each.value)) for each in objects]
        return {os.path.relpath(path, cache()): path.read_bytes() for path in paths}
    except (FileNotFoundError, DvcException) as error:
        raise UserError(f"{cache()} lacks data; `dvc repro perturb` makes them anew ({error})") from None


def cache() -> Path:
    """The folder of DVC's cache."""
    with Repo() as repo:
        return Path(repo.cache.local_cache_dir)


def adopt(bundle: bytes, objects: Mapping[str, bytes], into: Path) -> None:
    """Take in an experiment, its objects into DVC's cache, then its commit, each whole or not at all."""
    for path, content in objects.items():
        with whole_file(into / path) as partial:
            partial.write_bytes(content)
    header, _, pack = bundle.partition(b"\n\n")  # not `git fetch`, which looks at every ref there is
    commit, ref = header.decode().splitlines()[-1].split()
    git("unpack-objects", "-q", stdin=pack)
    git("update-ref", ref, commit, "")  # "": only if there is none of that name yet
