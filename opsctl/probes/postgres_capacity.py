"""Can Postgres be reached, and has it connection slots left: for all, per database, per role (PG-0, PG-1, PG-8)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import ClassVar

from opsctl.clients.postgres_errors import SlotsFull
from opsctl.durations import format_quantity, parse_with_unit
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.postgres_session import PostgresParams, session
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

# The server, or what stands in for it, does not take work. Others (TLS, login, DNS here) may be about us alone.
_DOWN = frozenset({"refused", "timeout", "closed", "server-error"})
_ANSWERS = frozenset({"unauthorized", "forbidden", "not-found", "slots-full"})


@probe(
    "postgres.reachable",
    emits={
        "postgres.unreachable": "Postgres does not accept connections at its address",
        "postgres.standby": "The server is a standby: writes fail",
    },
    params=PostgresParams,
    asks="connects and asks for version, role and recovery state",
    privilege="LOGIN",
    cost="one connection, kept for the other probes",
    minimum="Postgres 14",
)
def reachable(look: Look, params: PostgresParams) -> Seen:
    """PG-0. Breach of ``unreachable`` is what is seen from this host; a refused login still is an answer."""
    try:
        here = session(look, params)
    except CouldNotLook as failure:
        if failure.reason not in _DOWN | _ANSWERS:
            raise
        down = failure.reason in _DOWN
        values = (Value(name="accepts connections", value=False, note=failure.says),)
        unknown = Finding(id="postgres.standby", state="unknown", says=failure.says, reason=failure.reason)
        says = f"from this host {failure.says}" if down else f"the server answers, but not us: {failure.says}"
        return Seen(
            evidence=(_refused(failure, values),), findings=(judged("postgres.unreachable", down, says), unknown)
        )
    facts = here.facts
    took = format_quantity(facts.connect_seconds, "s")
    standby = "is a standby in recovery: it refuses writes" if facts.standby else "is not in recovery"
    here.asked.append("get_preflight")
    return Seen(
        evidence=(
            here.evidence(
                (
                    Value(name="accepts connections", value=True),
                    Value(name="connect time", value=facts.connect_seconds, unit="s"),
                    Value(name="version", value=facts.version_text),
                    Value(name="role", value=facts.role),
                    Value(name="sees all sessions", value=facts.sees_all, note="" if facts.sees_all else facts.remedy),
                    Value(name="standby", value=facts.standby),
                    Value(name="TLS", value=facts.tls),
                )
            ),
        ),
        findings=(
            judged("postgres.unreachable", False, f"connected in {took}", measured=facts.connect_seconds, unit="s"),
            judged("postgres.standby", facts.standby, f"{here.reader.address} {standby}"),
        ),
    )


class CapacityParams(PostgresParams, frozen=True, kw_only=True):
    """``low``: used slots from which they count as low: a share (``90%``), a count (``45``) or ``5 left``."""

    low: str | float = "90%"

    def __post_init__(self) -> None:
        super().__post_init__()
        bound(self.low, 100)


def bound(value: str | float, slots: int) -> float:
    """How many used slots ``90%``, ``0.9``, ``45`` or ``5 left`` means. Raises ValueError."""
    if isinstance(value, str) and (left := re.fullmatch(r"\s*(\d+)\s*left\s*", value)):
        return float(slots - int(left[1]))
    number, unit = parse_with_unit(value)
    if number < 0 or unit not in ("", "ratio"):
        raise ValueError(f"{value} is not a number of slots")
    return number * slots if unit == "ratio" or number <= 1 else number


@probe(
    "postgres.capacity",
    emits={
        "postgres.slots-low": "Few connection slots are left for applications",
        "postgres.slots-full": "No connection slot is left for applications",
    },
    params=CapacityParams,
    asks="counts sessions against max_connections less the reserved ones",
    privilege="pg_monitor (pg_read_all_stats) to tell sessions apart",
    minimum="Postgres 14",
)
def capacity(look: Look, params: CapacityParams) -> Seen:
    """PG-1. A connection refused for want of a slot is itself the measurement."""
    try:
        here = session(look, params)
    except SlotsFull as full:
        return _full(full)
    (row,) = here.rows("get_capacity")
    slots, used, hidden = row["slots"], row["used"], row["hidden"]
    most = used + hidden  # what this role cannot tell apart may be client sessions
    low = bound(params.low, slots)
    values = [
        Value(name="slots for applications", value=slots, unit="count"),
        Value(name="used", value=used, unit="count", at_least=hidden > 0),
        Value(name="max_connections", value=row["max_connections"], unit="count"),
        Value(name="reserved", value=row["superuser_reserved"] + row["reserved"], unit="count"),
    ]
    if here.facts.sees_all:
        values += [Value(name=name.replace("_", " "), value=row[name], unit="count")
                   for name in ("active", "idle", "idle_in_transaction")]  # fmt: skip
    else:
        values.append(Value(name="hidden", value=hidden, unit="count", note=here.facts.remedy))
    amount = f"{used}" if not hidden else f"between {used} and {most}"
    says = f"{amount} of {slots} slots for applications are used, {max(0, slots - most)} left"

    def finding(id: str, limit: float, parameter: str) -> Finding:
        if used < limit <= most:
            return here.hidden(id, f"whether {hidden} more sessions are clients ({says})")
        return judged(id, used >= limit, says, measured=used, threshold=limit, unit="count", parameter=parameter)

    findings = (finding("postgres.slots-low", low, "low"), finding("postgres.slots-full", slots, ""))
    return Seen(evidence=(here.evidence(values),), findings=findings)


def _full(full: SlotsFull) -> Seen:
    values = (Value(name="connection refused", value=full.says),)
    ids = ("postgres.slots-low", "postgres.slots-full")
    if full.scope == "server":
        says = f"{full.says}; for opsctl to see who holds them, set the endpoint postgres-superuser"
        return Seen(evidence=(_refused(full, values),), findings=tuple(judged(id, True, says) for id in ids))
    says = f"{full.says}; that is a limit of the {full.scope}, the server's own slots were not seen"
    unknown = tuple(Finding(id=id, state="unknown", says=says, reason="slots-full") for id in ids)
    return Seen(evidence=(_refused(full, values),), findings=unknown)


def _refused(failure: CouldNotLook, values: tuple[Value, ...]) -> Evidence:
    return Evidence(
        subject=failure.address.partition("@")[0],
        source=f"postgres {failure.address}",
        values=values,
        setting=failure.setting,
        sampled_at=datetime.now(UTC),
    )


class LimitsParams(PostgresParams, frozen=True, kw_only=True):
    """``low``: share of a database's or role's own limit from which it counts as used up."""

    ratios: ClassVar[tuple[str, ...]] = ("low",)
    low: str | float = "90%"


@probe(
    "postgres.limits",
    emits={
        "postgres.database-limit": "A database's own connection limit is nearly used up",
        "postgres.role-limit": "A role's own connection limit is nearly used up",
    },
    params=LimitsParams,
    asks="compares CONNECTION LIMIT of databases and roles with their sessions",
    minimum="Postgres 14",
)
def limits(look: Look, params: LimitsParams) -> Seen:
    """PG-8. A refusal that names a role's or database's limit is itself the measurement."""
    low = params.number("low")
    try:
        here = session(look, params)
    except SlotsFull as full:
        if full.scope not in ("database", "role"):
            raise
        own = f"postgres.{full.scope}-limit"
        other = "postgres.role-limit" if full.scope == "database" else "postgres.database-limit"
        unknown = Finding(id=other, state="unknown", says=full.says, reason="slots-full")
        return Seen(
            evidence=(_refused(full, (Value(name="connection refused", value=full.says),)),),
            findings=(judged(own, True, full.says), unknown),
        )
    rows = here.rows("get_limits")
    values = [Value(name=f"{row['kind']} {row['name']}", value=row["sessions"], unit="count",
                    labels={"limit": str(row["limit"])}) for row in rows]  # fmt: skip
    findings = []
    for kind in ("database", "role"):
        mine = [row for row in rows if row["kind"] == kind]
        worst = max(mine, key=lambda row: row["sessions"] / max(1, row["limit"]), default=None)
        if worst is None:
            findings.append(judged(f"postgres.{kind}-limit", False, f"no {kind} has a connection limit of its own"))
            continue
        share = worst["sessions"] / max(1, worst["limit"])
        says = f"{kind} {worst['name']} has {worst['sessions']} sessions, its own limit is {worst['limit']}"
        findings.append(
            judged(f"postgres.{kind}-limit", share >= low, says, measured=share, threshold=low, unit="ratio",
                   parameter="low")
        )  # fmt: skip
    return Seen(evidence=(here.evidence(values),), findings=tuple(findings))
