"""``opsctl diagnose RUNBOOK --watch``: look again and again; live on a terminal, else one line per look."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from opsctl.cli import output
from opsctl.cli.looking import Prepared, keep, look_once, remember, text_of
from opsctl.cli.request import EVERY, SHORTEST, Request
from opsctl.cli.result import Result
from opsctl.cli.watched import Watched, frame, line
from opsctl.errors import UsageError
from opsctl.model import Report

if TYPE_CHECKING:
    from opsctl.runbooks.load import Loaded


def watch(loaded: Loaded, prepared: Prepared, request: Request) -> Result:
    """Look until Ctrl-C (or SIGTERM); the exit code is that of the last verdict, 130 without any.

    On a terminal the last report stays printed. As JSON each look is one line with the whole report.
    """
    from opsctl.durations import parse_duration
    from opsctl.runbooks.verdict import EXIT

    every = parse_duration(request.every or EVERY)
    if every < SHORTEST:
        raise UsageError(f"--every {request.every} is shorter than 1s", remedy="Each look asks every system anew.")

    def look() -> Report:
        return look_once(loaded, prepared, request)

    watched = Watched()
    live = sys.stdout.isatty() and request.output == "text"
    with contextlib.suppress(KeyboardInterrupt):
        if live:
            title = f"{loaded.runbook.runbook} on {prepared.profile.service}, every {request.every or EVERY}"
            _live(look, watched, every, title)
        else:
            _lines(look, watched, every, as_json=request.output == "json")
    report = watched.report
    if report is None:
        raise KeyboardInterrupt
    remember(prepared.dirs)
    saved, notes = keep(report) if request.kept else (None, ())
    text = text_of(watched.grown() or report, "text", saved) if live else ""
    return Result(report, text, "text", exit=EXIT[report.verdict], notes=notes)


def _lines(look: Callable[[], Report], watched: Watched, every: float, *, as_json: bool) -> None:
    """One line per look, for a log or a program."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        while True:
            began = time.monotonic()
            report = look()
            turn = watched.add(report)
            output.write(_json(report) if as_json else line(report, turn))
            time.sleep(max(0.0, every - (time.monotonic() - began)))
    finally:
        signal.signal(signal.SIGTERM, before)


def _json(report: Report) -> str:
    import msgspec

    return msgspec.json.encode(report).decode()


def _interrupt(number: int, stack: object) -> None:
    raise KeyboardInterrupt


def _live(look: Callable[[], Report], watched: Watched, every: float, title: str) -> None:
    """The screen, redrawn each second and whenever a look is done or the window's size changes."""
    from opsctl.cli.screen import Screen

    with Screen() as screen:
        due = time.time()
        while True:
            began = time.time()
            made = _Look(look, screen.wake)
            made.start()
            while not made.done:
                screen.draw(frame(watched, screen.style(), title=title, now=time.time(), due=None, began=began))
                _pressed(screen.wait(_to_next_second()))
            watched.add(made.report())
            due = max(began + every, time.time())
            while (now := time.time()) < due:
                screen.draw(frame(watched, screen.style(), title=title, now=now, due=due, began=began))
                if _pressed(screen.wait(min(due - now, _to_next_second()))):
                    break


def _pressed(keys: str) -> bool:
    """Whether to look at once (r, space, return); q ends it."""
    if "q" in keys.lower():
        raise KeyboardInterrupt
    return any(key in keys for key in "rR \n\r")


def _to_next_second() -> float:
    return 1.0 - time.time() % 1.0 + 0.01


class _Look(threading.Thread):
    """A look beside the screen. A hanging one does not keep the program: it ends with the process."""

    def __init__(self, look: Callable[[], Report], wake: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._look = look
        self._wake = wake
        self._report: Report | None = None
        self._error: BaseException | None = None
        self.done = False

    def run(self) -> None:
        try:
            self._report = self._look()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is taken
            self._error = error
        self.done = True
        self._wake()

    def report(self) -> Report:
        """What was seen. Raises what the look raised."""
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report
