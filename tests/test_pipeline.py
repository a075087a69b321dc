"""The commands that README.md names do what it says, on real MNIST, and dvc.yaml tells the truth."""

import ast
import csv
import json
import re
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
from project import ROOT, STAGES, Project, from_on, stages_run

from mnist_moved.data.idx import load_split
from mnist_moved.data.test_sets import load_test_set
from mnist_moved.params import Params
from stages import evaluate, perturb


def accuracy(project):
    accounts = project.read_json("metrics/evaluation.json")
    return {name: account["accuracy"] for name, account in accounts.items()}


# dvc repro


def test_a_clean_clone_runs_all_stages_and_ends_with_the_accuracies(finished):
    assert re.findall(r"Running stage '(\w+)'", finished.output) == list(STAGES)
    table = re.findall(r"test set +([\d.]+%)", finished.output)
    assert table == [f"{accuracy(finished)[name]:.2%}" for name in ("clean", "repositioned")]
    assert accuracy(finished)["clean"] > 0.9
    assert all(contents for contents in finished.results().values())
    assert not finished.temporary_files()


def test_a_second_run_has_nothing_to_do_whatever_an_editor_or_python_leaves_and_git_sees_no_change(project):
    (project / "mnist_moved/report/__pycache__").mkdir(exist_ok=True)
    for name in (".figures.py.swp", "figures.py~", ".DS_Store", "__pycache__/figures.cpython-311.pyc"):
        (project / "mnist_moved/report" / name).touch()
    again = project.run("dvc repro")
    assert stages_run(again) == []
    assert "Data and pipelines are up to date." in again.stdout
    assert "M" not in project.run("git status --porcelain").stdout


@pytest.mark.parametrize(
    ("key", "value", "first"),
    [
        ("perturb.seed", 1, "perturb"),
        ("perturb.curves.rotate", {"degrees": [0, 45]}, "evaluate"),
        ("evaluate.breaking_accuracy", 0.9, "evaluate"),
        ("train.epochs", 2, "train"),
        ("evaluate.split", "validation", "perturb"),
        ("evaluate.calibration_bins", 5, "evaluate"),
        ("plot.dpi", 70, "plot"),
    ],
)
def test_a_changed_param_reruns_only_what_depends_on_it(project, key, value, first):
    project.set(key, value)
    assert stages_run(project.run("dvc repro --dry --force-downstream")) == from_on(first)


def test_changed_sources_fetch_nothing_while_the_files_are_right(project):
    project.set("download.sources.mnist", [{"folder": "nowhere"}])
    again = project.run("dvc repro")
    assert stages_run(again) == ["download"]
    assert "already there" in again.stdout


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "download"])
def test_a_stage_needs_its_deps_and_no_network_and_gives_the_same_bytes(stage, finished, unshare, tmp_path):
    elsewhere = Project(tmp_path, finished.environment)
    decide_nothing = ["mnist_moved/__init__.py", "mnist_moved/command.py", "mnist_moved/paths.py"]
    for dep in ["params.yaml", *decide_nothing, *STAGES[stage]["deps"]]:
        (elsewhere / dep).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (finished / dep).is_dir() else shutil.copy
        copy(finished / dep, elsewhere / dep)
    elsewhere.run(f"{unshare} {STAGES[stage]['cmd']}")
    assert elsewhere.results([stage]) == finished.results([stage])


def test_a_curve_begins_with_the_clean_digits(finished):
    curves = pd.read_csv(finished / "plots/evaluation/curves.csv")
    assert curves.groupby("perturbation", sort=False)["value"].agg(list).to_dict() == {
        "reposition": [28, 56, 112],
        "rotate": [0, 30, 90],
    }
    clean = curves[curves["value"].isin([0, 28])]
    assert (clean["accuracy"].nunique(), clean["images_digest"].nunique()) == (1, 1)
    predictions = pd.read_csv(finished / "plots/evaluation/predictions/clean.csv")[::50]
    assert clean["accuracy"].iloc[0] == (predictions["label"] == predictions["predicted"]).mean()
    assert {*curves["count"]} == {200}


# dvc exp run, dvc metrics diff, dvc plots diff, scripts.compare


def test_the_baseline_is_an_experiment_that_is_compared_by_name_with_the_last_commit(project):
    before = accuracy(project)
    project.run("dvc exp run -S train.network=baseline -S train.augment=false -n baseline evaluate")
    after = accuracy(project)
    assert project.read_json("metrics/training.json")["parameters"] == 34_826
    assert after["clean"] > 0.9
    assert after["repositioned"] < before["repositioned"] - 0.2

    rows = csv.DictReader(project.run("dvc exp show --csv").stdout.splitlines())
    [row] = [row for row in rows if row["Experiment"] == "baseline"]
    assert (row["train.network"], float(row["clean"])) == ("baseline", after["clean"])

    difference = project.run("dvc metrics diff")
    # The same test sets in each group on both sides, whether or not the augmentation is on.
    for name, of in (("clean", "clean"), ("seen", "repositioned"), ("unseen", "rotate")):
        assert re.search(rf" {name} +{before[of]} +{after[of]}", difference.stdout)
    assert max(map(len, difference.stdout.splitlines())) < 120

    project.run("dvc plots diff")
    page = (project / "dvc_plots/index.html").read_text()
    assert {"HEAD", "workspace"} <= set(re.findall(r'"rev": "(\w+)"', page))

    compared = project.run("python -m scripts.compare HEAD baseline --figure out.png").stdout
    assert compared.startswith("baseline compared with HEAD:")
    assert re.search(f"clean +{before['clean']:.2%} +{after['clean']:.2%}", compared)
    assert (project / "out.png").read_bytes().startswith(b"\x89PNG")


