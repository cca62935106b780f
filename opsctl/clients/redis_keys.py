"""Questions about single keys and samples of them: names, lifetimes, sizes (RD-4, RD-5, RD-7)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from opsctl.clients.redis_allowed import LONGEST_KEY, MOST_AT_ONCE, Word
from opsctl.clients.redis_answers import Keys
from opsctl.errors import CouldNotLook


class KeyQuestions:
    """A part of the reader, which asks. All failures are CouldNotLook."""

    address: str

    def _ask(self, command: tuple[str, ...], *arguments: Word, timeout: float) -> Any:
        raise NotImplementedError

    def _into_database(self, timeout: float) -> None:
        raise NotImplementedError

    def _failure(self, reason: Any, says: str) -> CouldNotLook:
        raise NotImplementedError

    def keys(self, most: int, seconds: float, timeout: float = 5.0) -> Keys:
        """At most about ``most`` keys of the URL's database, within ``seconds``: SCAN in small steps (RD-7).

        Redis walks its hash table, so the first keys are a fair sample of all. Doubles are left out.
        """
        started = time.monotonic()
        self._into_database(timeout)
        found: dict[bytes, None] = {}
        cursor, steps = "0", 0
        while True:
            answer = self._ask(("SCAN",), cursor, "COUNT", str(min(MOST_AT_ONCE, 500)), timeout=timeout)
            try:
                cursor = text_of(answer[0])
                found.update(dict.fromkeys(bytes(name) for name in answer[1]))
            except (TypeError, ValueError, IndexError):
                raise self._failure("bad-answer", f"{self.address} answers SCAN in an unknown shape") from None
            steps += 1
            spent = time.monotonic() - started
            if cursor == "0" or len(found) >= most or spent >= seconds:
                return Keys(tuple(found), cursor == "0", steps, spent)

    def lifetimes(self, names: Sequence[bytes], seconds: float, timeout: float = 5.0) -> list[tuple[bytes, float]]:
        """Seconds until each of these keys expires, as many as fit into ``seconds``: PTTL one by one.

        Infinity without an expiry; a key that is gone meanwhile is left out.
        """
        until = time.monotonic() + seconds
        self._into_database(timeout)
        found: list[tuple[bytes, float]] = []
        for name in names:
            if len(name) > LONGEST_KEY:
                continue
            left = self._ask(("PTTL",), name, timeout=timeout)
            if isinstance(left, int) and left != -2:
                found.append((name, math.inf if left < 0 else left / 1e3))
            if time.monotonic() > until:
                break
        return found

    def sizes(self, names: Sequence[bytes], seconds: float, timeout: float = 5.0) -> dict[bytes, int]:
        """Bytes of memory of these keys, as many as fit into ``seconds``: MEMORY USAGE SAMPLES 5 one by one (RD-4).

        One that is gone meanwhile, or whose name is empty or too long to be sent back, is left out.
        """
        until = time.monotonic() + seconds
        self._into_database(timeout)
        found: dict[bytes, int] = {}
        for name in names:
            if not 0 < len(name) <= LONGEST_KEY:
                continue
            size = self._ask(("MEMORY", "USAGE"), name, "SAMPLES", "5", timeout=timeout)
            if isinstance(size, int):
                found[name] = size
            if time.monotonic() > until:
                break
        return found


def text_of(value: object) -> str:
    """An answer's word as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
