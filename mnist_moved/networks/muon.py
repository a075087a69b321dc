"""The optimizer Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/), also for convolutions."""

import math
from typing import Any

from mnist_moved.networks.quiet_keras import keras

ops = keras.ops


@keras.saving.register_keras_serializable("mnist_moved")
class Muon(keras.optimizers.Muon):
    """Keras's Muon, which takes its step for dense layers, takes it for 2D convolutions here, and for them
    alone: all other weights get Adam's, at the same rate. No weight decays.

    A kernel counts as a matrix, a row for each place and input channel, a column for each output channel. Its
    step is orthogonalised, so that it is as long in all directions, and on average as long as one of Adam's
    (Liu et al. 2025, arXiv 2502.16982).
    """

    def __init__(self, learning_rate: Any, momentum: float = 0.9, **options: Any) -> None:
        """options: what the configuration in a checkpoint holds besides."""
        options |= {"weight_decay": None, "adam_weight_decay": None}
        super().__init__(learning_rate, momentum=momentum, **options)

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 4

    def _muon_update_step(self, gradient: Any, variable: keras.Variable, lr: Any, m: keras.Variable) -> None:
        self.assign(m, self.momentum * m + gradient)
        *inputs, outputs = variable.shape
        step = ops.reshape(gradient + self.momentum * m, (math.prod(inputs), outputs))
        length = self.rms_rate * math.sqrt(max(step.shape))
        step = lr * length * orthogonalised(step, self.ns_steps)
        self.assign_sub(variable, ops.reshape(step, variable.shape))


def orthogonalised(matrix: Any, steps: int = 5) -> Any:
    """Bring the singular values of a float32 matrix to 0.65 to 1.25, by Newton and Schulz's iteration; those
    below 0.002 of its norm less far.

    It multiplies a matrix X by p(XᵀX) again and again. All of these commute, so that it is enough to follow
    the smaller XᵀX, and to multiply X by their product in the end.
    """
    rows, columns = matrix.shape
    if rows < columns:
        return ops.transpose(orthogonalised(ops.transpose(matrix), steps))
    matrix = matrix / (ops.norm(matrix) + 1e-7)
    square, product, one = ops.transpose(matrix) @ matrix, None, ops.eye(columns)
    for _ in range(steps):
        factor = 3.4445 * one - 4.7750 * square + 2.0315 * square @ square
        product = factor if product is None else product @ factor
        square = factor @ square @ factor
    return matrix @ product
