#!/usr/bin/env bash
# Keras 3 reads some networks of Keras 2 with an input of one dimension too many, without a word. Up to Keras 2.3, the
# file of a Sequential had no InputLayer, only `batch_input_shape` in its first layer. Keras 3 takes that, the None for
# the batch included, for the shape of one image. Where the next layer cannot be built so, it refuses the file, with a
# message about that layer. Where it can, as with Dense or Reshape first, the file loads, weights and all.
#
# Seen with Keras 3.15.1 on JAX 0.10.2, h5py 3.14.0 (Debian 12, Python 3.11):
#     with its InputLayer: input (None, 784), output (None, 10)
#     as Keras 2.3 wrote it: input (None, None, 784), output (None, None, 10)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2 h5py==3.14.0

KERAS_BACKEND=jax "$folder/venv/bin/python" - "$folder/network.h5" 2>"$folder/warnings" <<'PYTHON'
import json
import sys

import h5py
import keras

path = sys.argv[1]
keras.Sequential([keras.Input((784,)), keras.layers.Dense(10), keras.layers.Softmax()]).save(path)


def shapes(name):
    network = keras.saving.load_model(path, compile=False)
    found = network.inputs[0].shape, network.outputs[0].shape
    print(f"{name}: input {found[0]}, output {found[1]}")
    return found


new = shapes("with its InputLayer")
with h5py.File(path, "r+") as file:
    config = json.loads(file.attrs["model_config"])
    _, first, *rest = config["config"]["layers"]
    first["config"]["batch_input_shape"] = [None, 784]
    config["config"]["layers"] = [first, *rest]
    file.attrs["model_config"] = json.dumps(config)
old = shapes("as Keras 2.3 wrote it")
if (new, old) != (((None, 784), (None, 10)), ((None, None, 784), (None, None, 10))):
    sys.exit("no longer so")
PYTHON
