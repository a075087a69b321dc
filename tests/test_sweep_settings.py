"""What a sweep is made of: trials, experiments in a repository, a table. All without Ray and training."""

import shutil
import socket
import sys
from argparse import Namespace
from hashlib import sha256
from unittest.mock import MagicMock, Mock

import matplotlib
import pandas as pd
import pytest
import yaml
from project import ROOT, Project

from mnist_moved import git as git_reader
from mnist_moved.command import UserError
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.networks.stopwatch import Seconds, find_seconds
from mnist_moved.report.figures import STYLE
from mnist_moved.sweeps import cluster, repository
from mnist_moved.sweeps.settings import Trial, load_overridden, load_sweep, plan
from mnist_moved.sweeps.table import by_trial, describe, draw_sweep, rows_of
from mnist_moved.sweeps.trial import Outcome, prepare
from scripts import sweep
from scripts.sweep import planned, read_arguments

ALONE = {"": []}  # the settings of a sweep that has only overrides


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder: with the project's params.yaml and sweeps.yaml."""
    for name in ("params.yaml", "sweeps.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def arguments(monkeypatch):
    """The arguments of the command, by its words."""

    def read(*words):
        monkeypatch.setattr(sys, "argv", ["sweep", *map(str, words)])
        return read_arguments()

    return read


def names(*plan_arguments):
    return [trial.name for trial in plan(*plan_arguments)]


def digest(value):
    return sha256(value.encode()).hexdigest()[:6]


# Settings and seeds


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ["default-s42"]),
        (["train.augment=true,false"], ["augment-true-s42", "augment-false-s42"]),
        (
            ["train.epochs=1,2", "train.network=baseline"],
            ["epochs-1-network-baseline-s42", "epochs-2-network-baseline-s42"],
        ),
        (["train.learning_rate=choice(0.003,1e-2)"], ["learning_rate-0.003-s42", "learning_rate-0.01-s42"]),
        (["train.epochs=range(1,6,2)"], ["epochs-1-s42", "epochs-3-s42", "epochs-5-s42"]),
        (["train.seed=3,4"], ["default-s3", "default-s4"]),
        (["train.seed=3", "perturb.seed=7"], ["seed-7-s3"]),
        (
            ["perturb.test_sets.rotate.degrees=9", "perturb.test_sets.shear.degrees=8"],
            ["perturb.test_sets.rotate.degrees-9-perturb.test_sets.shear.degrees-8-s42"],
        ),
        (
            ["train.augmentation.rotate.degrees=[0,9],[0,8]"],
            [f"degrees-{digest('[0,9]')}-s42", f"degrees-{digest('[0,8]')}-s42"],
        ),
        ([f"train.network={'long' * 8}"], [f"network-{digest('long' * 8)}-s42"]),
    ],
)
def test_a_trial_is_named_after_what_its_overrides_change_and_its_seed(overrides, expected):
    assert names(ALONE, overrides, 1) == expected


def test_each_setting_of_a_sweep_keeps_its_name_before_what_is_added():
    settings = {"plain": ["train.augment=false"], "short": ["train.epochs=1,2"]}
    assert names(settings, ["train.network=baseline"], 1) == [
        "plain-network-baseline-s42",
        "short-epochs-1-network-baseline-s42",
        "short-epochs-2-network-baseline-s42",
    ]


def test_seeds_go_on_from_that_of_the_setting_and_come_before_the_next_setting():
    settings = {"one": [], "two": ["train.seed=7"]}
    assert names(settings, [], 2) == ["one-s42", "two-s7", "one-s43", "two-s8"]
    assert names(ALONE, ["train.seed=3,4"], 2) == ["default-s3", "default-s4", "default-s5"]


def test_a_trial_has_the_values_of_its_setting_and_its_seed():
    trial = plan({"plain": ["train.augment=false"]}, ["train.epochs=1,2"], 2)[-1]
    assert trial.name == "plain-epochs-2-s43"
    params, train = load_overridden([]), load_overridden(trial.overrides).train
    expected = params.train.model_copy(update={"augment": False, "epochs": 2, "seed": 43})
    assert train == expected != params.train


