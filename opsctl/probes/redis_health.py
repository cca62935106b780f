"""Does Redis answer, does it turn clients away, does it persist and replicate, and did it restart (RD-1)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import ClassVar

from opsctl.clients.redis_errors import ClientsFull
from opsctl.durations import format_duration, format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Change, Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.quantities import judged
from opsctl.probes.redis_session import RedisParams, Session, grown, numbers, session, span, unsure
from opsctl.probes.registry import probe

_DOWN = frozenset({"refused", "timeout", "closed", "server-error"})
_ANSWERS = frozenset({"unauthorized", "forbidden", "slots-full"})


class ReachableParams(RedisParams, frozen=True, kw_only=True):
    """``above``: a median PING longer than this counts as slow; ``pings``: how many are sent."""

    durations: ClassVar[tuple[str, ...]] = ("above",)
    above: str | float = "100ms"
    pings: int = 5


@probe(
    "redis.reachable",
    emits={
        "redis.unreachable": "Redis does not answer at its address",
        "redis.slow": "Redis answers PING slowly",
        "redis.loading": "Redis is still loading its data",
        "redis.replica": "The server is a replica: writes fail",
    },
    params=ReachableParams,
    asks="INFO and a few PING",
    privilege="ACL +info +ping",
    cost="one INFO, five PING",
    minimum="Redis 6.2",
)
def reachable(look: Look, params: ReachableParams) -> Seen:
    """RD-1. Breach of ``unreachable`` is what is seen from this host; a refused login still is an answer."""
    here = session(look, params)
    above = params.number("above")
    try:
        now = here.info()
    except CouldNotLook as failure:
        if failure.reason not in _DOWN | _ANSWERS:
            raise
        return _no_answer(here, failure)
    loading, role = now.number("loading") == 1, now.text("role") or "unknown"
    findings = [
        judged("redis.unreachable", False, f"{here.reader.address} answers"),
        judged("redis.loading", loading, f"loading {now.number('loading') or 0:g}"),
        judged("redis.replica", role == "slave", f"role {'replica' if role == 'slave' else role}"),
    ]
    values = [
        Value(name="version", value=now.text("redis_version")),
        Value(name="mode", value=now.text("redis_mode")),
        Value(name="role", value="replica" if role == "slave" else role),
        *numbers(now, [("uptime_in_seconds", "s"), ("instantaneous_ops_per_sec", "per_second")]),
    ]
    here.asked.append("PING")
    try:
        times = [here.reader.ping(here.left()) for _ in range(max(1, params.pings))]
    except CouldNotLook as failure:
        findings.append(Finding(id="redis.slow", state="unknown", says=failure.says, reason=failure.reason))
    else:
        from statistics import median as middle_of

        middle = middle_of(times)
        values.append(Value(name="PING", value=middle, unit="s", note=f"median of {len(times)}"))
        says = f"PING takes {format_quantity(middle, 's', beside=above)}, limit {format_quantity(above, 's')}"
        findings.append(
            judged("redis.slow", middle > above, says, measured=middle, threshold=above, unit="s", parameter="above")
        )
    return Seen(evidence=(here.evidence(values),), findings=tuple(findings))


def _no_answer(here: Session, failure: CouldNotLook) -> Seen:
    down = failure.reason in _DOWN and "loading" not in failure.says
    says = f"from this host {failure.says}" if down else f"the server answers, but not us: {failure.says}"
    unknown = tuple(
        Finding(id=id, state="unknown", says=failure.says, reason=failure.reason)
        for id in ("redis.slow", "redis.loading", "redis.replica")
    )
    values = (Value(name="answers", value=not down, note=failure.says),)
    return Seen(evidence=(here.evidence(values),), findings=(judged("redis.unreachable", down, says), *unknown))


class ClientsParams(RedisParams, frozen=True, kw_only=True):
    """``full``: share of maxclients from which connections count as nearly used up."""

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("full",)
    full: str | float = "90%"
    pause: str | float = "2s"


@probe(
    "redis.clients",
    emits={
        "redis.rejecting": "Redis turns new connections away",
        "redis.clients-near-limit": "Redis has nearly as many clients as it allows",
    },
    params=ClientsParams,
    asks="INFO twice: connected_clients, rejected_connections in between; maxclients",
    privilege="ACL +info; +config|get before Redis 7",
    cost="two INFO, a pause in between",
    minimum="Redis 6.2",
)
def clients(look: Look, params: ClientsParams) -> Seen:
    """RD-1. Being turned away ourselves is itself the measurement."""
    here = session(look, params)
    full = params.number("full")
    try:
        before, after = here.two(params.number("pause"))
    except ClientsFull as failure:
        ids = ("redis.rejecting", "redis.clients-near-limit")
        values = (Value(name="connection refused", value=failure.says),)
        return Seen(evidence=(here.evidence(values),), findings=tuple(judged(id, True, failure.says) for id in ids))
    limit = after.number("maxclients")
    if limit is None:
        try:
            here.asked.append("CONFIG GET maxclients")
            limit = float(here.reader.config("maxclients", here.left()) or "nan")
        except (CouldNotLook, ValueError):
            limit = None
    connected = after.number("connected_clients")
    values_ = numbers(after, [("connected_clients", "count"), ("blocked_clients", "count"), ("maxclients", "count")])
    rejected = grown(before, after, "rejected_connections")
    ever = after.number("rejected_connections")
    if rejected is None:
        findings = [unsure("redis.rejecting", "the counter rejected_connections is absent or was reset meanwhile")]
    else:
        values_.append(Value(name="rejected", value=rejected, unit="count", note=f"in {span(before, after)}"))
        says = f"{rejected:g} connections rejected in {span(before, after)}; {ever:g} since the start"
        findings = [judged("redis.rejecting", rejected > 0, says, measured=rejected, threshold=0, unit="count")]
    if connected is None or limit is None or not limit > 0:
        findings.append(unsure("redis.clients-near-limit", "maxclients is not told; grant +config|get"))
    else:
        share = connected / limit
        says = f"{connected:g} clients, {limit:g} allowed"
        findings.append(
            judged("redis.clients-near-limit", share >= full, says, measured=share, threshold=full, unit="ratio",
                   parameter="full")
        )  # fmt: skip
    return Seen(evidence=(here.evidence(values_, window=span(before, after)),), findings=tuple(findings))


@probe(
    "redis.persistence",
    emits={
        "redis.persistence-failing": "Redis fails to save to disk; it may refuse writes",
        "redis.replica-link-down": "A replica has lost its primary",
    },
    params=RedisParams,
    asks="INFO: last save, append-only file, replication link",
    privilege="ACL +info",
    cost="one INFO",
    minimum="Redis 6.2",
)
def persistence(look: Look, params: RedisParams) -> Seen:
    """RD-1. A failed save makes writes fail with MISCONF while stop-writes-on-bgsave-error is on."""
    here = session(look, params)
    now = here.info()
    states = {name: now.text(name) for name in
              ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")}  # fmt: skip
    failing = [name for name, state in states.items() if state == "err"]
    refused = now.part("errorstat_MISCONF", "count")
    if failing:
        says = f"{', '.join(failing)} is err"
        says += f"; {refused:g} commands were refused with MISCONF since the start" if refused else ""
        first = judged("redis.persistence-failing", True, says)
    elif not any(states.values()):
        first = unsure("redis.persistence-failing", f"{here.reader.address} does not tell how its last save went")
    else:
        first = judged("redis.persistence-failing", False, "the last saves went well")
    link = now.text("master_link_status")
    role = "replica" if now.text("role") == "slave" else now.text("role") or "unknown"
    if link:
        down = now.number("master_link_down_since_seconds")
        says = f"the link to the primary is {link}" + (f" for {format_quantity(down, 's')}" if down else "")
        second = judged("redis.replica-link-down", link != "up", says)
    else:
        second = judged("redis.replica-link-down", False, f"role {role}: no link to a primary")
    values = [
        *(Value(name=name, value=state) for name, state in states.items() if state),
        *numbers(now, [("rdb_bgsave_in_progress", "count"), ("aof_enabled", "count"),
                       ("rdb_changes_since_last_save", "count"), ("connected_slaves", "count")]),
    ]  # fmt: skip
    return Seen(evidence=(here.evidence(values),), findings=(first, second))


class RestartedParams(RedisParams, frozen=True, kw_only=True):
    """``within``: how long ago a restart still counts as recent."""

    durations: ClassVar[tuple[str, ...]] = ("within",)
    within: str | float = "1h"


@probe(
    "redis.restarted",
    emits={"redis.restarted": "Redis restarted a short time ago: its cache began empty"},
    params=RestartedParams,
    asks="INFO: uptime and number of keys",
    privilege="ACL +info",
    cost="one INFO",
    minimum="Redis 6.2",
    changes=True,
)
def restarted(look: Look, params: RestartedParams) -> Seen:
    """RD-1. Also reported as a change when it lies in the time looked through."""
    here = session(look, params)
    recent = params.number("within")
    now = here.info()
    uptime = now.number("uptime_in_seconds")
    if uptime is None:
        return Seen(
            evidence=(here.evidence(()),),
            findings=(unsure("redis.restarted", f"{here.reader.address} does not tell its uptime"),),
        )
    keys = sum(now.part(name, "keys") for name in now.fields if name.startswith("db"))
    says = f"Redis has been up for {format_duration(uptime)} and holds {keys:g} keys"
    values = [Value(name="uptime", value=uptime, unit="s"), Value(name="keys", value=keys, unit="count")]
    at = datetime.fromtimestamp(time.time() - uptime, UTC)  # not look.now: the answer may come seconds after it
    changes = (  # the engine keeps those of the time it looks at
        Change(at=at, system="redis", subject=here.reader.address, says="started",
               source=f"redis {here.reader.address}"),
    )  # fmt: skip
    finding = judged("redis.restarted", uptime <= recent, says, measured=uptime, threshold=recent, unit="s",
                     parameter="within")  # fmt: skip
    return Seen(evidence=(here.evidence(values),), findings=(finding,), changes=changes)
