"""An external network answers as it was trained to, whatever its form, or is refused and not run."""

import json
import pickle
import re
import zipfile

import h5py
import numpy as np
import pytest
from project import ROOT
from scipy.special import softmax

from mnist_moved.command import UserError
from mnist_moved.data.idx import Digits
from mnist_moved.networks.external import FEEDINGS, SCALES, fits, load_external, reading_of
from mnist_moved.networks.formats import LEFT_OVER, as_keras_3, open_network, ten_numbers
from mnist_moved.networks.quiet_keras import keras, tensorflow
from mnist_moved.networks.saving import load_network, predict
from mnist_moved.paths import baseline_of

onnx = pytest.importorskip("onnx", reason="requirements-formats.txt is not installed")
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


def lines(shape=(28, 28), *preparation, classes=10, bias=0, end=None, weights=WEIGHTS):
    """The network that sees lines; preparation, end: what it does with its input first, its output last."""
    dense, last = layers.Dense(classes), [end] if end else []
    network = keras.Sequential([keras.Input(shape), *preparation, layers.Flatten(), dense, *last])
    if dense.kernel.shape == weights.shape:
        dense.set_weights([weights, np.float32([bias, *[0] * 9])])
    return network


def in_keras(path, *arguments, **options):
    lines(*arguments, **options).save(path)
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
    described = f"images (n, {', '.join(map(str, shape))}), 0 to 1, to logits; 90.0% of 60 validation digits"
    assert network.description.startswith(described)
    assert network.parameters == (7850 if save == in_keras else 7840)  # with and without a bias


@pytest.mark.parametrize("scale", ["0 to 255", "0 to 1", "-1 to 1", "-0.5 to 0.5", "standardised"])
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


def test_what_a_network_is_fed_with_is_what_its_name_says():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 3, 5] = 200
    fed = FEEDINGS["0 to 1, transposed, black on white"](image)
    assert (fed[0, 5, 3], fed[0, 3, 5]) == pytest.approx((55 / 255, 1))
    assert FEEDINGS["length 1"](image).sum() == 1
    assert FEEDINGS["length 1"](image * 0).sum() == 0  # a blank image stays one
    columns, own = (FEEDINGS[name](IMAGES) for name in ("columns of length 1", "each standardised"))
    np.testing.assert_allclose(columns, keras.utils.normalize(IMAGES, axis=1), atol=1e-6)
    expected = tensorflow.image.per_image_standardization(IMAGES[..., None])[..., 0]
    np.testing.assert_allclose(own, expected, atol=1e-4)
    assert [*FEEDINGS["0 or 1"](np.uint8([[[127, 128]]])).flat] == [0, 1]


@pytest.mark.parametrize("turn", [", black on white", ", transposed", ", transposed, black on white"])
def test_a_network_of_turned_images_is_fed_with_such(tmp_path, turn):
    transposed = [layers.Permute((2, 1))] if "transposed" in turn else []
    positive = [layers.Rescaling(-1, 1)] if "black" in turn else []
    path = in_keras(tmp_path / "lines.keras", (28, 28), *transposed, *positive, layers.ReLU(max_value=1))
    network = load_external(path, DIGITS)
    assert f", 0 to 1{turn}, to logits; 90.0% of" in network.description
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-4)


def test_being_right_counts_for_more_than_being_no_surer_than_that(tmp_path):
    path = in_keras(tmp_path / "sure.keras", bias=20)  # too little to matter at 0 to 255 alone
    assert ", 0 to 255, to logits; 90.0% of" in load_external(path, DIGITS).description


def test_an_answer_to_another_image_that_is_no_number_is_refused(tmp_path):
    divided = layers.LayerNormalization(axis=(1, 2), epsilon=0, center=False, scale=False)
    network = load_external(in_keras(tmp_path / "lines.keras", (28, 28), divided), DIGITS)
    blank = np.concatenate([IMAGES[:2], np.zeros((1, 28, 28), np.uint8)])
    with pytest.raises(UserError, match=r"lines\.keras: .* numbers that are not finite for 1 of 3 images"):
        network.predict(blank)


