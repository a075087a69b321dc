"""A stage or a script ends with one message and the right exit code, whatever happens to it."""

import errno
import os
import subprocess
import sys
from subprocess import PIPE, Popen
from unittest.mock import Mock

import pytest
from project import ROOT

from mnist_moved.command import UserError, run, run_stage

INTERRUPTED = "\ninterrupted; what was finished is kept\n"
PROGRAMS = ["app.py", *(f"-cimport {package}, gradio" for package in ("stages", "scripts", "benchmarks"))]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("epochs: got 0"), "^error: epochs: got 0$"),
        (KeyboardInterrupt, "^130$"),
        (OSError(errno.ENOSPC, "No space left"), r"^error: No space left\. Mend that and run"),
    ],
)
def test_ctrl_c_what_a_user_can_mend_and_a_full_disk_end_with_one_line(capsys, error, message):
    with pytest.raises(SystemExit, match=message):
        run(Mock(side_effect=error))
    assert capsys.readouterr().err == (INTERRUPTED if error is KeyboardInterrupt else "")


def test_a_bug_of_a_library_shows_its_traceback():
    with pytest.raises(OSError, match="without a number"):
        run(Mock(side_effect=OSError("without a number")))


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("now", 2)])
def test_a_stage_that_is_asked_for_help_or_more_does_not_run(monkeypatch, capsys, argument, code):
    monkeypatch.setattr(sys, "argv", ["train", argument])
    with pytest.raises(SystemExit, match=f"^{code}$"):
        run_stage(Mock(side_effect=AssertionError), "The manual.")
    assert ("The manual." in capsys.readouterr().out) == (code == 0)


# Python writes a short text at its end, a long one at once.
@pytest.mark.parametrize("main", ["print('x')", "(print('x'), sys.exit(3))", "print('x' * 10**6)"])
def test_a_reader_who_has_had_enough_is_not_complained_to(main):
    command = [sys.executable, "-c", f"import sys, mnist_moved.command as c; c.run(lambda: {main})"]
    with Popen(command, cwd=ROOT, env={}, stdout=PIPE, stderr=PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("program", "error", "code", "said"),
    [
        *((program, "raise KeyboardInterrupt", 130, INTERRUPTED) for program in PROGRAMS),
        *((program, "raise UserError('mend it')", 1, "error: mend it\n") for program in PROGRAMS),
        ("app.py", "import nosuch", 1, "error: the page needs Gradio: `pip install -r requirements-app.txt`"),
    ],
)
def test_what_goes_wrong_while_a_program_is_still_being_imported_ends_it_in_one_line(
    tmp_path, program, error, code, said
):
    (tmp_path / "gradio.py").write_text(f"from mnist_moved.command import UserError\n{error}")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, program]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == code
    assert ended.stderr.startswith(said)
    assert ended.stderr.strip().count("\n") == 0