def test_two_settings_of_one_name_are_refused():
    with pytest.raises(UserError, match=r"two settings would be called default: .*; name them in sweeps"):
        plan({"default": ["train.epochs=1"]} | ALONE, [], 1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "Could not override 'train.epoch'"),
        ("train.epochs=soon", "params.yaml: train.epochs: got 'soon'; allowed: "),
        ("train.epochs=1,0", "params.yaml: train.epochs: got 0; allowed: "),
        ("train.epochs", "Error parsing override .train.epochs."),
        ("train.epochs=glob(*)", "Glob override .* is not supported"),
        ("train.epochs=interval(1,3)", "does not support sweep type"),
        ("other.yaml:epochs=3", "other.yaml: expected overrides of params.yaml"),
    ],
)
def test_a_wrong_override_is_refused_before_any_trial(override, message):
    with pytest.raises(UserError, match=rf"^(-S .*)?{message}") as refused:
        plan(ALONE, [override], 1)
    assert "/tmp" not in str(refused.value)  # where params.yaml was tried


def test_no_seeds_are_refused_nor_more_than_there_are():
    with pytest.raises(UserError, match="--seeds: expected at least 1, found 0"):
        plan(ALONE, [], 0)
    last = f"train.seed={2**32 - 1}"
    assert len(plan(ALONE, [last], 1)) == 1
    with pytest.raises(UserError, match=r"train.seed: got 4294967296; allowed: less than 4294967296"):
        plan(ALONE, [last], 2)


@pytest.mark.parametrize("name", yaml.safe_load((ROOT / "sweeps.yaml").read_text()))
def test_the_sweeps_of_the_project_can_be_run(name):
    sweep = load_sweep(name)
    assert len(plan(sweep.settings, [], sweep.seeds)) == len(sweep.settings) * sweep.seeds


def test_an_unknown_sweep_is_told_from_those_there_are(folder):
    (folder / "sweeps.yaml").write_text("one: 1\n2: two\n")
    with pytest.raises(UserError, match=r"^nosuch: no such sweep; sweeps.yaml has one, 2$"):
        load_sweep("nosuch")
    (folder / "sweeps.yaml").write_text("- nosuch\n")
    with pytest.raises(UserError, match=r"^nosuch: no such sweep; sweeps.yaml has nothing$"):
        load_sweep("nosuch")


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ([1], r"got \[1\]"),
        ({"seeds": 1}, "settings: missing"),
        ({"seeds": 0, "settings": {"a": []}}, "seeds: got 0"),
        ({"seeds": 1, "settings": {}}, "settings: got {}"),
        ({"seeds": 1, "settings": {"a-b": []}}, r"settings\.a-b"),
        ({"seeds": 1, "settings": {"a": "train.epochs=1"}}, r"settings\.a: got 'train\.epochs=1'"),
        ({"seeds": 1, "settings": {"a": []}, "seed": 1}, "seed: unknown key; allowed: seeds, settings"),
    ],
)
def test_a_wrong_sweep_is_refused_with_what_is_allowed(folder, sweep, message):
    (folder / "sweeps.yaml").write_text(yaml.safe_dump({"mine": sweep}))
    with pytest.raises(UserError, match=rf"^sweeps\.yaml: mine: .*{message}"):
        load_sweep("mine")


# Arguments