def test_dvc_shows_all_that_the_metrics_files_hold_and_as_they_hold_it(project):
    # It leaves out lists, shows nothing at all if "a.b" is beside an "a" that has a "b", and rounds.
    for file in (project / "metrics").glob("*.json"):
        held = pd.json_normalize(json.loads(file.read_text()))
        head, _, row = project.run(f"dvc metrics show --md metrics/{file.name}").stdout.strip().splitlines()
        shown = zip(*(map(str.strip, line.split("|")[2:-1]) for line in (head, row)), strict=True)
        assert dict(shown) == {name: str(column[0]) for name, column in held.items()}


def test_the_commands_of_the_readme_work_in_a_folder_of_a_larger_repository(part):
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## Change something") : readme.index("## Make it yours")]
    lines = "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).splitlines()
    commands = [re.split("  +#", line)[0] for line in lines]
    for command in commands:
        if not command.startswith("nano ") and "train.seed" not in command:
            command = re.sub("-S .*(?= -n fast)", "-S plot.dpi=61", command)  # trains nothing
            command = command.replace("edges", "rotate").replace(" --open", "")
            part.run(f"sh -c {shlex.quote(command)}")
    assert "dpi: 61" in (part / "params.yaml").read_text()
    assert not re.search(r"^\?\?|\.\./", part.run("git status --short").stdout, re.MULTILINE)


@pytest.mark.nightly
def test_the_way_back_to_the_last_commit_needs_no_cache(finished, project):
    pages = [(ROOT / page).read_text() for page in ("README.md", "docs/yours.md")]
    [[way], [same]] = [re.findall("^(git checkout .*dvc .*?)  +#", page, re.MULTILINE) for page in pages]
    assert way == same
    project.set("perturb.seed", 1)
    project.set("plot.dpi", 61)
    project.run("dvc repro perturb")
    project.run("dvc repro --single-item plot")
    (project / "plots/figures/another.png").touch()
    project.run("git add params.yaml")
    (project / ".dvc/config.local").unlink()  # and with it the cache, which is that of `finished`
    project.run(f"sh -c {shlex.quote(way)}")
    assert project.results() == finished.results()
    assert project.run("git status --short").stdout == ""


@pytest.mark.nightly
def test_a_merge_in_conflict_ends_as_the_docs_say_with_what_both_sides_changed(project):
    [block] = re.findall(
        r"## Two branches.*?```sh\n(.*?)```", (ROOT / "docs/yours.md").read_text(), re.DOTALL
    )
    before = (project / "params.yaml").read_text()
    project.run("git checkout --quiet -b other")
    project.set("plot.dpi", 61)
    project.run("dvc repro")
    project.commit()
    project.run("git checkout --quiet -")
    project.set("plot.examples", 5)
    project.run("dvc repro")
    (project / "plots/figures/reliability.png").unlink()  # which the other side has changed
    project.commit()
    project.run("git merge other", code=1)
    for command in block.splitlines():
        if command.startswith("nano params.yaml "):
            (project / "params.yaml").write_text(before)
            project.set("plot.dpi", 61)
            project.set("plot.examples", 5)
        else:
            project.run(f"env GIT_EDITOR=true sh -c {shlex.quote(command)}")
    assert project.run("git log -1 --format=%p").stdout.count(" ") == 1
    assert project.run("git status --short").stdout == ""
    assert (project / "plots/figures/reliability.png").exists()
    assert not stages_run(project.run("dvc repro --dry"))


def test_params_are_chosen_on_held_out_digits(project, monkeypatch):
    project.set("evaluate.split", "validation")
    monkeypatch.chdir(project.folder)
    perturb.main()
    evaluate.main()
    held_out = load_split(project / "data/raw", "train").labels[-1000:]
    for name in ("repositioned", "rotate"):  # the external ones are not there to choose by
        np.testing.assert_array_equal(load_test_set(project / f"data/perturbed/{name}.npz").labels, held_out)
    accounts = project.read_json("metrics/evaluation.json")
    assert {accounts[name]["count"] for name in ("clean", "repositioned", "rotate")} == {1000}
    # What training said of the same digits.
    validation = project.read_json("metrics/training.json")["validation"]
    assert accounts["clean"]["accuracy"] == pytest.approx(validation["accuracy"], abs=0.001)


