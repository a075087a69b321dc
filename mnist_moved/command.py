"""How every stage and script starts and fails: `run(main)`, and the error that users can mend."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

from mnist_moved.paths import PARAMS


class UserError(Exception):
    """A fault that the user can mend: its message says what was expected, what was found, what to do."""


def run_stage(main: Callable[[], None], manual: str | None) -> None:
    """Run a stage, which takes no arguments but --help; manual: the docstring of its module."""
    make_parser(None, manual).parse_args()
    run(main)


def make_parser(program: str | None, manual: str | None) -> argparse.ArgumentParser:
    """A parser of the arguments of a program; manual: the docstring of its module, which --help shows."""
    return argparse.ArgumentParser(
        program, description=manual, formatter_class=argparse.RawDescriptionHelpFormatter
    )


@contextmanager
def quiet_stderr(show: bool = True) -> Iterator[None]:
    """Hold back what libraries write to the standard error stream, in C++ too; show it if the block fails,
    unless that is no failure of ours."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as chatter:
        stderr = os.dup(2)
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except Exception:
            chatter.seek(0)
            os.write(stderr, chatter.read() if show else b"")
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def interrupted() -> NoReturn:
    """End after Ctrl+C."""
    print("\ninterrupted; what was finished is kept", file=sys.stderr)
    sys.exit(130)  # what a shell expects: 128 + SIGINT


def end_in_one_line() -> None:
    """Have Ctrl+C, and what users can mend, end in one line from now on: before `run` begins, imports take
    seconds, and the user's own networks and perturbations are among them."""

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            interrupted()
        if issubclass(kind, UserError):
            print(f"error: {error}", file=sys.stderr)
            return
        sys.__excepthook__(kind, error, traceback)

    sys.excepthook = hook


def run(main: Callable[[], None]) -> None:
    """Call `main`; end with one message instead of a traceback on what a user does or can mend."""
    for stream in (sys.stdout, sys.stderr):  # of names, or a ±, that a terminal cannot show
        stream.reconfigure(errors="backslashreplace")
    try:
        try:
            if not PARAMS.exists():
                raise UserError(f"{PARAMS} not found: run this from the top folder of the project")
            main()
        finally:
            sys.stdout.flush()  # here, where a broken pipe is caught, not at Python's end
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        interrupted()
    except BrokenPipeError:  # whoever read the output has had enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        # A full disk is reported by the write, which may know no file name.
        place = "" if error.filename is None else f"{error.filename}: "
        sys.exit(f"error: {place}{error.strerror}. Mend that and run the same command again.")
