"""Starting a program for a test, waiting until it is ready, stopping it by PID.

Nothing may outlive a test run: a server is stopped by its fixture, else by ``atexit``, else (pytest itself was
killed) by a small guard process that sees its pipe close.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
_LOCKS: dict[int, int] = {}  # port -> open lock file: no second test run takes the port while this one lives
_live: list[Server] = []
logs: list[Path] = []  # of every server of this run; conftest keeps them when a test failed

_GUARD = """
import os, shutil, signal, sys, time
groups, folders = set(), set()
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    act, _, what = line.rstrip("\\n").partition(" ")
    if act in ("group", "ended"):
        (groups.add if act == "group" else groups.discard)(int(what))
    elif act in ("folder", "removed"):
        (folders.add if act == "folder" else folders.discard)(what)
for number in (signal.SIGTERM, signal.SIGKILL):
    for group in groups:
        try:
            os.killpg(group, number)
        except OSError:
            pass
    if groups:
        time.sleep(2)
for folder in folders:
    shutil.rmtree(folder, ignore_errors=True)
"""
_guard: subprocess.Popen[str] | None = None


class NotReady(RuntimeError):
    """A server ended or did not become ready; the end of its log is in the message."""


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on and no other test run was given.

    Below the ephemeral range, so that no outgoing connection takes it between here and the server's start.
    """
    folder = Path(tempfile.gettempdir()) / f"opsctl-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for _ in range(2000):
        port = random.randint(20000, 32000)
        if port in _LOCKS:
            continue
        lock = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
        except OSError:
            os.close(lock)
            continue
        _LOCKS[port] = lock
        return port
    raise RuntimeError("no free port between 20000 and 32000")


def _tell_guard(line: str) -> None:
    global _guard
    if _guard is None or _guard.poll() is not None:
        _guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
    assert _guard.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        _guard.stdin.write(line + "\n")
        _guard.stdin.flush()


class Server:
    """One running program. ``log`` holds its stdout and stderr; ``stop`` may be called any number of times."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, stop_with: signal.Signals) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.stop_with = stop_with
        _live.append(self)
        _tell_guard(f"group {process.pid}")

    @property
    def pid(self) -> int:
        """The program's PID, which is its process group as well."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], timeout: float = 60.0) -> None:
        """Ask ``ready`` until it is true. Raises NotReady when the process ends or ``timeout`` seconds are over."""
        until = time.monotonic() + timeout
        while True:
            if not self.running:
                raise NotReady(f"{self.name} ended with code {self.process.returncode}:\n{self.log_end()}")
            with contextlib.suppress(OSError):
                if ready():
                    return
            if time.monotonic() > until:
                end = self.log_end()
                self.stop()
                raise NotReady(f"{self.name} was not ready after {timeout:g} s:\n{end}")
            time.sleep(0.05)

    def log_end(self, lines: int = 30) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def pause(self) -> None:
        """Freeze the program (SIGSTOP): connections are accepted by the kernel, nothing answers."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo ``pause``."""
        os.killpg(self.pid, signal.SIGCONT)

    def stop(self, grace: float = 5.0) -> None:
        """Ask the program to end, kill its process group after ``grace`` seconds."""
        if self in _live:
            _live.remove(self)
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(self.stop_with)
                self.process.send_signal(signal.SIGCONT)  # a paused program cannot end
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        _tell_guard(f"ended {self.pid}")


def start(
    name: str,
    argv: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    stop_with: signal.Signals = signal.SIGTERM,
) -> Server:
    """Start ``argv`` in a session of its own, output to ``log``. ``user``: run as that user (only root may)."""
    log.parent.mkdir(parents=True, exist_ok=True)
    logs.append(log)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=None if env is None else dict(env),
            cwd=cwd or "/",
            **as_user(user),
        )
    return Server(name, process, log, stop_with)


def as_user(user: str | None) -> dict[str, Any]:
    """The arguments of subprocess that run a program as ``user``; none for None."""
    if user is None:
        return {}
    import pwd

    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def answers(url: str) -> bool:
    """Whether a GET of ``url`` gives 200, without any proxy from the environment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=2) as answer:
        return bool(answer.status == 200)


def listens(port: int) -> bool:
    """Whether something accepts connections on that port."""
    with socket.create_connection((HOST, port), timeout=2):
        return True


def private_folder(prefix: str, user: str | None = None) -> Path:
    """A new folder directly in the system's temporary folder, owned by ``user``, removed at the end of the run.

    pytest's own folders are closed to other users, and Postgres refuses to run as root.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"opsctl-test-{prefix}-"))
    if user is not None:
        shutil.chown(folder, user)
    _tell_guard(f"folder {folder}")
    return folder


def remove(folder: Path) -> None:
    """Remove a folder made by ``private_folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    _tell_guard(f"removed {folder}")


@atexit.register
def stop_all() -> None:
    """Stop whatever still runs, newest first."""
    for server in reversed(list(_live)):
        server.stop(grace=2.0)
