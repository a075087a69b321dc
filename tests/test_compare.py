"""Two networks are compared digit by digit, two settings seed by seed, and only on the same images."""

import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from project import Project

from mnist_moved.command import UserError
from mnist_moved.evaluation.breaking import mean_in_words
from mnist_moved.evaluation.comparison import compare, compare_runs
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.runs import NO_CURVES, Run, read_run, read_runs
from scripts.compare import draw_comparison, main


def run(wrong=0, images=None, seed=None, **groups):
    """Of a network that is wrong in the first so many of 1000 digits of each test set; SET=its group."""
    groups = groups or {"clean": "clean", "repositioned": SEEN}
    columns = {"images_digest": {name: images or name for name in groups}, "accuracy": 1 - wrong / 1000}
    table = pd.DataFrame({"group": groups, "count": 1000} | columns)
    return Run(table, dict.fromkeys(groups, np.arange(1000) >= wrong), NO_CURVES, seed)


def runs(*wrong):
    """A run for each number of wrong digits, with seeds 0, 1, ..."""
    return [run(number, seed=seed) for seed, number in enumerate(wrong)]


def curve(last, perturbation="rotate", strength="degrees"):
    """A curve that falls in a straight line from all digits right at 0 to this accuracy at 100."""
    table = pd.DataFrame({"perturbation": perturbation, "strength": strength, "value": [0, 100]})
    return table.assign(images_digest=["clean", perturbation], accuracy=[1, last])


def write(folder, run):
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "predictions").mkdir(parents=True)
    run.test_sets.rename_axis("test_set").to_csv(folder / "test_sets.csv")
    if len(run.curves):
        run.curves.to_csv(folder / "curves.csv", index=False)
    for name, right in run.correct.items():
        table = pd.DataFrame({"label": 7, "predicted": np.where(right, 7, 1)})
        table.to_csv(folder / f"predictions/{name}.csv", index=False)
    return folder


@pytest.fixture
def printed(monkeypatch, capsys, tmp_path):
    """What the command prints, by its arguments; a run among them is written into a folder first."""

    def call(*arguments):
        words = [
            write(tmp_path / f"side{number}", each) if isinstance(each, Run) else each
            for number, each in enumerate(arguments)
        ]
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, words)])
        main()
        return capsys.readouterr().out

    return call


@pytest.fixture
def commit(tmp_path, environment, monkeypatch, request):
    """Store a run as the next commit, or under a name as an experiment of the last one, of a project that is
    the current folder; the parameter of the fixture is where in its git repository the project lies."""
    project = Project(tmp_path / "repository" / getattr(request, "param", "."), environment)
    project.folder.mkdir(parents=True)
    monkeypatch.chdir(project.folder)
    Project(tmp_path / "repository", environment).run("git init --quiet")

    def git(words):
        return project.run(f"git -c user.name=Test -c user.email=test@example.org {words}").stdout.strip()

    def store(run, name=None):
        write(project / "plots/evaluation", run)
        (project / "params.yaml").write_text(f"train: {{seed: {run.seed}}}\n")
        git("add --all")
        if name is None:
            git("commit --quiet --allow-empty --message=next")
        else:
            tree, head = git("write-tree"), git("rev-parse HEAD")
            stored = git(f"commit-tree {tree} -p {head} -m {name}")
            git(f"update-ref refs/exps/{head[:2]}/{head[2:]}/{name} {stored}")

    git("commit --quiet --allow-empty --message=first")
    return store


@pytest.fixture
def table(tmp_path):
    """A sweep's table: three seeds of `plain` and of `better`, two of `few`, one of `single`."""
    trials, curves = [], []
    settings = {"plain": (58, 60, 62), "better": (18, 20, 22), "few": (30, 31), "single": (40,)}
    for setting, wrong in settings.items():
        for seed, number in enumerate(wrong):
            trial = {"setting": setting, "seed": seed, "experiment": f"{setting}-{seed}"}
            trials.append(run(number).test_sets.assign(**trial))
            curves.append(curve(0.7 + number / 1000).assign(**trial))
    pd.concat(trials).rename_axis("test_set").to_csv(tmp_path / "sweep.csv")
    pd.concat(curves).to_csv(tmp_path / "sweep-curves.csv", index=False)
    return tmp_path / "sweep.csv"


def row(output, name):
    [line] = [line.split() for line in output.splitlines() if line.startswith(name)]
    return line


def test_a_clear_difference_is_called_by_its_direction():
    assert set(compare(run(20), run(60))["verdict"]) == {"worse"}
    assert set(compare_runs(runs(18, 20, 22), runs(58, 60, 62))["verdict"]) == {"worse"}
    assert set(compare_runs(runs(0, 90), runs(45, 46))["verdict"]) == {"no difference shown"}
    assert set(compare_runs(runs(20, 20), runs(19, 19))["verdict"]) == {"same within 0.5 points"}


