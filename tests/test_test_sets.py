"""A suite depends on the seed, its own name and its strengths; it is read as it was written, or refused."""

import sys

import numpy as np
import pytest

from mnist_moved.command import UserError
from mnist_moved.data.idx import Digits
from mnist_moved.data.test_sets import load_test_set, load_perturbed, make_test_set, save_test_set

RNG = np.random.default_rng(0)
DIGITS = Digits(RNG.integers(0, 256, (20, 28, 28), np.uint8), RNG.integers(0, 10, 20, np.uint8))


def suite(seed=42, name="moved", canvas=56.0):
    return make_test_set(DIGITS, seed, name, "reposition", canvas=canvas)


def test_a_suite_holds_altered_images_their_labels_and_how_they_were_altered():
    made = suite()
    assert (made.images != DIGITS.images).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(made.labels, DIGITS.labels)
    assert (made.kind, made.strengths, made.drawn["top"].shape) == ("reposition", {"canvas": 56.0}, (20,))


@pytest.mark.parametrize("other", [{"seed": 43}, {"name": "moved_again"}, {"canvas": 84.0}])
def test_only_another_seed_name_or_strength_makes_another_suite(other):
    assert (suite(**other).drawn["top"] != suite().drawn["top"]).any()
    np.testing.assert_equal(suite(), suite())


def test_suites_come_back_as_they_were_written_in_the_order_of_their_names(tmp_path):
    written = {name: suite(name=name) for name in ("turned", "moved")}
    for name, each in written.items():
        save_test_set(tmp_path / f"{name}.npz", each)
    (tmp_path / ".turned.partial.npz").write_bytes(b"what a killed run left")
    read = load_perturbed(tmp_path)
    np.testing.assert_equal(read, written)
    assert list(read) == ["moved", "turned"]
    with np.load(tmp_path / "moved.npz") as archive:  # as anybody may
        np.testing.assert_array_equal(archive["top"], written["moved"].drawn["top"])


class Exploit:
    def __reduce__(self):  # what its pickle does when it is read
        return sys.exit, ("it ran",)


WRONG = {
    "too few images": {"images": DIGITS.images[1:]},
    "images of another type": {"images": DIGITS.images / 255},
    "no digit": {"images": DIGITS.images[:0], "labels": DIGITS.labels[:0]},
    "pickle": {"images": np.array(Exploit())},
}


@pytest.mark.parametrize("arrays", WRONG.values(), ids=WRONG)
def test_what_is_no_suite_is_refused_with_the_remedy_and_not_run(tmp_path, arrays):
    path = tmp_path / "suite.npz"
    np.savez(path, **DIGITS._asdict() | {"kind": "reposition", "strengths": "{}"} | arrays)
    with pytest.raises(UserError, match=r"suite\.npz is missing or damaged \(.+\); make it with `dvc repro`"):
        load_test_set(path)
