"""Ends a blocking call in time, whatever the other side does: name lookups, handshakes and half-open sockets too.

Drivers bound single reads, not whole calls: a server that drips bytes, or a resolver that never answers, outlasts
their timeouts. So the call runs beside, is waited for, and is abandoned when its time is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_GRACE = 0.5  # seconds an abandoned call gets to notice it


class Expired(Exception):
    """The time is over. ``ended``: the call returned after it was abandoned, nothing hangs any more."""

    def __init__(self, ended: bool) -> None:
        super().__init__("the time is over")
        self.ended = ended


def within(
    seconds: float,
    call: Callable[[], T],
    *,
    abandon: Callable[[], None] = lambda: None,
    late: Callable[[T], None] = lambda _: None,
) -> T:
    """What ``call`` returns or raises, at most ``seconds`` later; else Expired.

    ``abandon`` should make the call return soon (cancel, close its socket). ``late`` gets a value that came too
    late, to release it.
    """
    values: list[T] = []
    failures: list[BaseException] = []
    ended = threading.Event()
    gate = threading.Lock()
    expired = False

    def run() -> None:
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread, raised there
            failures.append(error)
        else:
            with gate:
                if not expired:
                    values.append(value)
            if not values:
                late(value)
        finally:
            ended.set()

    threading.Thread(target=run, name="opsctl-call", daemon=True).start()
    if not ended.wait(seconds):
        with gate:
            expired = not values
        if expired:
            abandon()
            raise Expired(ended.wait(_GRACE))
    if failures:
        raise failures[0]
    return values[0]
