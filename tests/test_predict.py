"""`python -m scripts.predict` names the digit in every picture that people draw and photograph, and says
which files it can't use. Its network is the baseline, which has seen nothing but MNIST."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
from pictures import DIGITS, draw, encode, photograph
from project import ROOT

from mnist_moved.data.datasets import FASHION_MNIST, MNIST, write_dataset
from mnist_moved.data.pictures import FORMATS, SEVERAL
from mnist_moved.paths import DATASET, MODEL, baseline_of
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
    """Run the command in a folder with a network; its exit code, output and complaints."""
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / baseline_of("mnist"), tmp_path / MODEL)
    write_dataset(MNIST, tmp_path / DATASET)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


def test_every_digit_gets_its_label_however_it_was_drawn_or_photographed(tmp_path, predict):
    expected = {f"{sheet} {label}": label for sheet in SHEETS for label in range(10)}
    for file, label in expected.items():
        (tmp_path / file).write_bytes(SHEETS[file[:-2]](DIGITS[label]))
    code, said, complaints = predict("--json", *expected)
    assert (code, complaints) == (0, "")
    predictions = json.loads(said)
    assert {each["file"]: each["label"] for each in predictions} == expected
    for each in predictions:
        assert each["probability"] == each["probabilities"][each["label"]] == max(each["probabilities"])
        assert sum(each["probabilities"]) == pytest.approx(1, abs=1e-4)


def test_a_page_of_digits_is_read_row_by_row(tmp_path, predict):
    rows = [[3, 1, 4, 1], [5, 9, 2], [6, 5, 3]]
    sheet = np.full((900, 1200), 220.0)
    for number, row in enumerate(rows):
        for place, label in enumerate(row):
            top, left = 60 + 270 * number + 12 * place, 60 + 280 * place + 20 * number  # not quite straight
            sheet[top : top + 200, left : left + 200] = draw(DIGITS[label], 200, (200, 200), 0, 0, 220, 50)
    (tmp_path / "page.jpg").write_bytes(photograph(sheet))
    sheet[20:890:290, 20:1180] = sheet[20:890, 20:1180:290] = 20  # a grid of lines
    (tmp_path / "form.png").write_bytes(encode(sheet))
    for file in ("page.jpg", "form.png"):
        code, said, complaints = predict("--page", file)
        assert (code, complaints) == (0, "")
        heading, *lines = said.splitlines()
        assert re.fullmatch(rf"{file}: 10 found, the least sure \d \([\d.]+%\)", heading)
        assert lines == ["  " + " ".join(map(str, row)) for row in rows]
    found = json.loads(predict("--page", "--json", "page.jpg")[1])
    assert [each["row"] for each in found] == [0] * 4 + [1] * 3 + [2] * 3
    left, top, right, bottom = found[0]["box"]
    assert 60 / 1200 < left < right < 260 / 1200
    assert 60 / 900 < top < bottom < 260 / 900


def test_files_that_cannot_be_used_are_named_and_the_others_predicted_and_no_more_is_said(tmp_path, predict):
    (tmp_path / "three.png").write_bytes(encode(DIGITS[3]))
    (tmp_path / "notes.txt").write_text("three")
    sheet = np.hstack([draw(DIGITS[4], shape=(400, 400)), draw(DIGITS[2], shape=(400, 400))])
    (tmp_path / "42.png").write_bytes(encode(sheet))
    code, said, complaints = predict("notes.txt", "three.png", "missing.png", "models", "42.png")
    assert code == 1
    assert re.fullmatch(r"three\.png: 3 \(\d+\.\d%\)\n42\.png: \d \(\d+\.\d%\)\n", said)
    assert complaints.splitlines() == [
        f"error: notes.txt: expected an image ({', '.join(FORMATS)}), found none or a damaged one",
        "error: missing.png: No such file or directory",
        "error: models: Is a directory",
        f"warning: 42.png: {SEVERAL}",
    ]


def test_json_is_a_list_also_where_no_file_can_be_used(predict):
    code, said, _ = predict("--json", "missing.png")
    assert (code, said) == (1, "[]\n")


def test_a_network_of_another_data_set_names_what_that_shows(tmp_path, predict):
    write_dataset(FASHION_MNIST, tmp_path / DATASET)
    (tmp_path / "seven.png").write_bytes(encode(DIGITS[7]))
    assert predict("seven.png")[1].startswith("seven.png: sneaker (")