@pytest.mark.parametrize(
    ("end", "kind", "expected"),
    [
        (layers.Softmax(), "probabilities", PROBABILITIES),
        (layers.Activation("log_softmax"), "logarithms of probabilities", PROBABILITIES),
        (layers.Activation("sigmoid"), "one sigmoid a class", None),
    ],
)
def test_what_it_returns_becomes_probabilities(tmp_path, end, kind, expected):
    network = load_external(in_keras(tmp_path / "lines.keras", end=end), DIGITS, "0 to 1")
    assert f", 0 to 1, to {kind}; 90.0% of" in network.description
    found = network.predict(IMAGES)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    if expected is None:
        sigmoids = 1 / (1 + np.exp(IMAGES.reshape(60, 784) / -255 @ WEIGHTS))
        expected = sigmoids / sigmoids.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_numbers_near_0_and_1_are_no_logits():
    """As of a network that was trained with squared errors."""
    outputs = np.eye(10)[LABELS] + RNG.normal(0, 0.05, (60, 10))
    to_probabilities, kind = reading_of({"0 to 1": outputs, "0 to 255": 255 * outputs}, LABELS)
    assert kind == "numbers near 0 and 1"
    found = to_probabilities(outputs)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.max(axis=1).mean() > 0.8
    assert reading_of({"0 to 1": 10 * outputs}, LABELS)[1] == "logits"


def test_a_scale_that_its_input_cannot_have_had_is_refused(tmp_path):
    path = in_keras(tmp_path / "lines.keras")
    with pytest.raises(UserError, match=r"lines\.keras: --scale: expected .* found 0 to 1, enlarged"):
        load_external(path, DIGITS, "0 to 1, enlarged")


def test_a_logarithm_of_zero_is_no_fault(tmp_path):
    path = in_keras(tmp_path / "lines.keras", bias=-np.inf)
    assert load_external(path, DIGITS).predict(IMAGES)[:, 0].max() == 0


def test_a_network_of_this_project_answers_as_predict_says():
    baseline = ROOT / baseline_of("mnist")
    network = load_external(baseline, DIGITS, "0 to 255")
    assert ", 0 to 255, to probabilities;" in network.description
    np.testing.assert_allclose(network.predict(IMAGES), predict(load_network(baseline), IMAGES), atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_an_onnx_file_may_take_so_many_images_at_once_and_whole_numbers(tmp_path, dtype):
    path = in_onnx(tmp_path / "lines.onnx", batch=16, weights=WEIGHTS / 255, dtype=dtype)
    network = load_external(path, DIGITS)
    assert network.description.startswith("images (n, 28, 28), 0 to 255, to logits; 90.0%")
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-5)


def test_a_scale_at_which_it_overflows_is_not_the_one_that_is_meant(tmp_path):
    narrow = layers.Rescaling(1e37), layers.ReLU(), layers.Rescaling(1e-37)
    path = in_keras(tmp_path / "lines.keras", (28, 28), *narrow)
    assert ", 0 to 1, to logits; 90.0% of" in load_external(path, DIGITS).description
    with pytest.raises(UserError, match="found numbers that are not finite"):
        load_external(path, DIGITS, "0 to 255")


def rewritten(layer):
    """A layer of Keras 3 as Keras 2 wrote it down."""
    layer["config"] |= (
        {"axis": [layer["config"]["axis"]]} if layer["class_name"] == "BatchNormalization" else {}
    )
    return layer


@pytest.mark.parametrize(
    "first", [layers.Reshape((28, 28, 1)), layers.Conv2D(1, 1, kernel_initializer="ones")]
)
@pytest.mark.parametrize("form", ["h5", "keras", "hdf5"])
def test_a_sequential_of_keras_2_has_no_input_layer(tmp_path, form, first):
    """And was a bare list of layers once (hdf5)."""
    shape = (28, 28, 1) if first.name.startswith("conv") else (28, 28)
    path = in_keras(
        tmp_path / f"new.{form}",
        shape,
        first.__class__.from_config(first.get_config()),
        layers.BatchNormalization(epsilon=1e-7),
    )
    old = tmp_path / f"old.{form}"

    def rewrite(config):
        _, first, *rest = config["config"]["layers"]
        first["config"]["batch_input_shape"] = [None, *shape]
        config["config"]["layers"] = [first, *map(rewritten, rest)]
        return json.dumps(config | ({"config": config["config"]["layers"]} if form == "hdf5" else {}))

    if form != "keras":
        old.write_bytes(path.read_bytes())
        with h5py.File(old, "r+") as file:
            file.attrs["model_config"] = rewrite(json.loads(file.attrs["model_config"]))
    else:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(old, "w") as other:
            for name in archive.namelist():
                content = archive.read(name)
                other.writestr(name, rewrite(json.loads(content)) if name == "config.json" else content)
    network = load_external(old, DIGITS)
    assert ", 0 to 1, to logits; 90.0% of" in network.description
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-4)


