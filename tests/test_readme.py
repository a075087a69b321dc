"""README.md tells the truth: its figures are those of the files they came from, its commands exist."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest
import yaml
from project import ROOT

from benchmarks.tables import accuracies, groups, write
from mnist_moved import perturbations
from mnist_moved.evaluation.metrics import CLEAN, SEEN, UNSEEN
from mnist_moved.report.figures import breaks_at
from mnist_moved.params import load_params
from mnist_moved.evaluation.runs import read_runs, read_side
from mnist_moved.evaluation.significance import UNCLEAR, WORSE
from mnist_moved.sweeps.table import spread
from scripts.compare import compare_runs

RECIPE = ROOT / "benchmarks/recipe.csv"

README = (ROOT / "README.md").read_text()
YOURS, SWEEPS = ((ROOT / "docs" / name).read_text() for name in ("yours.md", "sweeps.md"))
ALL = README + YOURS + SWEEPS
FOUND = README[README.index("## What it found") : README.index("## Change something")]
COMMANDS = {*re.findall(r"^((?:python|make) [^#\n]+)", ALL, re.MULTILINE)}

COLUMNS = ["baseline", "no_augmentation", "default"]


@pytest.fixture(scope="module")
def measured():
    """In percent: a row for each setting and seed of the sweep, a column for each set."""
    return accuracies("recipe")


def test_it_is_short():
    assert len(README.split()) < 1300


def test_the_tables_are_those_that_the_command_writes():
    assert (ROOT / "benchmarks/results.md").read_text() == write()


def test_its_table_holds_what_five_seeds_gave(measured):
    assert {*measured.groupby("setting").size()} == {5}
    sets = groups("recipe")
    rows = {
        "MNIST": ["clean"],
        "repositioned": ["repositioned"],
        "repositioned 112": ["repositioned_112"],
        f"mean of {len(sets[SEEN])} sets altered in ways that it trains on": sets[SEEN],
        f"mean of {len(sets[UNSEEN])} sets altered in other ways": sets[UNSEEN],
    }
    found = re.findall(r"^\| (\w.*?)(?:: .*?)? \| (.*) \| (.*) \| (.*) \|$", FOUND, re.MULTILINE)
    assert found[1:] == [
        (title, *(spread(measured.loc[setting, names].mean(axis=1), 2) for setting in COLUMNS))
        for title, names in rows.items()
    ]


def test_every_percentage_in_the_text_is_the_one_that_was_measured(measured):
    means = measured.groupby("setting").mean()
    limit = f"{100 * load_params(ROOT / 'params.yaml').evaluate.breaking_accuracy:.0f}"
    told = [
        *(means.at[setting, "edges"] for setting in COLUMNS[1:]),
        *(means.at[setting, "other_writers"] for setting in COLUMNS),
        means.at["fast", "clean"],
    ]
    said = re.findall(r"([\d.]+) %", FOUND)
    said.remove(limit)
    assert said == [f"{value:.1f}" for value in told]


def test_where_it_says_either_network_breaks_holds():
    ours, theirs = (
        breaks_at(
            [run.curves[run.curves["kind"] == "reposition"] for run in read_runs(f"{RECIPE}:{setting}")],
            load_params(ROOT / "params.yaml").evaluate.breaking_accuracy,
        )
        for setting in ("default", "baseline")
    )
    text = " ".join(FOUND.split())
    assert f"on a canvas of up to {ours} pixels" in text
    assert f"the baseline's up to {theirs}." in text


def test_the_committed_run_is_one_of_the_five(measured):
    committed = 100 * read_side(str(ROOT / "plots/evaluation")).suites["accuracy"]
    seed = load_params(ROOT / "params.yaml").train.seed
    assert measured.loc[("default", seed)].to_dict() == pytest.approx(committed.to_dict())


def test_on_no_set_is_it_worse_for_the_augmentation():
    assert "on no set does the network do worse than with augmentation off by more than seeds differ" in FOUND
    table = compare_runs(*(read_runs(f"{RECIPE}:{name}") for name in COLUMNS[1:]))
    assert WORSE not in {*table["verdict"]}
    assert table.at["other_writers", "verdict"] == UNCLEAR


@pytest.mark.parametrize("page", ["README.md", "docs/yours.md", "docs/sweeps.md", "benchmarks/README.md"])
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\((?!http)([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}, link


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_exists(command):
    program, *words = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        file = f"{words[1].replace('.', '/')}.py" if words[0] == "-m" else words[0]
        assert (ROOT / file).exists()


@pytest.mark.parametrize("setting", re.findall(r"-S (?!train.network=dense)([\w.]+=[\w.]+)", ALL))
def test_a_setting_exists(setting):
    key, _, value = setting.partition("=")
    section, name = key.split(".")
    current = getattr(getattr(load_params(ROOT / "params.yaml"), section), name)
    assert isinstance(yaml.safe_load(value), (int, float) if isinstance(current, float) else type(current))


def test_the_new_kind_of_perturbation_works(monkeypatch):
    [code] = re.findall(r"```python\n(@perturbation\n.*?)```", YOURS, re.DOTALL)
    [settings] = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", YOURS, re.DOTALL))
    [suite] = settings["perturb"]["suites"].values()
    monkeypatch.setattr(perturbations, "PERTURBATIONS", dict(perturbations.PERTURBATIONS))
    exec(code, vars(perturbations))
    images = np.full((2, 28, 28), 100, np.uint8)
    assert (perturbations.perturb(images, rng=np.random.default_rng(0), **suite)[0] == 30).all()


@pytest.mark.slow
def test_the_new_network_keeps_the_contract(monkeypatch):
    from mnist_moved.networks import architectures as networks

    [code] = re.findall(r"```python\n(@network\n.*?)```", YOURS, re.DOTALL)
    monkeypatch.setattr(networks, "NETWORKS", {})
    exec(code, vars(networks))
    [name] = networks.NETWORKS
    networks.build_network(name, {"units": 50})


def test_the_table_of_networks_has_the_committed_run():
    networks = pd.read_csv(ROOT / "benchmarks/models.csv").set_index("network")
    committed = read_side(str(ROOT / "plots/evaluation")).suites["accuracy"]
    row = networks.loc["models/model.keras"]
    assert (row["clean"], row["repositioned"]) == (committed[CLEAN], committed["repositioned"])
    assert networks["images"].nunique() == 1
