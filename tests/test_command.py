"""A stage or a script ends with one message and the right exit code, whatever happens to it."""

import errno
import sys
from subprocess import PIPE, Popen
from unittest.mock import Mock

import pytest
from project import ROOT

from robustness.command import UserError, run, run_stage


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("epochs: got 0"), "epochs: got 0"),
        (OSError(errno.EACCES, "Permission denied", "data"), "data: Permission denied. Mend that and run"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device. Mend that and run"),
    ],
)
def test_what_the_user_can_mend_ends_with_its_message_alone(error, message):
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        run(Mock(side_effect=error))


def test_ctrl_c_ends_with_one_line_that_says_the_work_is_kept(capsys):
    with pytest.raises(SystemExit, match=r"^130$"):
        run(Mock(side_effect=KeyboardInterrupt))
    after_the_c, line = capsys.readouterr().err.splitlines()
    assert (after_the_c, "what was finished is kept" in line) == ("", True)


@pytest.mark.parametrize("bug", [KeyError("zoom"), OSError("of a library, without a number")])
def test_a_bug_shows_its_traceback(bug):
    with pytest.raises(type(bug)):
        run(Mock(side_effect=bug))


# Python writes a short text at its end, a long one at once.
@pytest.mark.parametrize("main", ["print('x')", "(print('x'), sys.exit(3))", "print('x' * 10**6)"])
def test_a_reader_who_has_had_enough_is_not_complained_to(main):
    command = [sys.executable, "-c", f"import sys, robustness.command as c; c.run(lambda: {main})"]
    with Popen(command, cwd=ROOT, env={}, stdout=PIPE, stderr=PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(("argument", "code", "said"), [("--help", 0, "My manual."), ("--fast", 2, "--fast")])
def test_a_stage_runs_only_without_an_argument(monkeypatch, capsys, argument, code, said):
    monkeypatch.setattr(sys, "argv", ["download.py", argument])
    with pytest.raises(SystemExit, match=f"^{code}$"):
        run_stage(lambda: 1 / 0, "My manual.")
    assert said in "".join(capsys.readouterr())
    sys.argv.remove(argument)
    with pytest.raises(ZeroDivisionError):
        run_stage(lambda: 1 / 0, "My manual.")
