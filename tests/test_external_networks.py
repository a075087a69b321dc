"""A network from elsewhere answers as it was trained to, whatever its form, or is refused and not run."""

from pathlib import Path

import numpy as np
import pytest
from project import ROOT
from scipy.special import softmax

from mnist_moved.paths import baseline_of
from mnist_moved.command import UserError
from mnist_moved.networks.external import SCALES, load_external
from mnist_moved.data.idx import Digits
from mnist_moved.networks.architectures import predict
from mnist_moved.networks.quiet_keras import keras

onnx = pytest.importorskip("onnx", reason="requirements-models.txt is not installed")

# Images of ten classes: a line at a height of its own, on paper of any grey.
RNG = np.random.default_rng(0)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 6)
IMAGES = RNG.integers(0, 50, (60, 28, 28), dtype=np.uint8)
IMAGES[np.arange(60), 2 * LABELS + 4] = 200
# A network that is right on all images would seem the better, the larger the scale is.
DIGITS = Digits(IMAGES, np.where(np.arange(60) < 6, 9 - LABELS, LABELS))

# That knows the class by the mean level of its line, if levels go from 0 to 1, and is as sure as it is right.
WEIGHTS = np.zeros((28, 28, 10), np.float32)
for label in range(10):
    WEIGHTS[2 * label + 4, :, label] = 6.4 / 28
WEIGHTS = WEIGHTS.reshape(784, 10)
LOGITS = IMAGES.reshape(60, 784) / 255 @ WEIGHTS
SHAPES = [(28, 28), (28, 28, 1), (1, 28, 28), (784,)]


def in_keras(path, shape=(28, 28), classes=10, activation=None, preparation=None):
    """Save the network that sees lines; preparation: what it does with its input first."""
    layers = [keras.Input(shape), *([preparation] if preparation else []), keras.layers.Flatten()]
    network = keras.Sequential([*layers, keras.layers.Dense(classes, activation)])
    if np.prod(shape) == 784 and classes == 10:
        network.layers[-1].set_weights([WEIGHTS, np.zeros(10, np.float32)])
    network.save(path)
    return path


