"""A suite depends on the seed and its own name and strengths, and on nothing else."""

import numpy as np
import pytest

from stages.perturb import make_suite

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 20, dtype=np.uint8)


def suite(seed=42, name="repositioned", canvas=56.0):
    return make_suite(IMAGES, LABELS, seed, name, "reposition", canvas=canvas)


def test_a_suite_holds_altered_images_their_labels_the_kind_and_what_was_drawn():
    made = suite(canvas=84.0)
    assert made["images"].shape == IMAGES.shape
    assert made["images"].dtype == np.uint8
    assert (made["images"] != IMAGES).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(made["labels"], LABELS)
    assert str(made["kind"]) == "reposition"
    np.testing.assert_array_equal(made["canvas"], np.full(20, 84.0))
    assert made["top"].shape == made["left"].shape == (20,)


def test_the_same_seed_name_and_strengths_give_the_same_suite():
    for first, second in zip(suite().values(), suite().values(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("change", [{"seed": 43}, {"name": "repositioned_again"}])
def test_another_seed_or_name_draws_other_places(change):
    assert (suite()["top"] != suite(**change)["top"]).any()
