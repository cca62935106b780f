"""Why lookups miss: keys that expire, are deleted or flushed, or that a cold cache only now gets back (RD-1, RD-6)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from opsctl.clients.redis_answers import Sample
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.redis_session import RedisParams, Session, grown, session, span, unsure
from opsctl.probes.registry import probe
from opsctl.redact import printable, redact

_WRITES = ("set", "setex", "psetex", "setnx", "getset", "mset", "msetnx", "hset", "hmset", "restore", "copy")
_REMOVALS = ("del", "unlink", "getdel")
_FLUSHES = ("flushdb", "flushall", "swapdb")
_MOST_CLIENTS = 5000  # CLIENT LIST walks them all (RD-6)
_IDS = ("redis.expiring", "redis.invalidated", "redis.refilling")


class ChurnParams(RedisParams, frozen=True, kw_only=True):
    """``share``: of the misses, from which what happened to the keys explains them. ``misses``: fewer prove nothing."""

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("share",)
    share: str | float = "50%"
    misses: int = 20
    pause: str | float = "2s"


class Moved(NamedTuple):
    """What happened between two samples, in keys and calls. ``vanished``: deleted or written over, as the sum tells."""

    misses: float
    expired: float
    evicted: float
    writes: float
    removals: float
    flushes: float
    keys: float
    more: float

    @property
    def vanished(self) -> float:
        return max(0.0, self.writes - self.more - self.expired - self.evicted)


@probe(
    "redis.churn",
    emits={
        "redis.expiring": "Keys expire about as fast as lookups miss them",
        "redis.invalidated": "Keys are deleted or flushed in masses",
        "redis.refilling": "The cache is being filled again: nearly each miss adds a key",
    },
    params=ChurnParams,
    asks="INFO twice: expired, evicted, deleted and written keys against misses; CLIENT LIST when keys are deleted",
    privilege="ACL +info; +client|list to name who deletes",
    cost="two INFO, a pause in between; at most one CLIENT LIST, not with more than 5000 clients",
    minimum="Redis 6.2",
)
def churn(look: Look, params: ChurnParams) -> Seen:
    """RD-1. Differences of two samples: totals since the start hide what happens now."""
    here = session(look, params)
    share = params.number("share")
    before, after = here.two(params.number("pause"))
    moved = _moved(before, after)
    if moved is None:
        says = "the counters are absent or were reset meanwhile"
        return Seen(
            evidence=(here.evidence((), window=span(before, after)),), findings=tuple(unsure(id, says) for id in _IDS)
        )
    window = span(before, after)
    values = [
        Value(name=name, value=value, unit="count", note=f"in {window}")
        for name, value in (
            ("misses", moved.misses), ("expired keys", moved.expired), ("evicted keys", moved.evicted),
            ("writes", moved.writes), ("DEL and UNLINK calls", moved.removals), ("flushes", moved.flushes),
            ("more keys", moved.more),
        )
    ]  # fmt: skip
    values.append(Value(name="keys", value=moved.keys, unit="count"))
    flushes = after.calls(*_FLUSHES)
    values.append(Value(name="flushes since the start", value=flushes, unit="count", note="context only"))
    if moved.removals or moved.flushes:
        values += _who(here, after)
    findings = (
        _expiring(moved, share, params.misses, window),
        _invalidated(moved, share, params.misses, window),
        _refilling(moved, share, params.misses, window),
    )
    return Seen(evidence=(here.evidence(values, window=window),), findings=findings)


def _moved(before: Sample, after: Sample) -> Moved | None:
    counters = [grown(before, after, name) for name in ("keyspace_misses", "expired_keys", "evicted_keys")]
    calls = [after.calls(*names) - before.calls(*names) for names in (_WRITES, _REMOVALS, _FLUSHES)]
    misses, expired, evicted = counters
    if misses is None or expired is None or evicted is None or min(calls) < 0:
        return None
    writes, removals, flushes = calls
    more = _keys(after) - _keys(before)
    return Moved(misses, expired, evicted, writes, removals, flushes, _keys(after), more)


def _keys(sample: Sample) -> float:
    return sum(sample.part(name, "keys") for name in sample.fields if name.startswith("db") and name[2:].isdigit())


def _few(id: str, moved: Moved, least: int, window: str) -> Finding:
    says = f"{moved.misses:g} misses in {window}, {least} are needed to judge"
    return Finding(id=id, state="unknown", says=says, reason="too-few")


def _expiring(moved: Moved, share: float, least: int, window: str) -> Finding:
    id = _IDS[0]
    if moved.misses < least:
        return _few(id, moved, least, window) if moved.expired else judged(id, False, f"no key expired in {window}")
    part = moved.expired / moved.misses
    says = (
        f"{moved.expired:g} keys expired in {window}, beside {moved.misses:g} misses "
        f"({format_quantity(part, 'ratio', beside=share)}, limit {format_quantity(share, 'ratio')})"
    )
    return judged(id, part >= share, says, measured=part, threshold=share, unit="ratio", parameter="share")


def _invalidated(moved: Moved, share: float, least: int, window: str) -> Finding:
    id = _IDS[1]
    if moved.flushes:
        return judged(id, True, f"{moved.flushes:g} flushes in {window}", measured=moved.flushes, unit="count")
    if not moved.removals:
        return judged(id, False, f"no DEL, UNLINK or flush in {window}", measured=0.0, unit="count")
    gone = max(moved.removals, moved.vanished)
    if moved.misses < least:
        return _few(id, moved, least, window)
    part = gone / moved.misses
    says = (
        f"{moved.removals:g} DEL and UNLINK calls in {window}, about {gone:g} keys gone by them, beside "
        f"{moved.misses:g} misses ({format_quantity(part, 'ratio', beside=share)}, "
        f"limit {format_quantity(share, 'ratio')})"
    )
    return judged(id, part >= share, says, measured=part, threshold=share, unit="ratio", parameter="share")


def _refilling(moved: Moved, share: float, least: int, window: str) -> Finding:
    id = _IDS[2]
    if not moved.misses:
        return judged(id, False, f"no lookup missed in {window}", measured=0.0, unit="ratio")
    if moved.misses < least:
        return _few(id, moved, least, window)
    part = moved.more / moved.misses
    says = (
        f"the server has {moved.more:+g} keys after {window}, beside {moved.misses:g} misses "
        f"({format_quantity(part, 'ratio', beside=share)}, limit {format_quantity(share, 'ratio')}); "
        f"{moved.keys:g} in all"
    )
    return judged(id, part >= share, says, measured=part, threshold=share, unit="ratio", parameter="share")


def _who(here: Session, after: Sample) -> list[Value]:
    """The clients whose last command removed keys; nothing when there are too many, or we may not ask."""
    if (after.number("connected_clients") or 0) > _MOST_CLIENTS:
        return []
    here.asked.append("CLIENT LIST")
    try:
        rows = here.reader.clients(here.left())
    except CouldNotLook as failure:
        return [Value(name="who deletes", value=None, note=failure.says)]
    return [
        Value(
            name="last command", value=row.get("cmd", ""),
            labels={"client": redact(printable(row.get("name", "")))[:40] or "unnamed", "address": row["addr"],
                    "user": row.get("user", "")},
        )
        for row in rows
        if row.get("cmd", "").partition("|")[0] in (*_REMOVALS, *_FLUSHES)
    ][:5]  # fmt: skip
