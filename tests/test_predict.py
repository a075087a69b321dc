"""`python -m scripts.predict` names the digit in every picture that people draw and photograph, and says
which files it can't use. Its network is the standard one, which has seen nothing but MNIST."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from pictures import DIGITS, draw, encode, photograph
from project import ROOT

from mnist_moved.paths import DATASET, MODEL, baseline_of
from mnist_moved.data.datasets import MNIST, write_dataset
from mnist_moved.data.pictures import FORMATS, SEVERAL

RULES = 40 * (np.arange(400) % 40 < 2)[:, None]
SPECKS = np.where(np.indices((400, 500)).max(axis=0) < 8, 0.2, 1)
SHEETS = {
    "drawing": lambda digit: encode(draw(digit)),
    "inverted MNIST": lambda digit: encode(255 - digit),
    "tiny": lambda digit: encode(draw(digit, 20, (30, 40), 5, 12)),
    "photo in uneven light": lambda digit: photograph(draw(digit, paper=220, ink=50)),
    "photo under a lamp": lambda digit: photograph(draw(digit, paper=220, ink=50), darkest=1, lamp=0.7),
    "photo with a shadow": lambda digit: photograph(draw(digit, paper=220, ink=50), darkest=0.8, shadow=0.4),
    "noisy photo": lambda digit: photograph(draw(digit, paper=220, ink=50), noise=20),
    "pencil": lambda digit: photograph(draw(digit, paper=220, ink=130), darkest=0.7),
    "chalk": lambda digit: photograph(draw(digit, paper=50, ink=200)),
    "small in a photo": lambda digit: photograph(draw(digit, 150, (750, 999), 450, 100, paper=220, ink=50)),
    "filling the photo": lambda digit: photograph(draw(digit, 400, (400, 400), 0, 0, paper=220, ink=50)),
    "ruled paper": lambda digit: photograph(draw(digit, paper=220, ink=50) - RULES),
    "specks": lambda digit: photograph(draw(digit, paper=220, ink=50) * SPECKS),
}


def predict(folder, *arguments, dataset=MNIST):
    """Run the command in a folder with a network."""
    (folder / "models").mkdir()
    shutil.copy(ROOT / baseline_of("mnist"), folder / MODEL)
    write_dataset(dataset, folder / DATASET)
    command = [sys.executable, "-m", "scripts.predict", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_every_digit_gets_its_label_however_it_was_drawn_or_photographed(tmp_path):
    expected = {f"{sheet} {label}": label for sheet in SHEETS for label in range(10)}
    for file, label in expected.items():
        (tmp_path / file).write_bytes(SHEETS[file[:-2]](DIGITS[label]))
    ended = predict(tmp_path, "--json", *expected)
    assert (ended.returncode, ended.stderr) == (0, "")
    predictions = json.loads(ended.stdout)
    assert {each["file"]: each["label"] for each in predictions} == expected
    for each in predictions:
        assert each["probability"] == each["probabilities"][each["label"]] == max(each["probabilities"])
        assert sum(each["probabilities"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_files_that_cannot_be_used_are_named_and_the_others_predicted_and_no_more_is_said(tmp_path):
    (tmp_path / "three.png").write_bytes(encode(DIGITS[3]))
    (tmp_path / "notes.txt").write_text("three")
    ended = predict(tmp_path, "notes.txt", "three.png", "missing.png", "models")
    assert ended.returncode == 1
    assert re.fullmatch(r"three\.png: 3 \(\d+\.\d%\)\n", ended.stdout)
    assert ended.stderr.splitlines() == [
        f"error: notes.txt: expected an image ({', '.join(FORMATS)}), found none or a damaged one",
        "error: missing.png: No such file or directory",
        "error: models: Is a directory",
    ]


@pytest.mark.slow
def test_of_several_digits_in_a_picture_it_warns(tmp_path):
    sheet = np.hstack([draw(DIGITS[4], shape=(400, 400)), draw(DIGITS[2], shape=(400, 400))])
    (tmp_path / "42.png").write_bytes(encode(sheet))
    ended = predict(tmp_path, "42.png")
    assert ended.returncode == 0
    assert re.fullmatch(r"42\.png: \d \(\d+\.\d%\)\n", ended.stdout)
    assert ended.stderr == f"warning: 42.png: {SEVERAL}\n"


def test_json_is_a_list_also_where_no_file_can_be_used(tmp_path):
    ended = predict(tmp_path, "--json", "missing.png")
    assert (ended.returncode, ended.stdout) == (1, "[]\n")
