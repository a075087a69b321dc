"""git, as far as this project asks it: files at a revision, and the experiments that DVC keeps as commits."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mnist_moved.command import UserError


def git(*arguments: str, stdin: bytes = b"", folder: Path | None = None) -> bytes:
    """Run git, in the current folder or another, and return what it prints; UserError with its complaint if
    it fails."""
    done = subprocess.run(["git", *arguments], input=stdin, capture_output=True, cwd=folder)
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip()
        if remedy := re.search(r"git config --global --add safe\.directory .+", complaint):
            raise UserError(
                f"git does not trust a repository of another user; `{remedy[0]}` has it trust this one"
            )
        raise UserError(f"git {arguments[0]}: {complaint}")
    return done.stdout


class Experiment(NamedTuple):
    """An experiment of DVC: its name, its commit, and the commit that it started from."""

    name: str
    commit: str
    parent: str


def experiments() -> list[Experiment]:
    """All experiments that there are, by name."""
    lines = git("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps/??/*/*").decode().splitlines()
    found = []
    for ref, commit in map(str.split, lines):
        _, _, first, rest, name = ref.split("/")
        found.append(Experiment(name, commit, first + rest))
    return sorted(found)


def head() -> str:
    """The commit that is checked out."""
    # Not rev-parse: without any commit, it explains its arguments.
    return git("log", "--no-show-signature", "-1", "--format=%H").decode().strip()


def top_folder() -> Path:
    """The top folder of the repository, of which the project, the current folder, may be a part."""
    return Path(git("rev-parse", "--show-toplevel").decode().removesuffix("\n"))


def commit_of(revision: str) -> str:
    """The commit that a revision of git, or an experiment by its name, stands for; UserError if it does not.

    Of several experiments of one name, the one that started from HEAD is meant.
    """
    try:
        return (
            git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            .decode()
            .strip()
        )
    except UserError:
        named = [each for each in experiments() if each.name == revision]
        named = [each for each in named if each.parent == head()] or named
        if len(named) != 1:
            raise UserError(f"git knows {len(named) or 'no'} revisions or experiments {revision}") from None
        return named[0].commit


def read(commits: Iterable[str], path: str | Path) -> list[str]:
    """The text of one file of this project at each commit, by one git process.

    Raises UserError if a commit lacks it.
    """
    commits = list(commits)
    requests = "".join(f"{commit}:./{Path(path).as_posix()}\n" for commit in commits)
    answer = git("cat-file", "--batch", stdin=requests.encode())
    texts = []
    for commit in commits:
        header, _, answer = answer.partition(b"\n")
        if header.endswith(b"missing"):
            raise UserError(f"commit {commit[:7]} has no {path}")
        size = int(header.split()[-1])
        texts.append(answer[:size].decode())
        answer = answer[size + 1 :]
    return texts
