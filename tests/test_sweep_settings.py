"""What a sweep is made of: trials, experiments in a repository, a table. All without Ray and training."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
from argparse import Namespace
from unittest.mock import MagicMock, Mock, patch

import matplotlib
import pandas as pd
import pytest
import yaml
from project import ROOT, Project

from mnist_moved import git
from mnist_moved.command import UserError
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.runs import read_run
from mnist_moved.report.figures import STYLE
from mnist_moved.sweeps import cluster, repository
from mnist_moved.sweeps.settings import Trial, load_sweep, plan
from mnist_moved.sweeps.table import describe, draw_sweep, rows_of
from mnist_moved.sweeps.trial import Outcome, prepare
from scripts import sweep

ALONE = {"": []}  # the settings of a sweep that has only overrides
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
SWEEPS = yaml.safe_load((ROOT / "sweeps.yaml").read_text())
LAST = 2**32 - 1  # of all seeds


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder: with the project's sweeps.yaml, and of its params.yaml what is soon parsed."""
    few = {name: PARAMS["perturb"]["test_sets"][name] for name in ("repositioned", "rotate", "shear")}
    perturb = {"seed": 42, "test_sets": few, "curves": {"rotate": {"degrees": [0, 30]}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"perturb": perturb}, sort_keys=False))
    shutil.copy(ROOT / "sweeps.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(*words):
    """The trials of a command, by its words."""
    with patch.object(sys, "argv", ["sweep", *words]):
        return sweep.planned(sweep.read_arguments())


def names(trials):
    return [trial.name for trial in trials]


# Settings and seeds


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ["default"]),
        (["train.augment=true,false"], ["augment-true", "augment-false"]),
        (["train.epochs=1,2", "train.network=x"], ["epochs-1-network-x", "epochs-2-network-x"]),
        (["train.learning_rate=choice(0.003,1e-2)"], ["learning_rate-0.003", "learning_rate-0.01"]),
        (["train.epochs=range(1,6,2)"], ["epochs-1", "epochs-3", "epochs-5"]),
        (["perturb.seed=7", "train.seed=42"], ["seed-7"]),
        (
            ["perturb.test_sets.rotate.degrees=9", "perturb.test_sets.shear.degrees=8"],
            ["perturb.test_sets.rotate.degrees-9-perturb.test_sets.shear.degrees-8"],
        ),
        (["train.augmentation.rotate.degrees=[0,9],[0,8]"], ["degrees-2732b4", "degrees-02c35f"]),
        ([f"train.network={'long' * 8}"], ["network-cd1c89"]),
    ],
)
def test_a_trial_is_named_after_what_its_overrides_change_and_its_seed(overrides, expected):
    assert names(plan(ALONE, overrides, 1)) == [f"{name}-s42" for name in expected]


def test_seeds_go_on_from_that_of_the_setting_and_come_before_the_next_setting():
    settings = {"a": [], "b": ["train.seed=7"], "c": ["train.epochs=1,2"]}
    expected = "a-network-x-s42 b-network-x-s7 c-epochs-1-network-x-s42 c-epochs-2-network-x-s42"
    expected += " a-network-x-s43 b-network-x-s8 c-epochs-1-network-x-s43 c-epochs-2-network-x-s43"
    trials = plan(settings, ["train.network=x"], 2)
    assert names(trials) == expected.split()
    assert trials[-1].overrides == ("train.epochs=2", "train.network=x", "train.seed=43")
    assert names(plan(ALONE, ["train.seed=3,4"], 2)) == ["default-s3", "default-s4", "default-s5"]
    assert names(plan(ALONE, [f"train.seed={LAST}"], 1)) == [f"default-s{LAST}"]


@pytest.mark.parametrize(
    ("override", "seeds", "message"),
    [
        ("train.epoch=3", 1, "Could not override 'train.epoch'"),
        ("train.epochs=soon", 1, "params.yaml: train.epochs: got 'soon'; allowed: "),
        ("train.epochs=1,0", 1, "params.yaml: train.epochs: got 0; allowed: "),
        ("train.epochs", 1, "Error parsing override .train.epochs."),
        ("train.epochs=glob(*)", 1, "Glob override .* is not supported"),
        ("train.epochs=interval(1,3)", 1, "does not support sweep type"),
        ("other.yaml:epochs=3", 1, "other.yaml: expected overrides of params.yaml"),
        ("train.epochs=3", 0, "--seeds: expected at least 1, found 0"),
        (f"train.seed={LAST}", 2, f"params.yaml: train.seed: got {LAST + 1}; allowed: less than {LAST + 1}"),
    ],
)
def test_what_gives_no_valid_trials_is_refused_before_any_runs(override, seeds, message):
    with pytest.raises(UserError, match=rf"^(-S .*)?{message}") as refused:
        plan(ALONE, [override], seeds)
    assert "/tmp" not in str(refused.value)  # where params.yaml was tried