@pytest.mark.parametrize("calls", [0, 1])
def test_keras_2_counted_the_calls_of_a_network_within_a_network_from_1(tmp_path, calls):
    images, dense = keras.Input((28, 28)), layers.Dense(10)
    inner = keras.Sequential([keras.Input((28, 28)), layers.Flatten()], name="inner")
    keras.Model(images, dense(inner(images))).save(tmp_path / "new.h5")
    with h5py.File(tmp_path / "new.h5", "r+") as file:
        config = file.attrs["model_config"]
        assert '["inner", 0, 0]' in config
        file.attrs["model_config"] = config.replace('["inner", 0, 0]', f'["inner", {calls}, 0]')
    expected = dense(IMAGES.reshape(60, 784).astype("float32"))
    np.testing.assert_allclose(open_network(tmp_path / "new.h5").outputs(IMAGES), expected, rtol=1e-4)


def test_a_layer_within_a_layer_of_keras_2_has_no_module():
    config = layers.Bidirectional(layers.GRU(1), name="both").get_config()
    for key in ("layer", "backward_layer"):
        del config[key]["module"]
    read = as_keras_3({"class_name": "Bidirectional", "config": config})["config"]
    assert layers.Bidirectional.from_config(read).forward_layer.units == 1


def test_a_functional_model_of_keras_2_was_in_a_module_of_another_name(tmp_path):
    images = keras.Input((28, 28))
    path = tmp_path / "new.keras"
    dense = layers.Dense(10)
    model = keras.Model(images, dense(layers.Flatten()(images)))
    dense.set_weights([WEIGHTS, np.zeros(10, np.float32)])
    model.save(path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "old.keras", "w") as other:
        for name in archive.namelist():
            new, old = b"keras.src.models.functional", b"keras.src.engine.functional"
            other.writestr(name, archive.read(name).replace(new, old))
    np.testing.assert_allclose(
        load_external(tmp_path / "old.keras", DIGITS).predict(IMAGES), PROBABILITIES, atol=1e-5
    )


@pytest.mark.parametrize("name", LEFT_OVER)
def test_what_layers_of_keras_2_wrote_down_needlessly_is_left_out(name):
    options = {"units": 1} if name in ("LSTM", "GRU", "SimpleRNN") else {"filters": 1, "kernel_size": 1}
    options = {"DepthwiseConv2D": {"kernel_size": 1}, "SpatialDropout2D": {"rate": 0.5}}.get(name, options)
    config = getattr(layers, name)(**options).get_config() | dict.fromkeys(LEFT_OVER[name], 1)
    config |= {"dtype": {"class_name": "Policy", "config": {"name": "mixed_float16"}}}
    read = as_keras_3({"class_name": name, "config": config})["config"]
    layer = getattr(layers, name).from_config(read)
    assert layer.dtype_policy.name == "mixed_float16"


def test_what_a_file_holds_counts_and_not_what_it_is_called(tmp_path):
    (tmp_path / "b.keras").write_bytes(in_keras(tmp_path / "a.h5").read_bytes())
    (tmp_path / "c.model").write_bytes(in_keras(tmp_path / "a.keras").read_bytes())
    for name in ("b.keras", "c.model"):
        np.testing.assert_allclose(
            load_external(tmp_path / name, DIGITS).predict(IMAGES), PROBABILITIES, atol=1e-5
        )


def in_litert(path, number=None, shape=(28, 28)):
    """The same as a LiteRT file; number: of which type its inputs and outputs are, if quantised."""
    network = lines(shape, end=layers.Softmax())
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(network)
    if number:
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
        some = (IMAGES / np.float32(255)).reshape(-1, 1, *shape).astype(np.float32)
        converter.representative_dataset = lambda: ([image] for image in some)
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = number
    path.write_bytes(converter.convert())
    return path


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")
@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (784,)])
@pytest.mark.parametrize("number", [None, tensorflow.uint8, tensorflow.int8])
def test_a_litert_file_may_be_quantised(tmp_path, number, shape):
    pytest.importorskip("ai_edge_litert")
    network = load_external(in_litert(tmp_path / "lines.tflite", number, shape), DIGITS)
    assert ", 0 to 1, to probabilities; 90.0% of" in network.description
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=0.02 if number else 1e-5)


