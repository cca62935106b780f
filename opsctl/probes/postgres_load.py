"""What active sessions wait for, and which statement takes the time (PG-6, PG-7). Left out on a busy server."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.postgres_activity import dominating
from opsctl.probes.postgres_session import PostgresParams, Session, labels, session, short
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_TOP = 5
_WAITS = {"postgres.waits-lock": "Lock", "postgres.waits-io": "IO", "postgres.waits-cpu": "CPU"}
# Waits whose name says more than their type.
_IO_EVENTS = frozenset({"BufferMapping", "WALWrite", "WALInsert", "BufferContent", "BufferIO"})


class WaitsParams(PostgresParams, frozen=True, kw_only=True):
    """``share``: of what active sessions were seen doing. ``active``: fewer on average are no load to judge."""

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("share",)
    share: str | float = "50%"
    active: float = 1.0
    samples: int = 5
    pause: str | float = "200ms"


@probe(
    "postgres.waits",
    emits={
        "postgres.waits-lock": "Active sessions mostly wait for locks",
        "postgres.waits-io": "Active sessions mostly wait for reads and writes",
        "postgres.waits-cpu": "Active sessions mostly compute",
    },
    params=WaitsParams,
    asks="what active sessions wait for, five samples within a second",
    privilege="pg_monitor (pg_read_all_stats)",
    cost="five queries; left out above 70 % of the slots at work",
    minimum="Postgres 14",
)
def waits(look: Look, params: WaitsParams) -> Seen:
    """PG-6. Shares over several samples; one sample of an instant proves nothing."""
    share, pause = params.number("share"), params.number("pause")
    here = session(look, params)
    if not here.facts.sees_all:
        findings = tuple(here.hidden(id, "what other roles' sessions wait for") for id in _WAITS)
        return Seen(evidence=(here.evidence(()),), findings=findings)
    here.spare("sampling waits")
    counted: dict[tuple[str, str], int] = {}
    taken = 0
    for number in range(max(2, params.samples)):
        if number:
            if look.remaining() < 2 * pause:
                break
            time.sleep(pause)
        for row in here.rows("get_waits"):
            kind = "IO" if row["event"] in _IO_EVENTS else row["kind"]
            counted[(kind, row["event"])] = counted.get((kind, row["event"]), 0) + row["sessions"]
        taken += 1
    total = sum(counted.values())
    average = total / taken
    values = [Value(name="active sessions", value=average, unit="count", note=f"mean of {taken} samples")]
    values += [
        Value(name="wait", value=number / total, unit="ratio", labels={"kind": kind, "event": event})
        for (kind, event), number in sorted(counted.items(), key=lambda item: -item[1])[:8]
    ]
    findings = tuple(_wait(id, kind, counted, total, taken, share, params.active) for id, kind in _WAITS.items())
    return Seen(evidence=(here.evidence(values, window=f"{taken} samples"),), findings=findings)


def _wait(
    id: str, kind: str, counted: dict[tuple[str, str], int], total: int, taken: int, share: float, least: float
) -> Finding:
    mine = {event: number for (other, event), number in counted.items() if other == kind}
    part = sum(mine.values()) / total if total else 0.0
    average = sum(mine.values()) / taken
    if not total:
        return judged(
            id, False, f"no session was active in {taken} samples", measured=0.0, threshold=share, unit="ratio"
        )
    doing = {"Lock": "waited for locks", "IO": "waited for reads and writes", "CPU": "computed"}[kind]
    event = max(mine, key=lambda name: mine[name], default="-")
    says = (
        f"{format_quantity(part, 'ratio', beside=share)} of {total / taken:.3g} active sessions {doing}"
        + (f", mostly {event}" if event != "-" else "")
        + f" ({taken} samples)"
    )
    holds = part >= share and average >= least
    return judged(id, holds, says, measured=part, threshold=share, unit="ratio", parameter="share")


class StatementsParams(PostgresParams, frozen=True, kw_only=True):
    """``share``: of all statements' time. ``busy``: seconds of execution per second below which nobody is slowed.

    ``slower``: how many times its own mean before a statement must take to count as regressed.
    """

    durations: ClassVar[tuple[str, ...]] = ("pause",)
    ratios: ClassVar[tuple[str, ...]] = ("share",)
    share: str | float = "50%"
    busy: float = 0.2
    slower: float = 10.0
    pause: str | float = "2s"


_NOTHING: dict[str, Any] = {"calls": 0.0, "seconds": 0.0, "mean": 0.0, "usual": None, "running": 0}
_MIN_CALLS = 20  # calls before, so that a statement has a usual time
_MIN_MEAN = 0.010  # seconds; ten times nearly nothing still is nearly nothing


@probe(
    "postgres.statements",
    emits={
        "postgres.statement-dominates": "One statement takes most of the database's time",
        "postgres.statement-regressed": "A statement takes many times as long as it used to",
    },
    params=StatementsParams,
    asks="pg_stat_statements twice, numbers only, and five texts; without the extension, samples of what runs",
    privilege="pg_monitor (pg_read_all_stats); the extension pg_stat_statements",
    cost="four queries and a pause; left out above 70 % of the slots at work",
    minimum="Postgres 14",
)
def statements(look: Look, params: StatementsParams) -> Seen:
    """PG-7. The difference of two snapshots; totals since the last reset hide an incident."""
    here = session(look, params)
    ids = ("postgres.statement-dominates", "postgres.statement-regressed")
    if not here.facts.sees_all:
        unknown = tuple(here.hidden(id, "other roles' statements") for id in ids)
        return Seen(evidence=(here.evidence(()),), findings=unknown)
    try:
        schema = _extension(here)
    except CouldNotLook as missing:
        return _without(here, params, missing)
    here.spare("reading pg_stat_statements")
    started = time.monotonic()
    before = {row["queryid"]: row for row in here.rows("get_statements", schema=schema)}
    time.sleep(min(params.number("pause"), look.remaining() / 3))
    after = here.rows("get_statements", schema=schema)
    seconds = time.monotonic() - started
    window = format_quantity(seconds, "s")
    first, last = next(iter(before.values()), None), after[0] if after else None
    if last is None or first is None or first["reset_at"] != last["reset_at"]:
        says = "pg_stat_statements is empty or was reset meanwhile"
        unknown = tuple(Finding(id=id, state="unknown", says=says, reason="too-few") for id in ids)
        return Seen(evidence=(here.evidence((), window=window),), findings=unknown)
    running = here.rows("get_running_statements", {"seconds": seconds})
    total = max(0.0, last["all_seconds"] - first["all_seconds"])
    total += sum(row["seconds"] for row in running)
    grown = {row["queryid"]: _difference(before.get(row["queryid"]), row) for row in after if row["queryid"]}
    for row in running:  # a statement is counted when it ends; until then its session tells
        entry = grown.setdefault(row["queryid"], {**_NOTHING, "queryid": row["queryid"]})
        entry["seconds"] += row["seconds"]
        entry["running"] = row["running"]
    top = sorted((row for row in grown.values() if row["seconds"] > 0), key=lambda row: -row["seconds"])[:_TOP]
    texts = {row["queryid"]: row for row in running}
    if top:
        asked = {"queryids": [row["queryid"] for row in top if row["queryid"]]}
        texts.update({row["queryid"]: row for row in here.rows("get_statement_texts", asked, schema=schema)})
    values = [Value(name="execution time", value=total / seconds, unit="s/s", note=f"all statements, in {window}")]
    for row in top:
        text = texts.get(row["queryid"], {})
        named = labels(
            queryid=row["queryid"], calls=f"{row['calls']:g}", running=row["running"] or "",
            mean=format_quantity(row["mean"], "s") if row["calls"] else "",
            usual_mean=format_quantity(row["usual"], "s") if row["usual"] else "", role=text.get("role"),
            database=text.get("database"), query=short(text.get("query")),
        )  # fmt: skip
        values.append(Value(name="statement", value=row["seconds"], unit="s", labels=named))
    findings = (
        _dominates(top, texts, total, seconds, params.number("share"), params.busy),
        _regressed(top, texts, params.slower),
    )
    return Seen(evidence=(here.evidence(values, window=window),), findings=findings)


def _without(here: Session, params: StatementsParams, missing: CouldNotLook) -> Seen:
    """Without the extension: samples of what runs tell which statement dominates, but no statement's usual time."""
    if missing.reason != "unsupported":
        raise missing
    here.spare("sampling statements")
    evidence, dominates = dominating(here, missing.says, params.number("share"), params.busy)
    unknown = Finding(id="postgres.statement-regressed", state="unknown", says=missing.says, reason="unsupported")
    return Seen(evidence=(evidence,), findings=(dominates, unknown))


