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
    ("error", "end", "message"),
    [
        (UserError("epochs: got 0"), SystemExit, "^error: epochs: got 0$"),
        (KeyboardInterrupt, SystemExit, "^130$"),
        (OSError(errno.ENOSPC, "No space left"), SystemExit, r"^error: No space left\. Mend that and run"),
        (OSError("without a number, so a bug of a library"), OSError, "without a number"),
    ],
)
def test_ctrl_c_and_what_a_user_can_mend_end_with_one_line_and_a_bug_does_not(capsys, error, end, message):
    with pytest.raises(end, match=message):
        run(Mock(side_effect=error))
    assert capsys.readouterr().err == (INTERRUPTED if error is KeyboardInterrupt else "")


@pytest.mark.parametrize("folder", [ROOT, ROOT / "tests"])
def test_a_program_runs_in_the_top_folder_in_whatever_characters_the_terminal_has(folder):
    code = "from mnist_moved.command import run; run(lambda: print('98 ± 1'))"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    if folder == ROOT:
        assert (done.returncode, done.stdout, done.stderr) == (0, "98 \\xb1 1\n", "")
    else:
        where = "error: params.yaml not found: run this from the top folder of the project\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", where)


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
