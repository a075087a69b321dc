"""No file, however it was damaged or forged, makes a stage hang, take memory without end, run code or fail
without saying which file it is and what to do. (tests/test_mnist.py, test_download.py and test_params.py do
the same for IDX files, wheels and CSV, and settings.)
"""

import io
import pickle
import tracemalloc
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared.stage import StageError
from stages.shared.suites import load_suite

RNG = np.random.default_rng(0)
SUITE = {
    "images": RNG.integers(0, 256, (3, 28, 28), dtype=np.uint8),
    "labels": np.array([7, 0, 9], dtype=np.uint8),
    "kind": np.array("reposition"),
    "strengths": np.array('{"canvas": 56.0}'),
    "canvas": np.array([56.0, 28.0, 84.0]),
}


@contextmanager
def memory(limit):
    """Fail if the block has more than `limit` bytes allocated at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def npz(arrays, save=np.savez):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def npz_of(npy, compression=zipfile.ZIP_STORED):
    """A suite in which the bytes of one array, images, are these."""
    buffer = io.BytesIO(npz({name: array for name, array in SUITE.items() if name != "images"}))
    with zipfile.ZipFile(buffer, "a", compression) as archive:
        archive.writestr("images.npy", npy)
    return buffer.getvalue()


def npy(header, data=b""):
    """An array file with this header, which is to be evaluated as a Python literal."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


def refuse(path, content, message):
    path.write_bytes(content)
    with memory(2**24), pytest.raises(StageError, match=message) as refusal:
        load_suite(path)
    assert str(refusal.value).startswith(f"{path} is damaged")
    assert str(refusal.value).endswith("delete it and run `dvc repro perturb`")


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "suite.npz"


# Altered test sets


def test_a_suite_comes_back_as_it_was_written(path):
    path.write_bytes(npz(SUITE))
    suite = load_suite(path)
    np.testing.assert_array_equal(suite.images, SUITE["images"])
    np.testing.assert_array_equal(suite.labels, SUITE["labels"])
    np.testing.assert_array_equal(suite.drawn["canvas"], SUITE["canvas"])
    assert (suite.kind, list(suite.drawn), suite.strengths) == ("reposition", ["canvas"], {"canvas": 56})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": SUITE["images"][:2]}, r"expected uint8 images \(3, 28, 28\), found uint8 \(2, 28, 28\)"),
        ({"images": SUITE["images"] / 255}, r"found float64 \(3, 28, 28\)"),
        ({"images": SUITE["images"][:0], "labels": SUITE["labels"][:0]}, r"found uint8 \(0, 28, 28\)"),
        ({"labels": np.array([1, 2, 10], np.uint8)}, "labels from 0 to 9"),
        ({"labels": SUITE["labels"][:, None]}, r"expected labels of shape \(3,\), found uint8 \(3, 1\)"),
        ({"canvas": SUITE["canvas"][:2]}, r"expected canvas of shape \(3,\), found float64 \(2,\)"),
        ({"canvas": np.array(["a", "b", "c"])}, r"found <U1 \(3,\)"),
        ({"strengths": np.array("[56]")}, r"expected strengths by name, found \[56\]"),
    ],
    ids=["few images", "floats", "nothing", "label > 9", "table", "few drawn", "drawn words", "strengths"],
)
def test_arrays_that_make_no_suite_are_refused(path, changed, message):
    refuse(path, npz(SUITE | changed), message)


@pytest.mark.parametrize("missing", ["images", "labels", "kind", "strengths"])
def test_a_suite_without_one_of_its_arrays_is_refused(path, missing):
    refuse(path, npz({name: array for name, array in SUITE.items() if name != missing}), missing)


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (%s, 28, 28)}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npz({"images": np.zeros((10**6, 28), np.uint8)}, np.savez_compressed), "compressed"),
        (npz_of(bytes(2**26), zipfile.ZIP_BZIP2), "compressed"),
        (npz_of(npy(HUGE % 10**7)), "buffer"),
        (npz_of(npy(HUGE % 10**30)), "too large"),
        (npz_of(npy("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000,)}")), "itemsize"),
        (npz_of(npy("(" * 9999)), "."),
    ],
    ids=["zeros", "bzip2", "7 GB", "beyond 64 bits", "no width", "nesting"],
)
def test_a_bomb_is_refused_before_it_takes_memory(path, content, message):
    refuse(path, content, message)


def test_a_size_in_the_table_of_contents_that_the_file_has_not_is_refused(path):
    content = bytearray(npz(SUITE))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")  # the size unpacked of the first array
    refuse(path, content, "promises more bytes")


class Exploit:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_is_refused_and_not_run(path, tmp_path):
    code = pickle.dumps(Exploit(tmp_path / "it ran"))
    refuse(path, npz_of(npy("{'descr': '|O', 'fortran_order': False, 'shape': ()}", code)), "OBJECT")
    assert list(tmp_path.iterdir()) == []


def damaged(content):
    """Copies of `content` with up to four bytes changed, at its beginning, end or anywhere, and maybe cut."""
    last = len(content) - 1
    place = st.integers(0, last) | st.integers(0, 200) | st.integers(last - 800, last)
    changes = st.lists(st.tuples(place, st.integers(0, 255)), max_size=4)

    def apply(changes, length):
        copy = bytearray(content)
        for position, value in changes:
            copy[position] = value
        return bytes(copy[:length])

    return st.builds(apply, changes, st.just(len(content)) | st.integers(0, len(content)))


@settings(deadline=None)
@given(damaged(npz(SUITE)) | st.binary() | st.binary().map(npz_of))
def test_no_bytes_make_the_reader_of_suites_fail_in_any_other_way(path, content):
    path.write_bytes(content)
    with memory(2**22), suppress(StageError):
        assert load_suite(path).images.shape[1:] == (28, 28)
