"""A stage or a script ends with one message and the right exit code, whatever happens to it."""

import errno
import subprocess
import sys
from subprocess import PIPE, Popen
from unittest.mock import Mock

import pytest
from project import ROOT

from mnist_moved.command import UserError, run, run_stage


def test_ctrl_c_and_what_a_user_can_mend_end_with_one_line(capsys):
    with pytest.raises(SystemExit, match=r"^error: epochs: got 0$"):
        run(Mock(side_effect=UserError("epochs: got 0")))
    with pytest.raises(SystemExit, match=r"^130$"):
        run(Mock(side_effect=KeyboardInterrupt))
    assert capsys.readouterr().err == "\ninterrupted; what was finished is kept\n"


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("now", 2)])
def test_a_stage_that_is_asked_for_help_or_more_does_not_run(monkeypatch, capsys, argument, code):
    monkeypatch.setattr(sys, "argv", ["train", argument])
    with pytest.raises(SystemExit, match=f"^{code}$"):
        run_stage(Mock(side_effect=AssertionError), "The manual.")
    assert ("The manual." in capsys.readouterr().out) == (code == 0)


def test_a_full_disk_that_names_no_file_ends_with_one_message():
    with pytest.raises(SystemExit, match=r"^error: No space left on device\. Mend that and run"):
        run(Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))


def test_a_bug_of_a_library_shows_its_traceback():
    with pytest.raises(OSError, match="without a number"):
        run(Mock(side_effect=OSError("without a number")))


# Python writes a short text at its end, a long one at once.
@pytest.mark.parametrize("main", ["print('x')", "(print('x'), sys.exit(3))", "print('x' * 10**6)"])
def test_a_reader_who_has_had_enough_is_not_complained_to(main):
    command = [sys.executable, "-c", f"import sys, mnist_moved.command as c; c.run(lambda: {main})"]
    with Popen(command, cwd=ROOT, env={}, stdout=PIPE, stderr=PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_what_a_user_can_mend_ends_a_program_in_one_line_while_it_is_still_being_imported():
    code = "import stages; from mnist_moved.command import UserError; raise UserError('mend it')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (1, "error: mend it\n")


@pytest.mark.parametrize("package", ["stages", "scripts", "benchmarks"])
def test_ctrl_c_while_a_program_is_still_being_imported_ends_it_in_one_line(package):
    code = f"import {package}, os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "\ninterrupted; what was finished is kept\n")


def test_ctrl_c_while_the_page_imports_gradio_ends_it_in_one_line():
    code = """
import runpy, sys
class Interrupt:
    def find_spec(name, *_):
        if name == "gradio":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt)
runpy.run_path("app.py")
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "\ninterrupted; what was finished is kept\n")


def test_the_page_without_gradio_says_what_to_install():
    code = "import runpy, sys; sys.modules['gradio'] = None; runpy.run_path('app.py')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the page needs Gradio: `pip install -r requirements-app.txt`")
