"""`python -m scripts.evaluate` measures a network from anywhere as the pipeline measures its own."""

import shutil

import pandas as pd
import pytest
from project import ROOT

from mnist_moved.evaluation.curves import breaking_points
from mnist_moved.report.figures import broken_at
from mnist_moved.params import load_params
from scripts.evaluate import identity


@pytest.fixture(scope="module")
def judged(finished, tmp_path_factory):
    """Where it put what it measured of the run's own network and of the baseline, and what it printed."""
    folder = tmp_path_factory.mktemp("judged")
    shutil.copy(finished / "models/model.keras", folder / "mine.keras")
    shutil.copy(finished / "models/baselines/mnist.keras", folder / "example.keras")
    files = f"{folder}/mine.keras {folder}/example.keras"
    options = f"--out {folder} --table {folder}/models.csv"
    said = finished.run(f"python -m scripts.evaluate {files} {options}").stdout
    return folder, said


def test_the_network_of_the_run_gets_the_very_tables_of_the_run(judged, finished):
    folder, said = judged
    assert "mine.keras: images (n, 28, 28), 0 to 255, to probabilities; " in said
    tables = {path.relative_to(folder / "mine"): path for path in (folder / "mine").rglob("*.csv")}
    there = {
        path.relative_to(finished / "plots/evaluation")
        for path in (finished / "plots/evaluation").rglob("*.csv")
    }
    assert set(tables) == there
    for name, path in tables.items():
        assert path.read_text() == (finished / "plots/evaluation" / name).read_text()
    for picture in ("accuracy_by_test_set.png", "accuracy_by_strength.png"):
        assert (folder / "mine" / picture).read_bytes().startswith(b"\x89PNG")


def test_it_prints_each_set_beside_this_network_and_the_baseline(judged, finished):
    accounts = finished.read_json("metrics/evaluation.json")
    rows = [line.split() for line in judged[1].splitlines()]
    own, own_breaks, example, _ = [row for row in rows if row[:1] == ["rotate"]]
    ours, baseline = (f"{accounts['rotate'][key]:.2%}" for key in ("accuracy", "baseline_accuracy"))
    assert own == ["rotate", ours, ours, baseline]
    assert example == ["rotate", baseline, ours, baseline]
    curves = pd.read_csv(finished / "plots/evaluation/curves.csv")
    point = breaking_points(curves, 0.95)["rotate"]
    breaks = broken_at(point, [0, 30, 90])
    assert " ".join(own_breaks).startswith(f"rotate {breaks} {breaks} ")


def test_what_it_writes_can_be_compared(judged, finished):
    folder, _ = judged
    compared = finished.run(f"python -m scripts.compare {folder}/example {folder}/mine").stdout
    assert compared.startswith(f"{folder}/mine compared with {folder}/example:")


def test_a_row_is_added_renewed_and_never_mixed_with_those_of_other_images(judged, finished, tmp_path):
    folder, _ = judged
    table = pd.read_csv(folder / "models.csv").set_index("network")
    summary = finished.read_json("metrics/summary.json")
    row = table.loc["mine.keras"]
    assert [row[name] for name in ("clean", "repositioned", "worst")] == [
        summary[name] for name in ("clean", "repositioned", "worst")
    ]
    assert row["parameters"] == 61_418
    assert len(table) == 2
    assert table["mean"].is_monotonic_decreasing

    command = (
        f"python -m scripts.evaluate {folder}/mine.keras --scale '0 to 255' --table {tmp_path}/models.csv"
    )
    (tmp_path / "models.csv").write_bytes((folder / "models.csv").read_bytes())
    finished.run(command)
    assert (tmp_path / "models.csv").read_bytes() == (folder / "models.csv").read_bytes()
    table.reset_index().assign(images="others").to_csv(tmp_path / "models.csv", index=False)
    before = (tmp_path / "models.csv").read_bytes()
    refused = finished.run(command, code=1)
    assert refused.stderr.endswith(
        "evaluated on other images, or with another evaluate.breaking_accuracy; name another table\n"
    )
    assert (tmp_path / "models.csv").read_bytes() == before


def test_breaking_points_of_another_limit_belong_into_another_table():
    params = load_params(ROOT / "params.yaml")
    other = params.evaluate.model_copy(update={"breaking_accuracy": 0.5})
    assert identity({}, params) != identity({}, params.model_copy(update={"evaluate": other}))


def test_a_file_that_is_no_network_ends_it_before_any_is_measured(judged, finished, tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"PK")
    files = f"{judged[0]}/mine.keras {tmp_path}/broken.keras"
    ended = finished.run(f"python -m scripts.evaluate {files} --out {tmp_path}/out", code=1)
    assert ended.stderr.startswith(f"error: {tmp_path}/broken.keras: expected a Keras file, which is a")
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()
