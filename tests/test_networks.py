"""A network keeps its contract or is refused, comes back as it was saved, and a file runs no code."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mnist_moved.command import UserError
from mnist_moved.networks.architectures import NETWORKS, build_network, check_contract, load_network, predict, save_network
from mnist_moved.networks.quiet_keras import keras

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)


def dense(units=10, activation="softmax", side=28):
    layers = [keras.Input((side, 28)), keras.layers.Flatten(), keras.layers.Dense(units, activation)]
    return keras.Sequential(layers)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_turns_images_of_0_to_255_into_probabilities(name):
    probabilities = predict(build_network(name), IMAGES)
    assert probabilities.shape == (60, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert len(np.unique(probabilities.round(6), axis=0)) == 60


def test_the_default_network_sees_contrast_and_not_how_bright_the_paper_is():
    even = IMAGES // 2 * 2
    network = build_network("global_pooling")
    np.testing.assert_allclose(predict(network, even // 2 + 60), predict(network, even), atol=1e-3)


def test_an_unknown_network_is_refused_with_those_there_are():
    with pytest.raises(UserError, match=r"train\.network: got 'alexnet'; allowed: global_pooling, standard"):
        build_network("alexnet")


def test_the_options_of_a_network_are_the_arguments_of_its_function():
    assert build_network("global_pooling", {"channels": 8}).count_params() < 10_000
    with pytest.raises(UserError, match="network_options: got colour; allowed for global_pooling: channels"):
        build_network("global_pooling", {"colour": 8})
    with pytest.raises(UserError, match="network_options: got channels; allowed for standard: none"):
        build_network("standard", {"channels": 8})
    with pytest.raises(UserError, match=r"global_pooling cannot be built with {'channels': 'many'}: "):
        build_network("global_pooling", {"channels": "many"})


@pytest.mark.parametrize(
    ("network", "found"),
    [
        (dense(11), r"an output of shape \(2, 11\)"),
        (dense(activation=None), "an output from .*; it ends in no softmax"),
        (dense(activation="sigmoid"), "an output from .*; it ends in no softmax"),
        (dense(side=27), "that it cannot take them"),
    ],
    ids=["eleven classes", "logits", "sigmoids", "other images"],
)
def test_a_network_that_breaks_the_contract_is_refused_before_it_is_used(network, found, path):
    with pytest.raises(UserError, match=rf"^mine: expected uint8 images .* found {found}"):
        check_contract(network, "mine")
    network.save(path)
    with pytest.raises(UserError, match=found):
        load_network(path)


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


def test_a_network_whose_numbers_went_astray_is_refused():
    network = dense()
    network.layers[-1].bias.assign(np.full(10, np.nan, np.float32))
    with pytest.raises(UserError, match="numbers that are not finite; was its learning rate too high"):
        check_contract(network, "mine")


def test_a_network_comes_back_with_the_same_answers_and_no_optimizer(path):
    network = build_network("standard")
    save_network(network, path)
    loaded = load_network(path)
    np.testing.assert_array_equal(predict(loaded, IMAGES), predict(network, IMAGES))
    assert not loaded.compiled


def test_the_same_weights_are_the_same_bytes(path, tmp_path):
    network = build_network("global_pooling")
    save_network(network, path)
    save_network(load_network(path), tmp_path / "again.keras")
    assert path.read_bytes() == (tmp_path / "again.keras").read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("metadata.json")) == {"keras_version": keras.__version__}  # no date


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_network_is_refused_with_a_remedy(path, content, monkeypatch):
    monkeypatch.chdir(path.parent)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"(?s)model\.keras is missing or damaged .*name another file"):
        load_network(path)
    with pytest.raises(UserError, match=r"(?s)models/model\.keras is missing .*`dvc repro train`"):
        load_network()


def test_code_within_a_file_is_not_run(path, tmp_path):
    proof = tmp_path / "ran"
    spy = keras.layers.Lambda(lambda images, proof=str(proof): Path(proof).touch() or images)
    keras.Sequential([keras.Input((28, 28)), spy]).save(path)
    proof.unlink()
    with pytest.raises(UserError, match="Lambda"):
        load_network(path)
    assert not proof.exists()
