"""Who waits for whose lock, and which sessions sit idle in a transaction (PG-4, PG-5)."""

from __future__ import annotations

from typing import Any, ClassVar

from opsctl.durations import format_quantity
from opsctl.model import Finding, Seen, Value
from opsctl.probes import postgres_blocking as blocking
from opsctl.probes.look import Look
from opsctl.probes.postgres_session import PostgresParams, Session, labels, session, short, who
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 10
_BARE = dict.fromkeys(
    ("role", "application", "kind", "state", "transaction_seconds", "state_seconds", "query"),
)
_WRAPAROUND = "(to prevent wraparound)"


class LocksParams(PostgresParams, frozen=True, kw_only=True):
    """``above``: how long a session must have waited; shorter waits are the normal work of locks."""

    durations: ClassVar[tuple[str, ...]] = ("above",)
    above: str | float = "1s"


@probe(
    "postgres.locks",
    emits={
        "postgres.lock-wait": "Sessions wait for a lock that another session holds",
        "postgres.lock-root-idle": "The session that blocks the others is idle in its transaction",
        "postgres.wraparound-autovacuum": "The blocking session is an autovacuum against wraparound: do not end it",
    },
    params=LocksParams,
    asks="pg_locks; who blocks whom only when somebody waits",
    privilege="pg_monitor to see what the blocking session does",
    cost="one to three queries; takes the lock manager's partitions briefly",
    minimum="Postgres 14",
)
def locks(look: Look, params: LocksParams) -> Seen:
    """PG-4. The root is the session that blocks and waits for nobody; pid 0 is a prepared transaction."""
    above = params.number("above")
    here = session(look, params)
    (wait,) = here.rows("get_lock_waits")
    waiting, longest = wait["waiting"], wait["longest_seconds"]
    values = [Value(name="sessions waiting for a lock", value=waiting, unit="count")]
    if waiting == 0:
        says = "no session waits for a lock"
        others = (judged(id, False, says) for id in ("postgres.lock-root-idle", "postgres.wraparound-autovacuum"))
        none = judged("postgres.lock-wait", False, says, measured=0.0, threshold=above, unit="s", parameter="above")
        return Seen(evidence=(here.evidence(values),), findings=(none, *others))
    values.append(Value(name="longest wait", value=longest, unit="s"))
    roots = _roots(here)
    values += [
        Value(
            name="blocking session",
            value=row["pid"],
            labels=labels(
                victims=row["victims"], depth=row["depth"], role=row["role"], application=short(row["application"]),
                kind=row["kind"], state=row["state"], query=short(row["query"]),
                transaction=_age(row["transaction_seconds"]),
            ),
        )
        for row in roots
    ]  # fmt: skip
    holds = longest >= above
    people = "1 session waits" if waiting == 1 else f"{waiting} sessions wait"
    says = f"{people} for a lock, the longest for {format_quantity(longest, 's', beside=above)}"
    if roots:
        top = roots[0]
        says += f"; {_root(top)} blocks {top['victims']} of them"
        says += f" through {top['depth']} steps" if top["depth"] > 1 else ""
    else:
        says += "; no session blocks without waiting itself: either it has just ended or they wait for each other"
    lock_wait = judged(
        "postgres.lock-wait", holds, says, measured=longest, threshold=above, unit="s", parameter="above"
    )
    findings = (lock_wait, _root_idle(here, roots, holds), _wraparound(here, roots, holds))
    return Seen(evidence=(here.evidence(values),), findings=findings)


def _roots(here: Session) -> list[dict[str, Any]]:
    """The ten worst roots with what they are; a prepared transaction (pid 0) and one that has just gone stay bare."""
    worst = blocking.roots(blocking.edges(here))[:_SHOWN]
    known = {row["pid"]: row for row in here.rows("get_blocking_sessions", {"pids": [root.pid for root in worst]})}
    return [{**_BARE, **known.get(root.pid, {}), **root._asdict()} for root in worst]


def _root_idle(here: Session, roots: list[dict[str, Any]], holds: bool) -> Finding:
    id = "postgres.lock-root-idle"
    row = next((row for row in roots if str(row["state"] or "").startswith("idle in transaction")), None)
    if row is not None:
        says = f"{who(row)} blocks {row['victims']}, idle in its transaction for {_age(row['state_seconds'])}"
        return judged(id, holds, says)
    if _some_hidden(here, roots):
        return here.hidden(id, "what the blocking session does")
    return judged(id, False, "no blocking session is idle in its transaction")


