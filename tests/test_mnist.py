"""The four MNIST files are read exactly as they should be, or refused with a message that says why."""

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.shared.mnist import load_split, read_idx
from stages.shared.stage import StageError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
LABELS = np.array([7, 0, 9], dtype=np.uint8)


def idx(array, *, magic=None, shape=None):
    shape = array.shape if shape is None else shape
    magic = 2048 + array.ndim if magic is None else magic
    return struct.pack(f">I{len(shape)}I", magic, *shape) + array.tobytes()


def write_split(folder, images=IMAGES, labels=LABELS):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(labels))


def test_a_split_comes_back_as_it_was_written(tmp_path):
    write_split(tmp_path)
    images, labels = load_split(tmp_path, "test")
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_missing_data_says_which_command_fetches_it(tmp_path):
    with pytest.raises(StageError, match=r"train-images-idx3-ubyte: no such file.*dvc repro download"):
        load_split(tmp_path / "raw", "train")


@pytest.mark.parametrize(
    ("images", "labels", "found"),
    [
        (IMAGES, LABELS[:2], r"\(3, 28, 28\) and \(2,\)"),
        (LABELS, LABELS, r"\(3,\) and \(3,\)"),
        (IMAGES, IMAGES, r"\(3, 28, 28\) and \(3, 28, 28\)"),
        (IMAGES, np.array([1, 2, 10], dtype=np.uint8), "labels from 0 to 9, found 10"),
    ],
    ids=["too few labels", "labels for images", "images for labels", "label beyond 9"],
)
def test_images_and_labels_that_do_not_belong_together_are_refused(tmp_path, images, labels, found):
    write_split(tmp_path, images, labels)
    with pytest.raises(StageError, match=found):
        load_split(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "magic number.*found 0"),
        (b"<!DOCTYPE html>", "magic number.*found 1008813135"),
        (b"\x1f\x8b\x08" + bytes(100), "magic number"),
        (idx(IMAGES)[:10], "header of 16 bytes, found 10"),
        (idx(IMAGES)[:-1], "expected 2368 bytes.*found 2367"),
        (idx(IMAGES) + b"\0", "expected 2368 bytes.*found 2369"),
        (idx(IMAGES, shape=(3, 14, 56)), r"found 3 of \(14, 56\)"),
        (idx(IMAGES[:0]), "one or more.*found 0"),
        (idx(LABELS, shape=(2**31,)), "expected 2147483656 bytes.*found 11"),
    ],
    ids=["empty", "html", "gzip", "header cut", "cut", "too long", "not 28 x 28", "no image", "2**31 labels"],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path, content, found):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(StageError, match=found):
        read_idx(path)


@given(st.sampled_from([b"", idx(IMAGES)[:4], idx(LABELS)[:4], idx(IMAGES)[:16]]), st.binary(max_size=2400))
def test_no_bytes_make_it_fail_in_any_other_way(tmp_path_factory, beginning, rest):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(beginning + rest)
    with suppress(StageError):
        assert idx(read_idx(path)) == path.read_bytes()
