"""Two networks are compared digit by digit, two settings seed by seed, and only on the same images."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from project import Project

from mnist_moved.command import UserError
from mnist_moved.evaluation.metrics import SEEN, UNSEEN
from mnist_moved.evaluation.runs import NO_CURVES, Side, read_runs, read_side
from scripts.compare import compare, compare_runs, draw_comparison, main


def side(wrong=0, images=None, seed=None, **groups):
    """A network that is wrong in the first so many of 1000 digits of each set; SET=its group."""
    groups = groups or {"clean": "clean", "repositioned": SEEN}
    images = {name: name if images is None else images for name in groups}
    suites = pd.DataFrame({"group": groups, "images": images, "count": 1000, "accuracy": 1 - wrong / 1000})
    return Side(suites, dict.fromkeys(groups, np.arange(1000) >= wrong), NO_CURVES, seed)


def sides(*wrong, **groups):
    """A run for each number of wrong digits, with seeds 0, 1, ..."""
    return [side(number, seed=seed, **groups) for seed, number in enumerate(wrong)]


def curve(last, kind="rotate", strength="degrees"):
    """A curve that falls in a straight line from all digits right at 0 to this accuracy at 100."""
    rows = {"kind": kind, "strength": strength, "value": [0, 100], "images": ["clean", kind]}
    rows["accuracy"] = [1, last]
    return pd.DataFrame(rows)


def write(folder, side):
    (folder / "predictions").mkdir(parents=True)
    side.suites.rename_axis("suite").to_csv(folder / "suites.csv")
    if len(side.curves):
        side.curves.to_csv(folder / "curves.csv", index=False)
    for name, right in side.correct.items():
        table = pd.DataFrame({"label": 7, "predicted": np.where(right, 7, 1)})
        table.to_csv(folder / f"predictions/{name}.csv", index=False)


@pytest.fixture
def printed(monkeypatch, capsys):
    """What the command prints, by its arguments."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["compare", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def command(tmp_path, printed):
    """Compare two sides from the command line, and return what it prints."""

    def run(before, after):
        write(tmp_path / "before", before)
        write(tmp_path / "after", after)
        return printed(tmp_path / "before", tmp_path / "after")

    return run


@pytest.fixture
def experiment(tmp_path, environment, monkeypatch):
    """Store a side as an experiment, by name, of the last commit of a project that is the current folder."""
    project = Project(tmp_path / "project", environment)
    (project / ".dvc").mkdir(parents=True)
    (project / ".dvc/config").touch()
    (project / ".dvc/.gitignore").write_text("/tmp\n")
    project.run("git init --quiet")
    project.run("git config user.name Test")
    project.run("git config user.email test@example.org")
    project.commit()
    monkeypatch.chdir(project.folder)

    def store(name, side):
        shutil.rmtree(project / "plots", ignore_errors=True)
        write(project / "plots/evaluation", side)
        (project / "params.yaml").write_text(f"train: {{seed: {side.seed}}}\n")
        project.run("git add --all")
        tree, head = (
            project.run(f"git {words}").stdout.strip() for words in ("write-tree", "rev-parse HEAD")
        )
        commit = project.run(f"git commit-tree {tree} -p {head} -m {name}").stdout.strip()
        project.run(f"git update-ref refs/exps/{head[:2]}/{head[2:]}/{name} {commit}")

    store.project = project
    return store


@pytest.fixture
def table(tmp_path):
    """A sweep's table: three seeds of `plain` and of `better`, two of `few`, one of `single`."""
    settings = {"plain": (58, 60, 62), "better": (18, 20, 22), "few": (30, 31), "single": (40,)}
    trials = [
        run.suites.assign(setting=setting, seed=run.seed, experiment=f"{setting}-{run.seed}")
        for setting, wrong in settings.items()
        for run in sides(*wrong)
    ]
    pd.concat(trials).rename_axis("suite").to_csv(tmp_path / "sweep.csv")
    points = [
        curve(0.7 + number / 1000).assign(setting=setting, seed=seed)
        for setting, wrong in settings.items()
        for seed, number in enumerate(wrong)
    ]
    pd.concat(points).to_csv(tmp_path / "sweep-curves.csv", index=False)
    return tmp_path / "sweep.csv"