def test_two_settings_of_one_name_are_refused():
    with pytest.raises(UserError, match=r"two settings would be called default: .*; name them in sweeps"):
        plan({"default": ["train.epochs=1"]} | ALONE, [], 1)


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        ({"one": 1, 2: 2}, "mine: no such sweep; sweeps.yaml has one, 2$"),
        (["mine"], "mine: no such sweep; sweeps.yaml has nothing$"),
        ({"mine": [1]}, r"sweeps\.yaml: mine: .*got \[1\]"),
        ({"mine": {"seeds": 1}}, r"sweeps\.yaml: mine: settings: missing"),
        ({"mine": {"seeds": 0, "settings": {"a": []}}}, r"sweeps\.yaml: mine: seeds: got 0"),
        ({"mine": {"seeds": 1, "settings": {}}}, r"sweeps\.yaml: mine: settings: got {}"),
        ({"mine": {"seeds": 1, "settings": {"a-b": []}}}, r"sweeps\.yaml: mine: settings\.a-b"),
        ({"mine": {"seeds": 1, "settings": {"a": "b=1"}}}, r"sweeps\.yaml: mine: settings\.a: got 'b=1'"),
        ({"mine": {"seeds": 1, "settings": {"a": []}, "seed": 1}}, r"sweeps\.yaml: mine: seed: unknown key"),
    ],
)
def test_a_wrong_sweep_is_refused_with_what_is_allowed(folder, sweeps, message):
    (folder / "sweeps.yaml").write_text(yaml.safe_dump(sweeps))
    with pytest.raises(UserError, match=f"^{message}"):
        load_sweep("mine")


@pytest.mark.parametrize("name", SWEEPS)
def test_the_sweeps_of_the_project_can_be_run(name):
    assert len(planned(name)) == len(SWEEPS[name]["settings"]) * SWEEPS[name]["seeds"]


