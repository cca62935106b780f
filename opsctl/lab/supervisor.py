"""The lab's one background process: ``python -m opsctl.lab.supervisor FOLDER SERVICE...``, for ``opsctl lab up``.

It is controlled over HTTP on a loopback port with the token of the state file, ends on SIGTERM, and takes all parts
with it. Were it killed, ``opsctl lab down`` finds the parts by the state file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

import msgspec

from opsctl.lab.faults import DISTRACTORS, fault
from opsctl.lab.identity import process
from opsctl.lab.servers import NotStarted
from opsctl.lab.stack import Stack
from opsctl.lab.state import Lab, write
from opsctl.lab.switching import Switchboard
from opsctl.lab.web import Answer, Request, serve

TOKEN = "X-Lab-Token"  # noqa: S105 - a header's name


class Control:
    """The commands that the CLI sends."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._board = Switchboard(stack)
        self.ended = threading.Event()
        self.ready = False
        self._one = threading.Lock()

    def _guarded(self, request: Request) -> bool:
        return secrets.compare_digest(str(request.headers.get(TOKEN, "")), self._stack.lab.token)

    def status(self, request: Request) -> Answer:
        """The state with all parts."""
        if not self._guarded(request):
            return Answer(403, {"error": "wrong token"})
        self._stack.look()
        state = msgspec.to_builtins(self._stack.lab)
        del state["token"]
        return Answer(200, {"lab": state, "ready": self.ready, "traffic_since": self._stack.traffic_since})

    def switch(self, request: Request) -> Answer:
        """``{"on": [names], "off": [names] | "all"}``."""
        if not self._guarded(request):
            return Answer(403, {"error": "wrong token"})
        body = request.json()
        names = [str(n) for n in body.get("on", [])]
        unknown = [n for n in names if fault(n) is None and n.removeprefix("distract-") not in DISTRACTORS]
        if unknown:
            return Answer(400, {"error": f"unknown: {', '.join(unknown)}"})
        absent = sorted({part for n in names for part in self._board.missing(n)})
        if absent:
            return Answer(409, {"error": f"absent here: {', '.join(absent)}"})
        with self._one:
            before = frozenset(self._stack.lab.on)
            off = before if body.get("off") == "all" else frozenset(body.get("off", []))
            troubles = self._board.switch((before - off) | frozenset(names))
        return Answer(500 if troubles else 200, {"on": self._stack.lab.on, "error": "; ".join(troubles)})

    def server(self, request: Request) -> Answer:
        """``{"stop": NAME}``, ``{"start": NAME}`` or ``{"restart": NAME}``: one part, for instance Prometheus."""
        if not self._guarded(request):
            return Answer(403, {"error": "wrong token"})
        body = request.json()
        with self._one:
            if "stop" in body:
                self._board.stop_part(str(body["stop"]))
                return Answer(200, {})
            again = "restart" in body
            troubles = self._board.start_by_hand(str(body.get("restart" if again else "start", "")), again=again)
        return Answer(500 if troubles else 200, {"error": "; ".join(troubles)})

    def down(self, request: Request) -> Answer:
        """End the lab."""
        if not self._guarded(request):
            return Answer(403, {"error": "wrong token"})
        self.ended.set()
        return Answer(200, {})


def _hurry() -> None:
    """Ask for a larger share of a busy machine, where we may (root): other work shall not look like a slow service.

    Linux schedules sessions as groups, so the group's own niceness counts, beside that of each part.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("-10")


def main(folder: str, services: list[str]) -> None:
    """Start everything that these services need, serve commands, end everything."""
    os.umask(0o077)
    _hurry()
    lab = Lab(folder=folder, supervisor=process(os.getpid()), token=secrets.token_hex(16), services=services)
    write(lab)
    stack = Stack(lab)
    control = Control(stack)
    lab.control = stack.ports.control
    signal.signal(signal.SIGTERM, lambda *_: control.ended.set())
    signal.signal(signal.SIGINT, lambda *_: control.ended.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    serve(
        lab.control,
        {
            ("GET", "/status"): control.status,
            ("POST", "/switch"): control.switch,
            ("POST", "/server"): control.server,
            ("POST", "/down"): control.down,
        },
    )
    write(lab)
    starter = threading.Thread(target=_start, args=(stack, control), daemon=True)
    starter.start()
    while not control.ended.wait(1.0):
        stack.look()
    stack.ending = True
    starter.join()
    stack.stop()


def _start(stack: Stack, control: Control) -> None:
    try:
        stack.start()
    except NotStarted as error:
        stack.lab.failed = str(error)
    except Exception as error:  # noqa: BLE001 - the CLI shows it and ends the lab
        import traceback

        traceback.print_exc()
        stack.lab.failed = f"{type(error).__name__}: {error}"
    else:
        control.ready = True
    write(stack.lab)


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve(strict=True)), sys.argv[2:])
