"""A network keeps its contract or is refused, comes back as it was saved, and a file runs no code."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mnist_moved.command import UserError
from mnist_moved.networks.architectures import NETWORKS, build_network
from mnist_moved.networks.external import load_external
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import check_contract, load_network, predict, save_network

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)


def dense(units=10, activation="softmax", side=28, bias=0):
    output = keras.layers.Dense(units, activation, bias_initializer=keras.initializers.Constant(bias))
    return keras.Sequential([keras.Input((side, 28)), keras.layers.Flatten(), output])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_turns_images_into_probabilities_and_comes_back_as_it_was_saved(name, path):
    network = build_network(name)
    probabilities = predict(network, IMAGES)
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(60), rtol=1e-5)
    assert np.unique(probabilities.round(6), axis=0).shape == (60, 10)
    save_network(network, path)
    content, loaded = path.read_bytes(), load_network(path)
    np.testing.assert_array_equal(predict(loaded, IMAGES), probabilities)
    assert not loaded.compiled
    save_network(loaded, path)
    assert path.read_bytes() == content
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("metadata.json")) == {"keras_version": keras.__version__}  # no date


def test_the_default_network_sees_contrast_and_not_how_bright_the_paper_is():
    even = IMAGES // 2 * 2
    network = build_network("global_pooling", {"channels": 8})
    assert network.count_params() < 10_000  # as its options say
    np.testing.assert_allclose(predict(network, even // 2 + 60), predict(network, even), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alexnet", {}, r"train\.network: got 'alexnet'; allowed: global_pooling, baseline"),
        ("global_pooling", {"colour": 8}, "options: got colour; allowed for global_pooling: channels"),
        ("baseline", {"channels": 8}, "network_options: got channels; allowed for baseline: none"),
        ("global_pooling", {"channels": "many"}, "cannot be built with {'channels': 'many'}: "),
    ],
)
def test_an_unknown_network_or_option_is_refused_with_those_there_are(name, options, message):
    with pytest.raises(UserError, match=message):
        build_network(name, options)


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ({"units": 11}, r"an output of shape \(2, 11\)"),
        ({"activation": None}, "an output from .*; it ends in no softmax"),
        ({"activation": "sigmoid"}, "an output from .*; it ends in no softmax"),
        ({"side": 27}, "that it cannot take them"),
        ({"bias": np.nan}, "numbers that are not finite; was its learning rate too high"),
    ],
)
def test_a_network_that_breaks_the_contract_is_refused_before_it_is_used(network, found, path):
    network = dense(**network)
    with pytest.raises(UserError, match=rf"^mine: expected uint8 images .* found {found}"):
        check_contract(network, "mine")
    network.save(path)
    with pytest.raises(UserError, match=found):
        load_network(path)


def test_answers_that_are_not_finite_are_refused():
    with pytest.raises(
        UserError, match="found numbers that are not finite for 60 of 60 images; was its learn"
    ):
        predict(dense(bias=np.nan), IMAGES)


class Subclass(keras.Model):
    def call(self, images):
        return keras.ops.softmax(keras.ops.cast(images[:, 0, :10], "float32"))


def lambda_layer():
    return keras.Sequential([*dense().layers, keras.layers.Lambda(lambda probabilities: probabilities)])


@pytest.mark.parametrize("network", [Subclass, lambda_layer])
def test_a_network_that_no_file_could_hold_without_code_is_refused_before_it_is_trained(monkeypatch, network):
    monkeypatch.setitem(NETWORKS, "mine", network)
    with pytest.raises(UserError, match=r"the network mine: expected .* of Keras's own layers, which loads"):
        build_network("mine")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04"])
def test_what_is_no_network_is_refused_with_a_remedy(path, content, monkeypatch):
    monkeypatch.chdir(path.parent)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"(?s)model\.keras is missing or damaged .*name another file"):
        load_network(path)
    with pytest.raises(UserError, match=r"(?s)models/model\.keras is missing .*`dvc repro train`"):
        load_network()


@pytest.mark.parametrize("load", [load_network, lambda path: load_external(path, None)])
def test_code_within_a_file_is_not_run(path, tmp_path, load):
    proof = tmp_path / "ran"
    spy = keras.layers.Lambda(lambda images, proof=str(proof): Path(proof).touch() or images)
    keras.Sequential([keras.Input((28, 28)), spy]).save(path)
    proof.unlink()
    with pytest.raises(UserError, match="Lambda"):
        load(path)
    assert not proof.exists()
