#!/usr/bin/env bash
# keras.optimizers.Muon trains no convolution by Muon. It takes the Muon step for variables of two dimensions, which
# is what dense layers have; kernels of convolutions, of four, get AdamW, without a word: the comment in its code
# says that it works well to flatten them, and nothing does. What tells: every variable that AdamW trains has a velocity.
# And weight_decay=None does not end the decay of those: adam_weight_decay, 0.004 by default, is another argument.
#
# Seen with Keras 3.15.1 on JAX 0.10.2 (Debian 12, Python 3.11):
#     sequential/conv2d/kernel: (3, 3, 1, 8): AdamW
#     sequential/dense/kernel: (8, 10): Muon
#     a bias after a step with no gradient, weight_decay=None: 1 -> 0.9996
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2

KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import sys

import keras
import numpy as np

network = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(8, 3),
        keras.layers.GlobalMaxPooling2D(),
        keras.layers.Dense(10),
    ]
)
optimizer = keras.optimizers.Muon(0.1, weight_decay=None)
optimizer.build(network.trainable_variables)
by_muon = []
for variable, velocity in zip(network.trainable_variables, optimizer.adam_velocities):
    if variable.name == "kernel":
        by_muon.append(velocity is None)
        print(variable.path, tuple(variable.shape), "Muon" if velocity is None else "AdamW", sep=": ", flush=True)

bias = keras.Variable(np.ones(4, "float32"))
keras.optimizers.Muon(0.1, weight_decay=None).apply([keras.ops.zeros(4)], [bias])
after = float(keras.ops.convert_to_numpy(bias)[0])
print(f"a bias after a step with no gradient, weight_decay=None: 1 -> {after:.4f}")
if by_muon != [False, True] or not after < 1:
    sys.exit("no longer so")
PYTHON
