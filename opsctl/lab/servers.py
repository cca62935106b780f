"""The real servers of the lab, as far as they are there: how each is found, started and told to stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from opsctl.lab.identity import HOST, Process, end, process


class NotStarted(Exception):
    """A server ended or did not become ready; the message holds the end of its log."""


class Server:
    """One program: started in the foreground as our child, its output in a log file."""

    def __init__(
        self,
        argv: list[str],
        log: Path,
        ready: Callable[[], bool],
        *,
        user: tuple[int, int] | None = None,
        environ: Mapping[str, str] | None = None,
        stop: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._argv, self._log, self._ready = argv, log, ready
        self._user, self._environ, self._stop = user, dict(environ or {}), stop
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, patience: float = 20.0, note: Callable[[Process], None] | None = None) -> Process:
        """Start, tell ``note`` which process it is, and wait until it is ready. Raises NotStarted."""
        ids = {} if self._user is None else {"user": self._user[0], "group": self._user[1], "extra_groups": []}
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 - programs found by name
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", **self._environ},
                cwd="/",
                **ids,
            )
        assert self._child is not None
        if note is not None:
            note(process(self._child.pid))
        deadline = time.monotonic() + patience
        while not self._ready():
            if self._child.poll() is not None:
                raise NotStarted(f"{Path(self._argv[0]).name} ended with {self._child.returncode}: {self._tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise NotStarted(f"{Path(self._argv[0]).name} was not ready after {patience:.0f} s: {self._tail()}")
            time.sleep(0.05)
        return process(self._child.pid)

    def process(self) -> Process:
        """Which process it is now."""
        assert self._child is not None
        return process(self._child.pid)

    def stop(self) -> None:
        """Stop it and wait until it is gone."""
        if self._child is not None and self._child.poll() is None:
            end([process(self._child.pid)], patience=8.0, first=self._stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(1.0)

    def reload(self) -> None:
        """Tell it to read its configuration again."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGHUP)

    def is_running(self) -> bool:
        """Whether it runs now."""
        return self._child is not None and self._child.poll() is None

    def _tail(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_text(errors="replace").strip().splitlines()
            return " | ".join(lines[-3:]) or "no output"
        return "no output"


def answers_http(port: int, path: str) -> Callable[[], bool]:
    """A check that a page answers 200."""

    def check() -> bool:
        link = http.client.HTTPConnection(HOST, port, timeout=1.0)
        try:
            link.request("GET", path)
            return link.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()

    return check


def answers_redis(port: int) -> Callable[[], bool]:
    """A check that Redis answers PING."""

    def check() -> bool:
        try:
            with socket.create_connection((HOST, port), timeout=1.0) as link:
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    return check


def version_of(argv: list[str]) -> str:
    """The first number with dots that a program prints for its version."""
    try:
        asked = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    for word in (asked.stdout + " " + asked.stderr).replace("=", " ").replace(",", " ").split():
        number = word.removeprefix("v")
        if number[:1].isdigit() and "." in number:
            return number
    return ""


def find(*names: str) -> str | None:
    """The first of these programs that is on PATH (or in sbin, which plain users' PATH lacks on Debian)."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def redis(program: str, port: int, folder: Path, log: Path) -> Server:
    """A Redis that keeps nothing on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = [program, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", str(folder)]
    return Server([*argv, "--latency-monitor-threshold", "50"], log, answers_redis(port))


def prometheus(program: str, port: int, config: Path, folder: Path, log: Path) -> Server:
    """A Prometheus with an hour of memory."""
    argv = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}",
        "--storage.tsdb.retention.time=6h",
        f"--web.listen-address={HOST}:{port}",
        "--rules.alert.resend-delay=1s",
        "--log.level=warn",
    ]
    return Server(argv, log, answers_http(port, "/-/ready"))


def alertmanager(program: str, port: int, config: Path, folder: Path, log: Path) -> Server:
    """An Alertmanager without peers."""
    argv = [
        program,
        f"--config.file={config}",
        f"--storage.path={folder}",
        f"--web.listen-address={HOST}:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    return Server(argv, log, answers_http(port, "/-/ready"))
