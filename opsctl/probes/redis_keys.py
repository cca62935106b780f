"""Which keys there are and how long they live: a sample of names and expiries against the profile's `cache` (RD-7)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from opsctl.durations import format_quantity, parse_duration
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.redis_session import RedisParams, session
from opsctl.probes.registry import probe
from opsctl.redact import printable, redact

_IDS = ("redis.ttl-short", "redis.no-expiry", "redis.prefix-missing", "redis.prefix-new")
_SHOWN = 8
_FEWEST = 10  # keys of a prefix whose expiries are compared
_SCAN_SECONDS = 0.5
_TTL_SECONDS = 0.5
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,15}")


class KeysParams(RedisParams, frozen=True, kw_only=True):
    """``keys``: so many are sampled at most; ``expiries``: of so many the time left is asked.

    ``short``: share of the configured lifetime that the longest-living key of a prefix must have left.
    ``most``: share of the sample from which a prefix or keys without expiry count; ``few``: below it a prefix is gone.
    """

    ratios: ClassVar[tuple[str, ...]] = ("short", "most", "few")
    keys: int = 2000
    expiries: int = 200
    short: str | float = "50%"
    most: str | float = "50%"
    few: str | float = "1%"


class Prefix(NamedTuple):
    """The keys of one prefix in the sample; ``left``: seconds until those looked at expire (inf: never)."""

    name: str
    keys: int
    left: tuple[float, ...]
    expected: float | None  # the lifetime that the profile gives; None for a prefix that it does not name


@probe(
    "redis.keys",
    emits={
        "redis.ttl-short": "Keys live much shorter than the service's configuration says",
        "redis.no-expiry": "Most keys never expire, so that only eviction makes room",
        "redis.prefix-missing": "Keys of a prefix that the service uses are not there",
        "redis.prefix-new": "Most keys have a prefix that the service's profile does not know",
    },
    params=KeysParams,
    asks="SCAN in steps of 500 for a sample of names, PTTL of some of them",
    privilege="ACL +scan +pttl ~*; +select for a database other than 0",
    cost="at most about ten SCAN steps and 200 PTTL, one second in all",
    minimum="Redis 6.2",
)
def keys(look: Look, params: KeysParams) -> Seen:
    """RD-7. Only prefixes are shown: what follows may name a user. The PTTLs count as hits, so it is asked last."""
    here = session(look, params)
    limit = min(_SCAN_SECONDS, look.remaining() / 3)
    here.asked.append("SCAN 0 COUNT 500")
    sample = here.reader.keys(params.keys, limit, here.left())
    step = max(1, len(sample.names) // max(1, params.expiries))
    here.asked.append("PTTL")
    left = dict(here.reader.lifetimes(sample.names[::step], min(_TTL_SECONDS, look.remaining() / 3), here.left()))
    configured = {_plain(name): parse_duration(text) for name, text in look.profile.cache.items()}
    prefixes = census(sample.names, left, configured)
    total = len(sample.names)
    whole = "all of them" if sample.complete else "a sample"
    values = [Value(name="keys looked at", value=total, unit="count", note=f"{whole}, {sample.steps} SCAN steps")]
    values += [
        Value(name="prefix", value=one.keys / total, unit="ratio", labels=_labels(one))
        for one in prefixes[:_SHOWN]
        if one.keys > 1
    ]
    if total < _FEWEST:
        says = f"{total} keys are there, {_FEWEST} are needed to judge"
        findings: tuple[Finding, ...] = tuple(
            Finding(id=id, state="unknown", says=says, reason="too-few") for id in _IDS
        )
        return Seen(evidence=(here.evidence(values),), findings=findings)
    few, most = params.number("few"), params.number("most")
    findings = (
        _short(prefixes, params.number("short")),
        _forever(left, most),
        _missing(look.profile.cache, prefixes, total, few),
        _new(look.profile.cache, prefixes, total, most),
    )
    return Seen(evidence=(here.evidence(values),), findings=findings)


def census(names: Sequence[bytes], left: Mapping[bytes, float], configured: Mapping[str, float]) -> list[Prefix]:
    """The prefixes of these keys, most keys first. ``configured``: plain prefix -> lifetime in seconds."""
    counted: Counter[str] = Counter()
    times: dict[str, list[float]] = {}
    for name in names:
        prefix = prefix_of(name)
        counted[prefix] += 1
        if name in left:
            times.setdefault(prefix, []).append(left[name])
    return [
        Prefix(prefix, number, tuple(times.get(prefix, ())), configured.get(_plain(prefix)))
        for prefix, number in counted.most_common()
    ]


def prefix_of(key: bytes) -> str:
    """What stands before the first colon; with a further word like ``v2`` when more follows. "" without a colon."""
    text = redact(printable(key.decode("utf-8", "replace")))
    first, colon, rest = text.partition(":")
    if not colon:
        return ""
    second, more, _ = rest.partition(":")
    return f"{first[:40]}:{second}:" if more and _WORD.fullmatch(second) else f"{first[:40]}:"


def _plain(prefix: str) -> str:
    """A prefix as it is compared: USER_STATE of a settings file is ``user_state:`` in Redis."""
    return prefix.strip(":*").lower()


def _labels(one: Prefix) -> dict[str, str]:
    labels = {"prefix": one.name or "(none)", "keys": str(one.keys)}
    finite = [seconds for seconds in one.left if seconds < math.inf]
    if one.left:
        labels["longest left"] = format_quantity(max(finite), "s") if len(finite) == len(one.left) else "never expires"
    labels["configured"] = format_quantity(one.expected, "s") if one.expected is not None else "not known"
    return labels


def _not_configured(id: str) -> Finding:
    says = "the service's profile names no cache prefixes and lifetimes (key cache)"
    return Finding(id=id, state="unknown", says=says, reason="not-configured")


def _short(prefixes: Sequence[Prefix], short: float) -> Finding:
    id = _IDS[0]
    known = [one for one in prefixes if one.expected and len(one.left) >= _FEWEST]
    if not known:
        says = f"no prefix with a configured lifetime has {_FEWEST} keys in the sample"
        return Finding(id=id, state="unknown", says=says, reason="too-few")
    worst = min(known, key=lambda one: max(one.left) / (one.expected or 1))
    expected = worst.expected or 1.0
    part = max(worst.left) / expected
    if part == math.inf:
        return judged(id, False, f"keys {worst.name} never expire")
    says = (
        f"no key {worst.name} has more than {format_quantity(max(worst.left), 's')} left, "
        f"{format_quantity(expected, 's')} are configured ({len(worst.left)} keys)"
    )
    return judged(id, part < short, says, measured=max(worst.left), threshold=short * expected, unit="s",
                  parameter="short")  # fmt: skip


def _forever(left: Mapping[bytes, float], most: float) -> Finding:
    id = _IDS[1]
    if len(left) < _FEWEST:
        says = f"{len(left)} expiries were seen, {_FEWEST} are needed"
        return Finding(id=id, state="unknown", says=says, reason="too-few")
    forever = Counter(prefix_of(name) for name, seconds in left.items() if seconds == math.inf)
    part = sum(forever.values()) / len(left)
    says = f"{format_quantity(part, 'ratio', beside=most)} of {len(left)} keys looked at have no expiry"
    if forever:
        says += f", most of them {forever.most_common(1)[0][0] or 'without a prefix'}"
    return judged(id, part >= most, says, measured=part, threshold=most, unit="ratio", parameter="most")


def _missing(cache: Mapping[str, str], prefixes: Sequence[Prefix], total: int, few: float) -> Finding:
    """Only prefixes written as such (``decision_insight:``) can be missed: a setting's name need not be one."""
    id = _IDS[2]
    wanted = {name: 0 for name in cache if name.endswith(":")}
    if not wanted:
        return _not_configured(id)
    for one in prefixes:
        for name in wanted:
            if _plain(one.name) == _plain(name):
                wanted[name] += one.keys
    name, number = min(wanted.items(), key=lambda item: item[1])
    part = number / total
    says = (
        f"{number} of {total} keys looked at begin with {name} "
        f"({format_quantity(part, 'ratio', beside=few)}, limit {format_quantity(few, 'ratio')})"
    )
    return judged(id, part < few, says, measured=part, threshold=few, unit="ratio", parameter="few")


def _new(cache: Mapping[str, str], prefixes: Sequence[Prefix], total: int, most: float) -> Finding:
    id = _IDS[3]
    if not cache:
        return _not_configured(id)
    strange = [one for one in prefixes if one.expected is None]
    top = strange[0] if strange else None
    known = sum(one.keys for one in prefixes if one.expected is not None) / total
    part = top.keys / total if top is not None else 0.0
    name = (top.name or "without a prefix") if top is not None else "none"
    says = (
        f"{format_quantity(part, 'ratio', beside=most)} of {total} keys looked at are {name}, which the profile does "
        f"not name; {format_quantity(known, 'ratio')} have a prefix that it names"
        if top is not None
        else f"all {total} keys looked at have a prefix that the profile names"
    )
    # where the known ones are still a good part, the others may always have been there
    return judged(id, part >= most and known < most / 2, says, measured=part, threshold=most, unit="ratio",
                  parameter="most")  # fmt: skip
