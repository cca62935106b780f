"""What clients run, by looking again and again: statements that take long, and which one most of the time (PG-3).

Works without pg_stat_statements. A statement that waits for a lock is a victim: ``postgres.locks`` names who holds it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from opsctl.durations import format_quantity, parse_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Finding, Seen, Severity, Value
from opsctl.probes.look import Look
from opsctl.probes.postgres_session import PostgresParams, Session, labels, session, short, who
from opsctl.probes.quantities import judged
from opsctl.probes.registry import probe

_SHOWN = 5
_SEEN = 2  # samples in which it must be seen
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b[0-9][0-9.]*\b|\$[0-9]+")


class Samples(NamedTuple):
    """Rows of ``get_activity`` of several moments. ``seconds``: from the first to the last."""

    rows: tuple[tuple[dict[str, Any], ...], ...]
    seconds: float

    @property
    def working(self) -> list[list[dict[str, Any]]]:
        """The statements of each sample that do not wait for a lock."""
        return [[row for row in sample if row["wait"] != "Lock"] for sample in self.rows]


def sampled(here: Session, count: int, pause: float) -> Samples:
    """Look ``count`` times, ``pause`` seconds apart, as far as the probe's time goes; at least once."""
    taken: list[tuple[dict[str, Any], ...]] = []
    started = time.monotonic()
    for number in range(max(1, count)):
        if number:
            if here.look.remaining() < 2 * pause:
                break
            time.sleep(pause)
        taken.append(tuple(here.rows("get_activity")))
    return Samples(tuple(taken), time.monotonic() - started)


class SlowParams(PostgresParams, frozen=True, kw_only=True):
    """``above``: a statement that has been running this long is slow; a longer bound of the service counts more."""

    durations: ClassVar[tuple[str, ...]] = ("above", "pause")
    above: str | float = "500ms"
    samples: int = 9
    pause: str | float = "250ms"


@probe(
    "postgres.slow-statements",
    emits={"postgres.slow-statements": "Statements take long, again and again or for very long"},
    params=SlowParams,
    asks="what clients run, nine samples within two seconds",
    privilege="pg_monitor (pg_read_all_stats)",
    cost="nine queries; two above 70 % of the slots at work",
    minimum="Postgres 14",
)
def slow_statements(look: Look, params: SlowParams) -> Seen:
    """PG-3. Severity and the longer bound are the service's own: a symptom of the runbook at this endpoint."""
    id = "postgres.slow-statements"
    here = session(look, params)
    if not here.facts.sees_all:
        return Seen(evidence=(here.evidence(()),), findings=(here.hidden(id, "what other roles' sessions run"),))
    above = params.number("above")
    taken = sampled(here, _count(here, params), params.number("pause"))
    slow = [[row for row in sample if row["seconds"] >= above] for sample in taken.working]
    longest: dict[int, dict[str, Any]] = {}
    for row in (row for sample in slow for row in sample):
        if row["pid"] not in longest or row["seconds"] > longest[row["pid"]]["seconds"]:
            longest[row["pid"]] = row
    ranked = sorted(longest.values(), key=lambda row: -row["seconds"])
    moments = sum(1 for sample in slow if sample)
    values = [Value(name="samples with a slow statement", value=moments, unit="count", note=f"of {len(slow)}")]
    values += [
        Value(
            name="statement", value=row["seconds"], unit="s",
            labels=labels(pid=row["pid"], role=row["role"], application=short(row["application"]), wait=row["wait"],
                          database=row["database"], queryid=row["queryid"], query=short(row["query"])),
        )
        for row in ranked[:_SHOWN]
    ]  # fmt: skip
    window = format_quantity(taken.seconds, "s")
    finding = _judged(look, params.endpoint, ranked, moments, len(slow), above, window)
    return Seen(evidence=(here.evidence(values, window=window),), findings=(finding,))


