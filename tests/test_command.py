"""A file is written whole or not at all, and a stage that fails says why in one message."""

import errno

import pytest

from stages.shared.stage import StageError, remove_all_but, run, whole_file


def write(path, content):
    with whole_file(path) as partial:
        partial.write_text(content)


def write_half(path):
    with whole_file(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# whole_file


def test_a_file_appears_in_its_place_with_the_folders_it_needs(tmp_path):
    write(tmp_path / "models/new/model.keras", "weights")
    assert (tmp_path / "models/new/model.keras").read_text() == "weights"
    assert names(tmp_path / "models/new") == ["model.keras"]


def test_a_failure_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    write(tmp_path / "summary.json", "old")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "summary.json")
    assert (tmp_path / "summary.json").read_text() == "old"
    assert names(tmp_path) == ["summary.json"]


def test_what_a_killed_run_left_is_overwritten_by_the_next(tmp_path):
    with whole_file(tmp_path / "digits.npz") as partial:
        partial.touch()
    partial.write_text("half")
    assert partial.name.startswith(".")
    write(tmp_path / "digits.npz", "whole")
    assert names(tmp_path) == ["digits.npz"]


def test_the_temporary_file_keeps_the_suffix_by_which_libraries_choose_a_format(tmp_path):
    with whole_file(tmp_path / "model.keras") as partial:
        partial.touch()
        assert partial.suffix == ".keras"


def test_only_the_named_files_stay_in_a_folder(tmp_path):
    for name in ("kept", "stale", ".kept.partial"):
        (tmp_path / name).touch()
    remove_all_but(tmp_path, ["kept", "to come"])
    assert names(tmp_path) == ["kept"]


# run


def failing(error):
    def main():
        raise error

    return main


def test_a_fault_that_the_user_can_mend_ends_with_its_message_alone():
    with pytest.raises(SystemExit, match=r"^error: epochs: got 0$"):
        run(failing(StageError("epochs: got 0")))


def test_a_file_that_cannot_be_used_is_named():
    with pytest.raises(SystemExit, match=r"^error: data/raw: Permission denied\. Mend that and run"):
        run(failing(PermissionError(errno.EACCES, "Permission denied", "data/raw")))


def test_a_bug_shows_its_traceback():
    with pytest.raises(KeyError):
        run(failing(KeyError("zoom")))


def test_a_run_that_succeeds_ends_normally():
    ran = []
    run(lambda: ran.append(True))
    assert ran
