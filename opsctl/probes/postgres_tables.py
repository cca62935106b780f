"""Which tables are read whole, and which statements read all partitions: counters of two moments (PG-12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from opsctl.durations import format_quantity
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.postgres_session import PostgresParams, labels, session
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 5
_IDS = ("postgres.big-scans", "postgres.scans-all-partitions")


class TablesParams(PostgresParams, frozen=True, kw_only=True):
    """``rows``: of one reading of a whole table; smaller tables are best read whole. ``read``: rows per second in all.

    ``partitions``: fewer of a table are no matter. ``touched``: share of them that was read. ``scans``: per second.
    """

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("touched",)
    rows: int = 10_000
    read: float = 1_000_000
    partitions: int = 5
    touched: str | float = "80%"
    scans: float = 100
    pause: str | float = "3s"


class Read(NamedTuple):
    """What was read of one table between two moments."""

    name: str
    parent: str
    whole: float
    rows_whole: float
    by_index: float
    rows_by_index: float
    live: float

    @property
    def rows_each(self) -> float:
        """Rows of one reading of the whole table."""
        return self.rows_whole / self.whole if self.whole else 0.0


@probe(
    "postgres.tables",
    emits={
        "postgres.big-scans": "A large table is read whole again and again, as without an index for what is asked",
        "postgres.scans-all-partitions": "Statements read all partitions of a table instead of a few",
    },
    params=TablesParams,
    asks="pg_stat_user_tables of this database, twice",
    privilege="",
    cost="two queries and a pause; left out above 70 % of the slots at work",
    minimum="Postgres 14",
)
def tables(look: Look, params: TablesParams) -> Seen:
    """PG-12. Sessions report their counts up to a second late, and a statement's when it ends."""
    here = session(look, params)
    here.spare("comparing the tables' counters")
    earlier, after, seconds = here.two("get_table_scans", params.number("pause"))
    before = {row["id"]: row for row in earlier}
    window = format_quantity(seconds, "s")
    read = [one for row in after if (one := _read(before.get(row["id"]), row)) is not None]
    values = [
        Value(
            name="table", value=(one.rows_whole + one.rows_by_index) / seconds, unit="per_second",
            labels=labels(table=one.name, whole=f"{one.whole:g}", rows_each=f"{one.rows_each:.0f}",
                          by_index=f"{one.by_index:g}", live=f"{one.live:g}", partition_of=one.parent),
            note="rows read",
        )
        for one in sorted(read, key=lambda one: -(one.rows_whole + one.rows_by_index))[:_SHOWN]
        if one.rows_whole + one.rows_by_index > 0
    ]  # fmt: skip
    partitions = _partitions(read, params)
    values += [
        Value(name="partitions read", value=found.touched, unit="count",
              labels=labels(table=found.name, of=found.all, scans=f"{found.scans:g}"))
        for found in partitions[:_SHOWN]
    ]  # fmt: skip
    findings = (_big(read, seconds, params, window), _all(partitions, seconds, params, window))
    return Seen(evidence=(here.evidence(values, window=window),), findings=findings)


def _read(old: dict[str, Any] | None, new: dict[str, Any]) -> Read | None:
    """The difference; None for counters that were reset meanwhile. A table that is new counts from 0."""
    moved = [
        new[name] - (old[name] if old is not None else 0.0)
        for name in ("whole", "rows_whole", "by_index", "rows_by_index")
    ]
    if min(moved) < 0:
        return None
    whole, rows_whole, by_index, rows_by_index = moved
    name = f"{new['schema']}.{new['name']}"
    return Read(name, new["parent"], whole, rows_whole, by_index, rows_by_index, new["live"])


def _big(read: Sequence[Read], seconds: float, params: TablesParams, window: str) -> Finding:
    id = _IDS[0]
    large = [one for one in read if one.rows_each >= params.rows]
    worst = max(large, key=lambda one: one.rows_whole, default=None)
    if worst is None:
        says = f"no table was read whole with {params.rows} rows or more in {window}"
        return judged(id, False, says, measured=0.0, threshold=params.read, unit="per_second", parameter="read")
    rate = worst.rows_whole / seconds
    says = (
        f"{worst.name} was read whole {worst.whole:g} times in {window}, {worst.rows_each:,.0f} rows each time: "
        f"{rate:,.0f} rows per second, limit {params.read:,.0f}"
    )
    return judged(id, rate >= params.read, says, measured=rate, threshold=params.read, unit="per_second",
                  parameter="read")  # fmt: skip


class Partitions(NamedTuple):
    """One partitioned table (or hypertable): how many partitions it has, how many were read, and how much."""

    name: str
    all: int
    touched: int
    scans: float
    rows: float


def _partitions(read: Sequence[Read], params: TablesParams) -> list[Partitions]:
    """The tables with enough partitions that were read at all, most rows first."""
    children: dict[str, list[Read]] = {}
    for one in read:
        if one.parent:
            children.setdefault(one.parent, []).append(one)
    found = [
        Partitions(
            name,
            len(own),
            sum(1 for one in own if one.whole + one.by_index > 0),
            sum(one.whole + one.by_index for one in own),
            sum(one.rows_whole + one.rows_by_index for one in own),
        )
        for name, own in children.items()
        if len(own) >= params.partitions
    ]
    return sorted((one for one in found if one.touched), key=lambda one: -one.rows)


def _all(partitions: Sequence[Partitions], seconds: float, params: TablesParams, window: str) -> Finding:
    id = _IDS[1]
    limit = params.number("touched")
    worst = max(partitions, key=lambda one: (one.touched / one.all, one.scans), default=None)
    if worst is None:
        says = f"no table with {params.partitions} partitions or more was read in {window}"
        return judged(id, False, says, measured=0.0, threshold=limit, unit="ratio", parameter="touched")
    part = worst.touched / worst.all
    says = (
        f"{worst.touched} of {worst.all} partitions of {worst.name} were read in {window} by {worst.scans:,.0f} scans, "
        f"{worst.rows:,.0f} rows"
    )
    much = worst.scans / seconds >= params.scans or worst.rows / seconds >= params.read
    return judged(id, part >= limit and much, says, measured=part, threshold=limit, unit="ratio", parameter="touched")
