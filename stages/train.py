"""Train the network: data/raw/ -> models/model.keras, metrics/training.json, plots/training/.

Every epoch sees freshly perturbed digits. The curves can be watched with `dvc plots show` while training
runs. A run that was interrupted goes on after its last finished epoch. Run it with `dvc repro train`.
"""

from dvclive import Live
from tqdm import tqdm

from robustness.artifacts import CHECKPOINT, CURVES, RAW, TRAINING
from robustness.checkpoint import digest, load_checkpoint, save_checkpoint
from robustness.command import run_stage
from robustness.files import write_json
from robustness.mnist import load_split
from robustness.networks import save_network
from robustness.params import load_params
from robustness.quiet_keras import keras, tensorflow
from robustness.stopwatch import now, since
from robustness.training import fit, split

BAR = "{l_bar}{bar}| {n:.1f} of {total} epochs [{elapsed}<{remaining}{postfix}]"


def log(live: Live, row: dict[str, float]) -> None:
    """Add one epoch to the curves that `dvc plots show` draws."""
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
    training, validation = split(load_split(RAW, "train"), params)
    identity = digest(params, training, validation)
    progress = load_checkpoint(CHECKPOINT, identity)
    curves = progress.curves if progress else []
    if curves:
        print(f"going on after epoch {len(curves)}, where an earlier run was interrupted", flush=True)

    print(f"training on {device()}", flush=True)
    with (
        Live(str(CURVES), save_dvc_exp=False, dvcyaml=None) as live,
        tqdm(None, "train", params.epochs, initial=len(curves), bar_format=BAR, disable=None) as bar,
    ):
        step = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: bar.update(
                len(curves) + min(1, (batch + 1) / step.params["steps"]) - bar.n
            )
        )
        for row in curves:
            log(live, row)
        start = now()
        epochs = fit(params, training, validation, progress, [step])
        for progress in epochs:
            curves = progress.curves
            save_checkpoint(CHECKPOINT, progress, identity)
            log(live, curves[-1])
            bar.set_postfix(curves[-1])

    print(since(start))
    save_network(progress.network)
    account = {"training": {}, "validation": {}, "parameters": progress.network.count_params()}
    for name, value in curves[-1].items():
        part, quantity = name.split("/")
        account[part][quantity] = value
    write_json(TRAINING, account)
    CHECKPOINT.unlink()


if __name__ == "__main__":
    run_stage(main, __doc__)
