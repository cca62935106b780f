"""The process ends at once, with everything said and cleaned up, whatever threads still wait."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import atexit, pathlib, sys, threading, time
from opsctl.cli.run import leave
atexit.register(lambda: pathlib.Path(sys.argv[1]).unlink())
threading.Thread(target=time.sleep, args=(120,)).start()  # a server that never answers
sys.stdout.write("x" * 100_000)
sys.stderr.write("told")
leave(3)
"""


def test_a_waiting_thread_keeps_nobody(tmp_path):
    secret = tmp_path / "key.pem"
    secret.write_text("what a driver wrote for itself")
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", PROGRAM, secret], capture_output=True, text=True, timeout=100)
    assert (done.returncode, len(done.stdout), done.stderr) == (3, 100_000, "told")
    assert time.monotonic() - began < 60
    assert not secret.exists()


@pytest.mark.parametrize("command", ["runbook list", "runbook lint -o json", "--help"])
def test_a_reader_that_went_away_wants_nothing(command, tmp_path):
    argv = f"{{ sleep 1; {sys.executable} -m opsctl {command}; echo $? >code; }} | true"
    done = subprocess.run(argv, shell=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "code").read_text() == "0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", ["runbook list", "runbook list -o json", "--help", "--version"])
def test_a_full_disk_is_told_apart_from_a_mistake_of_ours(command, tmp_path):
    argv = f"{sys.executable} -m opsctl {command} >/dev/full"
    done = subprocess.run(argv, shell=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 73
    assert done.stderr.count("\n") <= 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["runbook list", "runbook list -o json", "--help", "--version"])
def test_a_closed_stdout_is_no_mistake(command, tmp_path):
    argv = f"{sys.executable} -m opsctl {command} >&-"
    done = subprocess.run(argv, shell=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_stderr_keeps_the_exit_code(tmp_path):
    argv = f"{sys.executable} -m opsctl diagnose no-such-runbook 2>&-"
    done = subprocess.run(argv, shell=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (64, "")
