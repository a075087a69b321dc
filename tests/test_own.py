"""Pictures and data of a user's own, and another data set: a line each, and all speaks of what is there."""

import gzip
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import DIGITS, draw, encode, photograph
from project import from_on, stages_run

from mnist_moved.command import UserError
from mnist_moved.data.datasets import DATASETS
from mnist_moved.data.idx import SPLITS, to_idx
from scripts import baseline
from stages import download, evaluate, perturb, plot

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def test_pictures_in_data_own_are_a_test_set_like_the_others(project, monkeypatch, capsys):
    for label, digit in enumerate(DIGITS):
        (project / f"data/own/{label}").mkdir()
        (project / f"data/own/{label}/drawing.png").write_bytes(encode(draw(digit)))
    (project / "data/own/7/photo.jpg").write_bytes(photograph(draw(DIGITS[7], paper=220, ink=50)))
    (project / "data/own/7/notes.txt").write_text("seven")
    np.savez(project / "data/own/digits.npz", x_test=255 - DIGITS, y_test=np.arange(10))
    project.set("perturb.test_sets.of_others", {"source": "data/own/digits.npz"})
    project.run("dvc add --quiet data/own/3")  # as people with many pictures keep them
    assert stages_run(project.run("dvc repro --dry --force-downstream")) == from_on("perturb")
    monkeypatch.chdir(project.folder)
    for stage in (perturb, evaluate, plot):
        stage.main()
    said = capsys.readouterr().out
    assert "data/own: 1 of 12 pictures left out\n  data/own/7/notes.txt: expected an image" in said
    assert "x_test and digits.npz: y_test: 10 images of 28 x 28, grey from 0 to 255, black on white\n" in said
    evaluation = project.read_json("metrics/evaluation.json")
    assert (evaluation["of_others"]["count"], evaluation["of_others"]["group"]) == (10, "external")
    account = evaluation["own_pictures"]
    assert (account["count"], account["group"]) == (11, "external")
    assert account["accuracy_low"] < account["accuracy"] <= account["accuracy_high"]
    for figure in ("confusion", "mistakes"):
        assert (project / f"plots/figures/{figure}_own_pictures.png").exists()
    page = " ".join((project / "plots/report.html").read_text().split())
    assert "<em>Own pictures</em>: 11 digits that are no part of MNIST, in <code>data/own</code>" in page
    assert "| own pictures | 11 |" in (project / "models/README.md").read_text()

    (project / "data/own/10").mkdir()
    with pytest.raises(
        UserError, match=r"^data/own: expected a folder for each class, 0 to 9, or .*; found 10\. "
    ):
        perturb.main()


@pytest.mark.filterwarnings("error::UserWarning")  # with which Matplotlib draws a box for a letter
def test_classes_whose_letters_no_font_has_are_numbers_in_figures_alone(project, monkeypatch, capsys):
    dataset = project.read_json("data/dataset.json") | {"classes": [*"おきすつなはまやれを"]}
    (project / "data/dataset.json").write_text(json.dumps(dataset))
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr("mnist_moved.report.figures.letters_of", lambda family: {*range(256)})
    plot.main()
    said = capsys.readouterr().out
    assert "figures name the classes by numbers, as no font here has their letters: 0 お, 1 き, 2 す," in said
    page = (project / "plots/report.html").read_text()
    assert '<th scope="row">お</th>' in page
    assert re.search(r"most often \d taken for \d", page)


@pytest.mark.nightly
@pytest.mark.skipif(not DEBIAN.exists(), reason="Debian: apt-get install dataset-fashion-mnist")
def test_fashion_mnist_is_one_setting_and_everything_speaks_of_its_articles(project):
    project.run("dvc exp run -S download.dataset=fashion_mnist -S evaluate.curve_digits=100")
    evaluation = project.read_json("metrics/evaluation.json")
    assert {*evaluation} == {"clean", "repositioned", "rotate"}  # other writers wrote digits only
    assert not [*(project / "plots").rglob("*other_writers*")]
    assert evaluation["clean"]["accuracy"] > 0.7
    assert evaluation["clean"]["baseline_accuracy"] > 0.88  # the baseline is that of this data set
    page = (project / "plots/report.html").read_text()
    assert "<h1>Fashion-MNIST, moved" in page
    assert "ankle boot" in page
    card = (project / "models/README.md").read_text()
    assert "a classifier of fashion-mnist" in card.lower()
    for text in (page, card):
        words = re.sub(r"base64,[^\"]+|MNIST example|Keras example.*?MNIST", "", text)
        assert re.findall(r"\bdigits?\b", words) == []
        assert re.findall(r"(?<!Fashion-)\bMNIST\b", words) == []
    named = project.run("python -m scripts.predict tests/digits.png").stdout
    assert re.search(rf": ({'|'.join(DATASETS['fashion_mnist'].dataset.classes)}) \(", named)


@pytest.fixture
def own(project, monkeypatch):
    """A project that is set to data of its own, 60 training and 20 test images, gzipped or not."""
    folder = project / "idx"
    folder.mkdir()
    for (images, labels), count in zip(SPLITS.values(), (60, 20), strict=True):
        (folder / images).write_bytes(to_idx(np.resize(DIGITS, (count, 28, 28))))
        numbers = to_idx(np.arange(count, dtype=np.uint8) % 10)
        (folder / f"{labels}.gz").write_bytes(gzip.compress(numbers))
    project.set("download.dataset", {"name": "mine", "source": "idx", "classes": [*"abcdefghij"]})
    for key, value in {"training_digits": 50, "validation_digits": 10, "epochs": 1}.items():
        project.set(f"train.{key}", value)
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(sys, "argv", ["of a stage or a script"])
    return project


def test_data_of_ones_own_need_a_baseline_of_their_own(own, capsys):
    download.main()
    assert capsys.readouterr().out.endswith("data/raw: mine, 60 and 20 images, from idx\n")
    assert own.read_json("data/dataset.json")["classes"] == [*"abcdefghij"]
    lacking = r"^models/baselines/mine\.keras .*; make it with `python -m scripts\.baseline`$"
    with pytest.raises(UserError, match=lacking):
        evaluate.main()
    baseline.main()
    trained = r"models/baselines/mine\.keras: [\d.]+% of the validation images are classified correctly"
    assert re.match(trained, capsys.readouterr().out)
    perturb.main()
    evaluate.main()
    assert own.read_json("metrics/evaluation.json")["clean"]["count"] == 20


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("t10k-labels-idx1-ubyte", to_idx(np.arange(20, dtype=np.uint8)), "labels of 10 classes, .*found 20"),
        ("t10k-labels-idx1-ubyte", to_idx(np.zeros(19, np.uint8)), r"images of \(20, 28, 28\) and 19 labels"),
        ("t10k-images-idx3-ubyte", b"", "t10k-images-idx3-ubyte: expected IDX, .*, found an empty file"),
    ],
)
def test_data_of_the_wrong_form_are_refused_in_a_sentence(own, name, content, found):
    (own / f"idx/{name}").write_bytes(content)
    before = own.contents("data/dataset.json")
    with pytest.raises(UserError, match=found):
        download.main()
    assert own.contents("data/dataset.json") == before
