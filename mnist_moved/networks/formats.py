"""Files of trained networks, opened as they are: Keras's (.keras, .h5), ONNX and LiteRT (.tflite).

None of these is run as code. Files of other forms are refused with the line that converts them: a pickle, for
one, which is what PyTorch and scikit-learn save, runs whatever its maker put into it.
"""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any, NamedTuple

import h5py
import numpy as np

from mnist_moved.command import UserError, quiet_stderr
from mnist_moved.data.idx import CLASSES, SIDE
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import BATCH

ONNX_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
ONNX_TYPES |= {f"tensor({name})": name for name in ("uint8", "int8", "int32", "int64")}


class Opened(NamedTuple):
    """A network as its file has it.

    call: inputs (n, *shape) to its outputs. shape, dtype: of one input. batch: how many it takes at once,
    None = any. parameters: how many numbers were trained, if the file tells. limits: beyond which its inputs
    are cut off, if they are whole numbers that stand for others.
    """

    call: Callable[[np.ndarray], Any]
    shape: tuple[int | None, ...]
    dtype: str
    batch: int | None
    parameters: int | None
    limits: tuple[float, float] = (-np.inf, np.inf)

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """What it returns for inputs (n, *shape), in batches as it takes them."""
        size, inputs = self.batch or BATCH, inputs.astype(self.dtype)
        missing = -len(inputs) % size if self.batch else 0  # not less than so many either
        padded = np.concatenate([inputs, np.zeros((missing, *inputs.shape[1:]), self.dtype)])
        blocks = [padded[start : start + size] for start in range(0, len(padded), size)]
        found = [np.atleast_1d(np.asarray(self.call(block), "float32")) for block in blocks]
        outputs = np.concatenate(found)[: len(inputs)]
        # A convolution that ends in one pixel keeps its dimensions.
        return outputs.reshape(len(inputs), -1) if outputs.ndim > 2 else outputs


def open_network(path: Path) -> Opened:
    """Open a file by what it holds, whatever it is called; UserError, which does not name it, if that is no
    network, or runs code."""
    if not path.exists():
        raise UserError("no such file")
    form = form_of(path)
    if form not in OPENERS:
        raise UserError(CONVERT.get(form, f"expected {EXPECTED}; found {form}"))
    try:
        return OPENERS[form](path)
    except ImportError:
        raise UserError(f"a file of {form}'s {MORE_PACKAGES}") from None
    except UserError:
        raise
    # Any exception: on a damaged file, or a layer that is not its own, each library raises a dozen types.
    except Exception as error:
        raise UserError(
            f"expected a whole file that {LIBRARIES[form]} reads; found that it does not:"
            f" {reason(error)}. Fetch it again; or, where it was made, export it to ONNX"
        ) from None


def form_of(path: Path) -> str:
    """What a file holds, by its first bytes: a key of OPENERS or of CONVERT, or something else in words."""
    if path.is_dir():
        return "SavedModel" if (path / "saved_model.pb").exists() else "a folder"
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "an empty file"
    for signature, form in SIGNATURES.items():
        if start.startswith(signature):
            return form
    if start[4:8] == b"TFL3":  # before the next, as labels may be zipped up behind it
        return "LiteRT"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if "config.json" in names:
            return "Keras"
        return "PyTorch" if any(name.endswith("data.pkl") for name in names) else "a zip archive of others"
    pickled = start[:1] == b"\x80" and start[1:2] <= b"\x05"  # the opcode PROTO, and a version
    if pickled and path.suffix in (".pt", ".pth", ".ckpt", ".bin"):
        return "PyTorch"
    if pickled:
        return "pickle"
    if start.lstrip()[:1] == b"{":
        return "TensorFlow.js" if b"modelTopology" in start else "JSON"
    if path.suffix.lower() == ".onnx" or start[:1] == b"\x08":
        return "ONNX"
    if path.suffix in (".pkl", ".pickle", ".joblib", ".sav"):  # an older one, or compressed
        return "pickle"
    return "something else, or a part of it"


SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.": "PyTorch",  # its number before it used zip archives
    b"version https://git-lfs": "a pointer of Git LFS; `git lfs pull` fetches what it points to",
}
EXPECTED = "a whole file of Keras (.keras, .h5), ONNX or LiteRT (.tflite)"
RUNS_CODE = "such a file can run code, and is not opened"
# What is found, and what makes one that is expected of it.
CONVERT = {
    "PyTorch": f"found a file of PyTorch's; {RUNS_CODE}. Where the network was made, built and with its"
    ' weights: torch.onnx.export(network.eval(), torch.zeros(1, 1, 28, 28), "my.onnx"), which may need'
    " pip install onnx onnxscript",
    "pickle": f"found a pickle; {RUNS_CODE}. Where it was made, of a model of scikit-learn's:"
    ' open("my.onnx", "wb").write(skl2onnx.to_onnx(model, images[:1].astype("float32")).SerializeToString())',
    "SavedModel": f"found a SavedModel; {RUNS_CODE}. Convert it:"
    " python -m tf2onnx.convert --saved-model FOLDER --output my.onnx",
    "TensorFlow.js": f"expected {EXPECTED}; found TensorFlow.js's form. Convert it: tensorflowjs_converter"
    " --input_format tfjs_layers_model --output_format keras model.json my.h5",
}
MORE_PACKAGES = "needs more packages: pip install -r requirements-formats.txt"
WEIGHTS_ONLY = (
    "expected a network, found other data, such as its weights alone. Of those, build it as it was trained,"
    ' and: network.load_weights("FILE"); network.save("my.keras")'
)
PLAIN_LAYERS = {*dir(keras.layers)} - {"Lambda"}  # which holds code, and is refused
# What layers of Keras 2 wrote down and those of Keras 3 do not know.
LEFT_OVER = {
    "DepthwiseConv2D": {"groups"},
    "Conv2DTranspose": {"groups"},
    "SeparableConv2D": {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"},
    "SpatialDropout2D": {"trainable", "noise_shape"},
    "LSTM": {"time_major"},
    "GRU": {"time_major"},
    "SimpleRNN": {"time_major"},
}


def open_keras(path: Path) -> Opened:
    """Open a file in Keras's own form, also if Keras 2 wrote it."""

    def rewrite(copy: Path) -> None:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as other:
            for name in archive.namelist():
                content = archive.read(name)
                if name == "config.json":
                    content = json.dumps(as_keras_3(json.loads(content))).encode()
                other.writestr(name, content)

    return _open_by_keras("network.keras", rewrite)


def open_hdf5(path: Path) -> Opened:
    """Open an HDF5 file, as Keras wrote them before it had a form of its own."""

    def rewrite(copy: Path) -> None:
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            if "model_config" not in file.attrs:
                raise UserError(WEIGHTS_ONLY.replace("FILE", path.name))
            file.attrs["model_config"] = json.dumps(as_keras_3(json.loads(file.attrs["model_config"])))

    return _open_by_keras("network.h5", rewrite)


def as_keras_3(config: Any) -> Any:
    """Return the configuration of a network as Keras 3 reads it, whichever version wrote it.

    In Keras 2 a layer might say what the whole network takes (`batch_input_shape`), also of a Sequential that
    has no InputLayer; Keras 3 takes that for an unknown argument, or for the shape of one image. An axis was
    a list, a module had another name, and some layers wrote down what they no longer know.
    """
    if isinstance(config, list):
        return [as_keras_3(each) for each in config]
    if not isinstance(config, dict):
        return config
    config, inner = dict(config), config.get("config")
    if config.get("class_name") == "Sequential":
        if isinstance(inner, list):  # until Keras 2.2.2
            inner = {"name": "sequential", "layers": inner}
        first = inner["layers"][0]
        if first["class_name"] != "InputLayer" and (shape := first["config"].get("batch_input_shape")):
            given = {"class_name": "InputLayer", "config": {"batch_shape": shape, "dtype": "float32"}}
            inner = inner | {"layers": [given, *inner["layers"]]}
    if config.get("class_name") != "InputLayer" and isinstance(inner, dict):
        unknown = {"batch_input_shape", *LEFT_OVER.get(config.get("class_name"), ())}
        inner = {name: value for name, value in inner.items() if name not in unknown}
        if config.get("class_name") == "BatchNormalization" and isinstance(inner.get("axis"), list):
            [inner["axis"]] = inner["axis"]
    if config.get("class_name") in ("Functional", "Model"):
        inner = with_calls_from_0(inner)
    if config.get("class_name") == "Policy":
        return inner["name"]
    if str(config.get("module")).startswith("keras.src.engine"):
        config["module"] = "keras.src.models.functional"
    elif config.get("class_name") in PLAIN_LAYERS:
        config.setdefault("module", "keras.layers")
    return {name: as_keras_3(inner if name == "config" else value) for name, value in config.items()}


def with_calls_from_0(config: dict[str, Any]) -> dict[str, Any]:
    """Number the calls of each network within a network from 0 on, in the configuration of the outer one:
    Keras 2 counted as a call that one was made."""
    config = deepcopy(config)
    for layer in config["layers"]:
        if "layers" in layer["config"]:
            its = [call for call in calls(config) if call[0] == layer["name"]]
            first = min((number for _, number, *_ in its), default=0)
            for call in its:
                call[1] -= first
    return config


def calls(config: Any) -> Iterator[list[Any]]:
    """What goes from one layer to another: the name of a layer, the number of its call and of its output."""
    if isinstance(config, list) and [type(each) for each in config[:3]] == [str, int, int]:
        yield config
    for each in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from calls(each)


def _open_by_keras(name: str, rewrite: Callable[[Path], None]) -> Opened:
    """Open what Keras reads of a file once it is rewritten under that name."""
    with TemporaryDirectory() as folder:
        rewrite(Path(folder, name))
        network = keras.saving.load_model(Path(folder, name), compile=False, safe_mode=True)
    if any(np.isnan(each).any() for each in network.get_weights()):
        raise UserError("expected weights, found some that are no number")
    tensor, keys = one_input(network.inputs), []
    if not isinstance(network, keras.Sequential) and isinstance(network.input, dict):
        keys = [*network.input]

    def call(images: np.ndarray) -> np.ndarray:
        outputs = network.predict_on_batch({key: images for key in keys} or images)
        return ten_numbers([*outputs.values()] if isinstance(outputs, dict) else outputs)

    return Opened(call, tuple(tensor.shape[1:]), tensor.dtype, tensor.shape[0], network.count_params())


def open_onnx(path: Path) -> Opened:
    """Open an ONNX file."""
    import onnx
    import onnxruntime

    def start(model: str | bytes, threads: int = 0) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its warnings are for whoever made the file
        options.intra_op_num_threads = threads  # 0: as many as there are cores
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    session, model = start(str(path)), onnx.load(path)
    tensor = one_input(session.get_inputs())
    if tensor.type not in ONNX_TYPES:
        raise UserError(f"expected an input of type {' or '.join(ONNX_TYPES)}, found {tensor.type}")
    if not tensor.shape:
        raise UserError("expected an input of images (n, 28, 28), found one without a shape")
    batch, *shape = (side if isinstance(side, int) else None for side in tensor.shape)
    weights = [onnx.numpy_helper.to_array(each) for each in model.graph.initializer]
    count = sum(each.size for each in weights if each.dtype.kind == "f")
    if any(node.domain == "ai.onnx.ml" for node in model.graph.node):  # scikit-learn's, which has its own
        count = None

    def opened(session: Any, batch: int | None) -> Opened:
        def call(images: np.ndarray) -> np.ndarray:
            return ten_numbers(session.run(None, {tensor.name: images}))

        return Opened(call, tuple(shape), ONNX_TYPES[tensor.type], batch, count)

    def of_any_batch() -> Opened:
        del model.graph.value_info[:]
        for each in (*model.graph.input, *model.graph.output):
            if each.type.tensor_type.shape.dim:
                each.type.tensor_type.shape.dim[0].dim_param = "n"
        return opened(start(model.SerializeToString()), None)

    if batch is None:
        return opened(session, None)
    return the_same_if_it_can(opened(start(str(path), threads=1), batch), of_any_batch)


def ten_numbers(outputs: np.ndarray | list[Any]) -> np.ndarray:
    """Of several outputs the one with ten numbers an image: scikit-learn's converters write the class before
    it, and the numbers as a dictionary an image, by class, or each class by itself."""
    if isinstance(outputs, np.ndarray):
        return outputs
    for output in outputs:
        if isinstance(output, list) and output and isinstance(output[0], dict):
            labels = sorted(output[0], key=lambda label: (len(str(label)), str(label)))
            return np.array([[row[label] for label in labels] for row in output])
        if np.ndim(output) == 2 and output.shape[1] == CLASSES:
            return output
    if len(by_class := [each for each in outputs if np.ndim(each) and each.dtype.kind == "f"]) == CLASSES:
        return np.stack([each.reshape(len(each)) for each in by_class], axis=1)
    return np.asarray(outputs[0])


def open_litert(path: Path) -> Opened:
    """Open a LiteRT file, once TFLite, whose numbers may be whole ones that stand for others (quantised)."""
    with quiet_stderr(show=False):
        from ai_edge_litert.interpreter import Interpreter

    def opened(batch: int | None = None) -> Opened:
        with quiet_stderr(show=False):
            interpreter = Interpreter(model_path=str(path))
            images, outputs = one_input(interpreter.get_input_details()), interpreter.get_output_details()
            if batch:
                interpreter.resize_tensor_input(images["index"], [batch, *images["shape"][1:]])
            interpreter.allocate_tensors()

        def call(inputs: np.ndarray) -> np.ndarray:
            interpreter.set_tensor(images["index"], quantised(inputs, images))
            interpreter.invoke()
            found = [dequantised(interpreter.get_tensor(each["index"]), each) for each in outputs]
            return ten_numbers(found)

        (scale, zero), whole = images["quantization"], images["dtype"] in WHOLE
        shape, dtype = tuple(int(side) for side in images["shape"][1:]), "float32"
        limits = -np.inf, np.inf
        if whole and scale:
            ends = np.iinfo(images["dtype"])
            limits = (ends.min - zero) * scale, (ends.max - zero) * scale
        elif whole:
            dtype = np.dtype(images["dtype"]).name
        return Opened(call, shape, dtype, batch or int(images["shape"][0]), None, limits)

    return the_same_if_it_can(opened(), lambda: opened(BATCH))


WHOLE = (np.uint8, np.int8, np.int16)


def quantised(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """Numbers as a tensor of LiteRT takes them: https://ai.google.dev/edge/litert/models/quantization_spec."""
    scale, zero = tensor["quantization"]
    if tensor["dtype"] in WHOLE and scale:
        limits = np.iinfo(tensor["dtype"])
        values = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    return values.astype(tensor["dtype"])


def dequantised(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    """And what the numbers that it returns stand for."""
    scale, zero = tensor["quantization"]
    return (values.astype("float32") - zero) * scale if scale else values


def the_same_if_it_can(opened: Opened, other: Callable[[], Opened]) -> Opened:
    """Another form of the same network, which takes more images at once, if it answers alike; else this."""
    inputs = np.random.default_rng(0).random((3, *(side or SIDE for side in opened.shape)))
    try:
        faster = other()
        alike = np.allclose(faster.outputs(inputs), opened.outputs(inputs), atol=1e-4)
    # Any exception: the graph may hold reshapes to a batch of fixed size.
    except Exception:
        return opened
    return faster if alike else opened


def reason(error: Exception) -> str:
    """What a library says went wrong, in at most 300 characters: with Keras, what comes last."""
    said = str(error).rpartition("Exception encountered:")[2].strip() or repr(error)
    return shorten(said, 300, placeholder=" ...").rstrip(".")


def one_input(inputs: list[Any]) -> Any:
    if len(inputs) != 1:
        raise UserError(f"expected one input, found {len(inputs)}")
    return inputs[0]


OPENERS = {"Keras": open_keras, "HDF5": open_hdf5, "ONNX": open_onnx, "LiteRT": open_litert}
LIBRARIES = {"Keras": "Keras 3", "HDF5": "Keras 3", "ONNX": "ONNX Runtime", "LiteRT": "LiteRT"}