def _wraparound(here: Session, roots: list[dict[str, Any]], holds: bool) -> Finding:
    id = "postgres.wraparound-autovacuum"
    row = next((row for row in roots if _WRAPAROUND in str(row["query"] or "")), None)
    if row is not None:
        says = f"autovacuum pid {row['pid']} works against wraparound: let it finish, stop the DDL that waits for it"
        return judged(id, holds, says)
    if _some_hidden(here, roots):
        return here.hidden(id, "what the blocking session does")
    return judged(id, False, "no blocking session is an autovacuum against wraparound")


def _some_hidden(here: Session, roots: list[dict[str, Any]]) -> bool:
    return not here.facts.sees_all and any(row["pid"] and row["state"] is None for row in roots)


def _root(row: dict[str, Any]) -> str:
    if row["pid"] == 0:
        return "a prepared transaction"
    state = f", {row['state']} for {_age(row['state_seconds'])}" if row["state"] else ""
    return f"{who(row)}{state}"


def _age(seconds: float | None) -> str:
    return "" if seconds is None else format_quantity(max(0.0, seconds), "s")


class IdleInTransactionParams(PostgresParams, frozen=True, kw_only=True):
    """``above``: idle this long counts even without victims; ``blocking``: idle this long counts if others wait."""

    durations: ClassVar[tuple[str, ...]] = ("above", "blocking")
    above: str | float = "5m"
    blocking: str | float = "1s"


@probe(
    "postgres.idle-in-transaction",
    emits={"postgres.idle-in-transaction": "A session sits idle in an open transaction and others pay for it"},
    params=IdleInTransactionParams,
    asks="sessions idle in transaction, with the sessions each one blocks",
    privilege="pg_monitor (pg_read_all_stats)",
    minimum="Postgres 14",
)
def idle_in_transaction(look: Look, params: IdleInTransactionParams) -> Seen:
    """PG-5. Ranked by harm: victims first, then how long it has been idle."""
    above, blocking_for = params.number("above"), params.number("blocking")
    here = session(look, params)
    rows = here.rows("get_idle_in_transaction")
    waiting = blocking.edges(here) if rows else {}
    for row in rows:
        row["victims"] = blocking.reach(waiting, row["pid"]).victims
    rows.sort(key=lambda row: (-row["victims"], -row["idle_seconds"]))
    harmful = [row for row in rows if row["idle_seconds"] >= (blocking_for if row["victims"] else above)]
    values = [
        Value(
            name="idle in transaction",
            value=row["idle_seconds"],
            unit="s",
            labels=labels(
                pid=row["pid"], role=row["role"], application=short(row["application"]), database=row["database"],
                address=row["address"], victims=row["victims"], wrote="yes" if row["wrote"] else "no",
                query=short(row["query"]),
            ),
        )
        for row in rows[:_SHOWN]
    ]  # fmt: skip
    id = "postgres.idle-in-transaction"
    if harmful:
        worst = harmful[0]
        says = f"{who(worst)}, idle in its transaction for {_age(worst['idle_seconds'])}, blocks {worst['victims']}"
        more = len(harmful) - 1
        says += f"; {more} more like it" if more else ""
        limit, name = (blocking_for, "blocking") if worst["victims"] else (above, "above")
        finding = judged(id, True, says, measured=worst["idle_seconds"], threshold=limit, unit="s", parameter=name)
    elif not here.facts.sees_all:
        finding = here.hidden(id, "the state of other roles' sessions")
    elif rows:
        longest = max(row["idle_seconds"] for row in rows)
        says = (
            f"{len(rows)} idle in transaction, none blocks others; the longest for "
            f"{format_quantity(longest, 's', beside=above)}, limit {format_quantity(above, 's')}"
        )
        finding = judged(id, False, says, measured=longest, threshold=above, unit="s", parameter="above")
    else:
        finding = judged(id, False, "no session is idle in a transaction", measured=0, threshold=above, unit="s")
    return Seen(evidence=(here.evidence(values),), findings=(finding,))
