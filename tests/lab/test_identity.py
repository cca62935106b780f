"""A PID alone means nothing: only the process that was written down may be signalled."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from opsctl.lab.identity import Process, end, free_ports, is_alive, process, start_time

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)",
]


def test_a_process_is_known_again_until_it_ends():
    child = subprocess.Popen(SLEEPER)
    one = process(child.pid)
    assert one.started
    assert is_alive(one)
    assert end([one]) == []
    assert not is_alive(one)
    assert start_time(child.pid) == ""


def test_another_process_with_the_same_pid_is_left_alone():
    child = subprocess.Popen(SLEEPER)
    try:
        stranger = Process(child.pid, "some other start time")
        assert not is_alive(stranger)
        assert end([stranger]) == []
        time.sleep(0.2)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_one_that_ignores_the_polite_signal_is_killed():
    child = subprocess.Popen(STUBBORN, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert end([process(child.pid)], patience=0.3) == []
    child.stdout.close()


def test_a_zombie_counts_as_ended():
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while start_time(child.pid) and time.monotonic() < until:  # not waited for: it stays as a zombie
        time.sleep(0.05)
    assert start_time(child.pid) == ""
    child.wait()


def test_ps_tells_the_same_process_from_a_later_one_where_there_is_no_proc(monkeypatch):
    monkeypatch.setattr("opsctl.lab.identity._from_proc", lambda pid: None)
    if not os.access("/bin/ps", os.X_OK):
        return
    assert start_time(os.getpid()) == start_time(os.getpid()) != ""
    child = subprocess.Popen(SLEEPER)
    one = process(child.pid)
    assert is_alive(one)
    child.kill()
    child.wait()
    assert not is_alive(one)


def test_free_ports_are_different():
    ports = free_ports(20)
    assert len(set(ports)) == 20