def test_the_command_adds_to_a_written_sweep(arguments):
    trials = planned(arguments("main", "--seeds", 1, "--on", "validation", "-S", "train.epochs=1"))
    settings = load_sweep("main").settings
    assert [trial.name for trial in trials] == [f"{name}-epochs-1-split-validation-s42" for name in settings]
    assert {load_overridden(trial.overrides).evaluate.split for trial in trials} == {"validation"}
    assert len(planned(arguments("main"))) == len(settings) * load_sweep("main").seeds


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table", "out.txt"], "--table: expected a name that ends in .csv, found out.txt"),
        (["--figure", "out.jpg"], "--figure: expected a name that ends in .png, found out.jpg"),
        (["--cpus", "0"], "--cpus: expected at least 1"),
        (["--gpus", "-1"], "--gpus: at least 0"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(arguments, capsys, words, message):
    with pytest.raises(SystemExit, match=r"^2$"):
        arguments(*words)
    assert message in capsys.readouterr().err


def test_without_ray_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", {}.get)
    with pytest.raises(UserError, match=r"pip install -r requirements-sweep\.txt"), cluster.connection(None):
        pass


def test_an_address_at_which_no_cluster_can_be_is_refused_at_once():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
        for address in (nobody, f"ray://{nobody}", "ray://127.0.0.1", "nonsense", "127.0.0.1:99999"):
            with pytest.raises(UserError, match=f"--address {address}: expected a Ray cluster"):
                cluster.check_address(address)


# Seconds of training


def test_the_seconds_that_training_prints_are_found_among_other_output():
    log = f"Running stage 'train':\n> python -m stages.train\n{Seconds(61.25, 118)}\nRunning stage 'evaluate'"
    assert find_seconds(log) == Seconds(61.2, 118.0)
    assert find_seconds("Stage 'train' is cached\nI trained in 3.0 s, 4.0 CPU s, it says") is None


# The table of a sweep


TEST_SETS = pd.DataFrame(
    {
        "test_set": ["clean", "repositioned", "rotate", "edges", "fog"],
        "perturbation": ["clean", "reposition", "rotate", "edges", "fog"],
        "group": ["clean", SEEN, SEEN, UNSEEN, UNSEEN],
        "images_digest": "abc",
        "count": 100,
        "loss": 0.1,
    }
)


def rows(setting, seed, *accuracies, seconds=None):
    text = TEST_SETS.assign(accuracy=accuracies).to_csv(index=False)
    return rows_of(Trial(setting, seed, ()), text, seconds)


@pytest.fixture
def table():
    """Two seeds of `good` and two of `bad`, which is better on MNIST alone."""
    return pd.concat(
        [
            rows("bad", 1, 0.99, 0.60, 0.80, 0.50, 0.60),
            rows("good", 1, 0.96, 0.80, 0.90, 0.70, 0.80, seconds=Seconds(10, 15)),
            rows("bad", 2, 0.99, 0.60, 0.80, 0.50, 0.60),
            rows("good", 2, 0.98, 0.90, 0.90, 0.70, 0.60, seconds=Seconds(12, 17)),
        ]
    )


def test_a_trial_is_told_by_its_main_sets_its_groups_and_its_worst(table):
    trial = by_trial(table).loc[("good", 1)].round(6)
    accuracies = {"clean": 0.96, "repositioned": 0.8, "seen": 0.85, "unseen": 0.75, "worst": 0.7}
    assert trial.to_dict() == accuracies | {"wall_seconds": 10, "cpu_seconds": 15}


def test_a_setting_is_told_by_mean_and_deviation_over_its_seeds(table):
    header, bad, good = (" ".join(line.split()) for line in describe(table).splitlines())
    assert header == "seeds clean repositioned seen unseen worst training, s CPU s"
    assert bad == ("bad 2 99.00 ± 0.00 60.00 ± 0.00 70.00 ± 0.00 55.00 ± 0.00 50.00 ± 0.00 unknown unknown")
    # The deviation of 96 and 98 is the square root of 2.
    assert good == (
        "good 2 97.00 ± 1.41 85.00 ± 7.07 87.50 ± 3.54 70.00 ± 7.07 65.00 ± 7.07 11.0 ± 1.4 16.0 ± 1.4"
    )
    assert "±" not in describe(table[table["seed"] == 1])


def test_the_picture_has_a_dot_a_seed_and_says_which_setting_is_best_on_altered_sets(table):
    with matplotlib.rc_context(STYLE):
        figure = draw_sweep(table)
    [axes], [legend] = figure.axes, figure.legends
    assert axes.get_title("left") == (
        "Highest mean over the perturbed test sets:\ngood, 78.75 ± 1.77 %\n(a dot a seed, a bar their mean)"
    )
    assert [text.get_text() for text in legend.get_texts()] == ["bad", "good"]
    # From the bottom, by the mean of `good`; whose dots lie below those of `bad`.
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert [label.lower() for label in labels] == ["edges", "fog", "repositioned", "rotate", "clean"]
    dots = pd.DataFrame(axes.collections[1].get_offsets(), columns=["x", "y"]).round(4)
    assert dots.groupby("y")["x"].agg(sorted).to_dict() == {
        -0.3: [0.7, 0.7],
        0.7: [0.6, 0.8],
        1.7: [0.8, 0.9],
        2.7: [0.9, 0.9],
        3.7: [0.96, 0.98],
    }


def test_one_trial_can_be_drawn(tmp_path):
    with matplotlib.rc_context(STYLE):
        figure = draw_sweep(rows("only", 1, 0.99, 0.60, 0.80, 0.50, 0.60))
        figure.savefig(tmp_path / "one.png")
    assert "only, 62.50 %\n(" in figure.axes[0].get_title("left")


# The repository


def ref_of(parent, name):
    """Where DVC keeps an experiment that started from a commit."""
    return f"refs/exps/{parent[:2]}/{parent[2:]}/{name}"


@pytest.fixture
def bundled(git, folder, store):
    """Store an experiment, and then forget it: its commit, and the bundle that has it."""

    def make():
        (folder / "result").write_text("99 %")
        commit, parent = store("default-s42"), git("rev-parse HEAD")
        ref = ref_of(parent, "default-s42")
        bundle = git_reader.git("bundle", "create", "--quiet", "-", ref, f"^{parent}")
        git(f"update-ref -d {ref}")
        git("prune --expire=now")
        return commit, bundle

    return make


def names_of_experiments():
    return {each.name: each.commit for each in git_reader.experiments()}


@pytest.fixture
def git(folder, environment):
    """A repository in the current folder, of params.yaml and sweeps.yaml; its commands, by their words."""
    project = Project(folder, environment)

    def run(words):
        return project.run(f"git {words}").stdout.strip()

    run("init --quiet")
    run("config user.name Test")
    run("config user.email test@example.org")
    project.commit()
    return run


@pytest.fixture
def store(folder, git):
    """Store the files as they are as an experiment, by name; its commit."""

    def as_experiment(name):
        git("add --all")
        commit = git(f"commit-tree {git('write-tree')} -p HEAD -m {name}")
        git(f"update-ref {ref_of(git('rev-parse HEAD'), name)} {commit}")
        git("reset --quiet --hard")
        return commit

    return as_experiment


def test_a_changed_file_is_named_and_refused_before_its_change_is_lost(folder, git):
    (folder / "untracked.csv").touch()
    assert repository.clean_commit([]) == git("rev-parse HEAD")
    (folder / "params.yaml").write_text("changed")
    with pytest.raises(UserError, match=r"and params\.yaml differ from the last commit; commit"):
        repository.clean_commit(["sweeps.yaml"])
    git("add params.yaml")
    with pytest.raises(UserError, match=r"params\.yaml"):
        repository.clean_commit(["sweeps.yaml"])
    for number in range(3):
        (folder / f"new {number}").touch()
    git("add --all")
    with pytest.raises(UserError, match=r"and new 0, new 1, new 2 and 2 more differ"):
        repository.clean_commit([])


def test_what_the_command_itself_writes_may_differ_wherever_it_is(folder, git):
    (folder / "params.yaml").write_text("changed")
    assert repository.clean_commit(["params.yaml"]) == git("rev-parse HEAD")
    for path in (folder / "params.yaml", "./params.yaml"):
        assert repository.clean_commit([path, "/elsewhere/sweep.csv", "../sweep.csv"])


def test_a_file_is_read_at_several_commits(folder, git, store):
    texts = ["no newline at the end", "", "ä\n\nx missing\n"]
    commits = []
    for number, text in enumerate(texts):
        (folder / "file").write_text(text, encoding="utf-8")
        commits.append(store(f"trial-s{number}"))
    assert git_reader.read(commits, "file") == texts
    with pytest.raises(UserError, match=rf"commit {commits[1][:7]} has no nosuch"):
        git_reader.read(commits[1:], "nosuch")


def test_a_revision_or_the_name_of_an_experiment_stands_for_a_commit(folder, git, store):
    first = git("rev-parse HEAD")
    old, alone = store("fast"), store("alone")
    assert git_reader.commit_of("HEAD") == git_reader.commit_of(first[:8]) == first
    git("commit --quiet --allow-empty --message=next")
    (folder / "result").write_text("99 %")
    assert store("fast") == git_reader.commit_of("fast") != old  # the one of HEAD
    assert git_reader.commit_of("alone") == alone
    git("commit --quiet --allow-empty --message=last")
    for name, found in (("fast", "2"), ("nosuch", "no"), ("--all", "no")):
        with pytest.raises(UserError, match=f"git knows {found} revisions or experiments {name}"):
            git_reader.commit_of(name)


def test_an_experiment_is_taken_in_with_its_data_and_git_sees_no_change(git, bundled, tmp_path):
    commit, bundle = bundled()
    assert names_of_experiments() == {}
    repository.adopt(bundle, {"files/md5/ab/cd": b"digits"}, tmp_path / "cache")
    assert names_of_experiments() == {"default-s42": commit}
    assert git_reader.read([commit], "result") == ["99 %"]
    assert (tmp_path / "cache/files/md5/ab/cd").read_bytes() == b"digits"
    assert git("status --porcelain --untracked-files=no") == ""


def test_an_experiment_stored_meanwhile_is_not_overwritten(folder, store, bundled, tmp_path):
    _, bundle = bundled()
    (folder / "result").write_text("98 %")
    stored = store("default-s42")
    with pytest.raises(UserError, match=r"git update-ref: .*default-s42"):
        repository.adopt(bundle, {}, tmp_path / "cache")
    assert names_of_experiments() == {"default-s42": stored}


def test_half_a_bundle_is_not_taken_in(folder, bundled):
    with pytest.raises(UserError, match=r"^git [a-z-]+: "):
        repository.adopt(bundled()[1][:-30], {}, folder)
    assert names_of_experiments() == {}


def test_a_trial_whose_experiment_cannot_be_taken_in_does_not_end_the_sweep(monkeypatch, capsys):
    trials = [Trial(setting, 42, ()) for setting in ("taken", "free")]
    cluster, repository = MagicMock(), MagicMock()
    cluster.room.return_value = 0, 1
    outcome = Outcome("here", "", b"")
    cluster.run_trials.return_value = [(trials[0], outcome), None, (trials[1], outcome)]
    repository.adopt.side_effect = [UserError("there is one of that name"), None]
    monkeypatch.setattr(sweep, "cluster", cluster)
    monkeypatch.setattr(sweep, "repository", repository)
    arguments = Namespace(address=None, cpus=1, gpus=0, no_install=False)
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
    monkeypatch.setitem(
        sys.modules, "ray", Mock(get=lambda cargo: (b"history", {"files/md5/ab/cd": b"digits"}))
    )
    bundle = prepare(tmp_path / "ours", "0" * 40, [None])
    assert bundle.read_bytes() == b"history"
    bundle.parent.chmod(0o777)
    with pytest.raises(RuntimeError, match="ours is not ours alone"):
        prepare(tmp_path / "ours", "0" * 40, [None])


def test_a_shallow_clone_is_told_how_to_become_a_whole_one(folder, git, store, tmp_path, monkeypatch):
    (folder / "more").touch()
    git("add more")
    git("commit --quiet --message=more")
    assert repository.history().startswith(b"# v2 git bundle")
    git(f"clone --quiet --depth 1 file://{folder} {tmp_path / 'shallow'}")
    monkeypatch.chdir(tmp_path / "shallow")
    with pytest.raises(UserError, match="git fetch --unshallow"):
        repository.history()


def test_seconds_of_training_are_noted_by_commit_and_experiment(folder):
    (folder / ".dvc").mkdir()
    assert repository.noted("one") == {}
    repository.note("one", "default-s42", Seconds(10.04, 15.5))
    repository.note("two", "default-s42", Seconds(1, 2))
    repository.note("one", "default-s43", Seconds(3, 4))
    assert repository.noted("one") == {"default-s42": Seconds(10.04, 15.5), "default-s43": Seconds(3, 4)}
