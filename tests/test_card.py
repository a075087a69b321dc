"""The card of the network says what was measured, and the code in it gives what the network gives."""

import re
import shutil

import numpy as np
import pytest
import yaml
from project import Project

from mnist_moved.data.idx import load_split


@pytest.fixture(scope="module")
def card(finished):
    return (finished / "models/README.md").read_text()


def test_it_says_what_was_measured_in_the_form_that_model_hubs_read(card, finished):
    evaluation = finished.read_json("metrics/evaluation.json")
    _, head, text = card.split("---\n", 2)
    [entry] = yaml.safe_load(head)["model-index"]
    said = {each["dataset"]["name"]: each["metrics"][0]["value"] for each in entry["results"]}
    assert said == {
        "MNIST, test: clean": evaluation["clean"]["accuracy"],
        "MNIST, test: repositioned": evaluation["repositioned"]["accuracy"],
    }
    rows = re.findall(r"^\| (\w[\w ]+) \| ([\d,]+) \| ([\d.]+) % \|", text, re.MULTILINE)
    assert rows == [
        (name.replace("_", " "), f"{account['count']:,}", f"{100 * account['accuracy']:.2f}")
        for name, account in evaluation.items()
    ]
    size = (finished / "models/model.keras").stat().st_size
    assert f"61,418 parameters, {size / 1000:.0f} kB" in text


@pytest.mark.nightly
def test_its_code_gives_the_same_probabilities_in_every_form(card, finished, tmp_path):
    for package in ("ai_edge_litert", "jax", "onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package, reason="requirements-formats.txt is not installed")
    load, onnx, litert = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    load = load.replace('np.zeros((2, 28, 28), "uint8")', 'np.load("images.npy")')
    digits = load_split(finished / "data/raw", "test")
    np.save(tmp_path / "images.npy", digits.images[:500])
    shutil.copy(finished / "models/model.keras", tmp_path)
    for backend, forms in {
        "tensorflow": {"keras": load, "onnx": onnx, "lite": litert},
        "jax": {"jax": load},
    }.items():
        code = "\n".join(f'{block}\nnp.save("{form}", probabilities)' for form, block in forms.items())
        (tmp_path / "use.py").write_text(code)
        Project(tmp_path, finished.environment | {"KERAS_BACKEND": backend}).run("python use.py")
    expected = np.load(tmp_path / "keras.npy")
    assert (expected.argmax(axis=1) == digits.labels[:500]).mean() > 0.9
    for form in ("onnx", "lite", "jax"):
        np.testing.assert_allclose(np.load(tmp_path / f"{form}.npy"), expected, atol=1e-5, err_msg=form)