def in_onnx(path, shape=(28, 28), batch="n", weights=WEIGHTS, inputs=1, kind="FLOAT"):
    """The same as an ONNX file."""
    helper, types = onnx.helper, onnx.TensorProto
    given = [
        helper.make_tensor_value_info(f"image{number}", getattr(types, kind), [batch, *shape])
        for number in range(inputs)
    ]
    output = helper.make_tensor_value_info("logits", types.FLOAT, [batch, weights.shape[1]])
    nodes = [
        helper.make_node("Cast", ["image0"], ["float"], to=types.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "lines", given, [output], [onnx.numpy_helper.from_array(weights, "weights")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("save", [in_keras, in_onnx])
def test_images_may_be_laid_out_in_any_usual_way(tmp_path, save, shape):
    path = save(tmp_path / f"lines.{save.__name__[3:]}", shape)
    network = load_external(path, DIGITS)
    np.testing.assert_allclose(network.predict(IMAGES), softmax(LOGITS, axis=1), atol=1e-5)
    described = f"images (n, {', '.join(map(str, shape))}), 0 to 1, to logits; 90.0% of 60 validation images"
    assert network.description.startswith(described)
    assert network.parameters in (7840, 7850)  # without and with a bias


@pytest.mark.parametrize("scale", SCALES)
def test_the_scale_is_found_out_by_what_is_recognised_or_taken_as_said(tmp_path, scale):
    # A level of 0 on that scale, and of 255; in between it sees a line, beyond it saturates.
    black, white = SCALES[scale](np.array([0, 255]))
    to_one = keras.layers.Rescaling(1 / (white - black), -black / (white - black))
    even = keras.Sequential([to_one, keras.layers.ReLU(max_value=1), keras.layers.Rescaling(1, 0)])
    path = in_keras(tmp_path / "lines.keras", preparation=even)
    for network in (load_external(path, DIGITS), load_external(path, DIGITS, scale)):
        assert f", {scale}, to logits; 90.0% of" in network.description
        np.testing.assert_allclose(network.predict(IMAGES), softmax(LOGITS, axis=1), atol=1e-4)
    [other, *_] = {*SCALES} - {scale}
    assert f", {other}, to logits; " in load_external(path, DIGITS, other).description


def test_being_right_counts_for_more_than_being_no_surer_than_that(tmp_path):
    network = keras.saving.load_model(in_keras(tmp_path / "lines.keras"))
    network.layers[-1].bias.assign(np.float32([20, *[0] * 9]))  # too little to matter at 0 to 255 alone
    network.save(tmp_path / "sure.keras")
    assert ", 0 to 255, to logits; 90.0% of" in load_external(tmp_path / "sure.keras", DIGITS).description


def test_a_network_of_this_project_answers_as_predict_says(tmp_path):
    baseline = ROOT / baseline_of("mnist")
    network = load_external(baseline, DIGITS, "0 to 255")
    assert ", 0 to 255, to probabilities;" in network.description
    expected = predict(keras.saving.load_model(baseline), IMAGES)
    np.testing.assert_allclose(network.predict(IMAGES), expected, atol=1e-6)
    assert network.parameters == 34_826


def test_an_onnx_file_may_take_so_many_images_at_once_and_whole_numbers(tmp_path):
    path = in_onnx(tmp_path / "lines.onnx", batch=16, weights=WEIGHTS / 255, kind="UINT8")
    network = load_external(path, DIGITS)
    assert network.description.startswith("images (n, 28, 28), 0 to 255, to logits; 90.0%")
    np.testing.assert_allclose(network.predict(IMAGES), softmax(LOGITS, axis=1), atol=1e-5)


def test_a_scale_at_which_it_overflows_is_not_the_one_that_is_meant(tmp_path):
    scale, back = keras.layers.Rescaling(1e37), keras.layers.Rescaling(1e-37)
    narrow = keras.Sequential([scale, keras.layers.ReLU(), back])
    path = in_keras(tmp_path / "lines.keras", preparation=narrow)
    assert ", 0 to 1, to logits; 90.0% of" in load_external(path, DIGITS).description
    with pytest.raises(UserError, match="found numbers that are not finite"):
        load_external(path, DIGITS, "0 to 255")


def two_inputs(path):
    first, second = keras.Input((28, 28)), keras.Input((28, 28))
    keras.Model([first, second], keras.layers.Add()([first, second])).save(path)


def not_a_number(path):
    in_keras(path)
    network = keras.saving.load_model(path)
    network.layers[-1].bias.assign(np.full(10, np.nan, np.float32))
    network.save(path)


def cut(path):
    content = in_onnx(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


WRONG = {
    "a.pkl": (
        lambda path: path.write_bytes(b"cos\nsystem\n"),
        r"ends in \.keras or \.onnx, which can hold no",
    ),
    "b.pt": (lambda path: path.write_bytes(b"PK"), r"ends in \.keras or \.onnx, which can hold no code"),
    "c.keras": (lambda path: None, "no such file"),
    "d.keras": (
        lambda path: path.write_bytes(b"PK"),
        "expected a Keras file, which is a zip archive; found no",
    ),
    "e.keras": (lambda path: in_keras(path, (32, 32)), r"found an input of shape \(32, 32\)"),
    "f.keras": (lambda path: in_keras(path, classes=11), r"found an output of shape \(11,\)"),
    "g.keras": (two_inputs, "expected one input and one output, found 2 inputs and 1 outputs"),
    "h.keras": (not_a_number, "found numbers that are not finite"),
    "i.onnx": (cut, "expected an ONNX file, found another or a damaged one"),
    "j.onnx": (lambda path: in_onnx(path, inputs=2), "expected one input and one output, found 2 inputs"),
    "k.onnx": (
        lambda path: in_onnx(path, (3, 28, 28), weights=np.tile(WEIGHTS, (3, 1))),
        r"found an input of shape \(3, 28, 28\)",
    ),
    "l.onnx": (
        lambda path: in_onnx(path, kind="INT64"),
        r"expected an input of type .*, found tensor\(int64\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_network_is_refused_in_a_sentence(tmp_path, name):
    make, found = WRONG[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: .*{found}"):
        load_external(tmp_path / name, DIGITS)


def test_code_within_a_file_is_not_run(tmp_path):
    proof = tmp_path / "ran"
    spy = keras.layers.Lambda(lambda images, proof=str(proof): Path(proof).touch() or images)
    path = in_keras(tmp_path / "spy.keras", preparation=spy)
    proof.unlink()
    with pytest.raises(UserError, match="expected a Keras file of Keras's own layers, found"):
        load_external(path, DIGITS)
    assert not proof.exists()
