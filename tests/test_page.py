"""plots/report.html tells truly what the run found, and a browser needs nothing else to show it."""

import re

import numpy as np
import pandas as pd
import pytest
from browser import look_at, needs_chromium
from project import ROOT

from mnist_moved.data.datasets import FASHION_MNIST, MNIST
from mnist_moved.evaluation.metrics import EXTERNAL, SEEN, UNSEEN
from mnist_moved.params import load_params
from mnist_moved.report.page import Picture, write_report
from mnist_moved.data.test_sets import TestSet


def rows(page):
    """The cells of every table row, without markup."""
    cells = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    )
    return [[" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in row] for row in cells]


# Of a real run


@pytest.fixture(scope="module")
def page(finished):
    return (finished / "plots/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def evaluation(finished):
    return finished.read_json("metrics/evaluation.json")


@needs_chromium
def test_a_browser_shows_every_picture_on_any_screen_and_asks_no_host_for_anything(finished):
    seen = look_at(finished / "plots/report.html")
    assert seen["problems"] == []
    assert seen["requests"] == []
    assert len(seen["pictures"]) == len(list((finished / "plots/figures").iterdir()))
    assert all(picture["width"] > 0 and picture["alt"] for picture in seen["pictures"])
    assert seen["fitsPhone"]


def test_the_tables_hold_what_was_measured(page, evaluation):
    table = {(row[0], len(row)): row[1:] for row in rows(page)}
    sets = evaluation["clean"], evaluation["repositioned"]
    assert [cell[:5] for cell in table["This network", 4][:2]] == [f"{each['accuracy']:.1%}" for each in sets]
    assert table["Baseline", 4][:2] == [f"{each['baseline_accuracy']:.1%}" for each in sets]
    for name, strength, listed in (("repositioned", "canvas 56", "yes"), ("rotate", "degrees 30", "no")):
        account = evaluation[name]
        assert table[name, 10][:6] == [
            strength,
            listed,
            f"{account['accuracy']:.1%}",
            f"{100 * account['accuracy_low']:.1f}\N{EN DASH}{account['accuracy_high']:.1%}",
            f"{account['baseline_accuracy']:.1%}",
            f"{100 * account['calibration_error']:.1f}",
        ]
    for digit in "0123456789":
        shares = [
            each["per_class"][digit][share] for each in sets for share in ("recall", "precision", "f1-score")
        ]
        assert table[digit, 7] == [f"{share:.1%}" for share in shares]


def test_what_a_picture_is_said_to_show_is_what_was_found(page, evaluation):
    said = " ".join(re.findall(r'alt="([^"]*)"', page))
    for title, name in (("MNIST", "clean"), ("Repositioned", "repositioned")):
        wrong = round(10_000 * (1 - evaluation[name]["accuracy"]))
        assert f"{title} test set: {wrong:,} of 10,000 mistaken" in said
    suites = {name: account["accuracy"] for name, account in evaluation.items() if name != "clean"}
    hardest = min(suites, key=suites.get)
    assert f"hardest: {hardest}, {suites[hardest]:.1%}" in said


# Of any run


class AnyPicture(dict):
    def __missing__(self, name):
        return Picture(b"", f"finding of {name}")


def swept(setting, images="same", **accuracies):
    """The rows of one setting in the table of a sweep, SUITE: its accuracy with each seed."""
    return pd.DataFrame(
        {"setting": setting, "seed": seed, "experiment": f"{setting}-s{seed}", "suite": suite}
        | {"images": images, "accuracy": accuracy}
        for suite, runs in accuracies.items()
        for seed, accuracy in enumerate(runs)
    )


CURVES = pd.DataFrame({"kind": "impulse_noise", "strength": "fraction", "value": [0, 0.5, 1], "count": 200})
CURVES["accuracy"], CURVES["accuracy_low"], CURVES["accuracy_high"] = (
    [1, 0.9, 0.8],
    [1, 0.8, 0.7],
    [1, 0.95, 0.9],
)
CURVES["baseline_accuracy"] = [0.8, 0.5, 0.1]


def written(
    suites,
    augment=True,
    network="global_pooling",
    epochs=1,
    count=10_000,
    split="test",
    sweep=None,
    dataset=MNIST,
    source="scikit-learn",
):
    """A report on these suites, SUITE: its group."""
    share = {"recall": 0.5, "precision": 0.5, "f1-score": 0.5}
    numbers = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 1.0}
    numbers |= {"baseline_accuracy": 0.7, "calibration_error": 0.1, "count": count, "images": "same"}
    account = numbers | {"per_class": dict.fromkeys("0123456789", share)}
    augmentation = {"impulse_noise": {"probability": 0.25, "fraction": [0, 1]}}
    changes = {"network": network, "epochs": epochs, "augment": augment, "augmentation": augmentation}
    settings = load_params(ROOT / "params.yaml").train.model_copy(update=changes)
    drawn = {"canvas": np.full(1, 56.0), "zoom": np.ones(1)}
    suite = TestSet(np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.uint8), "reposition", {"canvas": 56}, drawn)
    pictures = suite._replace(kind="pictures", strengths={"pictures": source})
    return " ".join(
        write_report(
            AnyPicture(),
            evaluation={
                name: account | {"group": group} for name, group in {"clean": "clean", **suites}.items()
            },
            training={"parameters": 12_345},
            settings=settings,
            suites={name: pictures if group == EXTERNAL else suite for name, group in suites.items()},
            dataset=dataset,
            split=split,
            sweep=swept("default", "others", clean=[0.5]) if sweep is None else sweep,
            curves=CURVES,
            limit=0.9,
        ).split()
    )


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize(
    "suites", [{"repositioned": SEEN}, {"repositioned": UNSEEN}, {"repositioned": SEEN, "fog": UNSEEN}]
)
def test_any_choice_of_suites_and_augmentation_can_be_told(suites, augment):
    page = written(suites, augment)
    assert ("sets of kinds outside the augmentation" in page) == (UNSEEN in suites.values())
    assert ("25% by <em>impulse noise</em> (fraction 0 to 1)" in page) == augment
    assert ("trained on altered digits" in page) == augment
    if len(suites) == 2:
        assert ("in the augmentation, which is on" in page) == augment
        assert ("in the augmentation, which is off" in page) != augment


def test_it_says_where_each_network_breaks_and_how_sure_that_is():
    page = written({"repositioned": SEEN}, augment=True)
    assert "Each point stands for the same 200 test digits" in page
    table = {(row[0], len(row)): row[1:] for row in rows(page)}
    row = ["fraction, of the pixels", "0.5 0.25 to beyond 1", "at once", "0 to 1"]
    assert table["impulse noise", 5] == row


def test_a_test_set_that_is_not_made_of_mnist_is_told_apart():
    page = written({"repositioned": SEEN, "other_writers": EXTERNAL}, count=1797)
    assert "on 1 altered copies of the set, and on 1,797 digits that are no part of MNIST" in page
    assert (
        "<em>Other writers</em>: 1,797 digits that are no part of MNIST, but which scikit-learn carries"
        in page
    )
    assert "Of all 1 altered sets, <em>repositioned</em> is the hardest" in page
    page = written({"repositioned": SEEN, "own_pictures": EXTERNAL}, count=12, source="data/own")
    assert (
        "<em>Own pictures</em>: 12 digits that are no part of MNIST, in <code>data/own</code>, brought"
        in page
    )
    assert "scikit-learn" not in page


def test_of_another_data_set_it_speaks_of_what_that_shows():
    page = written({"repositioned": SEEN, "fog": UNSEEN}, dataset=FASHION_MNIST)
    table = {row[0] for row in rows(page)}
    assert {*FASHION_MNIST.classes} <= table
    assert "on 10,000 Fashion-MNIST test articles as they are" in page
    assert "digit" not in page


def test_it_tells_of_the_network_the_epochs_and_the_digits_that_there_were():
    page = written({"repositioned": SEEN}, network="mine", epochs=2, count=1797)
    assert "<em>mine</em>, 12,345 parameters" in page
    assert "2 epochs on" in page
    assert "1,797 MNIST test digits" in page
    assert "10,000" not in page
    assert "validation set" not in page
    assert "1 epoch on" in written({"repositioned": SEEN})


def test_of_validation_digits_it_says_so_and_claims_nothing_of_the_test_set():
    page = written({"repositioned": SEEN, "fog": UNSEEN}, count=5000, split="validation")
    head, rest = page.split("</header>")
    assert "the numbers of 5,000 validation digits, not of the test set:" in head
    assert "5,000 MNIST validation digits as they are" in rest
    assert "test set" not in rest
    assert "test digits" not in rest


def test_beside_the_run_stand_the_seeds_of_a_sweep_on_the_same_images():
    suites = {"repositioned": SEEN, "fog": UNSEEN, "edges": UNSEEN}
    default = swept("default", clean=[0.9, 0.92], repositioned=[0.8, 0.8], fog=[0.5, 0.7], edges=[0.3, 0.3])
    other = swept("no_augmentation", clean=[0.6, 0.6], fog=[0.1, 0.1])
    page = written(suites, sweep=pd.concat([default, other, swept("other", "of another set", clean=[0, 0])]))
    table = {(row[0], len(row)): row[1:] for row in rows(page)}
    assert table["default 2 seeds", 4] == ["91.00 ± 1.41%", "80.00 ± 0.00%", "45.00 ± 7.07%"]
    assert table["no augmentation 2 seeds", 4] == ["60.00 ± 0.00%", "", ""]
    assert table["fog", 9][-2:] == ["60.00 ± 14.14%", "10.00 ± 0.00%"]
    assert "other 2 seeds" not in page
    assert "This run is one of them" not in page
    assert "over seeds" not in written(suites)


def test_a_run_that_is_one_of_the_sweep_is_called_so():
    sweep = swept("default", clean=[0.8, 0.9], repositioned=[0.9, 0.9])
    assert "This run is one of them, <em>default-s1</em>" in written({"repositioned": SEEN}, sweep=sweep)


def test_the_page_forbids_itself_scripts_and_hosts_and_names_cannot_smuggle_markup_in():
    page = written({"repositioned": SEEN, "<b>": UNSEEN})
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "<script" not in page
    assert "<b>" not in page