def row(output, name):
    [line] = [line.split() for line in output.splitlines() if line.startswith(name)]
    return line


def test_a_clear_difference_is_called_by_its_direction():
    assert list(compare(side(60), side(20))["verdict"]) == ["better", "better"]
    assert list(compare(side(20), side(60))["verdict"]) == ["worse", "worse"]
    assert list(compare(side(30), side(30))["verdict"]) == ["no difference shown"] * 2


def test_only_sets_of_the_same_images_are_compared():
    after = side(20, clean="clean", fog=UNSEEN)
    assert list(compare(side(60), after).index) == ["clean"]
    with pytest.raises(UserError, match="evaluated on different images"):
        compare(side(60), side(20, images="other"))


def test_the_picture_says_on_how_many_sets_it_is_better():
    [axes] = draw_comparison(compare(side(60), side(20)), "old", "new").axes
    assert "new is better than old\non 2 of 2 sets, worse on 0" in {
        axes.get_title(loc) for loc in ("left", "center")
    }


def test_the_command_prints_a_row_a_set_and_the_mean_of_each_group(command):
    output = command(
        side(60, clean="clean", rotate=SEEN, fog=UNSEEN), side(20, clean="clean", rotate=SEEN, fog=UNSEEN)
    )
    line = row(output, "rotate")
    assert line[:4] + line[6:8] + line[9:] == ["rotate", "94.00%", "98.00%", "+4.00", "0", "40", "better"]
    assert "mean of 1 sets of kinds in the augmentation: 94.00% before, 98.00% after" in output
    assert "mean of 1 sets of other kinds: 94.00% before, 98.00% after" in output
    assert "not compared" not in output
    assert "cannot tell how much either would differ with another seed; `python -m scripts.sweep`" in output


def test_the_command_says_why_a_set_is_left_out(command):
    before, after = (
        side(clean="clean", rotate=SEEN, fog=UNSEEN),
        side(clean="clean", rotate=SEEN, edges=UNSEEN),
    )
    after.suites.loc["rotate", "images"] = "others"
    output = command(before, after)
    assert "not compared, their images differ: rotate\n" in output
    assert "not compared, only before: fog\n" in output
    assert "not compared, only after: edges\n" in output


def test_each_set_is_judged_by_its_own_labels(tmp_path):
    write(tmp_path / "side", side(100))
    pd.DataFrame({"label": [1, 2, 3], "predicted": [1, 2, 9]}).to_csv(
        tmp_path / "side/predictions/clean.csv", index=False
    )
    correct = read_side(str(tmp_path / "side")).correct
    assert correct["clean"].tolist() == [True, True, False]
    assert correct["repositioned"].mean() == 0.9


def test_what_is_neither_folder_nor_revision_is_refused(tmp_path):
    with pytest.raises(UserError, match="no-such-revision: expected a folder with"):
        read_side("no-such-revision")
    with pytest.raises(UserError, match="expected a folder"):
        read_side(str(tmp_path))


def test_a_clear_difference_between_settings_is_called_by_its_direction():
    few, many = sides(18, 20, 22), sides(58, 60, 62)
    assert list(compare_runs(many, few)["verdict"]) == ["better", "better"]
    assert list(compare_runs(few, many)["verdict"]) == ["worse", "worse"]
    assert list(compare_runs(sides(40, 60, 80), sides(30, 50, 75))["verdict"]) == ["no difference shown"] * 2


def test_settings_whose_seeds_agree_to_the_digit_get_a_verdict():
    assert list(compare_runs(sides(20, 20), sides(20, 20))["verdict"]) == ["no difference shown"] * 2
    assert list(compare_runs(sides(20, 20), sides(19, 19))["verdict"]) == ["no difference shown"] * 2
    assert list(compare_runs(sides(900, 900), sides(0, 0))["verdict"]) == ["better"] * 2


def test_digits_are_lost_and_gained_between_runs_with_the_same_seed():
    before = [side(60, seed=1), side(40, seed=2), side(40, seed=3)]
    after = [side(10, seed=4), side(30, seed=3), side(70, seed=2)]
    assert compare_runs(before, after).loc["clean", ["lost", "gained"]].tolist() == [15, 5]


