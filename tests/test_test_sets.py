"""A test set depends on the seed, its name and its strengths; it is read as it was written, or refused."""

import sys

import numpy as np
import pytest

from mnist_moved.command import UserError
from mnist_moved.data.idx import Digits
from mnist_moved.data.test_sets import load_perturbed, load_test_set, save_test_set
from mnist_moved.perturbations import make_test_set

RNG = np.random.default_rng(0)
DIGITS = Digits(RNG.integers(0, 256, (20, 28, 28), np.uint8), RNG.integers(0, 10, 20, np.uint8))


def moved(seed=42, name="moved"):
    return make_test_set(DIGITS, seed, name, "reposition", canvas=56.0)


def test_a_test_set_says_how_it_was_made_and_only_another_seed_or_name_makes_another():
    np.testing.assert_array_equal(moved().labels, DIGITS.labels)
    assert (moved().perturbation, moved().strengths) == ("reposition", {"canvas": 56.0})
    np.testing.assert_equal(moved(), moved())
    for other in (moved(seed=43), moved(name="moved_again")):
        assert (other.images != moved().images).any()


def test_test_sets_come_back_as_they_were_written_in_the_order_of_their_names(tmp_path):
    written = {name: moved(name=name) for name in ("turned", "moved")}
    for name, each in written.items():
        save_test_set(tmp_path / f"{name}.npz", each)
    (tmp_path / ".turned.partial.npz").write_bytes(b"what a killed run left")
    read = load_perturbed(tmp_path)
    np.testing.assert_equal(read, written)
    assert list(read) == ["moved", "turned"]


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
def test_what_is_no_test_set_is_refused_with_the_remedy_and_not_run(tmp_path, arrays):
    path = tmp_path / "moved.npz"
    np.savez(path, **DIGITS._asdict() | {"perturbation": "reposition", "strengths": "{}"} | arrays)
    with pytest.raises(UserError, match=r"moved\.npz is missing or damaged \(.+\); make it with `dvc repro`"):
        load_test_set(path)