CONVERTED = """<ir_version: 8, opset_import: ["": 17, "ai.onnx.ml": 1]>
lines (float[n,784] X) => (int64[n] label, seq(map({key}, float)) probabilities) {{
    logits = MatMul(X, weights)
    numbers = Softmax <axis = 1> (logits)
    label = ArgMax <axis = 1, keepdims = 0> (numbers)
    probabilities = ai.onnx.ml.ZipMap <{classes}> (numbers)
}}"""


@pytest.mark.parametrize(
    ("key", "classes"),
    [
        ("int64", f"classlabels_int64s = {[*range(10)]}"),
        ("string", "classlabels_strings = " + json.dumps([*map(str, range(10))])),
    ],
)
def test_of_the_two_outputs_of_converted_models_the_probabilities_are_taken(tmp_path, key, classes):
    model = onnx.parser.parse_model(CONVERTED.format(key=key, classes=classes))
    model.graph.initializer.append(onnx.numpy_helper.from_array(WEIGHTS, "weights"))
    onnx.save(model, tmp_path / "lines.onnx")
    network = load_external(tmp_path / "lines.onnx", DIGITS)
    assert network.description.startswith("images (n, 784), 0 to 1, to probabilities; 90.0%")
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-5)


def test_each_class_may_have_an_output_of_its_own():
    columns = [column[:, None] for column in PROBABILITIES.astype("float32").T]
    np.testing.assert_array_equal(ten_numbers([LABELS, *columns]), np.hstack(columns))


