"""`python -m scripts.predict` names the digit in every picture that people draw and photograph, and
says which files it can't use. Its network is the standard one, which has seen nothing but MNIST.
"""

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

from robustness.artifacts import BASELINE
from robustness.command import run
from robustness.pictures import FORMATS
from scripts.predict import main

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


@pytest.fixture
def predict(tmp_path, monkeypatch, capsys):
    """Run the command in a folder with a network, three.png and notes.txt: exit code, output, errors."""
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / BASELINE, tmp_path / "models/model.keras")
    (tmp_path / "three.png").write_bytes(encode(DIGITS[3]))
    (tmp_path / "notes.txt").write_text("three")
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict", *arguments])
        try:
            run(main)
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return command


def test_every_digit_gets_its_label_however_it_was_drawn_or_photographed(predict, tmp_path):
    expected = {f"{sheet} {label}": label for sheet in SHEETS for label in range(10)}
    for file, label in expected.items():
        (tmp_path / file).write_bytes(SHEETS[file[:-2]](DIGITS[label]))
    code, output, errors = predict("--json", *expected)
    assert (code, errors) == (0, "")
    assert {each["file"]: each["label"] for each in json.loads(output)} == expected


def test_json_is_a_list_with_all_ten_probabilities_of_each_picture(predict):
    assert predict("--json", "notes.txt")[:2] == (1, "[]\n")
    [prediction] = json.loads(predict("--json", "three.png")[1])
    assert (prediction["file"], prediction["label"]) == ("three.png", 3)
    assert prediction["probability"] == prediction["probabilities"][3] == max(prediction["probabilities"])
    assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-4)


def test_without_a_network_it_says_how_to_make_one(predict, tmp_path):
    (tmp_path / "models/model.keras").unlink()
    code, output, _ = predict("three.png")
    assert re.match(r"error: models/model\.keras is missing .*dvc repro train", code)
    assert output == ""


def test_a_wrong_command_line_gets_exit_code_2_and_the_usage(predict):
    code, _, errors = predict()
    assert (code, errors[:32]) == (2, "usage: python -m scripts.predict")


@pytest.mark.slow
def test_files_that_cannot_be_used_are_named_and_the_others_predicted_and_no_more_is_said(predict):
    command = [sys.executable, "-m", "scripts.predict", "notes.txt", "three.png", "missing.png", "models"]
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": ROOT}, capture_output=True, text=True)
    assert ended.returncode == 1
    assert re.fullmatch(r"three\.png: 3 \(\d+\.\d%\)\n", ended.stdout)
    assert ended.stderr.splitlines() == [
        f"error: notes.txt: expected an image ({', '.join(FORMATS)}), found none or a damaged one",
        "error: missing.png: No such file or directory",
        "error: models: Is a directory",
    ]
