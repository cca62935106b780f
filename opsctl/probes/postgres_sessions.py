"""Who holds the connections, and which transactions and statements run for long (PG-2, PG-3)."""

from __future__ import annotations

from typing import Any, ClassVar

from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.postgres_session import PostgresParams, Session, labels, session, short, who
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 10


class SessionsParams(PostgresParams, frozen=True, kw_only=True):
    """When sessions look leaked or too many.

    ``share``: of the slots, from which one client's idle sessions, all clients together or active sessions count.
    ``idle``: how long leaked sessions have been idle on average. ``pool``: sessions a client is configured to hold
    (0 = not known); a client that holds more leaks.
    """

    durations: ClassVar[tuple[str, ...]] = ("idle",)
    ratios: ClassVar[tuple[str, ...]] = ("share",)
    share: str | float = "50%"
    idle: str | float = "10m"
    pool: int = 0


@probe(
    "postgres.sessions",
    emits={
        "postgres.sessions-leaked": "One client holds many sessions that have been idle for long",
        "postgres.many-clients": "Many clients with pools of their own add up to most of the slots",
        "postgres.sessions-active": "Most of the slots are at work: they are held by running statements",
    },
    params=SessionsParams,
    asks="sessions by client address, role, database and application",
    privilege="pg_monitor (pg_read_all_stats)",
    cost="two queries",
    minimum="Postgres 14",
)
def sessions(look: Look, params: SessionsParams) -> Seen:
    """PG-2. A pool at its configured size is no leak; a pooler shows as one address with young, idle sessions."""
    share, idle_for = params.number("share"), params.number("idle")
    here = session(look, params)
    ids = ("postgres.sessions-leaked", "postgres.many-clients", "postgres.sessions-active")
    (room,) = here.rows("get_capacity")
    rows = here.rows("get_sessions")
    slots = max(1, room["slots"])
    values = [
        Value(
            name="sessions", value=row["sessions"], unit="count",
            labels=labels(
                address=row["address"], role=row["role"], database=row["database"], active=row["active"],
                application=short(row["application"]), idle=row["idle"], in_transaction=row["idle_in_transaction"],
                idle_for=_age(row["idle_seconds"]), oldest=_age(row["oldest_seconds"]),
            ),
        )
        for row in rows[:_SHOWN]
    ]  # fmt: skip
    if not here.facts.sees_all:
        return Seen(
            evidence=(here.evidence(values),),
            findings=tuple(here.hidden(id, "whose sessions they are and what they do") for id in ids),
        )
    active = room["active"] / slots
    says = f"{room['active']} of {slots} slots run a statement, {room['idle']} are idle"
    at_work = judged(ids[2], active >= share, says, measured=active, threshold=share, unit="ratio", parameter="share")
    return Seen(
        evidence=(here.evidence(values),),
        findings=(_leak(rows, slots, share, idle_for, params.pool), _many(rows, slots, share), at_work),
    )


def _leak(rows: list[dict[str, Any]], slots: int, share: float, idle_for: float, pool: int) -> Finding:
    id = "postgres.sessions-leaked"

    def leaks(row: dict[str, Any]) -> bool:
        old = row["idle"] >= 0.8 * row["sessions"] and (row["idle_seconds"] or 0) >= idle_for
        return old and (row["sessions"] > pool if pool else row["idle"] / slots >= share)

    worst = next((row for row in rows if leaks(row)), None)
    if worst is not None:
        expected = f", its pool is {pool}" if pool else f" of {slots} slots"
        says = (
            f"{_client(worst)} holds {worst['sessions']} sessions{expected}; {worst['idle']} are idle, "
            f"for {_age(worst['idle_seconds'])} on average"
        )
        return judged(id, True, says, measured=worst["idle"] / slots, threshold=share, unit="ratio", parameter="share")
    most = max(rows, key=lambda row: row["idle"], default=None)
    if most is None or most["idle"] == 0:
        return judged(id, False, "no client holds idle sessions")
    says = f"{_client(most)} has the most idle sessions: {most['idle']} of {slots}, {_age(most['idle_seconds'])} idle"
    return judged(id, False, says, measured=most["idle"] / slots, threshold=share, unit="ratio", parameter="share")


def _many(rows: list[dict[str, Any]], slots: int, share: float) -> Finding:
    """Three or more addresses with pools of like size that together hold the share."""
    id = "postgres.many-clients"
    by_address: dict[str, int] = {}
    for row in rows:
        by_address[row["address"]] = by_address.get(row["address"], 0) + row["sessions"]
    total, clients = sum(by_address.values()), len(by_address)
    most = max(by_address.values(), default=0)
    held = total / slots
    even = clients >= 3 and most <= 2 * total / clients
    says = f"{total} of {slots} slots are held from {clients} client addresses, at most {most} from one"
    return judged(id, even and held >= max(share, 0.8), says, measured=held, threshold=max(share, 0.8), unit="ratio")


def _client(row: dict[str, Any]) -> str:
    names = ", ".join(str(part) for part in (short(row["application"]), row["role"]) if part)
    return f"{row['address']} ({names})"


def _age(seconds: float | None) -> str:
    return "" if seconds is None else format_quantity(max(0.0, seconds), "s")


