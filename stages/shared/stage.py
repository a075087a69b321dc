"""What every stage needs to start, to fail and to write: `run`, `StageError`, `whole_file` and more."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCKS = Path(".dvc/tmp")


class StageError(Exception):
    """A fault that the user can mend: its message says what was expected, what was found, what to do."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; end with exit code 1 and one message, no traceback, on what a user can mend."""
    try:
        with alone():
            main()
    except StageError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno is None:
            raise
        # A full disk is reported by the write, which knows no file name.
        place = "" if error.filename is None else f"{error.filename}: "
        sys.exit(f"error: {place}{error.strerror}. Mend that and run the same command again.")


@contextmanager
def alone() -> Iterator[None]:
    """Wait for another run of the same stage in this folder to end, and keep the next one waiting.

    DVC sees to that among its own runs; but a stage goes on when only the `dvc repro` that started it is
    killed, and would write the same files as the stage of the next `dvc repro`. Commands that DVC did not
    start do not wait.
    """
    if fcntl is None or "DVC_STAGE" not in os.environ or not LOCKS.is_dir():
        yield
        return
    stage = Path(sys.argv[0]).stem
    with open(LOCKS / f"{stage}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for an earlier run of {stage} in this folder to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to `path` if the block succeeds, removed if it fails.

    The temporary name is always the same (`.NAME.partial`, with the same suffix as `path`), so that what
    a killed run left behind is overwritten by the next.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield partial
        # Without this, the new name may outlive a power cut and the content not.
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        # A full disk is reported by the write, which knows no file name.
        if error.filename in (None, str(partial)) and error.errno is not None:
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_all_but(folder: Path, names: Iterable[str]) -> None:
    """Remove what an earlier or a killed run left in `folder`: every file that is not among `names`."""
    for stale in folder.iterdir():
        if stale.name not in names:
            stale.unlink()
