"""Digits are perturbed as asked, afresh in every epoch; an interrupted training goes on as if it were not."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from project import ROOT

from mnist_moved.command import UserError
from mnist_moved.data.idx import SPLITS, Digits, evaluation_digits, to_idx
from mnist_moved.networks import checkpoint
from mnist_moved.networks.architectures import NETWORKS
from mnist_moved.networks.checkpoint import digest, load_checkpoint, save_checkpoint
from mnist_moved.networks.muon import Muon, orthogonalised
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.training import compiled, diverged, fit, training_and_validation
from mnist_moved.params import Train

RNG = np.random.default_rng(0)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 6)
IMAGES = RNG.integers(0, 50, (60, 28, 28), dtype=np.uint8)
IMAGES[np.arange(60), 2 * LABELS + 4] = 255  # a line whose height tells the digit
DIGITS = Digits(IMAGES, LABELS)

NUMBERS = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01, "training_digits": 45}
NETWORK = {"network": "tiny", "network_options": {"rate": 0.2}, "seed": 1, "validation_digits": 10}
AUGMENTATION = {"brightness": {"probability": 0.5, "increase": [0, 0.3]}}
PARAMS = Train(**NUMBERS, **NETWORK, augment=True, augmentation=AUGMENTATION)


def params(**changes):
    return PARAMS.model_copy(update=changes)


def tiny(rate):
    """A network that is quick to compile, and draws at random within itself."""
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dropout(rate)]
    return keras.Sequential([keras.Input((28, 28)), *layers, keras.layers.Dense(10, "softmax")])


@pytest.fixture(autouse=True)
def _tiny_is_a_network(monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny", tiny)


def test_the_first_digits_are_trained_on_and_the_last_held_out_and_evaluated_on(tmp_path):
    for name, array in zip(SPLITS["train"], DIGITS, strict=True):
        (tmp_path / name).write_bytes(to_idx(array))
    training, validation = training_and_validation(DIGITS, PARAMS)
    np.testing.assert_equal(training, Digits(IMAGES[:45], LABELS[:45]))
    np.testing.assert_equal(validation, Digits(IMAGES[50:], LABELS[50:]))
    np.testing.assert_equal(evaluation_digits(tmp_path, "validation", 10), validation)
    with pytest.raises(UserError, match=r"training_digits \+ .* got 61; allowed: at most 60, as many as the"):
        training_and_validation(DIGITS, params(training_digits=51))


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


def same_weights(one, other):
    return list(map(np.array_equal, one.network.get_weights(), other.network.get_weights()))


def test_every_epoch_has_every_digit_once_in_an_order_and_a_perturbation_of_its_own_if_asked(fed):
    last(fit(PARAMS, DIGITS))
    assert len(fed) == 3
    for images, labels in fed:
        np.testing.assert_array_equal(np.bincount(labels), np.full(10, 6))
        lines = np.argmax(images.mean(axis=2), axis=1)
        np.testing.assert_array_equal((lines - 4) / 2, labels)
    (first, labels), (second, other_labels), _ = fed
    assert not np.array_equal(labels, other_labels)
    assert not np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))
    last(fit(params(augment=False, epochs=1), DIGITS))
    np.testing.assert_array_equal(np.sort(fed[3][0], axis=0), np.sort(IMAGES, axis=0))


def test_it_learns_and_tells_how_it_went():
    mislabelled = Digits(IMAGES, (LABELS + 1) % 10)
    epochs = list(fit(params(epochs=8), DIGITS, mislabelled))
    assert [len(progress.history) for progress in epochs] == list(range(1, 9))
    first, *_, end = epochs[-1].history
    assert {*first} == {"training/accuracy", "training/loss", "validation/accuracy", "validation/loss"}
    assert end["training/loss"] < first["training/loss"] / 2
    assert end["validation/accuracy"] < 0.2 < end["training/accuracy"]


def test_one_seed_gives_one_network_and_another_another():
    one, same, other = (next(fit(params(seed=seed), DIGITS)) for seed in (1, 1, 2))
    assert all(same_weights(one, same))
    assert not any(same_weights(one, other))


def test_the_learning_rate_grows_for_a_fifth_of_the_steps_and_ends_at_nothing():
    schedule = compiled(tiny(0), 0.01, steps=100).optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 10, 20, 60, 100)]
    np.testing.assert_allclose(rates, [0, 0.005, 0.01, 0.005, 0], atol=1e-6)


@pytest.mark.parametrize("shape", [(432, 48), (25, 16), (9, 32)])
def test_an_orthogonalised_matrix_keeps_its_directions_and_is_about_as_long_in_all(shape):
    scales = np.geomspace(1, 0.1, shape[1])
    matrix = (np.random.default_rng(0).normal(size=shape) * scales).astype(np.float32)
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    lengths = left.T @ np.asarray(orthogonalised(matrix)) @ right.T
    assert 0.65 < np.diag(lengths).min() < np.diag(lengths).max() < 1.25
    np.testing.assert_allclose(lengths, np.diag(np.diag(lengths)), atol=0.02)


def test_muon_takes_its_step_for_convolutions_and_adams_for_all_else():
    kernel, bias = (keras.Variable(np.ones(shape), dtype="float32") for shape in ((3, 3, 2, 4), (4,)))
    muon, rng, momentum = Muon(0.01), np.random.default_rng(0), 0
    adam, twin = keras.optimizers.Adam(0.01), keras.Variable(np.ones(4), dtype="float32")
    for _ in range(2):
        before = np.array(kernel)
        gradients = [rng.normal(size=variable.shape).astype(np.float32) for variable in (kernel, bias)]
        tensors = [*map(keras.ops.convert_to_tensor, gradients)]
        muon.apply(tensors, [kernel, bias])
        adam.apply(tensors[1:], [twin])
        momentum = 0.9 * momentum + gradients[0]
        direction = orthogonalised((gradients[0] + 0.9 * momentum).reshape(18, 4))
        length = 0.01 * 0.2 * np.sqrt(18)
        step = (before - np.array(kernel)).reshape(18, 4)
        np.testing.assert_allclose(step / length, direction, atol=1e-3)
        np.testing.assert_allclose(np.array(bias), np.array(twin), rtol=1e-6)


def test_a_network_that_comes_compiled_keeps_its_optimizer():
    network, [row] = next(fit(params(network="baseline", network_options={}), DIGITS))
    assert float(network.optimizer.learning_rate) == pytest.approx(1e-3)
    assert {*row} == {"training/accuracy", "training/loss"}


def test_training_that_diverges_is_an_error():
    found = "training/loss (nan|inf), .* in epoch 1; lower the learning rate"
    with pytest.raises(UserError, match=rf"diverged: .* {found} \(train\.learning_rate: 1e\+38\)"):
        next(fit(params(learning_rate=1e38), DIGITS, DIGITS))


@pytest.mark.parametrize(
    ("accuracy", "loss", "is_last", "expected"),
    [
        (0.1, 16, True, True),
        (0.1, 16, False, False),  # it may recover
        (0.8, 16, True, False),  # too sure
        (0.1, 2.31, True, False),  # it has learned nothing
        (0.1, np.nan, False, True),
    ],
)
def test_training_has_diverged_if_it_ends_far_worse_than_guessing(accuracy, loss, is_last, expected):
    assert diverged({"training/accuracy": accuracy, "training/loss": loss}, is_last) == expected


def trained_weights():
    """A digest of the weights of a network after one epoch."""
    small = params(network="global_pooling", network_options={"channels": 8})
    network, _ = next(fit(small, DIGITS, DIGITS))
    return hashlib.sha256(b"".join(map(np.ndarray.tobytes, network.get_weights()))).hexdigest()


def test_no_settings_of_the_users_keras_change_the_network(tmp_path):
    settings = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "jax"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    environment = {
        "KERAS_HOME": str(tmp_path),
        "KERAS_MAX_STEPS_PER_EPOCH": "1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }
    found = subprocess.check_output(
        [sys.executable, "-c", "import test_training; print(test_training.trained_weights())"],
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        text=True,
    )
    assert found.strip() == trained_weights()


# The checkpoint


def test_a_training_that_goes_on_from_a_checkpoint_ends_with_the_same_weights(tmp_path):
    undisturbed = last(fit(PARAMS, DIGITS, DIGITS))
    path = tmp_path / "checkpoint.keras"
    save_checkpoint(path, next(fit(PARAMS, DIGITS, DIGITS)), "here")
    keras.utils.set_random_seed(7)  # another process
    resumed = last(fit(PARAMS, DIGITS, DIGITS, load_checkpoint(path, "here")))
    assert all(same_weights(undisturbed, resumed))
    assert resumed.history == undisturbed.history


def test_the_digest_tells_params_data_and_packages_apart(monkeypatch):
    digests = {digest(PARAMS, DIGITS), digest(PARAMS, Digits(IMAGES, LABELS[::-1]))}
    digests.add(digest(params(seed=2), DIGITS))
    assert digest(PARAMS, DIGITS) in digests
    monkeypatch.setattr("keras.__version__", "0")
    assert len(digests | {digest(PARAMS, DIGITS)}) == 4


def test_the_digest_is_another_where_code_changed_that_decides_how_training_goes(monkeypatch, tmp_path):
    shutil.copytree(ROOT / "mnist_moved", tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(checkpoint, "ROOMS", [tmp_path / each.name for each in checkpoint.ROOMS])
    for file in tmp_path.glob("*/*.py"):
        before = digest(PARAMS, DIGITS)
        file.write_bytes(file.read_bytes() + b"# changed\n")
        decides = file.parent.name in ("data", "perturbations", "networks")
        assert (digest(PARAMS, DIGITS) != before) == decides, file


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "other params, data or code"), (b"PK\x03\x04", "cannot be used"), (b"", "cannot be used")],
)
def test_a_checkpoint_of_no_use_is_reported_and_left(tmp_path, capsys, content, said):
    path = tmp_path / "checkpoint.keras"
    assert load_checkpoint(path, "here") is None
    assert capsys.readouterr().out == ""
    save_checkpoint(path, next(fit(PARAMS, DIGITS)), "there")
    if content is not None:
        path.write_bytes(content)
    assert load_checkpoint(path, "here") is None
    assert re.match(f"starting over: .*{said}", capsys.readouterr().out)
