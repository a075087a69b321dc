"""Fetch the data set: sources in params.yaml -> data/raw/, four IDX files; data/dataset.json, what they show.

One of the user's own is read from where it lies, in whatever form, and brought to this one. Run it with
`dvc repro download`.
"""

from pathlib import Path

from mnist_moved.command import run_stage
from mnist_moved.data.datasets import own_dataset, write_dataset
from mnist_moved.data.download import fetch
from mnist_moved.data.external import read_digits
from mnist_moved.data.idx import SPLITS, load_split, save_split
from mnist_moved.params import load_params
from mnist_moved.paths import RAW


def main() -> None:
    params = load_params().download
    if own := params.own:
        dataset, origin = own_dataset(own.name, own.classes), f"from {own.source}"
        options = own.model_dump(exclude_none=True)
        read = [read_digits(Path(own.source), split, options, dataset, divided=True) for split in SPLITS]
        for split, digits in zip(SPLITS, read, strict=True):
            save_split(RAW, split, digits)
    else:
        (dataset, files), sources = params.known()
        origins = fetch(RAW, sources, params.timeout_seconds, files)
        origin = " and ".join(dict.fromkeys(origins.values()))
    counts = [len(load_split(RAW, split).labels) for split in SPLITS]
    write_dataset(dataset)
    print(f"{RAW}: {dataset.title}, {' and '.join(f'{count:,}' for count in counts)} images, {origin}")


if __name__ == "__main__":
    run_stage(main, __doc__)