def test_only_test_sets_that_are_the_same_in_all_runs_are_compared(commit, printed):
    for seed, fog in enumerate(("fog", "fog", "other")):
        more = {"edges": UNSEEN} if seed else {}
        old = run(20 + seed, seed=seed, clean="clean", fog=UNSEEN, stripe=SEEN, **more)
        old.test_sets.loc["fog", "images_digest"] = fog
        commit(old, f"old-{seed}")
        commit(run(seed=seed, clean="clean", fog=UNSEEN, edges=UNSEEN, zigzag=SEEN), f"new-{seed}")
    output = printed("old-*", "new-*")
    assert row(output, "clean")[-1] == "better"
    reasons = re.findall("not compared, (.*)\n", output)
    found = "their images differ: fog; not in every run: edges; only before: stripe; only after: zigzag"
    assert "; ".join(reasons) == found
    with pytest.raises(UserError, match="evaluated on different images"):
        compare(run(60), run(20, images="other"))


def test_the_command_prints_a_row_a_test_set_and_the_mean_of_each_group(printed):
    groups = {"clean": "clean", "rotate": SEEN, "fog": UNSEEN}
    output = printed(run(60, **groups), run(20, **groups))
    line = row(output, "rotate")
    assert line[:4] + line[6:8] + line[9:] == ["rotate", "94.00%", "98.00%", "+4.00", "0", "40", "better"]
    assert "mean of 1 seen test sets: 94.00% before, 98.00% after" in output
    assert "mean of 1 unseen test sets: 94.00% before, 98.00% after" in output
    assert "not compared" not in output
    assert "cannot tell how much either would differ with another seed; `python -m scripts.sweep`" in output


def test_each_test_set_is_read_with_its_own_labels(tmp_path):
    write(tmp_path / "side", run(100))
    digits = pd.DataFrame({"label": [1, 2, 3], "predicted": [1, 2, 9]})
    digits.to_csv(tmp_path / "side/predictions/clean.csv", index=False)
    correct = read_run(str(tmp_path / "side")).correct
    assert correct["clean"].tolist() == [True, True, False]
    assert correct["repositioned"].mean() == 0.9


def test_digits_are_lost_and_gained_between_runs_with_the_same_seed():
    after = [run(10, seed=4), run(30, seed=2), run(70, seed=1)]
    assert compare_runs(runs(60, 40, 40), after).loc["clean", ["lost", "gained"]].tolist() == [15, 5]


@pytest.mark.parametrize("commit", [".", "a part/of it"], indirect=True)
def test_revisions_and_experiments_are_read_wherever_in_its_repository_the_project_lies(commit, printed):
    commit(run(999, seed=0), "mine")
    commit(run(60, seed=0))
    commit(run(20, seed=0), "mine")  # of HEAD, so that the one before is not meant
    commit(run(30, seed=7), "other-7")  # what the workspace holds as well
    assert row(printed("HEAD", "mine"), "clean ")[1:3] == ["94.00%", "98.00%"]
    assert row(printed("HEAD"), "clean ")[1:3] == ["94.00%", "97.00%"]
    assert [each.seed for each in read_runs("other-*")] == [7]
    commit(run())
    with pytest.raises(UserError, match="git knows 2 revisions or experiments mine"):
        read_run("mine")


def test_what_is_neither_folder_nor_revision_is_refused(tmp_path, commit):
    found = {"no-such-revision": "git knows no revisions", str(tmp_path): "No such file"}
    for name, reason in (found | {"HEAD": r"commit \w+ has no plots/evaluation"}).items():
        with pytest.raises(UserError, match=f"{name}: expected a folder with .*{reason}"):
            read_run(name)


def test_experiments_are_compared_by_the_pattern_of_their_names(commit, printed):
    for seed, wrong in enumerate((58, 60, 62)):
        commit(run(wrong, seed=seed), f"old-{seed}")
        commit(run(wrong - 40, seed=seed), f"new-{seed}")
    commit(run(999, seed=9), "new-late")
    output = printed("old-*", "new-[0-9]")
    change = ["94.00%", "±", "0.20", "98.00%", "±", "0.20", "+4.00", "±", "0.45", "0.0", "40.0"]
    assert row(output, "clean ")[1:-2] == change
    mean = "94.00% ± 0.20 before, 98.00% ± 0.20 after, change +4.00 ± 0.45"
    assert f"mean of 1 seen test sets: {mean}\n" in output
    assert "one run a side" not in output
    with pytest.raises(UserError, match=r"several runs on both sides, .* 3 of old-\*, 1 of new-0"):
        printed("old-*", "new-0")


