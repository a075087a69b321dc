"""plots/report.html tells truly what the run found, and a browser needs nothing else to show it."""

import json
import re

import numpy as np
import pytest
from browser import look_at, needs_chromium

from stages.plot import Picture, write_report
from stages.shared.suites import Suite


@pytest.fixture(scope="module")
def page(finished):
    return (finished / "plots/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def evaluation(finished):
    return json.loads((finished / "metrics/evaluation.json").read_text())


def rows(page):
    """The cells of every table row, without markup."""
    cells = (
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    )
    return [[" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in row] for row in cells]


@needs_chromium
def test_a_browser_shows_every_picture_on_any_screen_and_asks_no_host_for_anything(finished):
    seen = look_at(finished / "plots/report.html")
    assert seen["problems"] == []
    assert seen["requests"] == []
    assert len(seen["pictures"]) == len(list((finished / "plots/figures").iterdir()))
    assert all(picture["width"] > 0 and picture["alt"] for picture in seen["pictures"])
    assert seen["fitsPhone"]


@needs_chromium
def test_the_browser_would_tell(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<head></head><img src=gone.png><img src='https://example.org/a.png'><script>undefined()</script>"
    )
    seen = look_at(page)
    assert len(seen["problems"]) == 3
    assert seen["requests"] == ["https://example.org/a.png"]
    assert [picture["width"] for picture in seen["pictures"]] == [0, 0]


def test_the_page_forbids_itself_scripts_and_hosts(page):
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "<script" not in page


def test_the_headline_compares_both_networks_on_both_sets(page, evaluation):
    sets = [evaluation["mnist"], evaluation["repositioned"]]
    [this] = [row for row in rows(page) if row[0] == "This network"]
    [baseline] = [row for row in rows(page) if row[0] == "Baseline"]
    assert [cell.split()[0] for cell in this[1:3]] == [f"{account['accuracy']:.1%}" for account in sets]
    assert baseline[1:3] == [f"{account['baseline_accuracy']:.1%}" for account in sets]


def test_every_altered_set_has_its_numbers_in_the_table(page, evaluation):
    table = {row[0]: row[1:] for row in rows(page) if len(row) == 7}
    for name in evaluation.keys() - {"mnist"}:
        account = evaluation[name]
        strengths = {"repositioned": "canvas 56", "rotate": "degrees 30"}[name]
        assert table[name.replace("_", " ")] == [
            strengths,
            "yes" if account["seen"] else "no",
            f"{account['accuracy']:.1%}",
            f"{100 * account['accuracy_low']:.1f}\N{EN DASH}{account['accuracy_high']:.1%}",
            f"{account['baseline_accuracy']:.1%}",
            f"{100 * account['calibration_error']:.1f}",
        ]


def test_every_digit_has_its_numbers_in_the_table(page, evaluation):
    for digit in map(str, range(10)):
        shares = [
            evaluation[name]["per_digit"][digit][share]
            for name in ("mnist", "repositioned")
            for share in ("recall", "precision", "f1-score")
        ]
        assert [digit, *(f"{share:.1%}" for share in shares)] in rows(page)


def test_what_a_picture_is_said_to_show_is_what_was_found(page, evaluation):
    said = " ".join(re.findall(r'alt="([^"]*)"', page))
    for title, name in (("MNIST", "mnist"), ("Repositioned", "repositioned")):
        account = evaluation[name]
        assert (
            f"{title} test set: {round(10_000 * (1 - account['accuracy'])):,} of 10,000 digits mistaken"
            in said
        )
        assert f"{100 * account['calibration_error']:.1f} points on" in said
    suites = {name: account["accuracy"] for name, account in evaluation.items() if name != "mnist"}
    hardest = min(suites, key=suites.get)
    assert f"{sum(suites.values()) / len(suites):.1%} right on average" in said
    assert f"hardest: {hardest.replace('_', ' ')}, {suites[hardest]:.1%}" in said


class AnyPicture(dict):
    def __missing__(self, name):
        return Picture(b"", f"finding of {name}")


def written(suites, augmentation, epochs=1):
    """A report on these suites, SUITE: was its kind used in training?"""
    share = {"recall": 0.5, "precision": 0.5, "f1-score": 0.5}
    account = {
        "accuracy": 0.9,
        "accuracy_low": 0.8,
        "accuracy_high": 1.0,
        "baseline_accuracy": 0.7,
        "calibration_error": 0.1,
        "per_digit": dict.fromkeys("0123456789", share),
    }
    evaluation = {name: account | {"seen": seen} for name, seen in {"mnist": True, **suites}.items()}
    training = {"parameters": 12_345, "augmentation": augmentation}
    settings = {
        "epochs": epochs,
        "training_digits": 55_000,
        "batch_size": 256,
        "learning_rate": 0.003,
        "augmentation": {
            kind: {"probability": share, "strength": [1, 2]} for kind, share in augmentation.items()
        },
    }
    digits = np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.uint8)
    drawn = {"canvas": np.full(1, 56.0), "zoom": np.ones(1)}
    altered = {name: Suite(*digits, "reposition", drawn, {"canvas": 56}) for name in suites}
    return write_report(AnyPicture(), evaluation, training, settings, altered)


@pytest.mark.parametrize(
    "suites", [{"repositioned": True}, {"repositioned": False}, {"repositioned": True, "fog": False}]
)
@pytest.mark.parametrize(
    "augmentation", [{}, {"reposition": 0.75}, {"reposition": 0.5, "impulse_noise": 0.25}]
)
def test_any_choice_of_suites_and_augmentation_can_be_told(suites, augmentation):
    page = written(suites, augmentation)
    assert ("sets altered by kinds not used in training" in page) == (False in suites.values())
    assert all(
        f"{probability:.0%} by <em>{kind.replace('_', ' ')}</em> (strength 1 to 2)" in page
        for kind, probability in augmentation.items()
    )
    assert ("trained on altered digits" in page) == bool(augmentation)


def test_one_epoch_is_not_called_epochs():
    assert "1 epoch on" in written({"repositioned": True}, {}, epochs=1)
    assert "2 epochs on" in written({"repositioned": True}, {}, epochs=2)


def test_names_cannot_smuggle_markup_into_the_page():
    assert "<b>" not in written({"repositioned": True, "<b>": False}, {"<b>": 1.0})
