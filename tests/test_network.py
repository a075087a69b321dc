"""A network comes back as it was saved, and a file that is none, or would run code, is refused."""

import re
from pathlib import Path

import numpy as np
import pytest

from stages.shared.network import load_network
from stages.shared.quiet_keras import keras
from stages.shared.stage import StageError
from stages.train import build_network

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


def test_a_network_comes_back_with_the_same_answers(path):
    network = build_network()
    network.save(path)
    np.testing.assert_array_equal(
        load_network(path).predict(IMAGES, verbose=0), network.predict(IMAGES, verbose=0)
    )


def test_a_missing_network_says_how_to_make_one(path):
    with pytest.raises(StageError, match=rf"^{re.escape(str(path))} is missing .*run `dvc repro train`"):
        load_network(path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_network_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(StageError, match="is missing or damaged"):
        load_network(path)


def test_a_flipped_byte_is_found(path):
    build_network().save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StageError, match=r"(?s)is missing or damaged .*; try another$"):
        load_network(path, "try another")


def test_code_within_a_file_is_not_run(path, tmp_path):
    proof = tmp_path / "ran"
    spy = keras.layers.Lambda(lambda images, proof=str(proof): Path(proof).touch() or images)
    keras.Sequential([keras.Input((28, 28)), spy]).save(path)
    assert proof.exists()
    proof.unlink()
    with pytest.raises(StageError, match="Lambda"):
        load_network(path)
    assert not proof.exists()
