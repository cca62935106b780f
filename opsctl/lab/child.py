"""The supervisor's side of a Python part: start it, send it what is switched on, wait until it has obeyed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from opsctl.lab.identity import Process, end, process
from opsctl.lab.servers import NotStarted

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
READY = 30.0
OBEY = 25.0


def environ() -> dict[str, str]:
    """The environment of our own Python processes: they find this very package, and nothing in the working folder."""
    path = os.pathsep.join([str(PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1", "GRPC_VERBOSITY": "NONE"}


class Child:
    """One simulated part in a process of its own; it ends when we do, for its stdin is ours."""

    def __init__(self, name: str, settings: dict[str, Any], log: Path) -> None:
        self.name, self.settings, self._log = name, settings, log
        self._child: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._number = 0
        self.frozen = False

    def freeze(self, on: bool) -> None:
        """Stop the process where it stands (its connections stay open, nothing answers), or let it go on."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGSTOP if on else signal.SIGCONT)
        self.frozen = on

    def start(self, on: frozenset[str]) -> tuple[Process, dict[str, Any]]:
        """Start with these switched on; returns its identity and what it says of itself. Raises NotStarted."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "opsctl.lab.part", self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd="/",
                env=environ(),
            )
        self._answers = queue.Queue()
        threading.Thread(target=self._read, args=(self._child, self._answers), daemon=True).start()
        self._write({**self.settings, "on": sorted(on)})
        answer = self._answer(READY)
        if "ready" not in answer:
            self.stop()
            raise NotStarted(f"{self.name}: {answer.get('failed', 'ended at once')}; see {self._log}")
        return process(self._child.pid), answer["ready"]

    def switch(self, on: frozenset[str]) -> str:
        """Switch to exactly these; returns "" or why it could not be done."""
        if not self.is_running():
            return f"{self.name} does not run"
        self._number += 1
        self._write({"id": self._number, "on": sorted(on)})
        while True:
            answer = self._answer(OBEY)
            if answer.get("done") == self._number:
                return f"{self.name}: {answer['error']}" if "error" in answer else ""
            if "failed" in answer:
                return f"{self.name}: {answer['failed']}"

    def stop(self) -> None:
        """End it and wait until it is gone."""
        if self._child is None:
            return
        self.freeze(False)
        with contextlib.suppress(OSError):
            assert self._child.stdin is not None
            self._child.stdin.close()
        if self._child.poll() is None:
            end([process(self._child.pid)], patience=3.0, first=signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(1.0)

    def is_running(self) -> bool:
        """Whether it runs now."""
        return self._child is not None and self._child.poll() is None

    def _write(self, message: dict[str, Any]) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.write(json.dumps(message) + "\n")
            self._child.stdin.flush()

    @staticmethod
    def _read(child: subprocess.Popen[str], answers: queue.Queue[dict[str, Any]]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            with contextlib.suppress(ValueError):
                answers.put(json.loads(line))
        answers.put({"failed": "ended"})

    def _answer(self, patience: float) -> dict[str, Any]:
        try:
            return self._answers.get(timeout=patience)
        except queue.Empty:
            return {"failed": f"no answer for {patience:.0f} s"}
