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
from mnist_moved.data.test_sets import CLEAN
from mnist_moved.evaluation.breaking import mean_in_words
from mnist_moved.evaluation.comparison import compare_runs
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.runs import read_run, read_runs
from mnist_moved.evaluation.significance import UNCLEAR, WORSE
from mnist_moved.params import load_params
from mnist_moved.perturbations import light
from mnist_moved.sweeps.table import spread

SWEEP = ROOT / "benchmarks/main.csv"
README = (ROOT / "README.md").read_text()
YOURS, SWEEPS = ((ROOT / "docs" / name).read_text() for name in ("yours.md", "sweeps.md"))
CODE = (ROOT / "docs/code.md").read_text()
ALL = README + YOURS + SWEEPS
FOUND = README[README.index("## What it found") : README.index("## Change something")]
COMMANDS = {*re.findall(r"^((?:python|make) [^#\n]+)", ALL, re.MULTILINE)}

COLUMNS = ["baseline", "no_augmentation", "default"]


@pytest.fixture(scope="module")
def measured():
    """In percent: a row for each setting and seed of the sweep, a column for each set."""
    return accuracies("main")


def test_the_tables_are_those_that_the_command_writes():
    assert (ROOT / "benchmarks/results.md").read_text() == write()


def test_its_table_holds_what_five_seeds_gave(measured):
    assert {*measured.groupby("setting").size()} == {5}
    names = groups("main")
    rows = {
        "MNIST": ["clean"],
        "repositioned": ["repositioned"],
        "repositioned 112": ["repositioned_112"],
        f"mean of {len(names[SEEN])} *seen* test sets": names[SEEN],
        f"mean of {len(names[UNSEEN])} *unseen* test sets": names[UNSEEN],
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
        mean_in_words(
            [
                run.curves[run.curves["perturbation"] == "reposition"]
                for run in read_runs(f"{SWEEP}:{setting}")
            ],
            load_params(ROOT / "params.yaml").evaluate.breaking_accuracy,
        )
        for setting in ("default", "baseline")
    )
    text = " ".join(FOUND.split())
    assert f"on a canvas of up to {ours} pixels" in text
    assert f"the baseline's up to {theirs}." in text


def test_the_committed_run_is_one_of_the_five(measured):
    committed = 100 * read_run(str(ROOT / "plots/evaluation")).test_sets["accuracy"]
    seed = load_params(ROOT / "params.yaml").train.seed
    assert measured.loc[("default", seed)].to_dict() == pytest.approx(committed.to_dict())


def test_the_price_of_the_augmentation_is_on_those_test_sets():
    claim = (
        "on MNIST, brightness, shear and translate the network does worse than with augmentation off by more"
        " than seeds differ (Welch's test); by 0.6 points on translate, by less on the others"
    )
    assert claim in " ".join(FOUND.split())
    table = compare_runs(*(read_runs(f"{SWEEP}:{name}") for name in COLUMNS[1:]))
    worse = table[table["verdict"] == WORSE]
    assert {*worse.index} == {"clean", "brightness", "shear", "translate"}
    loss = (100 * (worse["before"] - worse["after"])).sort_values()
    assert (loss.index[-1], f"{loss.iloc[-1]:.1f}") == ("translate", "0.6")
    assert table.at["other_writers", "verdict"] == UNCLEAR


@pytest.mark.parametrize(
    "page", ["README.md", "docs/yours.md", "docs/sweeps.md", "docs/code.md", "benchmarks/README.md"]
)
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


def test_each_file_of_the_library_has_its_line():
    for path in (ROOT / "mnist_moved").rglob("*.py"):
        assert path.name == "__init__.py" or f"`{path.name}`" in CODE


def test_the_new_perturbation_works(monkeypatch):
    [code] = re.findall(r"```python\n(@perturbation\n.*?)```", YOURS, re.DOTALL)
    [params] = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", YOURS, re.DOTALL))
    [options] = params["perturb"]["test_sets"].values()
    monkeypatch.setitem(perturbations.PERTURBATIONS, "fade", None)  # taken out again afterwards
    exec(code, vars(light).copy())
    images = np.full((2, 28, 28), 100, np.uint8)
    assert (perturbations.perturb(images, rng=np.random.default_rng(0), **options) == 30).all()


@pytest.mark.slow
def test_the_new_network_keeps_the_contract(monkeypatch):
    from mnist_moved.networks import architectures

    [code] = re.findall(r"```python\n(@network\n.*?)```", YOURS, re.DOTALL)
    monkeypatch.setattr(architectures, "NETWORKS", {})
    exec(code, vars(architectures))
    [name] = architectures.NETWORKS
    architectures.build_network(name, {"units": 50})


def test_the_table_of_networks_has_the_committed_run():
    networks = pd.read_csv(ROOT / "benchmarks/models.csv").set_index("network")
    committed = read_run(str(ROOT / "plots/evaluation")).test_sets["accuracy"]
    row = networks.loc["models/model.keras"]
    assert (row["clean"], row["repositioned"]) == (committed[CLEAN], committed["repositioned"])
    assert networks["images_digest"].nunique() == 1
