"""A stage or script ends with one message and the right exit code, whatever happens to it."""

import errno
import subprocess
import sys

import pytest
from project import ROOT

from robustness.command import UserError, run, run_stage


def failing(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("epochs: got 0"), "error: epochs: got 0"),
        (
            PermissionError(errno.EACCES, "Permission denied", "data/raw"),
            "error: data/raw: Permission denied. Mend that and run the same command again.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "error: No space left on device. Mend that and run the same command again.",
        ),
    ],
)
def test_what_the_user_can_mend_ends_with_its_message_alone(error, message):
    with pytest.raises(SystemExit) as end:
        run(failing(error))
    assert end.value.code == message


def test_ctrl_c_ends_with_one_line_that_says_the_work_is_safe(capsys):
    with pytest.raises(SystemExit) as end:
        run(failing(KeyboardInterrupt()))
    assert end.value.code == 130
    [line] = capsys.readouterr().err.split("\n")[1:-1]  # the first begins with the terminal's ^C
    assert "safe" in line


@pytest.mark.parametrize("bug", [KeyError("zoom"), OSError("no errno")])
def test_a_bug_shows_its_traceback(bug):
    with pytest.raises(type(bug)):
        run(failing(bug))


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_who_has_had_enough_is_not_told_of_it(lines):
    main = f"lambda: [print('line') for _ in range({lines})]"
    with subprocess.Popen(
        [sys.executable, "-c", f"from robustness.command import run; run({main})"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 1


@pytest.mark.parametrize(
    ("argument", "code", "said"), [("--help", 0, "Fetch the files."), ("--fast", 2, "--fast")]
)
def test_a_stage_with_an_argument_does_not_run(monkeypatch, capsys, argument, code, said):
    monkeypatch.setattr(sys, "argv", ["download.py", argument])
    with pytest.raises(SystemExit) as end:
        run_stage(lambda: pytest.fail("it ran"), "Fetch the files.")
    assert end.value.code == code
    assert said in "".join(capsys.readouterr())


def test_a_stage_without_arguments_runs(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["download.py"])
    ran = []
    run_stage(lambda: ran.append(True), "Fetch the files.")
    assert ran