class TransactionsParams(PostgresParams, frozen=True, kw_only=True):
    """``above``: open transactions longer than this. ``query``: statements running longer than this.

    ``prepared``: prepared transactions older than this. ``kept``: bytes of WAL an inactive slot may keep.
    """

    durations: ClassVar[tuple[str, ...]] = ("above", "query", "prepared")
    above: str | float = "5m"
    query: str | float = "1m"
    prepared: str | float = "5m"
    kept: int = 2**30


@probe(
    "postgres.transactions",
    emits={
        "postgres.long-transaction": "A client's transaction has been open for long",
        "postgres.long-query": "A statement has been running for long",
        "postgres.prepared-transaction": "A prepared transaction was left behind: it holds locks until it is decided",
        "postgres.replication-slot-inactive": "An unused replication slot keeps WAL from being removed",
    },
    params=TransactionsParams,
    asks="open transactions, prepared transactions, replication slots",
    privilege="pg_monitor (pg_read_all_stats)",
    cost="three queries",
    minimum="Postgres 14",
)
def transactions(look: Look, params: TransactionsParams) -> Seen:
    """PG-3. Replication and maintenance have long transactions of their own; only clients' are judged."""
    here = session(look, params)
    rows = here.rows("get_transactions")
    values = [
        Value(
            name="open transaction", value=row["transaction_seconds"], unit="s",
            labels=labels(
                pid=row["pid"], role=row["role"], application=short(row["application"]), database=row["database"],
                kind=row["kind"], state=row["state"], wait=row["wait"], xmin_age=row["horizon_age"],
                query=short(row["query"]),
            ),
        )
        for row in rows[:_SHOWN]
    ]  # fmt: skip
    clients = [row for row in rows if row["kind"] == "client backend" and not row["helper"]]
    # a statement that waits for a lock is a victim: postgres.locks names who holds it up
    running = [row for row in clients if row["state"] == "active" and not row["wait"].startswith("Lock/")]
    findings = [
        _longest(here, "postgres.long-transaction", clients, "transaction_seconds", params.number("above"), "above"),
        _longest(here, "postgres.long-query", running, "query_seconds", params.number("query"), "query"),
        _prepared(here, values, params.number("prepared")),
        _slots(here, values, params.kept),
    ]
    return Seen(evidence=(here.evidence(values),), findings=tuple(findings))


def _longest(here: Session, id: str, rows: list[dict[str, Any]], column: str, limit: float, parameter: str) -> Finding:
    what = "transaction" if column == "transaction_seconds" else "statement"
    over = [row for row in rows if (row[column] or 0) >= limit]
    if not over and not here.facts.sees_all:
        return here.hidden(id, "other roles' transactions")
    worst = max(rows, key=lambda row: row[column] or 0, default=None)
    if worst is None:
        return judged(id, False, f"no {what} is open", measured=0, threshold=limit, unit="s", parameter=parameter)
    length = worst[column] or 0
    says = f"{who(worst)}: {what} for {format_quantity(length, 's', beside=limit)}, {worst['state']}"
    says += f" ({worst['wait']})" if worst["wait"] and worst["state"] == "active" else ""
    says += f"; limit {format_quantity(limit, 's')}"
    says += f"; {len(over) - 1} more over it" if len(over) > 1 else ""
    return judged(id, bool(over), says, measured=length, threshold=limit, unit="s", parameter=parameter)


def _prepared(here: Session, values: list[Value], limit: float) -> Finding:
    id = "postgres.prepared-transaction"
    rows = here.rows("get_prepared_transactions")
    values += [
        Value(name="prepared transaction", value=row["prepared_seconds"], unit="s",
              labels=labels(gid=short(row["gid"]), role=row["role"], database=row["database"]))
        for row in rows
    ]  # fmt: skip
    if not rows:
        return judged(id, False, "no transaction is prepared")
    oldest = rows[0]
    says = (
        f"{short(oldest['gid'])} of {oldest['role']} in {oldest['database']} has been prepared for "
        f"{_age(oldest['prepared_seconds'])}; ask its owner before ROLLBACK PREPARED"
    )
    holds = oldest["prepared_seconds"] >= limit
    return judged(id, holds, says, measured=oldest["prepared_seconds"], threshold=limit, unit="s", parameter="prepared")


def _slots(here: Session, values: list[Value], limit: int) -> Finding:
    id = "postgres.replication-slot-inactive"
    try:
        rows = here.rows("get_replication_slots")
    except CouldNotLook as failure:  # some managed servers close it off
        return Finding(id=id, state="unknown", says=failure.says, reason=failure.reason)
    values += [
        Value(name="replication slot", value=row["kept_bytes"], unit="bytes",
              labels=labels(name=row["name"], active=row["active"], wal_status=row["wal_status"]))
        for row in rows
    ]  # fmt: skip
    idle = [row for row in rows if not row["active"]]
    worst = max(idle, key=lambda row: row["kept_bytes"] or 0, default=None)
    if worst is None:
        return judged(id, False, f"{len(rows)} replication slots, none unused")
    kept = worst["kept_bytes"] or 0
    bad = kept >= limit or worst["wal_status"] in ("unreserved", "lost")
    says = f"slot {worst['name']} is not used and keeps {format_quantity(kept, 'bytes')} of WAL ({worst['wal_status']})"
    return judged(id, bad, says, measured=kept, threshold=limit, unit="bytes", parameter="kept")
