"""A file is written whole or not at all, and a failed write names it."""

import errno

import pytest

from mnist_moved.files import keep_only, whole_file, write_json, write_text


def write(path, content, error=None):
    with whole_file(path) as partial:
        partial.write_text(content)
        if error:
            raise error


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_file_appears_when_it_is_whole_in_the_folder_it_needs(tmp_path):
    with whole_file(tmp_path / "models/new/model.keras") as partial:
        partial.write_text("weights")
        # Other code passes over a hidden file, and libraries choose a format by the suffix.
        assert (partial.name[0], partial.suffix) == (".", ".keras")
        assert not (tmp_path / "models/new/model.keras").exists()
    assert contents(tmp_path / "models/new") == {"model.keras": "weights"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_failure_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path, error):
    write(tmp_path / "summary.json", "earlier")
    with pytest.raises(type(error)) as failure:
        write(tmp_path / "summary.json", "half", error)
    assert contents(tmp_path) == {"summary.json": "earlier"}
    if isinstance(error, OSError):  # which a full disk raises without the name of the file
        assert failure.value.filename == str(tmp_path / "summary.json")


def test_what_a_killed_run_left_is_overwritten_by_the_next(tmp_path):
    with whole_file(tmp_path / "digits.npz") as partial:
        partial.touch()
    partial.write_text("half of what a killed run wrote")
    write(tmp_path / "digits.npz", "whole")
    assert contents(tmp_path) == {"digits.npz": "whole"}


def test_json_is_indented_as_people_and_git_read_it(tmp_path):
    write_json(tmp_path / "summary.json", {"accuracy": 0.99})
    assert contents(tmp_path) == {"summary.json": '{\n  "accuracy": 0.99\n}\n'}


def test_what_was_not_just_written_is_deleted(tmp_path):
    for path in (tmp_path / "kept.csv", tmp_path / "folder/old.csv", tmp_path / ".half.partial.csv"):
        write_text(path, "text")
    keep_only(tmp_path, [tmp_path / "kept.csv"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "kept.csv"]
