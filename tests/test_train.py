"""Digits are perturbed as params.yaml asks, and the network takes them as MNIST stores them."""

import numpy as np
import pytest

from stages.train import augment, build_network

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 28, 28), dtype=np.uint8)


# augment


def augmented(augmentation, n=60):
    images = np.resize(IMAGES, (n, 28, 28))
    return images, augment(images, np.random.default_rng(0), augmentation)


def brightness(probability, low=0.2, high=0.4):
    return {"brightness": {"probability": probability, "increase": [low, high]}}


def test_without_probability_no_digit_changes():
    images, result = augmented({"edges": {"probability": 0, "sigma": [1, 1]}})
    np.testing.assert_array_equal(result, images)


def test_the_digits_passed_in_are_never_written_to():
    images, result = augmented(brightness(1))
    np.testing.assert_array_equal(images, IMAGES)
    assert (result != images).any()


def test_so_many_digits_change_as_the_probabilities_say_and_none_twice():
    stripes = {"stripe": {"probability": 0.5, "pixels": [14, 14]}}
    images, result = augmented(brightness(0.3, 0.2, 0.2) | stripes, 20_000)
    brighter = (result == np.minimum(images + 51.0, 255)).all(axis=(1, 2))
    inverted = (result == 255 - images).all(axis=(1, 2))
    untouched = (result == images).all(axis=(1, 2))
    assert [brighter.mean(), inverted.mean(), untouched.mean()] == pytest.approx([0.3, 0.5, 0.2], abs=0.02)


def test_every_digit_draws_its_own_strength_within_the_bounds():
    images, result = augmented(brightness(1, 0.2, 0.4), 2000)
    increase = (result - images.astype(float)).max(axis=(1, 2)) / 255
    assert increase.min() == pytest.approx(0.2, abs=0.01)
    assert increase.max() == pytest.approx(0.4, abs=0.01)
    assert increase.mean() == pytest.approx(0.3, abs=0.01)


# The network


def test_the_network_turns_images_of_0_to_255_into_probabilities():
    network = build_network()
    probabilities = network.predict(IMAGES, verbose=0)
    assert probabilities.shape == (60, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(network.predict(IMAGES.astype(np.float32), verbose=0), probabilities)
