"""Digits are perturbed as asked, afresh in every epoch; an interrupted training goes on as if it were not."""

import numpy as np
import pytest

from mnist_moved.networks import checkpoint
from mnist_moved.networks.checkpoint import digest, load_checkpoint, save_checkpoint
from mnist_moved.command import UserError
from mnist_moved.data.idx import SPLITS, Digits, evaluation_digits, to_idx
from mnist_moved.networks.architectures import NETWORKS
from mnist_moved.params import Train
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.training import compiled, fit, split

RNG = np.random.default_rng(0)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 6)
IMAGES = RNG.integers(0, 50, (60, 28, 28), dtype=np.uint8)
IMAGES[np.arange(60), 2 * LABELS + 4] = 255  # a line whose height tells the digit
DIGITS = Digits(IMAGES, LABELS)

PARAMS = Train(
    network="tiny",
    network_options={"rate": 0.2},
    seed=1,
    epochs=3,
    batch_size=16,
    learning_rate=0.01,
    training_digits=50,
    validation_digits=10,
    augment=True,
    augmentation={"brightness": {"probability": 0.5, "increase": [0, 0.3]}},
)


def tiny(rate):
    """A network that is quick to compile, and draws at random within itself."""
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dropout(rate)]
    return keras.Sequential([keras.Input((28, 28)), *layers, keras.layers.Dense(10, "softmax")])


@pytest.fixture(autouse=True)
def _tiny_is_a_network(monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny", tiny)


# split


def test_the_last_digits_are_held_out_and_so_many_of_the_others_trained_on():
    training, validation = split(DIGITS, PARAMS.model_copy(update={"training_digits": 45}))
    np.testing.assert_array_equal(training.images, IMAGES[:45])
    np.testing.assert_array_equal(training.labels, LABELS[:45])
    np.testing.assert_array_equal(validation.images, IMAGES[50:])
    np.testing.assert_array_equal(validation.labels, LABELS[50:])


def test_no_more_digits_are_used_than_there_are():
    with pytest.raises(UserError, match=r"training_digits \+ .* got 61; allowed: at most 60, as many as the"):
        split(DIGITS, PARAMS.model_copy(update={"training_digits": 51}))


def test_the_validation_digits_to_evaluate_on_are_the_last_and_none_of_them_is_trained_on(tmp_path):
    for name, array in zip(SPLITS["train"], DIGITS, strict=True):
        (tmp_path / name).write_bytes(to_idx(array))
    training, validation = split(DIGITS, PARAMS)
    evaluated = evaluation_digits(tmp_path, "validation", PARAMS.validation_digits)
    np.testing.assert_equal(evaluated, validation)
    np.testing.assert_equal([*training.images, *evaluated.images], IMAGES)


# fit


@pytest.fixture
def fed(monkeypatch):
    """What Keras was given to train on, (images, labels) an epoch."""
    epochs, keras_fit = [], keras.Model.fit

    def record(network, images, labels, *arguments, **options):
        epochs.append((images, labels))
        return keras_fit(network, images, labels, *arguments, **options)

    monkeypatch.setattr(keras.Model, "fit", record)
    return epochs


def last(epochs):
    return list(epochs)[-1]


def test_every_epoch_has_every_digit_once_in_an_order_and_a_perturbation_of_its_own(fed):
    last(fit(PARAMS, DIGITS))
    assert len(fed) == 3
    for images, labels in fed:
        np.testing.assert_array_equal(np.bincount(labels), np.full(10, 6))
        lines = np.argmax(images.mean(axis=2), axis=1)
        np.testing.assert_array_equal((lines - 4) / 2, labels)
    first, second, _ = (images for images, _ in fed)
    assert not np.array_equal(fed[0][1], fed[1][1])
    assert not np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))


def test_without_augment_the_digits_are_trained_on_as_they_are(fed):
    last(fit(PARAMS.model_copy(update={"augment": False, "epochs": 1}), DIGITS))
    [(images, _)] = fed
    np.testing.assert_array_equal(np.sort(images, axis=0), np.sort(IMAGES, axis=0))


def test_it_learns_and_tells_how_it_went():
    mislabelled = Digits(IMAGES, (LABELS + 1) % 10)
    epochs = list(fit(PARAMS.model_copy(update={"epochs": 8}), DIGITS, mislabelled))
    assert [len(progress.curves) for progress in epochs] == list(range(1, 9))
    curves = epochs[-1].curves
    assert set(curves[0]) == {
        f"{part}/{name}" for part in ("training", "validation") for name in ("accuracy", "loss")
    }
    assert curves[-1]["training/loss"] < curves[0]["training/loss"] / 2
    assert curves[-1]["validation/accuracy"] < 0.2 < curves[-1]["training/accuracy"]


def test_one_seed_gives_one_network_and_another_another():
    one, same, other = (
        next(fit(PARAMS.model_copy(update={"seed": seed}), DIGITS)).network.get_weights()
        for seed in (1, 1, 2)
    )
    assert all(map(np.array_equal, one, same))
    assert not any(map(np.array_equal, one, other))


def test_the_learning_rate_grows_for_a_fifth_of_the_steps_and_ends_at_nothing():
    network = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
    schedule = compiled(network, 0.01, steps=100).optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 10, 20, 60, 100)]
    np.testing.assert_allclose(rates, [0, 0.005, 0.01, 0.005, 0], atol=1e-6)


def test_a_network_that_comes_compiled_keeps_its_optimizer():
    network, curves = next(
        fit(PARAMS.model_copy(update={"network": "standard", "network_options": {}}), DIGITS)
    )
    assert float(network.optimizer.learning_rate) == pytest.approx(1e-3)
    assert set(curves[0]) == {"training/accuracy", "training/loss"}


# The checkpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.keras"


def test_a_training_that_goes_on_from_a_checkpoint_ends_with_the_same_weights(path):
    undisturbed = last(fit(PARAMS, DIGITS, DIGITS))
    save_checkpoint(path, next(fit(PARAMS, DIGITS, DIGITS)), "here")
    keras.utils.set_random_seed(7)  # another process
    resumed = last(fit(PARAMS, DIGITS, DIGITS, load_checkpoint(path, "here")))
    assert all(map(np.array_equal, undisturbed.network.get_weights(), resumed.network.get_weights()))
    assert resumed.curves == undisturbed.curves


def test_the_digest_tells_settings_data_packages_and_code_apart(monkeypatch, tmp_path):
    other = Digits(IMAGES, LABELS[::-1])
    digests = {digest(PARAMS, DIGITS), digest(PARAMS, other)}
    digests.add(digest(PARAMS.model_copy(update={"seed": 2}), DIGITS))
    assert digest(PARAMS, DIGITS) in digests
    monkeypatch.setattr("keras.__version__", "0")
    digests.add(digest(PARAMS, DIGITS))
    (tmp_path / "edited.py").write_text("")
    monkeypatch.setattr(checkpoint, "CODE", tmp_path)
    digests.add(digest(PARAMS, DIGITS))
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "other settings, data or code"), (b"PK\x03\x04", "cannot be used"), (b"", "cannot be used")],
    ids=["of another run", "cut", "empty"],
)
def test_a_checkpoint_of_no_use_is_reported_and_left(path, capsys, content, said):
    save_checkpoint(path, next(fit(PARAMS, DIGITS)), "there")
    if content is not None:
        path.write_bytes(content)
    assert load_checkpoint(path, "here") is None
    output = capsys.readouterr().out
    assert output.startswith("starting over: ")
    assert said in output
    assert load_checkpoint(path.with_name("none.keras"), "here") is None
    assert capsys.readouterr().out == ""
