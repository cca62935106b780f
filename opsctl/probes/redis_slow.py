"""What made Redis wait: slow commands and latency events (RD-2, RD-3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.redis_session import RedisParams, Session, session
from opsctl.probes.registry import probe
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.clients.redis_answers import SlowCommand

_ENTRIES = 128
_SHOWN = 5
# Their first argument is no key.
_NO_KEY = frozenset({"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO", "SCRIPT", "FUNCTION", "CONFIG",
                     "ACL", "AUTH", "HELLO", "DEBUG", "CLIENT", "INFO", "KEYS", "SCAN", "SLOWLOG", "LATENCY", "MEMORY",
                     "CLUSTER", "OBJECT", "XREAD", "XREADGROUP", "PUBLISH"})  # fmt: skip
# What watches a server, this program for one, and no user's request: slow on a machine that is short of CPU.
_WATCHING = frozenset({"INFO", "SLOWLOG", "LATENCY", "CONFIG", "MEMORY", "CLIENT", "PING", "COMMAND"})
_SUBCOMMANDS = frozenset({"CONFIG", "ACL", "DEBUG", "CLIENT", "SCRIPT", "FUNCTION", "MEMORY", "CLUSTER", "OBJECT"})


class SlowlogParams(RedisParams, frozen=True, kw_only=True):
    """``above``: execution time that counts as slow. ``count``: how many such commands in the time looked through.

    ``total``: time of them all together; a quick command now and then is late on any machine that is short of CPU.
    """

    durations: ClassVar[tuple[str, ...]] = ("above", "total")
    above: str | float = "10ms"
    count: int = 1
    total: str | float = "200ms"


@probe(
    "redis.slowlog",
    emits={"redis.slow-commands": "Commands kept Redis' one thread busy for long"},
    params=SlowlogParams,
    asks="SLOWLOG GET of the newest entries",
    privilege="ACL +slowlog|get",
    cost="one command",
    minimum="Redis 6.2",
)
def slowlog(look: Look, params: SlowlogParams) -> Seen:
    """RD-2. Names of commands and the prefix of their key only: arguments may be users' data."""
    here = session(look, params)
    above = params.number("above")
    here.asked.append(f"SLOWLOG GET {_ENTRIES}")
    since = _server_time(here) - look.since
    entries = here.reader.slowlog(_ENTRIES, here.left())
    recent = [entry for entry in entries if entry.at >= since and not _watches(entry)]
    slow = sorted((entry for entry in recent if entry.seconds >= above), key=lambda entry: -entry.seconds)
    values = [
        Value(
            name=_command(entry), value=entry.seconds, unit="s",
            labels={"at": f"{datetime.fromtimestamp(entry.at, UTC):%H:%M:%S} UTC", "key": _key(entry)},
        )
        for entry in slow[:_SHOWN]
    ]  # fmt: skip
    window = format_quantity(look.since, "s")
    values.append(Value(name="slow commands", value=len(slow), unit="count", at_least=len(entries) == _ENTRIES))
    id = "redis.slow-commands"
    spent = sum(entry.seconds for entry in slow)
    if slow:
        worst = slow[0]
        says = (
            f"{len(slow)} command{'s' if len(slow) > 1 else ''} of {format_quantity(above, 's')} or more in the last "
            f"{window}, together {format_quantity(spent, 's')}, the longest {_command(worst)} with "
            f"{format_quantity(worst.seconds, 's')}"
        )
    else:
        says = f"no command of {format_quantity(above, 's')} or more in the last {window}"
    if not slow and (missing := _not_logged(here, above)):
        finding = Finding(id=id, state="unknown", says=missing, reason="unsupported")
    else:
        longest = slow[0].seconds if slow else None
        holds = len(slow) >= params.count and spent >= params.number("total")
        finding = judged(id, holds, says, measured=longest, threshold=above, unit="s",
                         parameter="above")  # fmt: skip
    return Seen(evidence=(here.evidence(values, window=window),), findings=(finding,))


def _not_logged(here: Session, above: float) -> str:
    """Why an empty SLOWLOG proves nothing; "" when it does, or when we may not know."""
    try:
        here.asked.append("CONFIG GET slowlog-log-slower-than")
        limit = float(here.reader.config("slowlog-log-slower-than", here.left()) or "0")
    except (CouldNotLook, ValueError):
        return ""  # the default logs from 10 ms on
    if limit < 0:
        return "the slow log is off: CONFIG SET slowlog-log-slower-than 10000"
    if limit / 1e6 > above:
        logged = format_quantity(limit / 1e6, "s")
        return f"the slow log begins at {logged}, commands of {format_quantity(above, 's')} are not in it"
    return ""


