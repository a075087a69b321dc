"""Train the network on MNIST, every epoch on freshly perturbed digits.

data/raw/ -> models/model.keras, metrics/training.json, plots/training/ (curves that `dvc plots show` draws
while training still runs). Run it with `python -m stages.train`, or `dvc repro train` to run what it needs
first. A run that was interrupted goes on after its last finished epoch.
"""

import hashlib
import json
import math
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from dvclive import Live
from tqdm import tqdm

from stages.shared.mnist import load_split
from stages.shared.params import Train, load_params
from stages.shared.perturbations import perturb
from stages.shared.quiet_keras import keras, tensorflow
from stages.shared.stage import remove_all_but, run, whole_file

RAW = Path("data/raw")
MODEL = Path("models/model.keras")
CHECKPOINTS = Path("models/checkpoint")
METRICS = Path("metrics/training.json")
CURVES = Path("plots/training")

CURVE_NAMES = {  # as Keras calls them: as DVCLive shall
    "accuracy": "training/accuracy",
    "loss": "training/loss",
    "val_accuracy": "validation/accuracy",
    "val_loss": "validation/loss",
}


def build_network() -> keras.Model:
    """A convolutional network from images (n, 28, 28), 0-255, to digit probabilities (n, 10)."""
    layers = keras.layers

    def convolution(filters: int, strides: int = 1) -> list[keras.layers.Layer]:
        # Batch normalisation only where the maps are small: there it is cheap, and there it is enough.
        return [
            layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]

    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Rescaling(1 / 255),
            # Each image to mean 0, variance 1: else a grey or foggy background would be taken for ink.
            layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False),
            # Half the resolution at once: all that follows costs a quarter.
            layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            *convolution(48, strides=2),
            *convolution(48),
            *convolution(48),
            # The strongest response anywhere, because the digit may be anywhere.
            layers.GlobalMaxPooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def augment(
    images: np.ndarray, rng: np.random.Generator, augmentation: dict[str, dict[str, Any]]
) -> np.ndarray:
    """Perturb each image by at most one kind, drawn by the kinds' probabilities, at a strength within bounds.

    images: uint8 (n, 28, 28); augmentation: {KIND: {"probability": P, STRENGTH: [LOW, HIGH], ...}}. One
    perturbation on top of another would leave digits that nobody can read, and fewer that are as they were.
    """
    images = images.copy()
    share = rng.random(len(images))
    for kind, setting in augmentation.items():
        chosen = np.flatnonzero((share >= 0) & (share < setting["probability"]))
        share -= setting["probability"]
        bounds = {name: pair for name, pair in setting.items() if name != "probability"}
        strengths = {name: rng.uniform(low, high, len(chosen)) for name, (low, high) in bounds.items()}
        images[chosen], _ = perturb(images[chosen], kind, rng, **strengths)
    return images


def compiled(network: keras.Model, params: Train, batches: int) -> keras.Model:
    """Give the network its optimizer, Adam: its steps grow for a fifth of training, then shrink to nothing.

    batches: number of them in an epoch. Large steps in between are what makes ten epochs enough
    (Smith and Topin 2017, arXiv 1708.07120).
    """
    steps = params.epochs * batches
    warmup = steps // 5
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=params.learning_rate, warmup_steps=warmup
    )
    network.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


class Checkpoint:
    """The network and the learning curves after the last finished epoch, on disk until training is done.

    They are named by a digest of the params, the data, the project's code and the library versions, so that
    a checkpoint that belongs to anything else is not found, and removed.
    """

    def __init__(self, params: Train, *data: np.ndarray) -> None:
        digest = hashlib.sha256(params.model_dump_json().encode())
        digest.update(f"{sys.version} {np.__version__} {tensorflow.__version__} {keras.__version__}".encode())
        modules = [module.__file__ for name, module in sys.modules.items() if name.startswith("stages.")]
        for path in sorted([__file__, *filter(None, modules)]):
            digest.update(Path(path).read_bytes())
        for array in data:
            digest.update(np.ascontiguousarray(array))
        self.network_file = CHECKPOINTS / f"{digest.hexdigest()[:16]}.keras"
        self.curves_file = self.network_file.with_suffix(".json")

    def save(self, network: keras.Model, curves: list[dict[str, float]]) -> None:
        # The curves come first: a kill between the two leaves a row too many, which `load` drops.
        with whole_file(self.curves_file) as partial:
            partial.write_text(json.dumps(curves))
        with whole_file(self.network_file) as partial:
            network.save(partial)

    def load(self, steps_per_epoch: int) -> tuple[keras.Model | None, list[dict[str, float]]]:
        """Return the network and its curves, one row for each finished epoch; (None, []) if there is none."""
        CHECKPOINTS.mkdir(parents=True, exist_ok=True)
        remove_all_but(CHECKPOINTS, [self.network_file.name, self.curves_file.name])
        if not self.network_file.exists():
            return None, []
        try:
            network = keras.saving.load_model(self.network_file, safe_mode=True)
            finished = int(network.optimizer.iterations) // steps_per_epoch
            curves = json.loads(self.curves_file.read_text())
            if len(curves) < finished:
                raise ValueError(f"{finished} epochs, curves of {len(curves)}")
            return network, curves[:finished]
        # Any exception: on a damaged file Keras raises a dozen types.
        except Exception as error:
            print(f"starting over: {self.network_file} cannot be used ({error!s:.300})", flush=True)
            return None, []


