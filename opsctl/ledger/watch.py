"""Ends a wait for a server that does not answer, without a thread for every question: one looks a few times a second.

``clients/deadline.py`` starts a thread for each call, which takes longer here than the call itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

_LOOK_SECONDS = 0.2


class Watch:
    """``cut`` makes the call that is waiting return with an error; it is called once per call, from another thread."""

    def __init__(self, cut: Callable[[], None]) -> None:
        self._cut = cut
        self._lock = threading.Lock()
        self._until: float | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.expired = False  # whether the latest call was cut off

    @contextlib.contextmanager
    def over(self, seconds: float) -> Iterator[None]:
        """Watch what is done in the block."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="ledger-watch", daemon=True)
            self._thread.start()
        with self._lock:
            self.expired, self._until = False, time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._until = None

    def close(self) -> None:
        """Watch nothing any more."""
        self._end.set()

    def _look(self) -> None:
        while not self._end.wait(_LOOK_SECONDS):
            with self._lock:
                if self._until is not None and time.monotonic() > self._until:
                    self.expired, self._until = True, None
                    self._cut()
