"""Work that several threads want and only one of them does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """``make`` runs once, in a thread of its own; every caller waits for it as long as it may.

    What ``make`` raises is raised to every caller.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._started = False
        self._value: T | None = None
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin without waiting."""
        with self._lock:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._run, daemon=True, name="once").start()

    def get(self, deadline: float | None) -> T:
        """The result; raises TimeoutError when it is not there at ``deadline`` (``time.monotonic``; None: no limit)."""
        self.start()
        if not self._done.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def _run(self) -> None:
        try:
            self._value = self._make()
        except BaseException as error:  # noqa: BLE001 - raised again in every thread that waits
            self._error = error
        self._done.set()


def side_by_side(calls: Sequence[Callable[[], T]], deadline: float | None = None) -> list[T]:
    """Results of calls that wait for servers, run at the same time. Raises the first failure, or TimeoutError."""
    if len(calls) == 1:
        return [calls[0]()]
    running = [Once(call) for call in calls]
    for one in running:
        one.start()
    return [one.get(deadline) for one in running]
