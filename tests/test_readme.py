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
from robustness.figures import with_unit, words
from robustness.params import load_params
from robustness.runs import read_runs, read_side
from scripts.compare import breaks_at, compare_runs

README = (ROOT / "README.md").read_text()
FOUND = README[README.index("## What it found") : README.index("## Change something")]
SETS, BREAKING = re.findall("<details>.*?</details>", FOUND, re.DOTALL)
COMMANDS = re.findall(r"^((?:python|make) [^#\n]+)", README, re.MULTILINE)


COLUMNS = ["baseline", "no_augmentation", "default"]


@pytest.fixture(scope="module")
def sweep():
    """The table of the sweep over five seeds."""
    return pd.read_csv(ROOT / "benchmarks/recipe.csv")


@pytest.fixture(scope="module")
def accuracies(sweep):
    """In percent: a row for each setting and seed, a column for each set."""
    return 100 * sweep.pivot(index=["setting", "seed"], columns="suite", values="accuracy")


@pytest.fixture(scope="module")
def groups(sweep):
    """The names of the sets of each group."""
    return sweep[sweep["setting"] == "default"].groupby("group")["suite"].unique()


def spread(values):
    return f"{values.mean():.2f} ± {values.std():.2f}"


def test_the_table_holds_what_five_seeds_gave(accuracies, groups):
    rows = {row[0]: row[1:] for row in re.findall(r"^\|" + r" (.*?) \|" * 5 + "(.*)\\|$", SETS, re.MULTILINE)}
    assert accuracies.groupby("setting").size().to_dict() == dict.fromkeys(COLUMNS, 5)
    committed = 100 * read_side(str(ROOT / "plots/evaluation")).suites["accuracy"]
    for group, names in groups.items():
        for name in names:
            expected = [spread(accuracies.loc[setting, name]) for setting in COLUMNS]
            listed = {LISTED: " yes ", OTHERS: " no "}.get(group, "  ")
            found = rows.pop({CLEAN: "MNIST"}.get(name, name.replace("_", " ")))
            assert found == (*expected[:2], f"**{expected[2]}**", f"{committed[name]:.2f}", listed)
    for group, title in ((LISTED, "in the augmentation"), (OTHERS, "of other kinds")):
        names = groups[group]
        expected = [spread(accuracies.loc[setting, names].mean(axis=1)) for setting in COLUMNS]
        found = rows.pop(f"mean of the {len(names)} {title}")
        assert found == (*expected[:2], f"**{expected[2]}**", f"{committed[names].mean():.2f}", "  ")
    assert rows.keys() == {"test set"}


def test_the_table_of_breaking_points_holds_what_five_seeds_gave():
    limit = load_params(ROOT / "params.yaml").evaluate.breaking_accuracy
    committed = read_side(str(ROOT / "plots/evaluation"))
    sides = [*(read_runs(f"{ROOT}/benchmarks/recipe.csv:{setting}") for setting in COLUMNS), [committed]]

    def points(kind):
        return [breaks_at([run.curves[run.curves["kind"] == kind] for run in side], limit) for side in sides]

    expected = [
        (words(kind), with_unit(kind, strength), *points(kind))
        for (kind, strength), _ in committed.curves.groupby(["kind", "strength"], sort=False)
    ]
    rows = re.findall(r"^\|" + r" (.*?) \|" * 6 + "$", BREAKING.replace("**", ""), re.MULTILINE)
    assert rows[1:] == expected
    baseline, _, default, _ = points("reposition")
    said = f"until {default} pixels for this network, and until {baseline} for the baseline"
    assert said in " ".join(FOUND.split())


def test_the_committed_run_is_one_of_the_five(accuracies):
    committed = 100 * read_side(str(ROOT / "plots/evaluation")).suites["accuracy"]
    seed = load_params(ROOT / "params.yaml").train.seed
    assert accuracies.loc[("default", seed)].to_dict() == pytest.approx(committed.to_dict())


def test_every_percentage_in_the_text_is_one_that_was_measured(accuracies, groups):
    means = accuracies.groupby("setting").mean()
    measured = [means, *(means[names].mean(axis=1) for names in groups)]
    known = {f"{value:.1f}" for table in measured for value in np.ravel(table)}
    known.add(f"{100 * load_params(ROOT / 'params.yaml').evaluate.breaking_accuracy:.0f}")
    said = re.findall(r"([\d.]+) %", FOUND)
    assert len(said) > 8
    assert set(said) <= known


def test_what_is_called_worse_and_nothing_else_is_worse_over_the_seeds():
    table = compare_runs(*(read_runs(f"{ROOT}/benchmarks/recipe.csv:{name}") for name in COLUMNS[1:]))
    [said] = re.findall(r"network does\s+worse on (.*?), and that is no accident", FOUND, re.DOTALL)
    names = {"_".join(name.split()) for name in re.split(r",\s| and\s", said)}
    assert names == {*table.index[table["verdict"] == "worse"]}


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


@pytest.mark.parametrize("setting", re.findall(r"-S (?!train.network=dense)([\w.]+=[\w.]+)", README))
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
    networks.build_network(name, {"units": 50})


def test_the_table_of_networks_has_the_committed_run():
    networks = pd.read_csv(ROOT / "benchmarks/models.csv").set_index("network")
    committed = read_side(str(ROOT / "plots/evaluation")).suites["accuracy"]
    row = networks.loc["models/model.keras"]
    assert (row["clean"], row["repositioned"]) == (committed[CLEAN], committed["repositioned"])
    assert networks["images"].nunique() == 1


def test_what_it_says_of_fashion_mnist_holds_over_five_seeds():
    sweep = pd.read_csv(ROOT / "benchmarks/fashion_mnist.csv")
    accuracies = 100 * sweep.pivot(index=["setting", "seed"], columns="suite", values="accuracy")
    assert accuracies.groupby("setting").size().to_dict() == {"fashion": 5, "fashion_baseline": 5}
    clean, moved = (
        [f"{rows.mean():.1f} ± {rows.std():.1f} %" for _, rows in accuracies[name].groupby("setting")]
        for name in (CLEAN, "repositioned")
    )
    for (ours, baseline), how in ((clean, "as it is"), (moved, "repositioned")):
        assert f"{how}, {ours} (the baseline {baseline})" in " ".join(README.split())