def test_experiments_are_compared_by_the_pattern_of_their_names(experiment, printed):
    for seed in (0, 3):
        experiment(f"old-{seed}", side(999, seed=seed))
    experiment.project.run("git commit --quiet --allow-empty --message=next")
    for seed, wrong in enumerate((58, 60, 62)):
        experiment(f"old-{seed}", side(wrong, seed=seed))  # of HEAD, so that those before are not meant
        experiment(f"new-{seed}", side(wrong - 40, seed=seed))
    experiment("new-late", side(999, seed=9))
    output = printed("old-*", "new-[0-9]")
    change = ["94.00%", "±", "0.20", "98.00%", "±", "0.20", "+4.00", "±", "0.45", "0.0", "40.0"]
    assert row(output, "clean ")[1:-2] == change
    assert row(output, "clean ")[-1] == "better"
    mean = "94.00% ± 0.20 before, 98.00% ± 0.20 after, change +4.00 ± 0.45"
    assert f"mean of 1 sets of kinds in the augmentation: {mean}\n" in output
    assert "fewer than" not in output
    assert "one run a side" not in output
    with pytest.raises(
        UserError, match=r"several runs on both sides, or one on each.* 3 of old-\*, 1 of new-0"
    ):
        printed("old-*", "new-0")


def test_experiments_on_different_commits_are_no_setting(experiment):
    experiment("old-0", side(seed=0))
    experiment.project.run("git commit --quiet --allow-empty --message=next")
    experiment("old-1", side(seed=1))
    assert [run.seed for run in read_runs("old-*")] == [1]
    experiment.project.run("git commit --quiet --allow-empty --message=next")
    with pytest.raises(
        UserError, match=r"old-\*: expected experiments on one commit, found some on \w+ and "
    ):
        read_runs("old-*")


def test_a_pattern_that_no_experiment_matches_says_which_there_are(experiment):
    with pytest.raises(UserError, match=r"new-\*: no experiment .* there are: none"):
        read_runs("new-*")
    experiment("old-0", side(seed=0))
    experiment("old-1", side(seed=1))
    with pytest.raises(UserError, match=r"new-\*: no experiment .* there are: old-0, old-1"):
        read_runs("new-*")


def test_two_runs_of_one_seed_are_refused(experiment, table):
    experiment("augment-false-0", side(60, seed=0))
    experiment("augment-true-0", side(20, seed=0))
    with pytest.raises(UserError, match="augment-false-0 and augment-true-0, both of seed 0"):
        read_runs("augment-*")
    trials = pd.read_csv(table)
    trials.replace("few", "plain").to_csv(table, index=False)
    with pytest.raises(UserError, match="few-0 and plain-0, both of seed 0"):
        read_runs(f"{table}:plain")
    pd.concat([trials, trials]).to_csv(table, index=False)
    with pytest.raises(UserError, match="plain-0 and plain-0, both of seed 0"):
        read_runs(f"{table}:plain")


def test_only_sets_that_are_the_same_in_all_runs_of_a_side_are_compared(experiment, printed):
    for seed, fog in enumerate(("fog", "fog", "other")):
        more = {"edges": UNSEEN} if seed else {}
        run = side(20 + seed, seed=seed, clean="clean", fog=UNSEEN, **more)
        run.suites.loc["fog", "images"] = fog
        experiment(f"old-{seed}", run)
        experiment(f"new-{seed}", side(seed=seed, clean="clean", fog=UNSEEN, edges=UNSEEN, zigzag=SEEN))
    output = printed("old-*", "new-*")
    assert row(output, "clean")[-1] == "better"
    assert "not compared, their images differ: fog\n" in output
    assert "not compared, not in every run: edges\n" in output
    assert "not compared, only after: zigzag\n" in output


def test_it_says_at_what_strength_either_side_breaks_if_both_have_the_curve(command):
    fog, zigzag = curve(1, "fog", "opacity"), curve(0.8, "zigzag", "thickness")
    before = side()._replace(curves=pd.concat([curve(0.8), curve(0.8, "blur", "sigma"), fog, zigzag]))
    zigzag = zigzag.replace({"images": {"zigzag": "others"}})
    after = side()._replace(curves=pd.concat([curve(0.9), curve(0.8, "blur", "pixels"), fog, zigzag]))
    output = command(before, after)
    assert row(output, "below") == ["below", "95%", "from", "before", "after", "strength"]
    assert row(output, "rotate") == ["rotate", "25", "50", "degrees"]
    assert row(output, "fog") == ["fog", "beyond", "100", "beyond", "100", "opacity"]
    assert "blur" not in output
    assert "zigzag" not in output


