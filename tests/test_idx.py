"""The MNIST files are read exactly as they should be, or refused with a message that says why."""

import numpy as np
import pytest

from mnist_moved.command import UserError
from mnist_moved.data.idx import Digits, evaluation_digits, held_out, load_split, read_idx, to_idx

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
LABELS = np.array([7, 0, 9], np.uint8)


def write_split(folder, images, labels):
    (folder / "t10k-images-idx3-ubyte").write_bytes(to_idx(images))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(to_idx(labels))


def test_a_split_comes_back_as_it_was_written(tmp_path):
    write_split(tmp_path, IMAGES, LABELS)
    digits = evaluation_digits(tmp_path, "test", 1)
    assert digits.images.dtype == digits.labels.dtype == np.uint8
    np.testing.assert_equal(digits, (IMAGES, LABELS))
    assert to_idx(LABELS) == bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9])  # magic number, size, values


def test_no_more_can_be_held_out_than_leaves_some_to_train_on():
    np.testing.assert_array_equal(held_out(Digits(IMAGES, LABELS), 2).labels, LABELS[1:])
    with pytest.raises(UserError, match=r"train\.validation_digits: got 3; allowed: less than 3"):
        held_out(Digits(IMAGES, LABELS), 3)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (LABELS[:2], r"found arrays of \(3, 28, 28\) and \(2,\)"),
        (IMAGES, r"found arrays of \(3, 28, 28\) and \(3, 28, 28\)"),
        (np.array([1, 2, 10], np.uint8), "labels from 0 to 9, found 10"),
    ],
)
def test_labels_that_do_not_belong_to_the_images_are_refused(tmp_path, labels, found):
    write_split(tmp_path, IMAGES, labels)
    with pytest.raises(UserError, match=rf"t10k.*{found}.*dvc repro download"):
        load_split(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "no such file"),
        (b"<!DOCTYPE html>", "magic number 2051 or 2049 .*found 1008813135"),
        (to_idx(IMAGES)[:10], "header of 16 bytes, found 10"),
        (to_idx(IMAGES)[:-1], "expected 2368 bytes.*found 2367"),
        (to_idx(IMAGES) + b"\0", "expected 2368 bytes.*found 2369"),
        (to_idx(IMAGES.reshape(3, 14, 56)), r"found 3 of \(14, 56\)"),
        (to_idx(IMAGES[:0]), "expected one or more.*found 0"),
        (bytes([0, 0, 8, 1, 128, 0, 0, 0]) + bytes(3), "expected 2147483656 bytes.*found 11"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path, content, found):
    if content is not None:
        (tmp_path / "idx").write_bytes(content)
    with pytest.raises(UserError, match=rf"idx: .*{found}.*dvc repro download"):
        read_idx(tmp_path / "idx")
