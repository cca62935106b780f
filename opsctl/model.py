"""The values that travel from probes to reports: evidence, findings, causes, changes, the report.

All are frozen msgspec structs, so that a report can be written as JSON, read back and compared.
Times are aware datetimes in UTC; numbers are in base units (seconds, bytes, ratios 0-1, USD).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from opsctl.errors import Reason

State = Literal["ok", "breach", "unknown"]
VerdictWord = Literal["ok", "warning", "critical", "unknown"]
Severity = Literal["sev1", "sev2", "sev3", "sev4"]
CauseStatus = Literal["confirmed", "possible", "refuted", "not-measured"]

SCHEMA = "opsctl.report/2"


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the model: immutable, keyword-only, defaults left out of JSON.

    Unknown fields are passed over when a report is read: a newer opsctl may have written it (report/read.py says so).
    """


class Point(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One sample of a series: unix time in seconds and value."""

    time: float
    value: float


class Value(Struct, frozen=True, kw_only=True):
    """One named number or text that a probe saw. ``at_least``: the true value may be higher (clamped quantile)."""

    name: str
    value: float | int | str | bool | None
    unit: str = ""
    labels: dict[str, str] = {}
    series: tuple[Point, ...] = ()
    at_least: bool = False
    note: str = ""


class Unknown(Struct, frozen=True, kw_only=True):
    """Why something could not be looked at; ``address`` and ``setting`` say where and who chose it."""

    reason: Reason
    says: str
    probe: str = ""
    address: str = ""
    setting: str = ""


class Evidence(Struct, frozen=True, kw_only=True):
    """What one probe saw on one system, or why it could not look. ``id`` and ``seconds`` are set by the engine."""

    probe: str = ""
    subject: str
    source: str
    values: tuple[Value, ...] = ()
    query: str = ""
    window: str = ""
    setting: str = ""
    sampled_at: datetime | None = None
    unknown: Unknown | None = None
    id: str = ""
    seconds: float = 0.0


class Bound(Struct, frozen=True, kw_only=True):
    """One band of an objective in base units: broken beyond ``value`` for ``holds`` seconds. ``label``: own word."""

    value: float
    side: Literal["above", "below"] = "above"
    severity: Severity | None = None
    label: str = ""
    holds: float = 0.0


class Finding(Struct, frozen=True, kw_only=True):
    """What follows from evidence, under a stable id ``system.condition``.

    ``breach`` means that the condition named by the id holds, ``ok`` that it does not,
    ``unknown`` that it could not be told (``reason``).
    """

    id: str
    state: State
    says: str
    severity: Severity | None = None
    severity_label: str = ""  # the service's own word, e.g. P2
    measured: float | None = None
    threshold: float | None = None
    unit: str = ""
    threshold_from: str = ""  # row id, profile key or option
    bounds: tuple[Bound, ...] = ()  # the bands of an objective, mildest first
    since: datetime | None = None
    pending: bool = False  # broken, but not yet for the objective's duration
    reason: Reason | None = None  # why unknown
    probe: str = ""
    evidence: tuple[str, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """Something that changed on a system: a rollout, a restart, a configuration load.

    ``rank`` and ``offset`` are set by the engine, from the onset of what is broken (runbooks/changes.py).
    """

    at: datetime
    system: str  # kubernetes, postgres, redis, prometheus, service
    subject: str  # Deployment api
    says: str  # image 1.14.2 -> 1.14.3
    source: str = ""
    until: datetime | None = None  # something that holds for a time, as a silence does
    rank: int = 0  # 1 = nearest to the onset; 0 = not ranked
    offset: float | None = None  # seconds after the onset, negative before it


class Seen(Struct, frozen=True, kw_only=True):
    """What a probe returns. The engine links findings to the evidence of the same run."""

    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()


class CauseResult(Struct, frozen=True, kw_only=True):
    """A hypothesis judged. ``score`` = confirmed minus refuted; coverage = measured of all discriminating checks."""

    cause: str
    says: str
    status: CauseStatus
    score: int
    confirmed: tuple[str, ...]  # finding ids
    refuted: tuple[str, ...]
    not_measured: tuple[str, ...]
    checks: int  # discriminating checks in all
    measured: int
    evidence: tuple[str, ...] = ()
    next: tuple[str, ...] = ()  # commands or advice to go on with


class Measured(Struct, frozen=True, kw_only=True):
    """The headline number: the objective that decides the verdict."""

    signal: str
    value: float | None
    unit: str
    objective: float | None
    comparison: Literal["above", "below"] = "above"
    at_least: bool = False
    since: datetime | None = None
    pending: bool = False
    series: tuple[Point, ...] = ()


class ProbeRun(Struct, frozen=True, kw_only=True):
    """One use of a probe in a diagnosis: what it was asked with and what came of it; a replay finds it again."""

    probe: str
    with_: dict[str, Any] = msgspec.field(name="with", default_factory=dict)  # as the runbook binds it, defaults not
    evidence: tuple[str, ...] = ()  # ids
    findings: tuple[int, ...] = ()  # places in Report.findings
    absent: Unknown | None = None  # not configured: neither evidence nor findings


class RecordedRow(Struct, frozen=True, kw_only=True):
    """One labelled value of a recorded reading; see ``opsctl.signals.model.Row``. ``None``: not a number."""

    value: float | None
    labels: dict[str, str] = {}
    at_least: bool = False
    count: float | None = None
    note: str = ""
    exceeds: bool = False


class RecordedReading(Struct, frozen=True, kw_only=True):
    """What a signal gave when a probe asked for it; ``at`` and ``over``: the moment (unix) and window (s) asked for.

    ``declared``: checksum of the signal's declaration, because another declaration is another question.
    """

    signal: str
    declared: str
    unit: str
    at: float | None = None
    over: float | None = None
    rows: tuple[RecordedRow, ...] = ()
    unknown: Unknown | None = None
    source: str = ""
    setting: str = ""
    query: str = ""
    window: str = ""
    sampled_at: datetime | None = None
    direct: bool = False
    note: str = ""


class RecordedHistory(Struct, frozen=True, kw_only=True):
    """The past of a signal as a probe got it: values every ``step`` seconds from ``first`` (unix) on; None: no sample.

    ``start`` and ``end`` (unix): what was asked for; ``lowest``: the smallest row of each step, else the largest.
    """

    signal: str
    declared: str
    start: float
    end: float
    step: float
    first: float = 0.0
    values: tuple[float | None, ...] = ()
    over: float | None = None
    lowest: bool = False
    unknown: Unknown | None = None


class Override(Struct, frozen=True, kw_only=True):
    """What the context in use said differently from the service's profile, as far as it bears on judging."""

    window: str = ""
    for_: str = msgspec.field(name="for", default="")
    scrape_interval: str = ""
    severities: dict[str, Severity] = {}
    baselines: dict[str, tuple[float, float]] = {}
    capacity: dict[str, float] = {}


class ReplayedFrom(Struct, frozen=True, kw_only=True):
    """The report that a replay judged anew: its runbook's digest, its verdict and the opsctl that wrote it."""

    runbook_digest: str
    verdict: VerdictWord
    opsctl: str = ""
    name: str = ""  # the saved report's, where it is known
    seal: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result of one diagnosis; holds all its evidence, so it can be replayed and compared."""

    schema: str = SCHEMA
    opsctl: str = ""
    runbook: str
    runbook_digest: str = ""
    service: str
    context: str = ""
    verdict: VerdictWord
    severity: Severity | None = None
    severity_label: str = ""
    says: str
    started_at: datetime
    seconds: float = 0.0
    at: datetime | None = None
    measured: Measured | None = None
    findings: tuple[Finding, ...] = ()
    causes: tuple[CauseResult, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    not_configured: tuple[Unknown, ...] = ()
    changes: tuple[Change, ...] = ()
    next: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    escalation: str = ""
    evidence: tuple[Evidence, ...] = ()
    parameters: dict[str, str] = {}
    chosen: tuple[str, ...] = ()  # parameters that the user set; the others are the runbook's defaults
    looks_back: float = 1800.0  # seconds of history that were looked through
    override: Override = Override()
    replayed_from: ReplayedFrom | None = None
    probes: tuple[ProbeRun, ...] = ()
    readings: tuple[RecordedReading, ...] = ()
    histories: tuple[RecordedHistory, ...] = ()
    seal: str = ""  # digest of all the rest (runbooks/seal.py); "" while it is being made
    decides: tuple[str, ...] = ()  # finding ids that decide the verdict besides objectives and symptoms
