"""README.md tells the truth: its figures are those of the files they came from, its commands exist."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest
import yaml
from project import ROOT

from robustness import perturbations
from robustness.evaluation import CLEAN, LISTED, OTHERS
from robustness.params import load_params
from scripts.compare import compare, read_side

README = (ROOT / "README.md").read_text()
FOUND = README[README.index("## What it found") : README.index("## Change something")]
COMMANDS = re.findall(r"^((?:python|make) [^#\n]+)", README, re.MULTILINE)


@pytest.fixture(scope="module")
def sides():
    """The tables in benchmarks/no_augmentation and in plots/evaluation."""
    return [read_side(str(ROOT / folder)) for folder in ("benchmarks/no_augmentation", "plots/evaluation")]


@pytest.fixture(scope="module")
def accuracies(sides):
    """The columns of the table, a row a set."""
    without, this = (side.suites for side in sides)
    return this.assign(baseline=this["baseline_accuracy"], without=without["accuracy"], this=this["accuracy"])


def percent(values):
    return [f"{100 * value:.1f}" for value in values]


def test_the_table_holds_what_was_measured(accuracies):
    rows = {
        row[0]: row[1:] for row in re.findall(r"\| ([\w ]+) \| (\S+) \| (\S+) \| \*\*(\S+)\*\*(.*)", FOUND)
    }
    columns = ["baseline", "without", "this"]
    for name, account in accuracies.iterrows():
        half = 50 * (account["accuracy_high"] - account["accuracy_low"])
        listed = {LISTED: "yes", OTHERS: "no"}.get(account["group"], "")
        expected = (*percent(account[columns]), f" ± {half:.1f} | {listed} |")
        assert rows.pop({CLEAN: "MNIST"}.get(name, name.replace("_", " "))) == expected
    for group, title in ((LISTED, "in the augmentation"), (OTHERS, "of other kinds")):
        sets = accuracies[accuracies["group"] == group]
        means = percent(sets[columns].mean())
        assert rows.pop(f"mean of the {len(sets)} {title}") == (*means, " | |")
    assert rows == {}


def test_every_percentage_in_the_text_is_one_that_was_measured(accuracies):
    columns = accuracies[["baseline", "without", "this"]]
    measured = np.concatenate([columns, columns.groupby(accuracies["group"]).mean()]).ravel()
    said = re.findall(r"([\d.]+) %", FOUND.replace("95 % interval", ""))
    assert len(said) > 10
    assert set(said) <= set(percent(measured))


def test_what_is_called_worse_is_worse_and_mean_corruption_errors_are_those_of_the_files(sides):
    table = compare(*sides)
    assert (table.loc[["glass_blur", "motion_blur", "shot_noise"], "verdict"] == "worse").all()
    assert (table.loc[["glass_blur", "motion_blur", "shot_noise"], "p"] < 0.001).all()
    for side in sides:
        errors = 1 - side.suites.drop(CLEAN)[["accuracy", "baseline_accuracy"]]
        assert f"{(errors['accuracy'] / errors['baseline_accuracy']).mean():.2f} times" in FOUND


def test_what_is_said_of_five_seeds_is_what_they_gave():
    last = pd.read_csv(ROOT / "benchmarks/train.csv").groupby(["contestant", "seed"]).last()
    fast, default = 100 * last.loc["fast"], 100 * last.loc["default"]
    assert f"-n fast    # {fast[CLEAN].mean():.1f} % on MNIST" in README
    edges = f"edges has {default['edges'].mean():.1f} ± {default['edges'].std():.1f}"
    assert f"{edges}, MNIST {default[CLEAN].mean():.2f} ± {default[CLEAN].std():.2f}" in FOUND


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_exists(command):
    program, *words = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        file = f"{words[1].replace('.', '/')}.py" if words[0] == "-m" else words[0]
        assert (ROOT / file).exists()


@pytest.mark.parametrize("setting", re.findall(r"-S ([\w.]+=[\w.]+)", README))
def test_a_setting_exists(setting):
    key, _, value = setting.partition("=")
    section, name = key.split(".")
    current = getattr(getattr(load_params(ROOT / "params.yaml"), section), name)
    assert isinstance(yaml.safe_load(value), type(current))


def test_the_new_kind_of_perturbation_works(monkeypatch):
    [code] = re.findall(r"```python\n(@kind\n.*?)```", README, re.DOTALL)
    [settings] = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
    [suite] = settings["perturb"]["suites"].values()
    monkeypatch.setattr(perturbations, "KINDS", dict(perturbations.KINDS))
    exec(code, vars(perturbations))
    images = np.full((2, 28, 28), 100, np.uint8)
    assert (perturbations.perturb(images, rng=np.random.default_rng(0), **suite)[0] == 30).all()


@pytest.mark.slow
def test_the_new_network_keeps_the_contract(monkeypatch):
    from robustness import networks

    [code] = re.findall(r"```python\n(@network\n.*?)```", README, re.DOTALL)
    monkeypatch.setattr(networks, "NETWORKS", {})
    exec(code, vars(networks))
    [name] = networks.NETWORKS
    networks.build_network(name)
