"""An external network answers as it was trained to, whatever its form, or is refused and not run."""

import numpy as np
import pytest
from project import ROOT
from scipy.special import softmax

from mnist_moved.command import UserError
from mnist_moved.data.idx import Digits
from mnist_moved.networks.external import SCALES, load_external
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.paths import baseline_of

onnx = pytest.importorskip("onnx", reason="requirements-models.txt is not installed")
layers = keras.layers

# Images of ten classes: a line at a height of its own, on paper of any grey.
RNG = np.random.default_rng(0)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 6)
IMAGES = RNG.integers(0, 50, (60, 28, 28), dtype=np.uint8)
IMAGES[np.arange(60), 2 * LABELS + 4] = 200
# A network that is right on all images would seem the better, the larger the scale is.
DIGITS = Digits(IMAGES, np.where(np.arange(60) < 6, 9 - LABELS, LABELS))

# That knows the class by the mean level of its line, if levels go from 0 to 1, and is as sure as it is right.
WEIGHTS = np.zeros((28, 28, 10), np.float32)
WEIGHTS[2 * np.arange(10) + 4, :, np.arange(10)] = 6.4 / 28
WEIGHTS = WEIGHTS.reshape(784, 10)
PROBABILITIES = softmax(IMAGES.reshape(60, 784) / 255 @ WEIGHTS, axis=1)


def in_keras(path, shape=(28, 28), *preparation, classes=10, bias=0):
    """Save the network that sees lines; preparation: what it does with its input first."""
    network = keras.Sequential([keras.Input(shape), *preparation, layers.Flatten(), layers.Dense(classes)])
    if np.prod(shape) == 784 and classes == 10:
        network.layers[-1].set_weights([WEIGHTS, np.float32([bias, *[0] * 9])])
    network.save(path)
    return path


def in_onnx(path, shape=(28, 28), batch="n", weights=WEIGHTS, inputs=1, dtype="float"):
    """The same as an ONNX file."""
    images = [f"{dtype}[{', '.join(map(str, (batch, *shape)))}] image{number}" for number in range(inputs)]
    text = f"""<ir_version: 10, opset_import: ["": 17]> lines ({", ".join(images)}) => (float[n,10] logits) {{
        levels = Cast <to = 1> (image0)
        flat = Flatten(levels)
        logits = MatMul(flat, weights)
    }}"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "weights"))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28), (784,)])
@pytest.mark.parametrize("save", [in_keras, in_onnx])
def test_images_may_be_laid_out_in_any_usual_way(tmp_path, save, shape):
    network = load_external(save(tmp_path / f"lines.{save.__name__[3:]}", shape), DIGITS)
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-5)
    described = f"images (n, {', '.join(map(str, shape))}), 0 to 1, to logits; 90.0% of 60 validation images"
    assert network.description.startswith(described)
    assert network.parameters == (7850 if save == in_keras else 7840)  # with and without a bias


@pytest.mark.parametrize("scale", SCALES)
def test_the_scale_is_found_out_by_what_is_classified_correctly_or_taken_as_said(tmp_path, scale):
    # A level of 0 on that scale, and of 255; in between it sees a line, beyond it saturates.
    black, white = SCALES[scale](np.array([0, 255]))
    to_one = layers.Rescaling(1 / (white - black), -black / (white - black))
    path = in_keras(tmp_path / "lines.keras", (28, 28), to_one, layers.ReLU(max_value=1))
    for network in (load_external(path, DIGITS), load_external(path, DIGITS, scale)):
        assert f", {scale}, to logits; 90.0% of" in network.description
        np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-4)
    [other, *_] = {*SCALES} - {scale}
    assert f", {other}, to logits; " in load_external(path, DIGITS, other).description


def test_being_right_counts_for_more_than_being_no_surer_than_that(tmp_path):
    path = in_keras(tmp_path / "sure.keras", bias=20)  # too little to matter at 0 to 255 alone
    assert ", 0 to 255, to logits; 90.0% of" in load_external(path, DIGITS).description


def test_a_network_of_this_project_answers_as_predict_says():
    baseline = ROOT / baseline_of("mnist")
    network = load_external(baseline, DIGITS, "0 to 255")
    assert ", 0 to 255, to probabilities;" in network.description
    np.testing.assert_allclose(network.predict(IMAGES), predict(load_network(baseline), IMAGES), atol=1e-6)


def test_an_onnx_file_may_take_so_many_images_at_once_and_whole_numbers(tmp_path):
    path = in_onnx(tmp_path / "lines.onnx", batch=16, weights=WEIGHTS / 255, dtype="uint8")
    network = load_external(path, DIGITS)
    assert network.description.startswith("images (n, 28, 28), 0 to 255, to logits; 90.0%")
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-5)


def test_a_scale_at_which_it_overflows_is_not_the_one_that_is_meant(tmp_path):
    narrow = layers.Rescaling(1e37), layers.ReLU(), layers.Rescaling(1e-37)
    path = in_keras(tmp_path / "lines.keras", (28, 28), *narrow)
    assert ", 0 to 1, to logits; 90.0% of" in load_external(path, DIGITS).description
    with pytest.raises(UserError, match="found numbers that are not finite"):
        load_external(path, DIGITS, "0 to 255")


def two_inputs(path):
    images = [keras.Input((28, 28)), keras.Input((28, 28))]
    keras.Model(images, layers.Add()(images)).save(path)


def cut(path):
    path.write_bytes(in_onnx(path).read_bytes()[:2000])


def colours(path):
    in_onnx(path, (3, 28, 28), weights=np.tile(WEIGHTS, (3, 1)))


@pytest.mark.parametrize(
    ("name", "make", "found"),
    [
        ("a.pkl", lambda path: path.write_bytes(b"cos\nsystem\n"), r"ends in \.keras or \.onnx, which can"),
        ("b.keras", lambda path: None, "no such file"),
        ("c.keras", lambda path: path.write_bytes(b"PK"), "expected a Keras file, .* zip archive; found no"),
        ("d.keras", lambda path: in_keras(path, (32, 32)), r"found an input of shape \(32, 32\)"),
        ("e.keras", lambda path: in_keras(path, classes=11), r"found an output of shape \(11,\)"),
        ("f.keras", two_inputs, "expected one input and one output, found 2 inputs and 1 outputs"),
        ("g.keras", lambda path: in_keras(path, bias=np.nan), "found numbers that are not finite"),
        ("h.onnx", cut, "expected an ONNX file, found another or a damaged one"),
        ("i.onnx", lambda path: in_onnx(path, inputs=2), "one input and one output, found 2 inputs"),
        ("j.onnx", colours, r"found an input of shape \(3, 28, 28\)"),
        ("k.onnx", lambda path: in_onnx(path, dtype="int64"), r"an input of type .*, found tensor\(int64\)"),
    ],
)
def test_what_is_no_such_network_is_refused_in_a_sentence(tmp_path, name, make, found):
    make(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: .*{found}"):
        load_external(tmp_path / name, DIGITS)