def _watches(entry: SlowCommand) -> bool:
    return bool(entry.arguments) and entry.arguments[0].upper() in _WATCHING


def _command(entry: SlowCommand) -> str:
    words = [word.upper() for word in entry.arguments[:2]]
    name = " ".join(words) if words and words[0] in _SUBCOMMANDS else (words or ["?"])[0]
    return re.sub(r"[^A-Z0-9._| -]", "?", name)[:40]


def _key(entry: SlowCommand) -> str:
    """The key's prefix up to its first colon; the rest may name a user."""
    if len(entry.arguments) < 2 or entry.arguments[0].upper() in _NO_KEY or ":" not in entry.arguments[1]:
        return "-"
    return redact(printable(entry.arguments[1].partition(":")[0]))[:24] + ":…"


def _server_time(here: Session) -> float:
    """The server's own clock: its entries are stamped by it. Ours when it does not tell."""
    try:
        micro = here.info().number("server_time_usec")
    except CouldNotLook as failure:
        if failure.reason != "forbidden":
            raise
        micro = None
    return micro / 1e6 if micro else here.look.now


class LatencyParams(RedisParams, frozen=True, kw_only=True):
    """``above``: an event that held Redis up this long counts."""

    durations: ClassVar[tuple[str, ...]] = ("above",)
    above: str | float = "100ms"


@probe(
    "redis.latency",
    emits={
        "redis.latency-spike": "Something held Redis up",
        "redis.fork-stall": "Forking or writing the append-only file held Redis up",
    },
    params=LatencyParams,
    asks="LATENCY LATEST; whether latency monitoring is on",
    privilege="ACL +latency|latest +config|get +info",
    cost="three commands",
    minimum="Redis 6.2",
)
def latency(look: Look, params: LatencyParams) -> Seen:
    """RD-3. With monitoring off the list is empty, and that says nothing: unknown, with the remedy."""
    here = session(look, params)
    above = params.number("above")
    since = _server_time(here) - look.since
    here.asked.append("LATENCY LATEST")
    spikes = [spike for spike in here.reader.latency_latest(here.left()) if spike.at >= since]
    values = [
        Value(name=printable(spike.event)[:40], value=spike.seconds, unit="s",
              labels={"at": f"{datetime.fromtimestamp(spike.at, UTC):%H:%M:%S} UTC"},
              note=f"longest ever {format_quantity(spike.longest, 's')}")
        for spike in spikes
    ]  # fmt: skip
    off = "" if spikes else _monitoring_off(here)
    window = format_quantity(look.since, "s")
    stalls = [spike for spike in spikes if spike.event == "fork" or spike.event.startswith(("aof", "rdb"))]
    findings = []
    for id, some in (("redis.latency-spike", spikes), ("redis.fork-stall", stalls)):
        worst = max(some, key=lambda spike: spike.seconds, default=None)
        if off:
            findings.append(Finding(id=id, state="unknown", says=off, reason="unsupported"))
        elif worst is None:
            findings.append(judged(id, False, f"no such event in the last {window}", threshold=above, unit="s"))
        else:
            took = format_quantity(worst.seconds, "s", beside=above)
            says = (
                f"{printable(worst.event)[:40]} took {took} in the last {window}, limit {format_quantity(above, 's')}"
            )
            findings.append(
                judged(id, worst.seconds >= above, says, measured=worst.seconds, threshold=above, unit="s",
                       parameter="above")
            )  # fmt: skip
    return Seen(evidence=(here.evidence(values, window=window),), findings=tuple(findings))


def _monitoring_off(here: Session) -> str:
    """Why an empty list says nothing; "" when monitoring is on."""
    remedy = "CONFIG SET latency-monitor-threshold 100"
    here.asked.append("CONFIG GET latency-monitor-threshold")
    try:
        threshold = here.reader.config("latency-monitor-threshold", here.left())
    except CouldNotLook as failure:
        if failure.reason not in ("forbidden", "unsupported"):
            raise
        return f"no events, and whether latency monitoring is on may not be asked ({failure.says})"
    return "" if threshold not in ("", "0") else f"latency monitoring is off; to turn it on: {remedy}"
