"""The commands that README.md names do what it says, on real MNIST, and dvc.yaml tells the truth."""

import ast
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from hashlib import sha256

import numpy as np
import pytest
import yaml
from conftest import ROOT, Project

from stages.shared.mnist import load_split

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
OUTS = {
    stage: [out if isinstance(out, str) else next(iter(out)) for out in entry["outs"]]
    for stage, entry in STAGES.items()
}
CODE = {stage: {dep for dep in entry["deps"] if dep.endswith(".py")} for stage, entry in STAGES.items()}


def stages_run(process):
    return re.findall(r"Running stage '(\w+)'", process.stdout)


def contents(path):
    """A digest of the bytes of a file, or of every file in a folder, by path."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {str(file.relative_to(path)): sha256(file.read_bytes()).hexdigest() for file in files}


def accuracy(project):
    return json.loads((project / "metrics/summary.json").read_text())["accuracy"]


# dvc repro


def test_a_clean_clone_runs_all_stages_and_ends_with_the_accuracies(finished):
    assert re.findall(r"Running stage '(\w+)'", finished.output) == list(STAGES)
    table = re.findall(r"test set +([\d.]+%)", finished.output)
    assert table == [f"{accuracy(finished)[name]:.2%}" for name in ("mnist", "repositioned")]


def test_even_the_small_run_has_learned_to_read_digits(finished):
    assert accuracy(finished)["mnist"] > 0.6


def test_a_finished_run_leaves_all_that_it_declares_and_nothing_temporary(finished):
    assert all(contents(finished / out) for outs in OUTS.values() for out in outs)
    assert not list(finished.folder.rglob(".*.partial*"))
    assert not (finished / "models/checkpoint").exists()


def test_a_second_run_has_nothing_to_do(finished):
    again = finished.run("dvc repro")
    assert stages_run(again) == []
    assert "Data and pipelines are up to date." in again.stdout
    assert finished.run("git status --porcelain").stdout == ""


@pytest.mark.parametrize(
    ("key", "value", "stages"),
    [
        ("perturb.seed", 1, ["perturb", "evaluate", "plot"]),
        ("train.epochs", 2, ["train", "evaluate", "plot"]),
        ("evaluate.calibration_bins", 5, ["evaluate", "plot"]),
        ("plot.dpi", 60, ["plot"]),
    ],
)
def test_a_changed_setting_reruns_only_what_depends_on_it(project, key, value, stages):
    project.set(key, value)
    assert stages_run(project.run("dvc repro --dry --force-downstream")) == stages


def test_changed_sources_fetch_nothing_while_the_files_are_right(project):
    project.set("download.sources", [{"folder": "nowhere"}])
    again = project.run("dvc repro")
    assert stages_run(again) == ["download"]
    assert "already there" in again.stdout


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "download"])
def test_a_stage_reads_only_its_deps_and_gives_the_same_bytes_anywhere_and_always(stage, finished, tmp_path):
    elsewhere = Project(tmp_path, finished.environment)
    shutil.copytree(finished / "stages", elsewhere / "stages")
    for dep in ["params.yaml", *(set(STAGES[stage]["deps"]) - CODE[stage])]:
        (elsewhere / dep).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (finished / dep).is_dir() else shutil.copy
        copy(finished / dep, elsewhere / dep)
    elsewhere.run(STAGES[stage]["cmd"])
    for out in OUTS[stage]:
        assert contents(elsewhere / out) == contents(finished / out)


def test_new_settings_are_compared_with_the_last_commit(project):
    project.set("train.augment", False)
    project.set("train.epochs", 2)
    before = accuracy(project)
    assert stages_run(project.run("dvc repro")) == ["train", "evaluate", "plot"]
    after = accuracy(project)

    difference = json.loads(project.run("dvc metrics diff --json").stdout)["metrics/summary.json"]
    for name in ("mnist", "repositioned"):
        change = difference[f"accuracy.{name}"]
        assert (change["old"], change["new"]) == (before[name], after[name])
    assert after["mnist"] != before["mnist"]
    assert after["repositioned"] < before["repositioned"]

    project.run("dvc plots diff")
    page = (project / "dvc_plots/index.html").read_text()
    assert {"HEAD", "workspace"} <= set(re.findall(r'"rev": "(\w+)"', page))

    comparison = project.run("python -m stages.compare HEAD").stdout
    assert re.search(f"mnist +{before['mnist']:.2%} +{after['mnist']:.2%}", comparison)


# dvc exp


def experiments(project):
    rows = csv.DictReader(project.run("dvc exp show --csv").stdout.splitlines())
    return {row["Experiment"] or row["rev"]: row for row in rows}


def test_a_named_experiment_is_listed_and_compared_by_its_name(project):
    project.run("dvc exp run -S train.training_digits=500 -n quick")
    quick = experiments(project)["quick"]
    assert quick["train.training_digits"] == "500"
    assert float(quick["accuracy.mnist"]) == accuracy(project)["mnist"]
    assert "quick compared with HEAD:" in project.run("python -m stages.compare HEAD quick").stdout


def test_queued_experiments_run_beside_the_workspace(project):
    project.run("dvc exp run --queue -S plot.dpi=60 -n coarse")
    project.run("dvc exp run --queue -S plot.dpi=70 -n fine")
    # Now and then DVC's worker reads a message of its queue that is not yet written, and dies. The rest stays
    # queued, and `--run-all` waits forever.
    for _ in range(3):
        with suppress(subprocess.TimeoutExpired):
            project.run("dvc exp run --run-all", timeout=300)
            break
    else:
        pytest.fail("three times, the worker of DVC's queue did not come to an end")
    listed = experiments(project)
    assert (listed["coarse"]["plot.dpi"], listed["fine"]["plot.dpi"]) == ("60", "70")
    assert float(listed["fine"]["accuracy.mnist"]) == accuracy(project)["mnist"]
    assert project.run("git status --porcelain").stdout == ""


# Passing it on


def test_another_clone_pulls_what_was_pushed_and_has_nothing_to_run(project, tmp_path):
    project.run(f"dvc remote add --default storage {tmp_path / 'storage'}")
    project.commit()
    project.run("dvc push")
    project.run(f"git clone --quiet . {tmp_path / 'other'}")
    other = Project(tmp_path / "other", project.environment)
    other.run("dvc pull")
    assert stages_run(other.run("dvc repro")) == []
    for folder in ("data", "models"):
        assert contents(other / folder) == contents(project / folder)


def test_the_model_reads_digits_without_this_project(finished, tmp_path):
    images, labels = load_split(finished / "data/raw", "test")
    np.save(tmp_path / "images.npy", images[:500])
    (tmp_path / "predict.py").write_text(
        "import keras, numpy\n"
        f"model = keras.saving.load_model({str(finished / 'models/model.keras')!r})\n"
        "numpy.save('probabilities.npy', model.predict(numpy.load('images.npy'), verbose=0))\n"
    )
    Project(tmp_path, finished.environment).run("python predict.py")
    probabilities = np.load(tmp_path / "probabilities.npy")
    assert probabilities.shape == (500, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == labels[:500]).mean() > 0.6


# Changing it


def test_the_new_kind_of_perturbation_in_the_readme_works(project):
    readme = (project / "README.md").read_text()
    [code] = re.findall(r"```python\n(@kind\n.*?)```", readme, re.DOTALL)
    [suites] = [
        settings["perturb"]["suites"]
        for settings in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL))
        if "perturb" in settings
    ]
    with (project / "stages/shared/perturbations.py").open("a") as file:
        file.write(f"\n\n{code}")
    [(name, suite)] = suites.items()
    project.set(f"perturb.suites.{name}", suite)
    project.run("python -m stages.perturb")
    with np.load(project / f"data/perturbed/{name}.npz") as arrays:
        assert arrays["images"].shape == (10_000, 28, 28)


# While and after something goes wrong


def start(project, command):
    """Start a command in a process group of its own, which can be killed as a whole."""
    return subprocess.Popen(
        command.split(),
        cwd=project.folder,
        env=project.environment | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_curves_of_a_running_training_can_be_shown(project):
    project.set("train.epochs", 10_000)
    project.set("train.training_digits", 100)
    shutil.rmtree(project / "plots/training")
    with start(project, "dvc repro train") as training:
        try:
            deadline = time.monotonic() + 300
            while not (project / "plots/training/plots/metrics/validation/accuracy.tsv").exists():
                assert training.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            shown = project.run("dvc plots show")
            assert training.poll() is None
        finally:
            os.killpg(training.pid, signal.SIGKILL)
    assert shown.stderr == ""
    assert "validation/accuracy.tsv" in (project / "dvc_plots/index.html").read_text()


def cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("stage", "path", "damage", "remedy"),
    [
        ("perturb", "data/raw/t10k-images-idx3-ubyte", cut_in_half, "dvc repro download"),
        ("plot", "data/perturbed/repositioned.npz", cut_in_half, "dvc repro perturb"),
        ("plot", "data/perturbed", shutil.rmtree, "dvc repro perturb"),
        ("evaluate", "models/model.keras", cut_in_half, "dvc repro train"),
    ],
)
def test_a_damaged_input_ends_a_stage_with_one_message_and_nothing_written(
    finished, project, stage, path, damage, remedy
):
    damage(project / path)
    ended = project.run(f"python -m stages.{stage}", code=1)
    assert re.match(rf"error: .*{path}.*{remedy}", ended.stderr)
    assert "Traceback" not in ended.stderr
    for out in OUTS[stage]:
        assert contents(project / out) == contents(finished / out)


def test_dvc_repro_mends_damaged_and_missing_data(finished, project):
    cut_in_half(project / "data/raw/t10k-images-idx3-ubyte")
    shutil.rmtree(project / "data/perturbed")
    assert stages_run(project.run("dvc repro")) == ["download"]
    assert contents(project / "data") == contents(finished / "data")
    assert project.run("git status --porcelain").stdout == ""


# dvc.yaml


def test_every_stage_is_the_module_of_its_name():
    assert {stage: entry["cmd"] for stage, entry in STAGES.items()} == {
        stage: f"python -m stages.{stage}" for stage in STAGES
    }


def imported(file):
    """The project files that a module imports when it is loaded, directly or through others, and itself.

    Imports within functions do not count: see the reason at the one there is, in stages/shared/params.py.
    """
    names = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {name.replace(".", "/") + ".py" for name in names}
    return {file}.union(*(imported(other) for other in files if (ROOT / other).is_file()))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_that_it_imports(stage):
    assert imported(f"stages/{stage}.py") == CODE[stage]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_settings_that_it_reads(stage):
    code = (ROOT / f"stages/{stage}.py").read_text()
    assert re.findall(r"load_params\(\)\.?(\w*)", code) == STAGES[stage]["params"] == [stage]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_data_that_its_code_does_not_name(stage):
    code = "".join((ROOT / file).read_text() for file in CODE[stage])
    for data in set(STAGES[stage]["deps"]) - CODE[stage]:
        assert f'"{data}' in code


def test_only_train_and_evaluate_wait_for_tensorflow(finished):
    keras = "stages/shared/quiet_keras.py"
    assert {stage for stage in STAGES if keras in CODE[stage]} == {"train", "evaluate"}
    imports = ", ".join(f"stages.{stage}" for stage in STAGES if keras not in CODE[stage])
    finished.run(f"python -c 'import sys, {imports}; assert \"tensorflow\" not in sys.modules'")
