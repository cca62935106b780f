"""Ctrl-C while something is changed: the act that runs is finished and recorded, and only then it ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # a terminal that closes is as good as Ctrl-C
_WORDS = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "the terminal's end"}
_SLICE = 0.05  # seconds between two looks while it waits


class Interrupts:
    """Within it the first signal is only noted (``pending`` names it), the second one raises KeyboardInterrupt.

    ``told`` is called with a sentence, from a thread of its own: a handler must not print. Signals that were ignored
    stay so (nohup, a background job). Outside the main thread nothing is caught.
    """

    def __init__(self, told: Callable[[str], None]) -> None:
        self.pending = ""
        self._told = told
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                number = getattr(signal, name)
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Sleep, but no longer than until a signal came or ``until`` says so."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.pending and not until():
            time.sleep(min(_SLICE, left))

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = _WORDS[signal.Signals(number).name]
        says = f"{self.pending}: it ends when the act that runs is recorded; once more leaves it unfinished"
        threading.Thread(target=self._told, args=(says,), daemon=True).start()