def test_experiments_that_are_no_setting_are_refused(commit):
    for there in ("none", "old-0, old-1"):
        with pytest.raises(UserError, match=rf"new-\*: no experiment .* there are: {there}"):
            read_runs("new-*")
        commit(run(seed=0), "old-0")
        commit(run(seed=0), "old-1")
    with pytest.raises(UserError, match="old-0 and old-1, both of seed 0"):
        read_runs("old-*")
    commit(run())
    commit(run(seed=2), "old-2")
    assert [each.seed for each in read_runs("old-*")] == [2]  # of HEAD, so that those before are not meant
    commit(run())
    with pytest.raises(UserError, match=r"old-\*: expected experiments on one commit, found some on \w+ and"):
        read_runs("old-*")


def test_settings_of_a_table_are_compared_without_digits(table, printed):
    output = printed(f"{table}:plain", f"{table}:better")
    line = row(output, "repositioned")
    assert line[1:12] == ["94.00%", "±", "0.20", "98.00%", "±", "0.20", "+4.00", "±", "0.45", "-", "-"]
    assert line[-1] == "better"
    assert row(output, "rotate") == ["rotate", "20.8", "±", "0.2", "17.9", "±", "0.2", "degrees"]
    assert "fewer than 3 seeds" not in output
    assert "fewer than 3 seeds on a side" in printed(f"{table}:plain", f"{table}:few")


def test_what_is_no_setting_of_a_table_is_refused(table, tmp_path, printed):
    for name, found in ((f"{table}:best", "best"), (str(table), "none")):
        with pytest.raises(UserError, match=f"plain, better, few, single; found {found}"):
            read_runs(name)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"expected a table of `python -m scripts\.sweep`; KeyError"):
        read_runs(str(tmp_path / "other.csv:plain"))
    with pytest.raises(UserError, match="one on each with its predictions; found 1 of"):
        printed(run(), f"{table}:single")
    trials = pd.read_csv(table)
    for repeated, other in ((trials.replace("few", "plain"), "few"), (pd.concat([trials] * 2), "plain")):
        repeated.to_csv(table, index=False)
        with pytest.raises(UserError, match=f"{other}-0 and plain-0, both of seed 0"):
            read_runs(f"{table}:plain")


def test_it_prints_markdown_for_a_pull_request(table, printed):
    output = printed(f"{table}:plain", f"{table}:better", "--md")
    heads = re.findall(r"^\| (.*?) +\|", output, re.MULTILINE)
    assert heads == ["test set", "clean", "repositioned", "below 95% from", "rotate"]
    assert "| 94.00% ± 0.20 | 98.00% ± 0.20 |" in output


def test_it_says_at_what_strength_either_side_breaks_if_both_have_the_curve(printed):
    fog, zigzag = curve(1, "fog", "opacity"), curve(0.8, "zigzag", "thickness")
    before = run()._replace(curves=pd.concat([curve(0.8), curve(0.8, "blur", "sigma"), fog, zigzag]))
    zigzag = zigzag.replace({"images_digest": {"zigzag": "others"}})
    after = run()._replace(curves=pd.concat([curve(0.9), curve(0.8, "blur", "pixels"), fog, zigzag]))
    output = printed(before, after)
    assert row(output, "below") == ["below", "95%", "from", "before", "after", "strength"]
    assert row(output, "rotate") == ["rotate", "25", "50", "degrees"]
    assert row(output, "fog") == ["fog", "beyond", "100", "beyond", "100", "opacity"]
    assert not re.search("blur|zigzag", output)
    assert "below" not in printed(before, run())


def test_a_breaking_point_that_nobody_measured_is_no_part_of_a_mean():
    five, one, never, already = (
        pd.DataFrame({"value": [0, 10, 20], "accuracy": accuracies})
        for accuracies in ([1, 0.9, 0.9], [1, 0.5, 0.5], [1, 1, 1], [0.5, 0.5, 0.5])
    )
    means = "3.00 ± 2.83", "5", "beyond 20 in 2 of 3", "at once in 1 of 3", "at once"
    sides = [five, one], [five, five], [five, never, never], [five, already, one], [already, already]
    assert tuple(mean_in_words(side, 0.95) for side in sides) == means


def test_the_figure_has_a_dot_for_each_run_and_says_on_how_many_test_sets_it_is_better():
    assert draw_comparison(compare(run(60), run(20)), "old", "new").axes
    figure = draw_comparison(compare_runs(runs(58, 60, 62), runs(20, 21)), "old", "new")
    [axes], [legend] = figure.axes, figure.legends
    assert axes.get_title() == "new is better than old\non 2 of 2 test sets, worse on 0"
    drawn = {dots.get_label(): dots.get_offsets().round(4) for dots in axes.collections[1:]}
    assert [text.get_text() for text in legend.get_texts()] == list(drawn)
    dots = pd.DataFrame(drawn["old, one seed each"]).groupby(1)[0].agg(sorted)
    assert dots.tolist() == [[0.938, 0.94, 0.942]] * 2
    for name, mean in (("old, mean of 3 seeds", 0.94), ("new, mean of 2 seeds", 0.9795)):
        assert drawn[name][:, 0].tolist() == [mean, mean]
