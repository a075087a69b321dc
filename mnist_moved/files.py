"""Files that are whole or absent: a killed run, a full disk or a bug leaves none half-written."""

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


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


def keep_only(folder: Path, files: Iterable[Path]) -> None:
    """Delete every other file in a folder: what an earlier run made of sets that are no more."""
    for path in {*folder.rglob("*")} - {*files}:
        if path.is_file():
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, as git and people read it; ValueError if a number is not finite, as JSON has none
    of these."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """Write an archive, uncompressed, the same content always as the same bytes, whatever the Python."""
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write CSV, numbers to four decimals."""
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, float_format="%.4f", lineterminator="\n")