def test_runs_without_curves_are_compared_by_their_sets(command):
    assert "below" not in command(side()._replace(curves=curve(0.8)), side())


def test_breaking_points_are_means_over_the_seeds_of_a_table(table, printed):
    line = row(printed(f"{table}:plain", f"{table}:better"), "rotate")
    assert line == ["rotate", "20.8", "±", "0.2", "17.9", "±", "0.2", "degrees"]


def test_settings_of_a_table_are_compared_without_digits(table, printed):
    line = row(printed(f"{table}:plain", f"{table}:better"), "repositioned")
    assert line[1:12] == ["94.00%", "±", "0.20", "98.00%", "±", "0.20", "+4.00", "±", "0.45", "-", "-"]
    assert line[-1] == "better"


def test_a_setting_that_the_table_lacks_is_told_from_those_that_it_has(table, tmp_path):
    for name, found in ((f"{table}:best", "best"), (str(table), "none")):
        with pytest.raises(UserError, match=f"plain, better, few, single; found {found}"):
            read_runs(name)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"expected a table of `python -m scripts\.sweep`; KeyError"):
        read_runs(str(tmp_path / "other.csv:plain"))


def test_it_prints_markdown_for_a_pull_request(table, printed):
    output = printed(f"{table}:plain", f"{table}:better", "--md")
    heads = [line.split("|")[1].strip() for line in output.splitlines() if line.startswith("| ")]
    assert heads == ["set", "clean", "repositioned", "below 95% from", "rotate"]
    assert "| 94.00% ± 0.20 | 98.00% ± 0.20 |" in output


def test_it_prints_json_for_programs(table, printed):
    found = json.loads(printed(f"{table}:plain", f"{table}:better", "--json"))
    assert (found["before"], found["after"]) == (f"{table}:plain", f"{table}:better")
    account = found["sets"]["repositioned"]
    assert account["difference"] == pytest.approx(0.04)
    assert account["before_seeds"] == pytest.approx([0.942, 0.94, 0.938])
    assert account["lost"] is None
    assert found["breaking_points"]["rotate"] == {
        "strength": "degrees",
        "before": [pytest.approx(20.6, abs=0.1), pytest.approx(20.8, abs=0.1), pytest.approx(21, abs=0.1)],
        "after": [pytest.approx(17.7, abs=0.1), pytest.approx(17.9, abs=0.1), pytest.approx(18, abs=0.1)],
    }


def test_fewer_than_three_seeds_are_said_to_be_few(table, printed):
    assert "fewer than 3 seeds on a side" in printed(f"{table}:plain", f"{table}:few")
    assert "fewer than 3 seeds" not in printed(f"{table}:plain", f"{table}:better")


def test_one_run_is_not_compared_without_its_digits(table, tmp_path, printed):
    write(tmp_path / "one", side())
    with pytest.raises(UserError, match="one on each with its predictions; found 1 of"):
        printed(tmp_path / "one", f"{table}:single")


def test_the_picture_of_several_runs_has_a_dot_for_each_and_a_mark_for_their_mean():
    figure = draw_comparison(compare_runs(sides(58, 60, 62), sides(20, 21)), "old", "new")
    [axes], [legend] = figure.axes, figure.legends
    drawn = {dots.get_label(): dots.get_offsets().round(4) for dots in axes.collections[1:]}
    assert [text.get_text() for text in legend.get_texts()] == list(drawn)
    dots = pd.DataFrame(drawn["old, one seed each"]).groupby(1)[0].agg(sorted)
    assert dots.tolist() == [[0.938, 0.94, 0.942]] * 2
    assert drawn["old, mean of 3 seeds"][:, 0].tolist() == [0.94, 0.94]
    assert drawn["new, mean of 2 seeds"][:, 0].tolist() == [0.9795, 0.9795]
    assert axes.get_title("left") + axes.get_title() == "new is better than old\non 2 of 2 sets, worse on 0"
