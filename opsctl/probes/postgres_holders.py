"""What holds an application's connections: statements, waits for locks, forgotten transactions, or more than its pool.

A full pool says nothing by itself; this tells the causes of R2 apart before the server's own slots are used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from opsctl.durations import format_quantity
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.postgres_session import PostgresParams, labels, session, short
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 8
_HELD = {  # finding -> its column, and how the sentence goes on
    "postgres.held-by-statements": ("statements", "have been running a statement for {after}"),
    "postgres.held-by-lock-waits": ("waiting", "have been waiting for a lock for {waited}"),
    "postgres.held-idle-in-transaction": ("forgotten", "have been idle in a transaction for {after}"),
}
_BEYOND = "postgres.more-than-its-pool"


class HoldersParams(PostgresParams, frozen=True, kw_only=True):
    """``share`` of an application's sessions, of which there must be ``least``; ``after`` and ``waited``: how long.

    ``pool``: sessions that one instance is configured to hold; ``profile`` takes the profile's
    ``capacity.database_connections``, 0 is not known.
    """

    durations: ClassVar[tuple[str, ...]] = ("after", "waited")
    ratios: ClassVar[tuple[str, ...]] = ("share",)
    after: str | float = "5s"
    waited: str | float = "1s"
    share: str | float = "50%"
    least: int = 3
    pool: int | Literal["profile"] = "profile"


@probe(
    "postgres.holders",
    emits={
        "postgres.held-by-statements": "Long statements hold most of an application's sessions",
        "postgres.held-by-lock-waits": "Most of an application's sessions wait for locks",
        "postgres.held-idle-in-transaction": "Most of an application's sessions sit idle in a transaction",
        _BEYOND: "An application holds more sessions than its instances' pools, and does not use them",
    },
    params=HoldersParams,
    asks="sessions by application, and what each of them does",
    privilege="pg_monitor (pg_read_all_stats)",
    cost="one query",
    minimum="Postgres 14",
)
def holders(look: Look, params: HoldersParams) -> Seen:
    """R2. Each client address counts as one instance: several behind one address look like one that leaks."""
    here = session(look, params)
    after, waited = params.number("after"), params.number("waited")
    rows = here.rows("get_holders", {"after": after, "waited": waited})
    values = [
        Value(
            name="sessions of an application", value=row["sessions"], unit="count",
            labels=labels(application=short(row["application"]), role=row["role"], database=row["database"],
                          addresses=row["addresses"], statements=row["statements"], waiting=row["waiting"],
                          in_transaction=row["forgotten"], unused=row["unused"]),
        )
        for row in rows[:_SHOWN]
    ]  # fmt: skip
    if not here.facts.sees_all:
        ids = (*_HELD, _BEYOND)
        hidden = tuple(here.hidden(id, "what other roles' sessions do") for id in ids)
        return Seen(evidence=(here.evidence(values),), findings=hidden)
    words = {"after": format_quantity(after, "s"), "waited": format_quantity(waited, "s")}
    share = params.number("share")
    findings = [_held(id, rows, share, params.least, words) for id in _HELD]
    pool = int(look.profile.capacity.get("database_connections", 0)) if params.pool == "profile" else params.pool
    findings.append(_beyond(rows, pool, words["after"]))
    return Seen(evidence=(here.evidence(values),), findings=tuple(findings))


def _held(id: str, rows: Sequence[dict[str, Any]], share: float, least: int, words: dict[str, str]) -> Finding:
    column, doing = _HELD[id]
    how = doing.format(**words)
    some = [row for row in rows if row[column]]
    worst = max(some, key=lambda row: (_holds(row, column, share, least), row[column]), default=None)
    if worst is None:
        return judged(id, False, f"no sessions {how}", measured=0.0, threshold=share, unit="ratio", parameter="share")
    part = worst[column] / worst["sessions"]
    says = f"{worst[column]} of {worst['sessions']} sessions of {_app(worst)} {how}"
    holds = _holds(worst, column, share, least)
    return judged(id, holds, says, measured=part, threshold=share, unit="ratio", parameter="share")


def _holds(row: dict[str, Any], column: str, share: float, least: int) -> bool:
    return bool(row[column] >= least and row[column] / row["sessions"] >= share)


def _beyond(rows: Sequence[dict[str, Any]], pool: int, after: str) -> Finding:
    if pool <= 0:
        says = "what an application's pool is configured to hold is not known (capacity.database_connections)"
        return Finding(id=_BEYOND, state="unknown", says=says, reason="not-configured")

    def more(row: dict[str, Any]) -> int:
        """Sessions beyond the pools that are not used; those at work may have been asked for."""
        return int(min(row["sessions"] - pool * row["addresses"], row["unused"]))

    worst = max(rows, key=more, default=None)
    if worst is None:
        return judged(_BEYOND, False, "no application holds a session", measured=0, threshold=pool, unit="count")
    allowed = pool * worst["addresses"]
    where = "one address" if worst["addresses"] == 1 else f"{worst['addresses']} addresses"
    says = (
        f"{_app(worst)} holds {worst['sessions']} sessions from {where}, {worst['unused']} of them unused for {after}; "
        f"its pool is {pool} each"
    )
    return judged(_BEYOND, more(worst) > 0, says, measured=worst["sessions"], threshold=allowed, unit="count")


def _app(row: dict[str, Any]) -> str:
    return short(row["application"]) or f"role {short(row['role'])}"
