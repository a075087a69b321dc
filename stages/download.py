"""Fetch the data set: sources in params.yaml -> data/raw/, four IDX files; data/dataset.json, what they show.

Run it with `dvc repro download`.
"""

from mnist_moved.command import run_stage
from mnist_moved.data.datasets import write_dataset
from mnist_moved.data.download import fetch
from mnist_moved.data.idx import SPLITS, load_split
from mnist_moved.params import load_params
from mnist_moved.paths import RAW


def main() -> None:
    params = load_params().download
    (dataset, files), sources = params.chosen()
    origins = fetch(RAW, sources, params.timeout_seconds, files)
    counts = [len(load_split(RAW, split).labels) for split in SPLITS]
    write_dataset(dataset)
    print(
        f"{RAW}: {dataset.title}, {' and '.join(f'{count:,}' for count in counts)} images,"
        f" {' and '.join(dict.fromkeys(origins.values()))}"
    )


if __name__ == "__main__":
    run_stage(main, __doc__)
