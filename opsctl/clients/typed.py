"""Types that several threads decode answers into are prepared once, by one of them.

msgspec (0.22 is the newest tried) works out what a Struct holds when it is first used, and while one thread is at it
another that meets the half-made description crashes the whole process (segmentation fault). Probes and examinations
decode in many threads, so every type goes through ``ready`` first.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")

_lock = threading.Lock()
_known: set[object] = set()


def ready(type: type[T]) -> type[T]:
    """The same type, safe to be decoded into by any number of threads from now on."""
    if type not in _known:
        with _lock:
            msgspec.json.Decoder(type)
            _known.add(type)
    return type