def _count(here: Session, params: SlowParams) -> int:
    """How many samples: what decides the verdict is asked on a busy server too, as often as it must."""
    try:
        here.spare("sampling statements")
    except CouldNotLook as busy:
        if busy.reason != "skipped":
            raise
        return _SEEN
    here.begin("get_table_scans", "get_database_counters")
    return max(_SEEN, params.samples)


def _judged(
    look: Look, endpoint: str, ranked: Sequence[dict[str, Any]], moments: int, count: int, above: float, window: str
) -> Finding:
    id = "postgres.slow-statements"
    if not ranked:
        says = f"no statement was seen running for {format_quantity(above, 's')} in {count} samples over {window}"
        return judged(id, False, says, measured=0.0, threshold=above, unit="s", parameter="above")
    worst = ranked[0]
    longer, severity, label, origin = _bound(look, endpoint, worst["seconds"])
    beyond = longer is not None
    limit = longer if longer is not None else above
    says = (
        f"{who(worst)} runs {short(worst['query'])[:60]} for {format_quantity(worst['seconds'], 's', beside=limit)}, "
        f"limit {format_quantity(limit, 's')}; slow statements in {moments} of {count} samples over {window}"
    )
    return Finding(
        id=id,
        state="breach" if beyond or moments >= _SEEN else "ok",
        says=says,
        severity=severity,
        severity_label=label,
        measured=worst["seconds"],
        threshold=limit,
        unit="s",
        threshold_from=origin if beyond else "parameter above",
    )


def _bound(look: Look, endpoint: str, seconds: float) -> tuple[float | None, Severity | None, str, str]:
    """The highest bound of the service that these seconds are beyond, its severity and where it is from."""
    found: tuple[float | None, Severity | None, str, str] = (None, None, "", "")
    for symptom in look.profile.symptoms:
        if symptom.runbook != look.runbook or symptom.endpoint != endpoint or symptom.field or symptom.path:
            continue
        for band in symptom.bands:
            if band.above is None:
                continue
            bound = parse_quantity(band.above, "s")
            if seconds > bound and (found[0] is None or bound > found[0]):
                label = band.severity or symptom.severity
                found = (bound, look.profile.severities.get(label), label, symptom.row or f"symptom {symptom.id}")
    return found


def masked(query: object) -> str:
    """A statement without its constants, so that two runs of one statement are alike."""
    return " ".join(_LITERAL.sub("?", str(query or "")).split()).lower()


def dominating(here: Session, remedy: str, share: float, busy: float) -> tuple[Evidence, Finding]:
    """Which statement most samples show, where pg_stat_statements (``remedy``) is not there to tell by its times."""
    id = "postgres.statement-dominates"
    taken = sampled(here, 10, 0.2)
    counted: dict[str, list[dict[str, Any]]] = {}
    for row in (row for sample in taken.working for row in sample):
        counted.setdefault(row["queryid"] or masked(row["query"]), []).append(row)
    total = sum(len(rows) for rows in counted.values())
    count = len(taken.rows)
    ranked = sorted(counted.values(), key=lambda rows: -len(rows))
    values = [Value(name="active sessions", value=total / count, unit="count", note=f"mean of {count} samples")]
    values += [
        Value(name="statement", value=len(rows) / total, unit="ratio",
              labels=labels(queryid=rows[0]["queryid"], role=rows[0]["role"], database=rows[0]["database"],
                            query=short(rows[0]["query"])))
        for rows in ranked[:_SHOWN]
    ]  # fmt: skip
    evidence = here.evidence(values, window=f"{count} samples")
    if not total:
        says = f"no session was active in {count} samples ({remedy})"
        return evidence, judged(id, False, says, measured=0.0, threshold=share, unit="ratio", parameter="share")
    top = ranked[0]
    part, load = len(top) / total, len(top) / count
    says = (
        f"{short(top[0]['query'])[:60]} was {format_quantity(part, 'ratio', beside=share)} of what sessions ran, "
        f"{load:.2g} of them at a time ({count} samples; {remedy})"
    )
    holds = part >= share and load >= busy and len(top) >= _SEEN
    return evidence, judged(id, holds, says, measured=part, threshold=share, unit="ratio", parameter="share")
