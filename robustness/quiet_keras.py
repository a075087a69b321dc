"""Keras on TensorFlow, without TensorFlow's start-up chatter: `from robustness.quiet_keras import keras`.

TensorFlow writes some two dozen lines to the standard error stream while it starts, before any log level
applies. They are held back, and shown after all if the start fails. Later errors are shown as ever.
"""

import os
import tempfile

from robustness.command import interrupted

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors, but neither information nor warnings

with tempfile.TemporaryFile() as chatter:
    stderr = os.dup(2)
    os.dup2(chatter.fileno(), 2)
    try:
        import keras
        import tensorflow

        tensorflow.config.list_physical_devices()  # looks for GPUs now, not in the middle of our own output
    except KeyboardInterrupt:  # it takes seconds, and `run` has not begun
        os.dup2(stderr, 2)
        interrupted()
    except BaseException:
        chatter.seek(0)
        os.write(stderr, chatter.read())
        raise
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)

__all__ = ["keras", "tensorflow"]
