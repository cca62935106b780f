"""How long clients wait for a server, and how long transactions keep one without using it (2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from opsctl.durations import format_quantity
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.pgbouncer_session import PgbouncerParams, Row, number, session
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 8
_TOTALS = ("total_xact_count", "total_query_count", "total_wait_time", "total_xact_time", "total_query_time")
_IDS = ("pgbouncer.wait-long", "pgbouncer.transactions-idle")


class TimesParams(PgbouncerParams, frozen=True, kw_only=True):
    """``wait``: mean wait of a transaction for a server. ``idle``: share of a transaction in which no query runs.

    ``long``: a mean transaction shorter than this keeps nobody waiting. ``least``: fewer transactions prove nothing.
    """

    durations: ClassVar[tuple[str, ...]] = ("wait", "long", "pause")
    ratios: ClassVar[tuple[str, ...]] = ("idle",)
    wait: str | float = "50ms"
    idle: str | float = "50%"
    long: str | float = "100ms"
    least: int = 10
    pause: str | float = "2s"


class Times(NamedTuple):
    """What one database's clients did between two moments; seconds per transaction.

    PgBouncer counts a transaction and its first query from when they were asked for, the wait for a server included.
    """

    database: str
    transactions: float
    queries: float
    wait: float
    length: float
    query: float

    @property
    def unused(self) -> float:
        """Seconds in which a server was kept and ran nothing."""
        return max(0.0, self.length - self.query)

    @property
    def kept(self) -> float:
        """Seconds in which a server was kept."""
        return max(self.length - self.wait, self.unused)


@probe(
    "pgbouncer.stats",
    emits={
        "pgbouncer.wait-long": "Transactions wait long for a server connection of PgBouncer",
        "pgbouncer.transactions-idle": "Transactions keep a server connection for long while no query of theirs runs",
    },
    params=TimesParams,
    asks="SHOW STATS twice",
    privilege="a user of stats_users",
    cost="two SHOW and a pause",
    minimum="PgBouncer 1.8",
)
def stats(look: Look, params: TimesParams) -> Seen:
    """2.2. The difference of two moments: PgBouncer's own averages are those of its last minute."""
    here = session(look, params)
    before, after, seconds = here.two("STATS", params.number("pause"))
    window = format_quantity(seconds, "s")
    old = {str(row.get("database")): row for row in before}
    times = [one for row in after if (one := _times(old.get(str(row.get("database"))), row)) is not None]
    enough = [one for one in times if one.transactions >= params.least]
    values = [
        Value(
            name="mean wait", value=one.wait, unit="s",
            labels={"database": one.database, "transactions": f"{one.transactions:g}", "queries": f"{one.queries:g}",
                    "keeps a server": format_quantity(one.kept, "s"),
                    "of it unused": format_quantity(one.unused, "s")},
        )
        for one in sorted(times, key=lambda one: -one.transactions)[:_SHOWN]
    ]  # fmt: skip
    if not enough:
        ended = sum(one.transactions for one in times)
        says = f"{ended:g} transactions ended in {window}, {params.least} of one database are needed to judge"
        findings: Sequence[Finding] = [Finding(id=id, state="unknown", says=says, reason="too-few") for id in _IDS]
    else:
        findings = (_waits(enough, params), _idles(enough, params))
    return Seen(evidence=(here.evidence(values, window=window),), findings=tuple(findings))


def _times(old: Row | None, new: Row) -> Times | None:
    """The difference; None when the counters began anew meanwhile. Times are counted in microseconds."""
    count, queries, wait, length, query = (number(new, n) - (number(old, n) if old else 0.0) for n in _TOTALS)
    if min(count, queries, wait, length, query) < 0:
        return None
    each = max(1.0, count) * 1e6
    return Times(str(new.get("database")), count, queries, wait / each, length / each, query / each)


def _waits(times: Sequence[Times], params: TimesParams) -> Finding:
    limit = params.number("wait")
    worst = max(times, key=lambda one: one.wait)
    says = (
        f"transactions of {worst.database} waited {format_quantity(worst.wait, 's', beside=limit)} for a server on "
        f"average, limit {format_quantity(limit, 's')} ({worst.transactions:g} transactions)"
    )
    return judged(_IDS[0], worst.wait >= limit, says, measured=worst.wait, threshold=limit, unit="s", parameter="wait")


def _idles(times: Sequence[Times], params: TimesParams) -> Finding:
    limit, long = params.number("idle"), params.number("long")

    def idle(one: Times) -> float:
        return one.unused / one.kept if one.kept > 0 else 0.0

    worst = max(times, key=lambda one: (one.kept >= long, idle(one)))
    part = idle(worst)
    says = (
        f"a transaction of {worst.database} keeps a server {format_quantity(worst.kept, 's')} on average, in "
        f"{format_quantity(part, 'ratio', beside=limit)} of it no query runs, limit {format_quantity(limit, 'ratio')}"
    )
    holds = part >= limit and worst.kept >= long
    return judged(_IDS[1], holds, says, measured=part, threshold=limit, unit="ratio", parameter="idle")
