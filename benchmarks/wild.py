"""How well digits are read that nobody here made: pictures of twelve public repositories.

    python -m benchmarks.wild FOLDER    # an hour; a minute, once its networks are kept

wild.csv lists the pictures; FOLDER has them, under any names, as each is known by its SHA-256. They belong to
others and are no part of this project. Missing ones are fetched into it from where they are public, but for
those that were cut out of a larger file (# in their path), which are left out.

Two networks, the baseline and this one, each augmented and not, are trained with five seeds each, as the
sweep `main` says, and kept in benchmarks/networks/. Each reads every picture twice: as tutorials prepare it,
and as this project does. Which seeds read which picture right is written to wild.csv, of which
`python -m benchmarks.tables` makes tables.
"""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import requests
from PIL import Image
from tqdm import tqdm

from mnist_moved.command import UserError, make_parser, run
from mnist_moved.data.idx import load_split
from mnist_moved.data.pictures import PictureError, read_digit
from mnist_moved.files import write_table
from mnist_moved.networks.quiet_keras import keras
from mnist_moved.networks.saving import load_network, predict, save_network
from mnist_moved.networks.training import fit, training_and_validation
from mnist_moved.paths import RAW
from mnist_moved.report.wording import SETTINGS
from mnist_moved.sweeps.settings import load_overridden, load_sweep

TABLE = Path("benchmarks/wild.csv")
NETWORKS = Path("benchmarks/networks")
SEEDS = range(42, 47)
ADDRESS = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
NOTHING = np.zeros((28, 28), np.uint8)  # in place of a picture that is refused, or not there


def as_tutorials_do(content: bytes) -> np.ndarray:
    """Grey, inverted if it is light, and resized: uint8 (28, 28)."""
    image = np.asarray(Image.open(io.BytesIO(content)).convert("L").resize((28, 28)))
    return 255 - image if image.mean() > 127 else image


def as_read_here(content: bytes) -> np.ndarray | None:
    try:
        return read_digit(content).image
    except PictureError:
        return None


WAYS = {"tutorial": as_tutorials_do, "here": as_read_here}


def pictures(folder: Path, table: pd.DataFrame) -> Iterator[bytes | None]:
    """The content of each picture of the table, fetched if it is not there; None if it cannot be had."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    there = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in files}
    for row in tqdm(table.itertuples(), "pictures", len(table), leave=False, disable=None):
        if row.sha256 not in there and "#" not in row.path:
            address = ADDRESS.format(repository=row.repository, commit=row.commit, path=quote(row.path))
            try:
                content = requests.get(address, timeout=10).content
            except requests.RequestException as error:
                raise UserError(f"{address}: {error}; put the picture into {folder} yourself") from None
            there[row.sha256] = folder / f"{row.sha256}{Path(row.path).suffix}"
            there[row.sha256].write_bytes(content)
        content = there[row.sha256].read_bytes() if row.sha256 in there else None
        yield content if content and hashlib.sha256(content).hexdigest() == row.sha256 else None


def trained(setting: str, seed: int) -> keras.Model:
    """A network of a setting of the sweep `main`, trained unless it is kept."""
    path = NETWORKS / f"{setting}-{seed}.keras"
    if not path.exists():
        params = load_overridden([*load_sweep("main").settings[setting], f"train.seed={seed}"]).train
        training, _ = training_and_validation(load_split(RAW, "train"), params)
        *_, last = tqdm(fit(params, training), path.stem, params.epochs, leave=False, disable=None)
        NETWORKS.mkdir(exist_ok=True)
        save_network(last.network, path)
    return load_network(path)


def main() -> None:
    parser = make_parser("python -m benchmarks.wild", __doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        raise UserError(f"{arguments.folder}: expected a folder for the pictures, found none; make it")
    table = pd.read_csv(TABLE, dtype=str)
    contents = [*pictures(arguments.folder, table)]
    there = np.array([content is not None for content in contents])
    images = {
        way: [prepare(content) if content else None for content in contents] for way, prepare in WAYS.items()
    }
    labels = table["label"].astype(int).to_numpy()
    for setting in SETTINGS:
        networks = [trained(setting, seed) for seed in SEEDS]
        for way, prepared in images.items():
            usable = np.array([image is not None for image in prepared])
            stack = np.stack([NOTHING if image is None else image for image in prepared])
            answers = [predict(network, stack).argmax(axis=1) for network in networks]
            right = (np.stack(answers) == labels) & usable
            marks = ["".join(map(str, seeds)) for seeds in right.T.astype(int)]
            table[f"{setting}_{way}"] = np.where(there, marks, "")
    write_table(TABLE, table)
    print(f"{TABLE}: {there.sum()} of {len(table)} pictures were there")


if __name__ == "__main__":
    run(main)