def _extension(here: Session) -> str:
    """The schema of pg_stat_statements. Raises CouldNotLook "unsupported" with the remedy."""
    (row,) = here.rows("get_statements_extension")
    if row["schema"] and row["preloaded"] is not False:
        return str(row["schema"])
    remedy = (
        f"in database {here.facts.database}: CREATE EXTENSION pg_stat_statements"
        if row["preloaded"]
        else "add pg_stat_statements to shared_preload_libraries (restart), then CREATE EXTENSION pg_stat_statements"
    )
    raise CouldNotLook(
        "unsupported",
        f"pg_stat_statements is not there; {remedy}",
        address=here.reader.address,
        setting=here.reader.setting,
    )


def _difference(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Calls, seconds and mean in between, and the mean before (None when it was called too seldom)."""
    calls = new["calls"] - (old["calls"] if old else 0.0)
    seconds = max(0.0, new["seconds"] - (old["seconds"] if old else 0.0))
    usual = old["seconds"] / old["calls"] if old and old["calls"] >= _MIN_CALLS else None
    mean = seconds / calls if calls > 0 else 0.0
    return {**_NOTHING, "queryid": new["queryid"], "calls": calls, "seconds": seconds, "mean": mean, "usual": usual}


def _dominates(
    top: list[dict[str, Any]], texts: dict[str, dict[str, Any]], total: float, seconds: float, share: float, busy: float
) -> Finding:
    id = "postgres.statement-dominates"
    if not top or total <= 0:
        says = f"no statement ran in {format_quantity(seconds, 's')}"
        return judged(id, False, says, measured=0.0, threshold=share, unit="ratio", parameter="share")
    worst = top[0]
    part = min(1.0, worst["seconds"] / total)
    load = worst["seconds"] / seconds
    says = (
        f"{_named(worst, texts)} took {format_quantity(part, 'ratio', beside=share)} of all statements' time, "
        f"{load:.2g} seconds per second"
    )
    if worst["calls"]:
        says += f" in {worst['calls']:g} calls of {format_quantity(worst['mean'], 's')}"
    if worst["running"]:
        says += f"; {worst['running']} still run"
    return judged(
        id, part >= share and load >= busy, says, measured=part, threshold=share, unit="ratio", parameter="share"
    )


def _regressed(top: list[dict[str, Any]], texts: dict[str, dict[str, Any]], slower: float) -> Finding:
    id = "postgres.statement-regressed"
    known = [row for row in top if row["usual"] and row["calls"]]
    worst = max(known, key=lambda row: row["mean"] / row["usual"], default=None)
    if worst is None:
        says = f"none of the busiest statements was called {_MIN_CALLS} times before: no usual time to compare with"
        return Finding(id=id, state="unknown", says=says, reason="too-few")
    times = worst["mean"] / worst["usual"]
    says = (
        f"{_named(worst, texts)} takes {format_quantity(worst['mean'], 's')}, {times:.2g} times its usual "
        f"{format_quantity(worst['usual'], 's')}"
    )
    holds = times >= slower and worst["mean"] >= _MIN_MEAN
    return judged(id, holds, says, measured=times, threshold=slower, unit="times", parameter="slower")


def _named(row: dict[str, Any], texts: dict[str, dict[str, Any]]) -> str:
    text = short(texts.get(row["queryid"], {}).get("query"))[:60]
    return f"statement {row['queryid']}" + (f" ({text})" if text else "")