def train_epoch(
    network: keras.Model, params: Train, epoch: int, images: np.ndarray, labels: np.ndarray, **options: Any
) -> dict[str, float]:
    """Train for one epoch and return its accuracy and loss, by the names that the curves have.

    images: uint8 (n, 28, 28); labels: uint8 (n,); options: more for `keras.Model.fit`. All that is random
    is drawn from the seed and the number of the epoch, so that a resumed run ends with the same bytes.
    """
    rng = np.random.default_rng([params.seed, epoch])
    order = rng.permutation(len(images))
    history = network.fit(
        augment(images[order], rng, params.active_augmentation),
        labels[order],
        params.batch_size,
        shuffle=False,
        verbose=0,
        **options,
    ).history
    return {CURVE_NAMES[name]: round(values[-1], 5) for name, values in history.items()}


def save_network(network: keras.Model) -> None:
    """Write models/model.keras, without the optimizer, so that the same weights are always the same bytes."""
    with whole_file(MODEL) as partial:
        keras.Model(network.inputs, network.outputs, name="mnist_classifier").save(partial)
        with zipfile.ZipFile(partial) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        # Keras writes down the time, and the memory addresses of objects that layers may share: none do.
        members["metadata.json"] = json.dumps({"keras_version": keras.__version__}).encode()
        members["config.json"] = re.sub(rb', "shared_object_id": \d+', b"", members["config.json"])
        with zipfile.ZipFile(partial, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content)


def log(live: Live, row: dict[str, float]) -> None:
    """Add one epoch to the curves that `dvc plots show` draws."""
    for name, value in row.items():
        live.log_metric(name, value)
    live.next_step()


def main() -> None:
    params = load_params().train
    images, labels = load_split(RAW, "train")
    held_out = slice(len(images) - params.validation_digits, None)
    validation = images[held_out], labels[held_out]
    images, labels = images[: params.training_digits], labels[: params.training_digits]
    batches = math.ceil(len(images) / params.batch_size)

    checkpoint = Checkpoint(params, images, labels, *validation)
    network, curves = checkpoint.load(batches)
    if network is None:
        keras.utils.set_random_seed(params.seed)
        network = compiled(build_network(), params, batches)
    else:
        print(f"going on after epoch {len(curves)}, where an earlier run was interrupted", flush=True)

    with (
        Live(str(CURVES), save_dvc_exp=False, dvcyaml=None) as live,
        tqdm(
            desc="train",
            total=params.epochs,
            initial=len(curves),
            bar_format="{l_bar}{bar}| {n:.1f} of {total} epochs [{elapsed}<{remaining}{postfix}]",
            disable=None,
        ) as progress,
    ):
        live.log_params(params.model_dump())
        for row in curves:
            log(live, row)
        for epoch in range(len(curves), params.epochs):
            row = train_epoch(
                network,
                params,
                epoch,
                images,
                labels,
                validation_data=validation,
                validation_batch_size=1000,
                callbacks=[
                    keras.callbacks.LambdaCallback(
                        on_train_batch_end=lambda batch, logs: progress.update(1 / batches)
                    )
                ],
            )
            curves.append(row)
            checkpoint.save(network, curves)
            log(live, curves[-1])
            progress.set_postfix(curves[-1])

    save_network(network)
    account = {
        "training": {"accuracy": curves[-1]["training/accuracy"], "loss": curves[-1]["training/loss"]},
        "validation": {"accuracy": curves[-1]["validation/accuracy"], "loss": curves[-1]["validation/loss"]},
        "parameters": network.count_params(),
        "augmentation": {
            kind: setting["probability"]
            for kind, setting in params.active_augmentation.items()
            if setting["probability"] > 0
        },
    }
    with whole_file(METRICS) as partial:
        partial.write_text(json.dumps(account, indent=2) + "\n")
    shutil.rmtree(CHECKPOINTS)


if __name__ == "__main__":
    run(main)
