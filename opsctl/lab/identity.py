"""Which process a PID means: PIDs are reused, a PID with its start time is not.

Used by ``opsctl lab down`` so that it never signals a stranger that was given an old PID.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import msgspec

from opsctl.errors import Unavailable

HOST = "127.0.0.1"


class Process(msgspec.Struct, frozen=True):
    """A process that was started by the lab. ``started``: the operating system's word for its start time."""

    pid: int
    started: str


def _from_proc(pid: int) -> str | None:
    """Start time in clock ticks since boot; "" when the process is gone or a zombie; None without /proc."""
    if not Path("/proc/self/stat").exists():
        return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold spaces
    if fields[0] in "ZX":
        return ""
    with contextlib.suppress(OSError):
        return f"{fields[19]}@{Path('/proc/sys/kernel/random/boot_id').read_text().strip()[:8]}"
    return fields[19]


def start_time(pid: int) -> str:
    """An opaque word that tells this process from a later one with the same PID; "" if there is none."""
    found = _from_proc(pid)
    if found is not None:
        return found
    asked = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/bin:/usr/bin"},
    )
    state, _, started = asked.stdout.strip().partition(" ")
    return "" if not state or state.startswith("Z") else " ".join(started.split())


def process(pid: int) -> Process:
    """The identity of a process that runs now."""
    return Process(pid, start_time(pid))


def is_alive(one: Process) -> bool:
    """Whether exactly this process still runs."""
    return bool(one.started) and start_time(one.pid) == one.started


def end(processes: list[Process], patience: float = 5.0, first: signal.Signals = signal.SIGTERM) -> list[Process]:
    """Ask these processes to end, then make them; returns those that still run (normally none)."""
    left = [p for p in processes if is_alive(p)]
    for number, wait in ((first, patience), (signal.SIGKILL, 3.0)):
        for one in left:
            if is_alive(one):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(one.pid, number)
        deadline = time.monotonic() + wait
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            _reap(left)
            left = [p for p in left if is_alive(p)]
        if not left:
            break
    return left


def _reap(processes: list[Process]) -> None:
    """Collect our own children, so that they do not stay as zombies."""
    for one in processes:
        with contextlib.suppress(ChildProcessError, OSError):
            os.waitpid(one.pid, os.WNOHANG)


def free_ports(count: int) -> list[int]:
    """So many different ports on 127.0.0.1 that nobody listens on now.

    Below the range that systems take for outgoing connections, so that none is taken before its server listens.
    """
    import random

    found: list[int] = []
    for port in random.sample(range(20000, 32000), 4000):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise Unavailable("no free ports between 20000 and 32000 on 127.0.0.1")