def test_the_command_adds_to_a_written_sweep():
    trials = planned("fashion_mnist", "--seeds", "1", "--on", "validation", "-S", "train.epochs=1")
    expected = [f"{name}-epochs-1-split-validation-s42" for name in SWEEPS["fashion_mnist"]["settings"]]
    assert names(trials) == expected


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--table=out.txt", "--table: expected a name that ends in .csv, found out.txt"),
        ("--figure=out.jpg", "--figure: expected a name that ends in .png, found out.jpg"),
        ("--cpus=0", "--cpus: expected at least 1"),
        ("--gpus=-1", "--gpus: at least 0"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(capsys, argument, message):
    with pytest.raises(SystemExit, match=r"^2$"):
        planned(argument)
    assert message in capsys.readouterr().err


def test_no_ray_here_and_no_cluster_at_an_address_are_told_at_once(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", {}.get)
    with pytest.raises(UserError, match=r"pip install -r requirements-sweep\.txt"), cluster.connection(None):
        pass
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
        for address in (nobody, f"ray://{nobody}", "ray://127.0.0.1", "nonsense", "127.0.0.1:99999"):
            with pytest.raises(UserError, match=f"--address {address}: expected a Ray cluster"):
                cluster.check_address(address)


# The table of a sweep


def rows(setting, seed, *accuracies):
    groups = {"clean": "clean", "repositioned": SEEN, "rotate": SEEN, "edges": UNSEEN, "fog": UNSEEN}
    table = pd.DataFrame({"test_set": groups.keys(), "group": groups.values(), "accuracy": accuracies})
    text = table.assign(perturbation="", images_digest="abc", count=100, loss=0.1).to_csv()
    return rows_of(Trial(setting, seed, ()), text)


# Two seeds of `good` and two of `bad`, which is better on MNIST alone.
TABLE = pd.concat(
    [
        rows("bad", 1, 0.99, 0.60, 0.80, 0.50, 0.60),
        rows("good", 1, 0.96, 0.80, 0.90, 0.70, 0.80),
        rows("bad", 2, 0.99, 0.60, 0.80, 0.50, 0.60),
        rows("good", 2, 0.98, 0.90, 0.90, 0.70, 0.60),
    ]
)


def test_a_setting_is_told_by_mean_and_deviation_over_its_seeds():
    header, bad, good = (" ".join(line.split()) for line in describe(TABLE).splitlines())
    assert header == "seeds clean repositioned seen unseen worst"
    assert bad == "bad 2 99.00 ± 0.00 60.00 ± 0.00 70.00 ± 0.00 55.00 ± 0.00 50.00 ± 0.00"
    # The deviation of 96 and 98 is the square root of 2.
    accuracies = "97.00 ± 1.41 85.00 ± 7.07 87.50 ± 3.54 70.00 ± 7.07 65.00 ± 7.07"
    assert good == f"good 2 {accuracies}"
    assert "±" not in describe(TABLE[TABLE["seed"] == 1])


@matplotlib.rc_context(STYLE)
def test_the_figure_has_a_dot_a_seed_and_says_which_setting_is_best_on_perturbed_test_sets():
    figure = draw_sweep(TABLE)
    [axes], [legend] = figure.axes, figure.legends
    assert axes.get_title("left") == (
        "Highest mean over the perturbed test sets:\ngood, 78.75 ± 1.77 %\n(a dot a seed, a bar their mean)"
    )
    assert [text.get_text() for text in legend.get_texts()] == ["bad", "good"]
    # From the bottom, by the mean of `good`; whose dots lie below those of `bad`.
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["edges", "fog", "repositioned", "rotate", "clean"]
    dots = pd.DataFrame(axes.collections[1].get_offsets(), columns=["x", "y"]).round(4)
    places = dots.groupby("y")["x"].agg(sorted)
    assert places.index.tolist() == [-0.3, 0.7, 1.7, 2.7, 3.7]
    assert places.tolist() == [[0.7, 0.7], [0.6, 0.8], [0.8, 0.9], [0.9, 0.9], [0.96, 0.98]]
    [axes] = draw_sweep(rows("only", 1, 0.99, 0.60, 0.80, 0.50, 0.60)).axes
    assert "only, 62.50 %\n(" in axes.get_title("left")


# The repository


@pytest.fixture
def project(folder, environment):
    """The current folder as a repository, and the commands that are typed there."""
    project = Project(folder, environment)
    project.begin()
    project.commit()
    return project


@pytest.fixture
def store(project):
    """Store a file `result` of this text as an experiment of the last commit, by name: its commit."""

    def as_experiment(name, text):
        (project / "result").write_text(text, encoding="utf-8")
        project.run("git add --all")
        tree, parent = git.git("write-tree").decode().strip(), git.head()
        commit = project.run(f"git commit-tree {tree} -p {parent} -m {name}").stdout.strip()
        project.run(f"git update-ref refs/exps/{parent[:2]}/{parent[2:]}/{name} {commit}")
        project.run("git reset --quiet --hard")
        return commit

    return as_experiment


def test_a_changed_file_is_named_and_refused_unless_the_command_itself_writes_it(project):
    (project / "untracked.csv").touch()
    assert repository.clean_commit([]) == git.head()
    (project / "params.yaml").write_text("changed")
    for command in ("git add params.yaml", "git status"):
        with pytest.raises(UserError, match=r"and params\.yaml differ from the last commit; commit"):
            repository.clean_commit(["sweeps.yaml"])
        for path in ("params.yaml", project / "params.yaml", "./params.yaml"):
            assert repository.clean_commit([path, "/elsewhere/sweep.csv", "../sweep.csv"]) == git.head()
        project.run(command)
    for number in range(3):
        (project / f"new {number}").touch()
    project.run("git add --all")
    with pytest.raises(UserError, match=r"and new 0, new 1, new 2 and 2 more differ"):
        repository.clean_commit([])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")
def test_files_of_another_user_are_refused_with_the_command_that_allows_them(project, monkeypatch):
    for path in (project.folder, *project.folder.rglob("*")):
        os.chown(path, 1234, 1234)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(project / "settings of git"))
    remedy = f"git config --global --add safe.directory {project.folder}"
    refused = f"git does not trust a repository of another user; `{remedy}` has it trust this one$"
    for ask, argument in ((repository.clean_commit, []), (git.commit_of, "HEAD"), (read_run, "HEAD")):
        with pytest.raises(UserError, match=f"^.*{refused}"):
            ask(argument)
    subprocess.run(shlex.split(remedy), check=True)
    assert repository.clean_commit([]) == git.commit_of("HEAD")


def test_what_is_no_repository_or_has_no_commit_is_refused_in_one_line(folder):
    for reason in ("not a git repository.*", ".* does not have any commits yet"):
        with pytest.raises(UserError, match=f"^git log: fatal: {reason}$"):
            repository.clean_commit([])
        git.git("init", "--quiet")


def test_a_file_is_read_at_several_commits_each_told_by_its_digest_or_as_an_experiment(project, store):
    texts = ["no newline at the end", "", "ä\n\nx missing\n"]
    commits = [store(f"trial-s{number}", text) for number, text in enumerate(texts)]
    assert git.read(commits, "result") == texts
    with pytest.raises(UserError, match=rf"commit {commits[1][:7]} has no nosuch"):
        git.read(commits[1:], "nosuch")
    project.run("git commit --quiet --allow-empty --message=next")
    assert git.commit_of(commits[0][:8]) == git.commit_of("trial-s0") == commits[0]


def test_an_experiment_is_taken_in_whole_with_its_data_and_in_place_of_no_other(project, store):
    stored, name, parent = store("default-s42", "99 %"), "default-s42", git.head()
    ref, cache = f"refs/exps/{parent[:2]}/{parent[2:]}/{name}", project / ".git/cache"
    bundle = git.git("bundle", "create", "--quiet", "-", ref, f"^{parent}")
    project.run(f"git update-ref -d {ref}")
    project.run("git prune --expire=now")
    with pytest.raises(UserError, match=r"^git [a-z-]+: "):
        repository.adopt(bundle[:-30], {}, cache)
    assert git.experiments() == []
    repository.adopt(bundle, {"files/md5/ab/cd": b"digits"}, cache)
    assert git.experiments() == [(name, stored, parent)]
    assert git.read([stored], "result") == ["99 %"]
    assert (cache / "files/md5/ab/cd").read_bytes() == b"digits"
    assert project.run("git status --porcelain").stdout == ""
    other = store(name, "98 %")
    with pytest.raises(UserError, match=r"git update-ref: .*default-s42"):
        repository.adopt(bundle, {}, cache)
    assert git.experiments() == [(name, other, parent)]


def test_a_shallow_clone_is_told_how_to_become_a_whole_one(project, monkeypatch):
    project.run("git commit --quiet --allow-empty --message=more")
    assert repository.history().startswith(b"# v2 git bundle")
    project.run(f"git clone --quiet --depth 1 file://{project.folder} shallow")
    monkeypatch.chdir("shallow")
    with pytest.raises(UserError, match="git fetch --unshallow"):
        repository.history()


def test_a_trial_whose_experiment_cannot_be_taken_in_does_not_end_the_sweep(monkeypatch, capsys):
    trials = [Trial(setting, 42, ()) for setting in ("taken", "free")]
    cluster, repository, outcome = MagicMock(), MagicMock(), Outcome("here", "", b"")
    cluster.run_trials.return_value = [(trials[0], outcome), None, (trials[1], outcome)]
    repository.adopt.side_effect = [UserError("there is one of that name"), None]
    monkeypatch.setattr(sweep, "cluster", cluster)
    monkeypatch.setattr(sweep, "repository", repository)
    arguments = Namespace(address=None, cpus=1, gpus=0, no_install=False)
    cluster.room.return_value = 0, 1
    assert sweep.run_missing(trials, 2, "0" * 40, arguments) == ["taken-s42"]
    output = capsys.readouterr().out
    assert "taken-s42 failed:\n    there is one of that name\n" in output
    assert "free-s42: trained before, on here\n" in output
    cluster.room.return_value = 0, 0
    with pytest.raises(UserError, match="--cpus 1 --gpus 0: expected no more than this machine has"):
        sweep.run_missing(trials, 2, "0" * 40, arguments)


def test_only_nodes_with_the_processors_and_gpus_of_a_trial_have_room_for_it(monkeypatch):
    resources = [{"CPU": 8}, {"CPU": 4, "GPU": 2}, {"CPU": 1, "GPU": 8}]
    nodes = [{"Alive": True, "Resources": each | {"memory": 64 * 2**30}} for each in resources]
    nodes.append(nodes[0] | {"Alive": False})
    monkeypatch.setitem(sys.modules, "ray", Mock(nodes=lambda: nodes))
    asked = [(2, 0), (2, 1), (2, 0.5), (1, 4), (9, 0)]
    assert [cluster.room(*each)[1] for each in asked] == [6, 2, 2, 1, 0]


def test_a_node_does_not_trust_a_folder_that_others_may_write_to(tmp_path, monkeypatch):
    cargo = b"history", {"files/md5/ab/cd": b"digits"}
    monkeypatch.setitem(sys.modules, "ray", Mock(get=lambda reference: cargo))
    bundle = prepare(tmp_path / "ours", "0" * 40, [None])
    assert bundle.read_bytes() == b"history"
    bundle.parent.chmod(0o777)
    with pytest.raises(RuntimeError, match="ours is not ours alone"):
        prepare(tmp_path / "ours", "0" * 40, [None])
