"""plots/report.html tells truly what the run found, and a browser needs nothing else to show it."""

import re
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from browser import look_at, needs_chromium
from project import ROOT

from mnist_moved.data.datasets import FASHION_MNIST, MNIST
from mnist_moved.data.test_sets import EXTERNAL, TestSet
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.params import load_params
from mnist_moved.report.page import Findings, Illustration, write_page
from mnist_moved.report.wording import words


def rows(page):
    """The cells of every table row, without markup, by the first cell and their number."""
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        name, *others = (" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in cells)
        found[name, len(cells)] = others
    return found


# Of a real run


@pytest.fixture(scope="module")
def page(finished):
    return (finished / "plots/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def evaluation(finished):
    return finished.read_json("metrics/evaluation.json")


@needs_chromium
def test_a_browser_shows_every_figure_on_any_screen_and_asks_no_host_for_anything(finished):
    seen = look_at(finished / "plots/report.html")
    assert (seen["problems"], seen["requests"]) == ([], [])
    assert len(seen["pictures"]) == len(list((finished / "plots/figures").iterdir()))
    assert all(picture["width"] > 0 and picture["alt"] for picture in seen["pictures"])
    assert seen["fitsPhone"]


def test_the_tables_hold_what_was_measured(page, evaluation):
    table = rows(page)
    main = evaluation["clean"], evaluation["repositioned"]
    assert [cell[:5] for cell in table["This network", 4][:2]] == [f"{each['accuracy']:.1%}" for each in main]
    assert table["Baseline", 4][:2] == [f"{each['baseline_accuracy']:.1%}" for each in main]
    row = "{accuracy:.1%} {low:.1f}\N{EN DASH}{accuracy_high:.1%} {baseline_accuracy:.1%} {off:.1f}"
    for name, *said in (("repositioned", "canvas 56", "yes"), ("rotate", "degrees 30", "no")):
        low, off = (100 * evaluation[name][key] for key in ("accuracy_low", "calibration_error"))
        assert table[name, 11][:6] == [*said, *row.format(low=low, off=off, **evaluation[name]).split()]
    for digit in "0123456789":
        shares = [
            each["per_class"][digit][name] for each in main for name in ("recall", "precision", "f1-score")
        ]
        assert table[digit, 7] == [f"{share:.1%}" for share in shares]


def test_what_a_figure_is_said_to_show_is_what_was_found(page, evaluation):
    said = " ".join(re.findall(r'alt="([^"]*)"', page))
    for title, name in (("MNIST", "clean"), ("Repositioned", "repositioned")):
        wrong = round(10_000 * (1 - evaluation[name]["accuracy"]))
        assert f"{title} test set: {wrong:,} of 10,000 misclassified" in said
    perturbed = {name: each for name, each in evaluation.items() if each["group"] in (SEEN, UNSEEN)}
    hardest = min(perturbed, key=lambda name: perturbed[name]["accuracy"])
    assert f"hardest: {words(hardest)}, {perturbed[hardest]['accuracy']:.1%}" in said


# Of any run


def swept(setting, images="same", **accuracies):
    """The rows of one setting in the table of a sweep, SET: its accuracy with each seed."""
    table = pd.DataFrame(accuracies).rename_axis("seed").reset_index()
    table["experiment"] = [f"{setting}-s{seed}" for seed in table["seed"]]
    table = table.melt(["seed", "experiment"], var_name="test_set", value_name="accuracy")
    return table.assign(setting=setting, images_digest=images)


def written(groups, count=10_000, dataset=MNIST, source="scikit-learn", sweep=None, split="test", **settings):
    """A page on these test sets, SET: its group; settings: of training, where they are not these."""
    account = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 1.0, "baseline_accuracy": 0.7}
    share = {"recall": 0.5, "precision": 0.5, "f1-score": 0.5}
    account |= {"count": count, "per_class": dict.fromkeys("0123456789", share)}
    account |= {"calibration_error": 0.1, "images_digest": "same"}
    augmentation = {"impulse_noise": {"probability": 0.25, "fraction": [0, 1]}}
    params = load_params(ROOT / "params.yaml")
    train = params.train.model_copy(update={"epochs": 1, "augmentation": augmentation} | settings)
    evaluate = params.evaluate.model_copy(update={"split": split, "breaking_accuracy": 0.9})
    one = TestSet(np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.uint8), "reposition", {"canvas": 56})
    external = one._replace(perturbation=EXTERNAL, strengths={"source": source})
    curves = pd.DataFrame({"value": [0, 0.5, 1], "accuracy": [1, 0.9, 0.8], "count": 200})
    curves["accuracy_low"], curves["accuracy_high"] = [1, 0.8, 0.7], [1, 0.95, 0.9]
    curves = curves.assign(
        perturbation="impulse_noise", strength="fraction", baseline_accuracy=[0.8, 0.5, 0.1]
    )
    found = Findings(
        params.model_copy(update={"train": train, "evaluate": evaluate}),
        dataset,
        {"parameters": 12_345},
        {name: account | {"group": group} for name, group in {"clean": "clean", **groups}.items()},
        curves,
        {name: external if group == EXTERNAL else one for name, group in groups.items()},
        swept("default", "others", clean=[0.5]) if sweep is None else sweep,
    )
    return " ".join(write_page(defaultdict(lambda: Illustration(b"", "finding")), found).split())


