"""What every stage needs to start, to fail and to write: `run`, `StageError`, `whole_file`, ...."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class StageError(Exception):
    """A fault that the user can mend: its message says what was expected, what was found, what to do."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; end with exit code 1 and one message, no traceback, on what a user can mend."""
    try:
        main()
    except StageError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"error: {error.filename}: {error.strerror}. Mend that and run the same command again.")


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
        os.replace(partial, path)
    except OSError as error:
        # A full disk is reported by the write, which knows no file name.
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_all_but(folder: Path, names: Iterable[str]) -> None:
    """Remove what an earlier or a killed run left in `folder`: every file that is not among `names`."""
    for stale in folder.iterdir():
        if stale.name not in names:
            stale.unlink()
