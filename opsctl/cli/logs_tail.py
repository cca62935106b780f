"""The end of a log, and what is appended to it: through rotation and emptying, until Ctrl-C."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from opsctl.cli import output as out
from opsctl.cli.logs_line import clean, shown
from opsctl.cli.logs_open import PODS, Log, Window, could_be_read
from opsctl.clients.logline import at_least, read_line
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opsctl.clients.logline import LogLine

_PAUSE = 0.25  # seconds between two looks
_HOUR = 3600.0  # of a workload's pods, how far back to look for their last lines


def tail(log: Log, number: int, *, follow: bool, level: str, as_json: bool) -> None:
    """Print the last lines; with ``follow`` go on. Raises Unavailable, Refused, UsageError."""
    from opsctl.cli.alerts_log import while_read

    if log.pods and follow:
        says = "the lines of pods are not followed here"
        raise UsageError(says, remedy=f"kubectl logs -f {log.spec.path.removeprefix(PODS).lower()}")
    write = _Lines(level, as_json)
    with could_be_read(log), while_read():
        if log.pods:
            now = time.time()
            window = Window(log, now - _HOUR, now, 0)
            write.told(deque((line for line in window if write.wanted(line)), maxlen=number))
            for note in window.notes():
                out.note(note)
            return
        _of_file(log, number, follow, write)


def _of_file(log: Log, number: int, follow: bool, write: _Lines) -> None:
    from opsctl.alerts.logtail import AlertLog
    from opsctl.cli.alerts_log import until_interrupted

    with contextlib.closing(AlertLog(log.spec.path, setting=log.setting)) as file:
        write.raw(file.end(number, whole=not follow))
        if follow:
            with until_interrupted():
                while True:
                    write.raw(file.fresh())
                    for note in file.notes:
                        out.note(note)
                    file.notes.clear()
                    time.sleep(_PAUSE)


class _Lines:
    """Prints lines of a level or worse; a stack trace's lines are of the level of the line that they belong to."""

    def __init__(self, level: str, as_json: bool) -> None:
        self._level, self._as_json = level, as_json
        self._inherited = ""

    def wanted(self, line: LogLine) -> bool:
        """Whether it is of the level."""
        if not self._level:
            return True
        self._inherited = line.level or ("" if line.parsed else self._inherited)
        return at_least(self._inherited, self._level)

    def raw(self, lines: Iterable[bytes]) -> None:
        """Print lines as they are in the file."""
        now = time.time()
        self.told(line for raw in lines if self.wanted(line := read_line(raw, now)))

    def told(self, lines: Iterable[LogLine]) -> None:
        """Print lines."""
        for line in lines:
            out.write(self._json(line) if self._as_json else self._text(line))

    def _text(self, line: LogLine) -> str:
        if line.time is None:
            return clean(line.text) if line.text[:1].strip() else "    " + clean(line.text)
        text = shown(line, 2000)
        return text if not line.json else f"{_clock(line.time)}  {text}"

    def _json(self, line: LogLine) -> str:
        import msgspec

        from opsctl.cli.logs_text import iso

        told = {
            "time": iso(line.time) if line.time is not None else None,
            "level": line.level or None,
            "line": shown(line, 16_000),
        }
        return msgspec.json.encode(told).decode()


def _clock(moment: float) -> str:
    from opsctl.cli.logs_text import iso

    return iso(moment)[11:23]