def test_a_litert_file_is_known_with_labels_zipped_up_behind_it(tmp_path):
    pytest.importorskip("ai_edge_litert")
    path = in_litert(tmp_path / "lines.tflite")
    with zipfile.ZipFile(path, "a") as labels:
        labels.writestr("labels.txt", "0")
    np.testing.assert_allclose(load_external(path, DIGITS).predict(IMAGES), PROBABILITIES, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")
def test_a_quantised_input_is_not_fed_with_what_it_would_cut_off(tmp_path):
    pytest.importorskip("ai_edge_litert")
    opened = open_network(in_litert(tmp_path / "lines.tflite", tensorflow.int8))
    possible = [scale for scale in SCALES if fits(scale, opened, (28, 28), IMAGES)]
    assert possible == ["0 to 1", "length 1"]  # its brightest was 200 of 255


def test_inputs_and_outputs_may_have_names_and_more_dimensions_and_half_the_precision(tmp_path):
    images = keras.Input((28, 28), name="image")
    dense = layers.Dense(10, dtype="float16")
    outputs = layers.Reshape((1, 1, 10))(dense(layers.Flatten()(images)))
    dense.set_weights([WEIGHTS, np.zeros(10, np.float32)])
    keras.Model({"image": images}, {"digit": outputs}).save(tmp_path / "lines.keras")
    found = load_external(tmp_path / "lines.keras", DIGITS, "0 to 1").predict(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, PROBABILITIES, atol=5e-3)


def test_an_onnx_file_of_one_image_takes_many_if_its_graph_can(tmp_path):
    path = in_onnx(tmp_path / "lines.onnx", (1, 28, 28), batch=1)
    assert open_network(path).batch is None
    np.testing.assert_allclose(load_external(path, DIGITS).predict(IMAGES), PROBABILITIES, atol=1e-5)


def test_an_onnx_file_may_have_larger_images_and_its_weights_beside_it(tmp_path):
    wide = np.pad(WEIGHTS.reshape(28, 28, 10), ((2, 2), (2, 2), (0, 0))).reshape(1024, 10)
    model = onnx.load(in_onnx(tmp_path / "lines.onnx", (1, 32, 32), weights=wide))
    beside = {"save_as_external_data": True, "location": "lines.data", "size_threshold": 0}
    onnx.save(model, tmp_path / "two.onnx", **beside)
    network = load_external(tmp_path / "two.onnx", DIGITS)
    assert network.description.startswith("images (n, 1, 32, 32), 0 to 1, to logits; 90.0%")
    np.testing.assert_allclose(network.predict(IMAGES), PROBABILITIES, atol=1e-5)


def test_an_image_of_32_pixels_may_be_an_enlarged_one(tmp_path):
    [enlarged] = FEEDINGS["0 to 255, enlarged"](IMAGES[:1])
    expected = tensorflow.image.resize(IMAGES[0][..., None], (32, 32))[..., 0]
    np.testing.assert_allclose(enlarged, expected, atol=1e-3)
    path = in_keras(tmp_path / "lines.keras", (32, 32, 1), layers.Resizing(28, 28, "nearest"))
    # These lines do as well on other scales.
    assert re.match(
        r"images \(n, 32, 32, 1\), [\w ]+, enlarged, to logits; 90", load_external(path, DIGITS).description
    )


def test_a_network_whose_classes_are_in_another_order_is_not_measured(tmp_path):
    path = in_keras(tmp_path / "lines.keras", weights=np.roll(WEIGHTS, 1, axis=1))
    found = r"at most 1\.7% .*in another order, 90\.0% .*: its outputs stand for 9, 0, 1, 2, 3, 4, 5, 6, 7, 8"
    with pytest.raises(UserError, match=found):
        load_external(path, DIGITS)


def two_inputs(path):
    images = [keras.Input((28, 28)), keras.Input((28, 28))]
    keras.Model(images, layers.Add()(images)).save(path)


def cut(path):
    path.write_bytes(in_onnx(path).read_bytes()[:2000])


def torch(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(0))


def saved_model(path):
    path.mkdir()
    (path / "saved_model.pb").touch()


def rename(path):
    path.with_name(f"{path.name}.weights.h5").rename(path)


def most(path):
    model = onnx.load(in_onnx(path))
    del model.graph.output[:]
    model.graph.node.append(onnx.helper.make_node("ArgMax", ["logits"], ["most"], axis=1, keepdims=0))
    model.graph.output.append(onnx.helper.make_tensor_value_info("most", onnx.TensorProto.INT64, ["n"]))
    onnx.save(model, path)


def colours(path):
    in_onnx(path, (3, 28, 28), weights=np.tile(WEIGHTS, (3, 1)))


def shapeless(path):
    model = onnx.load(in_onnx(path))
    model.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("name", "make", "found"),
    [
        ("a.pkl", lambda path: path.write_bytes(pickle.dumps(0)), "can run code, .*skl2onnx"),
        ("a.pt", lambda path: path.write_bytes(pickle.dumps(0)), r"can run code, .*torch\.onnx\.export"),
        ("b.pth", torch, r"can run code, .*torch\.onnx\.export"),
        ("saved", saved_model, r"can run code, .*tf2onnx"),
        ("model.json", lambda path: path.write_text('{"modelTopology": {}}'), "tensorflowjs_converter"),
        (
            "weights.h5",
            lambda path: lines().save_weights(f"{path}.weights.h5") or rename(path),
            r"its weights alone\. .*load_weights",
        ),
        ("empty.h5", lambda path: path.touch(), "found an empty file"),
        ("notebook.h5", lambda path: path.write_text('{"cells": []}'), "found JSON"),
        ("b.keras", lambda path: None, "no such file"),
        ("c.keras", lambda path: path.write_bytes(b"PK"), "expected a whole file of Keras .*; found some"),
        ("d.keras", lambda path: in_keras(path, (14, 14)), r"found an input of shape \(14, 14\)"),
        ("d.h5", lambda path: in_keras(path, end=layers.Lambda(lambda x: x)), "found that it does not"),
        ("max.onnx", most, r"an output of shape \(2,\) for two images; take off an ArgMax at its end"),
        ("e.keras", lambda path: in_keras(path, classes=11), r"found an output of shape \(2, 11\)"),
        ("f.keras", two_inputs, "expected one input, found 2"),
        ("g.keras", lambda path: in_keras(path, bias=np.nan), "found some that are no number"),
        (
            "cut.tflite",
            lambda path: path.write_bytes(b"0000TFL3"),
            "expected a whole file that LiteRT reads; .* Fetch it again",
        ),
        ("h.onnx", cut, "expected a whole file that ONNX Runtime reads"),
        ("i.onnx", lambda path: in_onnx(path, inputs=2), "expected one input, found 2"),
        ("shapeless.onnx", shapeless, "found one without a shape"),
        ("j.onnx", colours, r"found an input of shape \(3, 28, 28\)"),
        ("k.onnx", lambda path: in_onnx(path, dtype="bool"), r"an input of type .*, found tensor\(bool\)"),
        (
            "l.onnx",
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"),
            "git lfs pull",
        ),
        ("m.pkl", lambda path: path.write_bytes(b"\x80"), "found a pickle"),
    ],
)
def test_what_is_no_such_network_is_refused_in_a_sentence(tmp_path, name, make, found):
    make(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: .*{found}"):
        load_external(tmp_path / name, DIGITS)
