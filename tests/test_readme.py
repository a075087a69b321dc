"""README.md tells the truth: its figures are those of the files they came from, its commands exist."""

import re
import shlex

import numpy as np
import pytest
import yaml
from project import ROOT

from robustness.evaluation import CLEAN, LISTED, OTHERS
from robustness.params import load_params
from robustness.perturbations import KINDS, kind, perturb
from scripts.compare import compare, read_side

README = (ROOT / "README.md").read_text()
FOUND = README[README.index("## What it found") : README.index("## Change something")]
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def sides():
    """What is in benchmarks/no_augmentation and in plots/evaluation."""
    return read_side(str(ROOT / "benchmarks/no_augmentation")), read_side(str(ROOT / "plots/evaluation"))


def percent(values):
    return [f"{100 * value:.1f}" for value in values]


def test_the_table_of_all_sets_is_that_of_the_files(sides):
    without, this = (side.suites for side in sides)
    rows = {
        row[0].replace(" ", "_"): row[1:]
        for row in re.findall(r"\| ([\w ]+) \| (\S+) \| (\S+) \| \*\*(\S+)\*\*(?: ± (\S+))? \| (\w*)", FOUND)
    }
    assert len(rows) == len(this) + 2
    for name, account in this.iterrows():
        half = 50 * (account["accuracy_high"] - account["accuracy_low"])
        expected = percent([account["baseline_accuracy"], without.loc[name, "accuracy"], account["accuracy"]])
        listed = {LISTED: "yes", OTHERS: "no"}.get(account["group"], "")
        assert rows[{CLEAN: "MNIST"}.get(name, name)] == (*expected, f"{half:.1f}", listed), name
    for group, title in ((LISTED, "in the augmentation"), (OTHERS, "of other kinds")):
        names = this.index[this["group"] == group]
        means = (
            this.loc[names, "baseline_accuracy"],
            without.loc[names, "accuracy"],
            this.loc[names, "accuracy"],
        )
        [row] = [row for name, row in rows.items() if name.endswith(title.replace(" ", "_"))]
        assert list(row[:3]) == percent(column.mean() for column in means)


def test_every_percentage_in_the_text_is_one_that_was_measured(sides):
    without, this = (side.suites for side in sides)
    groups = [frame["accuracy"].groupby(frame["group"]).mean() for frame in (without, this)]
    measured = [without["accuracy"], this["accuracy"], this["baseline_accuracy"], *groups]
    known = {text for column in measured for text in percent(column)} | {"95"}
    said = re.findall(r"([\d.]+) %", FOUND)
    assert len(said) > 10
    assert set(said) <= known


def test_what_is_called_worse_is_worse_and_by_that_much(sides):
    table = compare(*sides)
    worse = {"glass_blur", "motion_blur", "shot_noise"}
    assert worse <= {*table.index[table["verdict"] == "worse"]}
    assert (table.loc[[*worse], "p"] < 0.001).all()
    assert table.loc["edges", "verdict"] == "better"


def test_mean_corruption_errors_are_those_of_the_files(sides):
    for side in sides:
        suites = side.suites.drop(CLEAN)
        error = ((1 - suites["accuracy"]) / (1 - suites["baseline_accuracy"])).mean()
        assert f"{error:.2f} times" in FOUND.replace("\n", " ")


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command.startswith(("python ", "make "))]
)
def test_a_command_exists(command):
    program, *words = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[0] == "-m":
        assert (ROOT / f"{words[1].replace('.', '/')}.py").exists()
    else:
        assert (ROOT / words[0]).exists()


@pytest.mark.parametrize("setting", re.findall(r"-S ([\w.]+=[\w.,]+)", README))
def test_a_setting_exists(setting):
    key, _, values = setting.partition("=")
    section, name = key.split(".")
    current = getattr(getattr(load_params(ROOT / "params.yaml"), section), name)
    assert all(isinstance(yaml.safe_load(value), type(current)) for value in values.split(","))


def test_the_new_kind_of_perturbation_works():
    [code] = re.findall(r"```python\n(@kind\n.*?)```", README, re.DOTALL)
    [settings] = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
    [(name, suite)] = settings["perturb"]["suites"].items()
    import robustness.perturbations as perturbations

    try:
        exec(code, vars(perturbations))
        images = np.full((2, 28, 28), 100, np.uint8)
        altered, _ = perturb(images, rng=np.random.default_rng(0), **suite)
        assert (altered == 30).all()
    finally:
        KINDS.pop(name, None)
    assert kind is perturbations.kind


@pytest.mark.slow
def test_the_new_network_keeps_the_contract():
    from robustness import networks

    [code] = re.findall(r"```python\n(@network\n.*?)```", README, re.DOTALL)
    try:
        exec(code, vars(networks))
        networks.build_network("linear")
    finally:
        networks.NETWORKS.pop("linear", None)
