"""`dvc plots show` and `dvc plots diff` make a page that draws every plot without a network, at any time."""

import shutil

import pytest
import yaml
from browser import look_at, needs_chromium
from project import ROOT

PLOTS = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]


@needs_chromium
@pytest.mark.parametrize(("command", "revisions"), [("show", 1), ("diff HEAD", 2)])
def test_every_plot_is_drawn_and_no_host_is_asked_for_anything(project, command, revisions):
    project.run(f"dvc plots {command}")
    seen = look_at(project / "dvc_plots/index.html")
    assert seen["problems"] == seen["requests"] == []
    assert seen["plots"] == len(PLOTS)
    assert ({"workspace", "HEAD"} <= set(seen["text"].splitlines())) == (revisions == 2)


@needs_chromium
def test_while_the_first_training_runs_its_curves_are_shown(project):
    shutil.rmtree(project / "plots/evaluation")
    project.run("dvc plots show")
    seen = look_at(project / "dvc_plots/index.html")
    assert seen["problems"] == []
    assert seen["plots"] == sum(name.endswith("while training") for entry in PLOTS for name in entry)


@needs_chromium
def test_before_the_scripts_are_there_the_plots_say_what_to_do(project):
    (project / "dvc_plots/vega.js").unlink()
    project.run("dvc plots show")
    seen = look_at(project / "dvc_plots/index.html")
    assert seen["text"].count("run dvc repro") == len(PLOTS)
    assert all("vega" in url for url in seen["requests"]), "only the scripts may be looked for elsewhere"
    assert seen["requests"]
