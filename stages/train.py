"""Train the network: data/raw/ -> models/model.keras, metrics/training.json, plots/training/.

Every epoch sees freshly perturbed digits. The curves can be watched with `dvc plots show` while training
runs. A run that was interrupted goes on after its last finished epoch. Run it with `dvc repro train`, or by
itself with `python -m stages.train`.
"""

import math

from dvclive import Live
from tqdm import tqdm

from robustness.artifacts import CHECKPOINT, CURVES, RAW, TRAINING
from robustness.checkpoint import digest, load_checkpoint, save_checkpoint
from robustness.command import run_stage
from robustness.files import write_json
from robustness.mnist import load_split
from robustness.networks import save_network
from robustness.params import load_params
from robustness.quiet_keras import keras
from robustness.training import fit, split

BAR = "{l_bar}{bar}| {n:.1f} of {total} epochs [{elapsed}<{remaining}{postfix}]"


def log(live: Live, row: dict[str, float]) -> None:
    """Add one epoch to the curves that `dvc plots show` draws."""
    for name, value in row.items():
        live.log_metric(name, value)
    live.next_step()


def main() -> None:
    params = load_params().train
    training, validation = split(load_split(RAW, "train"), params)
    identity = digest(params, training, validation)
    resumed = load_checkpoint(CHECKPOINT, identity)
    finished = resumed[1] if resumed else []
    if finished:
        print(f"going on after epoch {len(finished)}, where an earlier run was interrupted", flush=True)

    batches = math.ceil(len(training.images) / params.batch_size)
    with (
        Live(str(CURVES), save_dvc_exp=False, dvcyaml=None) as live,
        tqdm(None, "train", params.epochs, initial=len(finished), bar_format=BAR, disable=None) as bar,
    ):
        step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update(1 / batches))
        for row in finished:
            log(live, row)
        network, curves = resumed or (None, [])
        for network, curves in fit(params, training, validation, resumed, [step]):
            save_checkpoint(CHECKPOINT, network, curves, identity)
            log(live, curves[-1])
            bar.set_postfix(curves[-1])

    save_network(network)
    last = curves[-1]
    write_json(
        TRAINING,
        {
            part: {name: last[f"{part}/{name}"] for name in ("accuracy", "loss")}
            for part in ("training", "validation")
        }
        | {"parameters": network.count_params()},
    )
    CHECKPOINT.unlink()


if __name__ == "__main__":
    run_stage(main, __doc__)
