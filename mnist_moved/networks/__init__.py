"""Digits in, a trained network out: networks by name, their training, and networks as files, also those of
others.

A network takes uint8 images, shape (n, 28, 28), 0 = background, 255 = ink, and returns the probabilities of
ten classes, float32 (n, 10). Importing this room is quick; its files wait for TensorFlow to start.
"""

from collections.abc import Callable

import numpy as np

# A network as a function of images, uint8 (n, 28, 28):
Predict = Callable[[np.ndarray], np.ndarray]  # to probabilities, float (n, 10)
Classify = Callable[[np.ndarray], np.ndarray]  # to classes, integers (n,)
