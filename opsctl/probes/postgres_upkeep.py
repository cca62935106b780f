"""The database's counters over a short time, its vacuum and statistics, its settings and restarts (PG-9 to PG-11)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, ClassVar

from opsctl.durations import format_duration, format_quantity
from opsctl.model import Change, Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.postgres_session import PostgresParams, Session, labels, session, short
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 10


class CountersParams(PostgresParams, frozen=True, kw_only=True):
    """``rollbacks``: share of transactions. ``misses``: share of block reads not found in shared buffers.

    ``temp``: bytes per second written to temporary files. ``transactions``, ``blocks``: fewer are too few to judge.
    """

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("rollbacks", "misses")
    rollbacks: str | float = "20%"
    misses: str | float = "10%"
    temp: float = 10 * 2**20
    transactions: int = 20
    blocks: int = 1000
    pause: str | float = "2s"


@probe(
    "postgres.counters",
    emits={
        "postgres.rollbacks": "Many transactions are rolled back",
        "postgres.deadlocks": "Transactions deadlock",
        "postgres.cache-misses": "Many blocks are not found in shared buffers",
        "postgres.temp-spill": "Sorts and hashes spill to temporary files",
    },
    params=CountersParams,
    asks="pg_stat_database of this database, twice",
    cost="two queries and a pause",
    minimum="Postgres 14",
)
def counters(look: Look, params: CountersParams) -> Seen:
    """PG-9. The difference of two moments; sessions report their counts up to a second late."""
    here = session(look, params)
    (old,), (new,), seconds = here.two("get_database_counters", params.number("pause"))
    window = format_quantity(seconds, "s")
    ids = ("postgres.rollbacks", "postgres.deadlocks", "postgres.cache-misses", "postgres.temp-spill")
    counts = {name: new[name] - old[name] for name in new if name != "reset_at"}
    if old["reset_at"] != new["reset_at"] or min(counts.values()) < 0:
        unknown = tuple(
            Finding(id=id, state="unknown", says="the counters were reset meanwhile", reason="too-few") for id in ids
        )
        return Seen(evidence=(here.evidence((), window=window),), findings=unknown)
    values = [
        Value(name=name.replace("_", " "), value=count, unit="bytes" if name == "temp_bytes" else "count",
              note=f"{new[name]:.12g} in all")
        for name, count in counts.items()
    ]  # fmt: skip
    ended = counts["commits"] + counts["rollbacks"]
    blocks = counts["blocks_hit"] + counts["blocks_read"]
    spilt = counts["temp_bytes"] / seconds
    dead = counts["deadlocks"]
    findings = (
        _share(ids[0], counts["rollbacks"], ended, params.transactions, params.number("rollbacks"), "rollbacks",
               f"transactions were rolled back in {window}"),
        judged(ids[1], dead > 0, f"{dead:g} deadlocks in {window}, {new['deadlocks']:g} in all", measured=dead,
               threshold=0, unit="count"),
        _share(ids[2], counts["blocks_read"], blocks, params.blocks, params.number("misses"), "misses",
               f"blocks were not in shared buffers in {window}"),
        judged(ids[3], spilt >= params.temp,
               f"{format_quantity(spilt, 'bytes', beside=params.temp)} per second went to temporary files, limit "
               f"{format_quantity(params.temp, 'bytes')}",
               measured=spilt, threshold=params.temp, unit="bytes", parameter="temp"),
    )  # fmt: skip
    return Seen(evidence=(here.evidence(values, window=window),), findings=findings)


def _share(id: str, part: float, whole: float, least: int, limit: float, parameter: str, what: str) -> Finding:
    if whole < least:
        says = f"{part:g} of {whole:g} {what}; {least} are needed to judge"
        return Finding(id=id, state="unknown", says=says, reason="too-few")
    ratio = part / whole
    says = (
        f"{part:g} of {whole:g} {what} ({format_quantity(ratio, 'ratio', beside=limit)}, "
        f"limit {format_quantity(limit, 'ratio')})"
    )
    return judged(id, ratio >= limit, says, measured=ratio, threshold=limit, unit="ratio", parameter=parameter)


class VacuumParams(PostgresParams, frozen=True, kw_only=True):
    """``wraparound``: share of 2^31 transactions used up. ``dead``: dead rows against live ones.

    ``stale``: rows modified since ANALYZE against live ones. ``rows``: smaller tables are not named.
    """

    ratios: ClassVar[tuple[str, ...]] = ("wraparound", "dead", "stale")
    wraparound: str | float = "50%"
    dead: str | float = "30%"
    stale: str | float = "50%"
    rows: int = 10_000


@probe(
    "postgres.vacuum",
    emits={
        "postgres.wraparound-near": "A database comes near transaction id wraparound",
        "postgres.dead-rows": "A table is full of dead rows",
        "postgres.stats-stale": "A table changed much since its statistics were taken: plans may be wrong",
    },
    params=VacuumParams,
    asks="ages of databases, dead and modified rows of tables, vacuums in progress",
    privilege="pg_monitor for the progress of others' vacuums",
    cost="three queries",
    minimum="Postgres 14",
)
def vacuum(look: Look, params: VacuumParams) -> Seen:
    """PG-10. Tables of the connected database only."""
    here = session(look, params)
    ages = here.rows("get_wraparound")
    tables = here.rows("get_table_health", {"rows": params.rows})
    progress = here.rows("get_vacuum_progress")
    near = params.number("wraparound")
    worst = max(ages, key=lambda row: max(row["age"], row["multixact_age"]))
    used = max(worst["age"], worst["multixact_age"]) / 2**31
    values = [Value(name="wraparound", value=used, unit="ratio", labels={"database": worst["database"]})]
    values += [
        Value(
            name="table", value=row["dead"], unit="count",
            labels=labels(
                table=f"{row['schema']}.{row['name']}", live=f"{row['live']:g}", modified=f"{row['modified']:g}",
                vacuumed=_ago(row["vacuumed_seconds"]), analyzed=_ago(row["analyzed_seconds"]),
            ),
            note="dead rows",
        )
        for row in tables[:_SHOWN]
    ]  # fmt: skip
    values += [
        Value(name="vacuum running", value=row["scanned_ratio"], unit="ratio",
              labels=labels(pid=row["pid"], table=row["name"], phase=row["phase"],
                            against_wraparound="yes" if "(to prevent wraparound)" in (row["query"] or "") else ""))
        for row in progress
    ]  # fmt: skip
    says = (
        f"database {worst['database']} has used {format_quantity(used, 'ratio', beside=near)} of its transaction ids, "
        f"limit {format_quantity(near, 'ratio')}"
    )
    findings = (
        judged("postgres.wraparound-near", used >= near, says, measured=used, threshold=near, unit="ratio",
               parameter="wraparound"),
        _table("postgres.dead-rows", tables, "dead", params.rows, params.number("dead"), "dead rows", "dead"),
        _table("postgres.stats-stale", tables, "modified", params.rows, params.number("stale"),
               "rows changed since the last ANALYZE", "stale"),
    )  # fmt: skip
    return Seen(evidence=(here.evidence(values),), findings=findings)


def _table(
    id: str, tables: list[dict[str, Any]], column: str, least: int, limit: float, what: str, parameter: str
) -> Finding:
    rated = [(row[column] / max(1.0, row["live"]), row) for row in tables if row[column] >= least]
    ratio, worst = max(rated, key=lambda pair: pair[0], default=(0.0, None))
    if worst is None:
        return judged(id, False, f"no table has {least} {what}", measured=0.0, threshold=limit, unit="ratio")
    says = (
        f"{worst['schema']}.{worst['name']} has {worst[column]:g} {what} beside {worst['live']:g} live rows, "
        f"limit {format_quantity(limit, 'ratio')}"
    )
    return judged(id, ratio >= limit, says, measured=ratio, threshold=limit, unit="ratio", parameter=parameter)


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{format_quantity(max(0.0, seconds), 's')} ago"


class SettingsParams(PostgresParams, frozen=True, kw_only=True):
    """``within``: how long ago a restart or a configuration load still counts as recent."""

    durations: ClassVar[tuple[str, ...]] = ("within",)
    within: str | float = "1h"


@probe(
    "postgres.settings",
    emits={
        "postgres.restart-pending": "Changed settings wait for a restart",
        "postgres.restarted": "Postgres restarted a short time ago: its cache began empty",
        "postgres.settings-loaded": "Postgres read its configuration a short time ago",
    },
    params=SettingsParams,
    asks="timeouts and limits, overrides of roles and databases, start and load times",
    privilege="pg_monitor for restricted settings",
    cost="three queries",
    minimum="Postgres 14",
    changes=True,
)
def settings(look: Look, params: SettingsParams) -> Seen:
    """PG-11. Restart and configuration load are also reported as changes when they lie in the time looked through."""
    recent = params.number("within")
    here = session(look, params)
    rows = here.rows("get_settings")
    (facts,) = here.rows("get_preflight")
    values = [
        Value(name=row["name"], value=short(row["setting"]), labels=labels(unit=row["unit"], source=row["source"]),
              note="waits for a restart" if row["pending_restart"] else "")
        for row in rows
    ]  # fmt: skip
    values += [
        Value(name="override", value=short(row["setting"]), labels=labels(role=row["role"], database=row["database"]))
        for row in here.rows("get_role_settings")
    ]
    pending = [row["name"] for row in rows if row["pending_restart"]]
    says = f"{', '.join(pending)} take effect after a restart" if pending else "no setting waits for a restart"
    up = max(0.0, facts["server_time"] - facts["started_at"])
    loaded = max(0.0, facts["server_time"] - facts["conf_loaded_at"])
    at_start = abs(facts["conf_loaded_at"] - facts["started_at"]) < 5  # the load that comes with every start
    findings = (
        judged("postgres.restart-pending", bool(pending), says, measured=len(pending), unit="count"),
        judged("postgres.restarted", up <= recent, f"Postgres has been up for {format_duration(round(up))}",
               measured=up, threshold=recent, unit="s", parameter="within"),
        judged("postgres.settings-loaded", loaded <= recent and not at_start,
               f"configuration read {format_duration(round(loaded))} ago" + (", at the start" if at_start else ""),
               measured=loaded, threshold=recent, unit="s", parameter="within"),
    )  # fmt: skip
    asked = time.time()  # not look.now: on a busy machine the answer comes seconds after the diagnosis began
    changes = [_change(here, asked - up, "started")]  # the engine keeps those of the time it looks at
    if not at_start:
        changes.append(_change(here, asked - loaded, "read its configuration"))
    return Seen(evidence=(here.evidence(values),), findings=findings, changes=tuple(changes))


def _change(here: Session, at: float, says: str) -> Change:
    source = f"postgres {here.reader.address}"
    return Change(
        at=datetime.fromtimestamp(at, UTC), system="postgres", subject=here.reader.address, says=says, source=source
    )