@pytest.mark.parametrize("augment", [True, False])
@pytest.mark.parametrize(
    "groups", [{"repositioned": SEEN}, {"repositioned": UNSEEN}, {"repositioned": SEEN, "fog": UNSEEN}]
)
def test_any_choice_of_test_sets_and_augmentation_can_be_told(groups, augment):
    page = written(groups, augment=augment)
    assert ("test sets with unseen perturbations" in page) == (UNSEEN in groups.values())
    assert ("25% by <em>impulse noise</em> (fraction 0 to 1)" in page) == augment
    assert ("trained on perturbed digits" in page) == augment
    said = re.findall(r"\(<em>seen</em>\), which is (\w+)", page)
    assert said == (["on" if augment else "off"] if len(groups) == 2 else [])


def test_it_says_where_each_network_breaks_and_how_sure_that_is():
    page = written({"repositioned": SEEN}, augment=True)
    assert "Each point stands for the same 200 test digits" in page
    row = ["fraction, of the pixels", "0.5 0.25 to beyond 1", "at once", "0 to 1"]
    assert rows(page)["impulse noise", 5] == row


def test_an_external_test_set_is_told_apart():
    page = written({"repositioned": SEEN, "other_writers": EXTERNAL}, count=1797)
    assert "on 1 perturbed copies of them, and on 1,797 digits that are no part of MNIST (<em>other w" in page
    assert "<em>Other writers</em>: 1,797 digits that are no part of MNIST, but which scikit-learn h" in page
    assert "Of all 1 perturbed test sets, <em>repositioned</em> is the hardest" in page
    page = written({"repositioned": SEEN, "own_pictures": EXTERNAL}, count=12, source="data/own")
    assert "<em>Own pictures</em>: 12 digits that are no part of MNIST, in <code>data/own</code>, br" in page
    assert "scikit-learn" not in page


def test_of_another_data_set_it_speaks_of_what_that_shows():
    page = written({"repositioned": SEEN, "fog": UNSEEN}, dataset=FASHION_MNIST)
    assert {*FASHION_MNIST.classes} <= {name for name, _ in rows(page)}
    assert "on 10,000 Fashion-MNIST test articles as they are" in page
    assert "digit" not in page


def test_it_tells_of_the_network_the_epochs_and_the_digits_that_there_were():
    page = written({"repositioned": SEEN}, network="mine", epochs=2, count=1797)
    for said in ("<em>mine</em>, 12,345 parameters", "2 epochs on", "1,797 MNIST test digits"):
        assert said in page
    assert not re.search("10,000|validation set", page)
    assert "1 epoch on" in written({"repositioned": SEEN})


def test_of_validation_digits_it_says_so_and_claims_nothing_of_the_test_set():
    page = written({"repositioned": SEEN, "fog": UNSEEN}, count=5000, split="validation")
    head, rest = page.split("</header>")
    assert "the numbers of 5,000 validation digits, not of the test set:" in head
    assert "5,000 MNIST validation digits as they are" in rest
    assert not re.search("(MNIST|Repositioned|repositioned) test|test digits", rest)


CELLS = {"baseline": 0.9, "baseline_augmented": 0.8, "no_augmentation": 0.6, "default": 0.8}


def test_beside_the_run_stand_the_seeds_of_a_sweep_on_the_same_images():
    groups = {"repositioned": SEEN, "fog": UNSEEN, "edges": UNSEEN}
    default = swept("default", clean=[0.9, 0.92], repositioned=[0.8, 0.8], fog=[0.5, 0.7], edges=[0.3, 0.3])
    off = swept("no_augmentation", clean=[0.6, 0.6], fog=[0.1, 0.1])
    left_out = swept("baseline", "of another set", clean=[0, 0]), swept("not_compared", clean=[0, 0])
    page = written(groups, sweep=pd.concat([default, off, *left_out]))
    table = rows(page)
    assert table["This network, augmented 2 seeds", 4] == ["91.00 ± 1.41%", "80.00 ± 0.00%", "45.00 ± 7.07%"]
    assert table["This network, not augmented 2 seeds", 4] == ["60.00 ± 0.00%", "", ""]
    assert table["fog", 9][-2:] == ["10.00 ± 0.00%", "60.00 ± 14.14%"]
    assert {name for name, _ in table if name.endswith(" seeds")} == {
        "This network, augmented 2 seeds",
        "This network, not augmented 2 seeds",
    }
    assert "is much like" not in page
    assert not re.search("This run is one of|Over the seeds", page)
    assert "over seeds" not in written(groups)
    # The very accuracies of this run.
    sweep = swept("default", clean=[0.8, 0.9], repositioned=[0.9, 0.9])
    assert "This run is one of that sweep, <em>default-s1</em>" in written(
        {"repositioned": SEEN}, sweep=sweep
    )

    kin = {"random_filter": {"probability": 0.1, "gain": [1, 5]}}
    assert "<em>edges</em> is much like <em>random filter</em>" in written(groups, augmentation=kin)
    # Network by augmentation.
    cells = {name: swept(name, clean=[each] * 2, repositioned=[each / 2] * 2) for name, each in CELLS.items()}
    page = written({"repositioned": SEEN}, sweep=pd.concat(cells.values()))
    assert (
        "classifies 45.0% of the moved and shrunk digits correctly, 40.0% if augmented; this network 30.0%"
        in page
    )
    assert "costs the baseline 10.0 percentage points and this network -20.0." in page
    other = pd.concat(cells.values()).replace({"test_set": {"repositioned": "moved otherwise"}})
    assert "Over the seeds" not in written({"repositioned": SEEN}, sweep=other)


def test_the_page_forbids_itself_scripts_and_hosts_and_names_cannot_smuggle_markup_in():
    page = written({"repositioned": SEEN, "<b>": UNSEEN})
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert not re.search("<script|<b>", page)
