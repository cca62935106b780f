"""The child's side of a lab part: settings and faults come as JSON lines on stdin, answers go out on stdout.

A part ends when its stdin ends, so a supervisor that was killed leaves none of these processes behind.
First line: the part's settings. Each later line: ``{"id": n, "on": [names]}``; the answer ``{"done": n}`` comes
when the part behaves so.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

MODULES = {
    "kyrodb-text": "opsctl.lab.kyrodb",
    "kyrodb-image": "opsctl.lab.kyrodb",
    "provider": "opsctl.lab.provider",
    "vritti": "opsctl.lab.vritti",
    "amas": "opsctl.lab.amas",
    "insa": "opsctl.lab.insa",
    "reranker": "opsctl.lab.reranker",
    "agro": "opsctl.lab.agro",
    "threads": "opsctl.lab.threads",
    "traffic": "opsctl.lab.traffic",
}


class Switches:
    """What is switched on in this part now: fault ids and distractors."""

    def __init__(self) -> None:
        self._on: frozenset[str] = frozenset()
        self._changed: list[Callable[[frozenset[str]], None]] = []

    def __contains__(self, name: str) -> bool:
        return name in self._on

    def when_changed(self, call: Callable[[frozenset[str]], None]) -> None:
        """Call with the new set after each change, before it is acknowledged."""
        self._changed.append(call)

    def set(self, names: frozenset[str]) -> None:
        """Switch to exactly these."""
        self._on = names
        for call in self._changed:
            call(names)


def say(message: dict[str, Any]) -> None:
    """One line to the supervisor."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def listen(switches: Switches) -> None:
    """Read switch lines until stdin ends; then the process ends."""
    for line in sys.stdin:
        message = json.loads(line)
        try:
            switches.set(frozenset(message["on"]))
        except Exception as error:  # noqa: BLE001 - reported to the supervisor, which shows it
            say({"done": message["id"], "error": f"{type(error).__name__}: {error}"})
        else:
            say({"done": message["id"]})


def main(name: str) -> None:
    """Run one part until stdin ends or SIGTERM comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor to handle
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with contextlib.suppress(OSError):
        os.nice(-10)  # only root may: a machine busy with other work shall not look like a slow service
    settings = json.loads(sys.stdin.readline())
    threading.stack_size(512 * 1024)
    switches = Switches()
    try:
        started = importlib.import_module(MODULES[name]).start(settings, switches)
    except Exception as error:
        say({"failed": f"{type(error).__name__}: {error}"})
        raise
    switches.set(frozenset(settings.get("on", ())))
    say({"ready": started})
    listen(switches)
    os._exit(0)  # threads of gRPC and of open connections must not keep it alive


if __name__ == "__main__":
    main(sys.argv[1])
