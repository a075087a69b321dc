"""The notebook runs from top to bottom where `dvc repro` ran, and is kept with what it showed."""

import pytest
from project import ROOT

nbformat = pytest.importorskip("nbformat", reason="requirements-notebook.txt is not installed")
nbclient = pytest.importorskip("nbclient", reason="requirements-notebook.txt is not installed")

NOTEBOOK = "notebooks/explore.ipynb"


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_runs_from_top_to_bottom(finished):
    notebook = nbformat.read(finished / NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(finished / "notebooks")}}
    # A reply of the kernel is overlooked now and then, until this time (in seconds, for a cell) is over.
    nbclient.NotebookClient(notebook, timeout=120, resources=where).execute()
    pictures = [
        sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in code(notebook)
    ]
    assert sum(pictures) > 8


def test_the_notebook_is_kept_with_the_outputs_of_one_run():
    cells = code(nbformat.read(ROOT / NOTEBOOK, as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell.outputs for cell in cells[1:])
    assert (ROOT / NOTEBOOK).stat().st_size < 300_000
