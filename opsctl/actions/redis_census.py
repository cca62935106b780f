"""What is below a prefix before it is removed: counted exactly by a walk, sized and dated by a sample (RD-4, RD-7)."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.clients.redis import RedisReader

SAMPLE = 200  # keys that are sized and dated
_EXACT = 100_000  # keys that are remembered: SCAN may give one twice while its table grows or shrinks
LONGEST_WALK = 300.0  # seconds
_TELL = 2.0
_WIDTH = 80
_EDGES = ((60.0, "under 1 min"), (300.0, "under 5 min"), (3600.0, "under 1 h"), (math.inf, "1 h and more"))
NEVER = "never expires"


class Counted(NamedTuple):
    """``keys``: that may go; ``kept``: what else is below the prefix, by whom it belongs to.

    ``exact``: none counted twice; beyond _EXACT keys that is not known.
    """

    keys: int
    kept: dict[str, int]
    sample: list[bytes]
    seconds: float
    exact: bool


def count(reader: RedisReader, prefix: str, belongs: Callable[[bytes], str], tell: Callable[[str], None]) -> Counted:
    """Walk the whole database once. Raises CouldNotLook, also when it takes longer than LONGEST_WALK."""
    started = told = time.monotonic()
    cursor, begin = b"0", prefix.encode()
    keys, kept, sample, seen = 0, Counter[str](), list[bytes](), set[bytes]()
    step, pages = 1, 0
    while True:
        page = reader.page(cursor, begin)
        mine = page.keys
        whose = [belongs(key) for key in mine]
        if any(whose):
            kept.update(filter(None, whose))
            mine = [key for key, other in zip(mine, whose, strict=True) if not other]
        if keys <= _EXACT:
            mine = [key for key in dict.fromkeys(mine) if key not in seen]
            seen.update(mine)
        keys += len(mine)
        pages += 1
        if mine and pages % step == 0:
            sample.append(mine[0])
            sample.extend(mine[1:] if pages == 1 else ())
            if len(sample) > 4 * SAMPLE:  # thinned out: later pages count as much as the first
                sample, step = sample[::2], step * 2
        cursor = page.cursor
        now = time.monotonic()
        if cursor == b"0":
            return Counted(keys, dict(kept), _spread(sample), now - started, keys <= _EXACT)
        if now - started > LONGEST_WALK:
            says = f"the keys {prefix} could not be counted in {LONGEST_WALK:g} s ({keys:,} so far)"
            raise CouldNotLook("too-large", says, address=reader.address, setting=reader.setting)
        if now - told > _TELL:
            told = now
            tell(f"counting {prefix}: {keys:,} keys")


def _spread(sample: Sequence[bytes]) -> list[bytes]:
    unique = list(dict.fromkeys(sample))
    step = max(1, len(unique) // SAMPLE)
    return unique[::step][:SAMPLE]


def lifetimes(left: Sequence[float]) -> dict[str, int]:
    """Seconds left of the keys looked at, as a small histogram; infinity = never."""
    found = Counter(NEVER if one == math.inf else next(name for edge, name in _EDGES if one < edge) for one in left)
    order = [name for _, name in _EDGES] + [NEVER]
    return {name: found[name] for name in order if found[name]}


def shown_key(key: bytes) -> str:
    """A key as one line for people: no secrets, no control characters, not longer than a line."""
    text = key.decode("utf-8", "backslashreplace")
    text = "".join(repr(c)[1:-1] if c < " " or c == "\x7f" else c for c in text)
    text = redact(printable(text))
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def told_lifetimes(histogram: dict[str, int]) -> str:
    """The histogram in words."""
    total = sum(histogram.values())
    parts = [f"{name} {format_quantity(number / total, 'ratio')}" for name, number in histogram.items()]
    return f"expiry of {total} keys looked at: {', '.join(parts)}"
