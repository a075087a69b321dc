"""The baseline's answers: those to known images from a file beside it, and all others from the network."""

import hashlib
import json
from functools import cached_property
from pathlib import Path

import numpy as np

from mnist_moved.command import UserError
from mnist_moved.data.test_sets import images_digest
from mnist_moved.files import write_json
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import load_network, predict


class Baseline:
    """The baseline as a function: uint8 images (n, 28, 28) to the classes that it takes them for, uint8 (n,).

    What it answered once is kept in NAME.json beside NAME.keras, if `python -m scripts.baseline --answers`
    wrote one: by the digest of n images a string of n digits; and the digest of the network, as the answers
    of any other do not count. The network is loaded only if it is asked about other images.
    """

    def __init__(self, path: Path, known: bool = True) -> None:
        """path: of the network; known: whether the answers beside it count."""
        self.path, self.file = path, path.with_suffix(".json")
        self.answers: dict[str, str] = {}
        self.asked = self.answered = 0  # images
        if known and self.file.exists() and path.exists():
            try:
                kept = json.loads(self.file.read_text(encoding="utf-8"))
                if kept["network"] == self._digest():
                    self.answers = dict(kept["answers"])
            # Cut off, or with the marks of a merge: no JSON, or another.
            except (ValueError, KeyError, TypeError) as error:
                remedy = "delete it, or make it with `python -m scripts.baseline --answers`"
                raise UserError(f"{self.file} is damaged ({error!r:.200}); {remedy}") from None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Answer; UserError, as `load_network` raises it, if the network is asked and there is none."""
        self.answered += len(images)
        digest = images_digest(images)
        if digest not in self.answers:
            classes = predict(self._network, images).argmax(axis=1)
            self.answers[digest] = "".join(map(str, classes))
            self.asked += len(images)
        return np.frombuffer(self.answers[digest].encode(), np.uint8) - ord("0")

    def describe(self) -> str:
        """Say how many images the network was asked about."""
        return f"the baseline was asked about {self.asked:,} of {self.answered:,} images; the rest was known"

    def save(self) -> None:
        """Write all answers of this object beside the network."""
        write_json(self.file, {"network": self._digest(), "answers": self.answers})

    @cached_property
    def _network(self) -> keras.Model:
        return load_network(self.path)

    def _digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]
