"""Keras on TensorFlow without its start-up chatter: `from mnist_moved.networks.quiet_keras import keras`.

TensorFlow writes some two dozen lines to the standard error stream while it starts, before any log level
applies. They are held back, and shown after all if the start fails. Later errors are shown as ever.

A user may have set other defaults for Keras or TensorFlow in a keras.json or in the environment, for programs
of all kinds. Here they do not count, or the same params would give another network.
"""

import os

from mnist_moved.command import quiet_stderr

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors, but neither information nor warnings

with quiet_stderr():
    import keras
    import tensorflow

    tensorflow.get_logger().setLevel("ERROR")  # else it warns of every fifth network in one process
    tensorflow.config.list_physical_devices()  # looks for GPUs now, not in the middle of our own output

keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
keras.config.set_max_epochs(None)
keras.config.set_max_steps_per_epoch(None)

__all__ = ["keras", "tensorflow"]
