"""A file is written whole or not at all, and a failed write names it."""

import errno
import math
import shutil

import pytest
from project import ROOT, Project

from mnist_moved.files import keep_only, whole_file, write_json, write_text


def write_half(path, error):
    with whole_file(path) as partial:
        partial.write_text("half")
        raise error


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_file_appears_when_it_is_whole_in_the_folder_it_needs_whatever_was_left_there(tmp_path):
    for content in ("weights", "later weights"):
        with whole_file(tmp_path / "new/model.keras") as partial:
            partial.write_text(content)
            # Other code passes over a hidden file, and libraries choose a format by the suffix.
            assert (partial.name[0], partial.suffix) == (".", ".keras")
            assert contents(tmp_path).get("new/model.keras") != content
        assert contents(tmp_path) == {"new/model.keras": content}
        partial.write_text("half of what a killed run wrote, and longer than what is written next")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_failure_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path, error):
    write_text(tmp_path / "summary.json", "earlier")
    with pytest.raises(type(error)) as failure:
        write_half(tmp_path / "summary.json", error)
    assert contents(tmp_path) == {"summary.json": "earlier"}
    if isinstance(error, OSError):  # which a full disk raises without the name of the file
        assert failure.value.filename == str(tmp_path / "summary.json")


def test_json_is_indented_and_what_was_not_just_written_is_deleted(tmp_path):
    for path in ("folder/old.csv", ".half.partial.csv"):
        write_text(tmp_path / path, "text")
    write_json(tmp_path / "summary.json", {"accuracy": 0.99})
    keep_only(tmp_path, [tmp_path / "summary.json"])
    assert contents(tmp_path) == {"summary.json": '{\n  "accuracy": 0.99\n}\n'}


def test_a_clone_has_the_same_bytes_whatever_line_ends_its_owner_has_git_make(environment, tmp_path):
    project = Project(tmp_path / "project", environment)
    project.begin_with_files_of(Project(ROOT, environment))
    project.commit()
    project.run("git clone --quiet --config core.autocrlf=true . ../clone")
    for folder in (project.folder, tmp_path / "clone"):
        shutil.rmtree(folder / ".git")
    assert project.contents("../clone") == project.contents(".")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_json_is_not_written(tmp_path, number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "summary.json", {"loss": number})
    assert contents(tmp_path) == {}
