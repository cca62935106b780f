"""Programs of this host: no shell, no variables but those of the list, bounded output, an end in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from opsctl.clients.command import find, run, started
from opsctl.errors import CouldNotLook

HERE = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "DATABASE_URL": "postgres://a:b@c/d", "AWS_SECRET": "x"}


def python(code, **more):
    return run([sys.executable, "-c", code], HERE, **{"timeout": 10.0, **more})


def test_output_and_exit_code():
    ran = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (ran.code, ran.out, ran.err) == (3, "out\n", "err\n")
    assert ran.words == "err"


def test_arguments_are_taken_as_they_are_and_no_shell_reads_them(tmp_path):
    ran = run(["printf", "%s|", "$HOME", "; touch x", "`id`", "*"], HERE, timeout=5, folder=str(tmp_path))
    assert ran.out == "$HOME|; touch x|`id`|*|"
    assert list(tmp_path.iterdir()) == []


def test_only_the_allowed_variables_and_those_that_are_given():
    ran = python("import os; print(sorted(os.environ))", more={"POOL": "30"})
    assert "DATABASE_URL" not in ran.out
    assert "AWS_SECRET" not in ran.out
    assert "'HOME'" in ran.out
    assert "'POOL'" in ran.out


def test_much_output_is_read_and_dropped():
    ran = python("import sys; sys.stdout.write('x' * 30_000_000); sys.stderr.write('done')")
    assert ran.code == 0
    assert len(ran.out) == 2**20
    assert ran.err == "done"


def test_no_input_and_a_session_of_its_own():
    ran = python("import os, sys; print(repr(sys.stdin.read()), os.getsid(0) == os.getpid())")
    assert ran.out == "'' True\n"


def test_at_the_deadline_it_is_told_to_end_and_may_tidy_up():
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: (print('tidy', flush=True), sys.exit(0)))\n"
    ran = python(code + "print('on', flush=True)\ntime.sleep(60)", timeout=2.0)
    assert ran.code is None
    assert ran.out == "on\ntidy\n"
    assert ran.seconds < 10


def test_what_it_started_and_left_running_keeps_nobody_waiting(tmp_path):
    """A restart script's service holds the script's output open; it goes on, and we do not wait for it."""
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    begun = time.monotonic()
    ran = python(code, whole=False)
    pid = int(ran.out)
    try:
        assert ran.code == 0
        assert time.monotonic() - begun < 8
        assert started(pid) is not None
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("argv", "folder", "reason"),
    [
        (["no-such-program-here"], "", "not-found"),
        (["/etc/passwd"], "", "forbidden"),
        (["./restart.sh"], "", "not-configured"),
        (["true"], "/no/such/folder", "not-found"),
        (["true", "a\0b"], "", "bad-query"),
    ],
)
def test_what_cannot_be_started_has_done_nothing(argv, folder, reason):
    with pytest.raises(CouldNotLook) as raised:
        run(argv, HERE, timeout=5, folder=folder)
    assert raised.value.reason == reason


def test_a_program_below_the_adapters_folder(tmp_path):
    script = tmp_path / "restart.sh"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    assert run(["./restart.sh"], HERE, timeout=5, folder=str(tmp_path)).out.strip() == str(tmp_path)


def test_relative_folders_of_path_are_not_searched(tmp_path, monkeypatch):
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CouldNotLook):
        find("systemctl", {"PATH": ".:"})


def test_pid_and_start_time_name_one_process():
    child = subprocess.Popen(["sleep", "60"])
    ticks = started(child.pid)
    assert ticks is not None
    assert started(child.pid) == ticks
    assert started(os.getpid()) != ticks or os.getpid() != child.pid
    child.kill()
    child.wait()
    assert started(child.pid) is None


def test_secrets_in_what_it_says_are_not_shown():
    ran = python("import sys; sys.exit('error: password=hunter2222 is wrong')")
    assert "hunter" not in ran.words
    assert "error" in ran.words
