"""Train the network: data/raw/ -> models/model.keras, metrics/training.json, plots/training/.

Every epoch sees freshly perturbed digits. The learning curves can be watched with `dvc plots show` while
training runs. A run that was interrupted goes on after its last finished epoch. Run it with `dvc repro
train`.
"""

import time

from dvclive import Live
from tqdm import tqdm

from mnist_moved.command import run_stage
from mnist_moved.data.idx import load_split
from mnist_moved.files import write_json
from mnist_moved.networks.checkpoint import digest, load_checkpoint, save_checkpoint
from mnist_moved.networks.quiet_keras import keras, tensorflow
from mnist_moved.networks.saving import save_network
from mnist_moved.networks.training import fit, training_and_validation
from mnist_moved.params import load_params
from mnist_moved.paths import CHECKPOINT, LEARNING_CURVES, RAW, TRAINING

BAR = "{l_bar}{bar}| {n:.1f} of {total} epochs [{elapsed}<{remaining}{postfix}]"


class Advance(keras.callbacks.Callback):
    """Moves a progress bar, of epochs, on within an epoch."""

    def __init__(self, bar: tqdm) -> None:
        super().__init__()
        self.bar = bar

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.finished = round(self.bar.n)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        share = min(1, (batch + 1) / self.params["steps"])
        self.bar.update(self.finished + share - self.bar.n)


def log(live: Live, row: dict[str, float]) -> None:
    """Add one epoch to the learning curves that `dvc plots show` draws."""
    for name, value in row.items():
        live.log_metric(name, value)
    live.next_step()


def device() -> str:
    """What TensorFlow trains on."""
    gpus = tensorflow.config.list_physical_devices("GPU")
    details = map(tensorflow.config.experimental.get_device_details, gpus)
    return ", ".join(each.get("device_name", "a GPU") for each in details) or "the CPU"


def main() -> None:
    params = load_params().train
    training, validation = training_and_validation(load_split(RAW, "train"), params)
    identity = digest(params, training, validation)
    progress = load_checkpoint(CHECKPOINT, identity)
    earlier = progress.history if progress else []
    if earlier:
        print(f"going on after epoch {len(earlier)}, where an earlier run was interrupted", flush=True)

    print(f"training on {device()}", flush=True)
    with (
        Live(str(LEARNING_CURVES), save_dvc_exp=False, dvcyaml=None) as live,
        tqdm(None, "train", params.epochs, initial=len(earlier), bar_format=BAR, disable=None) as bar,
    ):
        for row in earlier:
            log(live, row)
        wall, cpu = time.perf_counter(), time.process_time()
        epochs = fit(params, training, validation, progress, [Advance(bar)])
        for progress in epochs:
            save_checkpoint(CHECKPOINT, progress, identity)
            log(live, progress.history[-1])
            bar.set_postfix(progress.history[-1])

    # In no artifact: the same params give the same bytes, and never the same seconds.
    print(f"trained in {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} CPU s")
    save_network(progress.network)
    account = {"training": {}, "validation": {}, "parameters": progress.network.count_params()}
    for name, value in progress.history[-1].items():
        part, quantity = name.split("/")
        account[part][quantity] = value
    write_json(TRAINING, account)
    CHECKPOINT.unlink()


if __name__ == "__main__":
    run_stage(main, __doc__)