# Passing it on


def test_a_reviewer_gets_what_changed_in_numbers_and_figures(part):
    (part / ".venv").mkdir()
    (part / ".venv/installed").touch()
    figures = part / "plots/figures"
    shutil.copy(figures / "reliability.png", figures / "before_and_after.png")
    summary = part.read_json("metrics/summary.json")
    (part / "metrics/summary.json").write_text(json.dumps(summary | {"clean": 0.5}))
    part.commit()
    part.run("make review BASE=HEAD~1")
    said = (part / "review/summary.md").read_text()
    assert re.search(rf"summary.json \| clean +\| {summary['clean']} +\| 0.5 ", said)
    assert "HEAD compared with HEAD~1:\n\n| test set " in said
    figures = [str(path.relative_to(part / "review")) for path in part.folder.glob("review/**/*.png")]
    assert figures == ["figures/plots/figures/before_and_after.png"]


def test_another_clone_pulls_what_was_pushed_and_has_nothing_to_run(project, tmp_path):
    project.run(f"dvc remote add --default storage {tmp_path / 'storage'}")
    project.commit()
    project.run("dvc push")
    project.run(f"git clone --quiet . {tmp_path / 'other'}")
    other = Project(tmp_path / "other", project.environment)
    other.run("dvc pull")
    assert stages_run(other.run("dvc repro")) == []
    assert other.results() == project.results()


WITHOUT_THE_PROJECT = """
import sys, warnings
import keras, numpy, tensorflow
warnings.simplefilter("error")
images = numpy.load("images.npy")
model = keras.saving.load_model("model.keras")
expected = model.predict(images, verbose=0)
tensor = tensorflow.constant(images, "float32")
called = model(tensor).numpy()
model.export("saved", verbose=False)
saved = tensorflow.saved_model.load("saved")
served = saved.serve(tensor).numpy()
numpy.save("probabilities.npy", numpy.stack([expected, called, served]))
"""


def test_the_model_predicts_called_and_served_without_this_project(finished, tmp_path):
    digits = load_split(finished / "data/raw", "test")
    np.save(tmp_path / "images.npy", digits.images[:500])
    shutil.copy(finished / "models/model.keras", tmp_path)
    (tmp_path / "predict.py").write_text(WITHOUT_THE_PROJECT)
    Project(tmp_path, finished.environment).run("python predict.py")
    predicted, called, served = np.load(tmp_path / "probabilities.npy")
    assert predicted.shape == (500, 10)
    np.testing.assert_allclose(called, predicted, atol=1e-5)
    np.testing.assert_allclose(served, predicted, atol=1e-5)
    assert (predicted.argmax(axis=1) == digits.labels[:500]).mean() > 0.9


# dvc.yaml

LIBRARY = [path.relative_to(ROOT) for path in (ROOT / "mnist_moved").rglob("*.py")]


def imported(file, known=()):
    """The files of the project that a module imports, directly or through others, and itself."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = {file, *known}
    for name in names:
        for path in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
            if (ROOT / path).is_file() and path not in found:
                found |= imported(path, found)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_rooms_that_it_imports(stage):
    rooms = {"/".join(file.split("/")[:2]) for file in imported(f"stages/{stage}.py")}
    decide_nothing = {f"mnist_moved/{name}.py" for name in ("__init__", "command", "paths")}
    code = {dep for dep in STAGES[stage]["deps"] if dep.startswith(("mnist_moved/", "stages/"))}
    assert rooms - decide_nothing - {"stages/__init__.py"} == code


PASSED_ON = {  # who else reads params that a stage passes on
    "evaluate": ["evaluation/metrics.py"],
    "plot": ["report/page.py", "report/page.html.jinja", "report/card.py", "report/card.md.jinja"],
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_params_that_it_reads(stage):
    text = (ROOT / f"stages/{stage}.py").read_text()
    [section] = re.findall(r"params = load_params\(\)(\.\w+)?\n", text)
    text += "".join((ROOT / "mnist_moved" / file).read_text() for file in PASSED_ON.get(stage, []))
    sections = "|".join(Params.model_fields)
    read = {section[1:]} if section else set(re.findall(rf"\bparams\.((?:{sections})(?:\.\w+)?)", text))
    declared = {*STAGES[stage]["params"]}
    assert {name for name in read if any(f"{name}.".startswith(f"{each}.") for each in declared)} == read
    assert {each for each in declared if any(f"{name}.".startswith(f"{each}.") for name in read)} == declared


def test_imports_run_one_way_and_only_train_and_evaluate_wait_for_tensorflow():
    keras = "mnist_moved/networks/quiet_keras.py"
    assert {stage for stage in STAGES if keras in imported(f"stages/{stage}.py")} == {"train", "evaluate"}
    for stage in STAGES:
        assert {file for file in imported(f"stages/{stage}.py") if not file.startswith("mnist_moved/")} <= {
            f"stages/{stage}.py"
        }
    assert all(other.startswith("mnist_moved/") for file in LIBRARY for other in imported(str(file)))
