"""The values that travel from probes to reports: evidence, findings, causes, changes, the report.

All are frozen msgspec structs, so that a report can be written as JSON, read back and compared.
Times are aware datetimes in UTC; numbers are in base units (seconds, bytes, ratios 0-1, USD).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsctl.errors import Reason

State = Literal["ok", "breach", "unknown"]
VerdictWord = Literal["ok", "warning", "critical", "unknown"]
Severity = Literal["sev1", "sev2", "sev3", "sev4"]
CauseStatus = Literal["confirmed", "possible", "refuted", "not-measured"]

SCHEMA = "opsctl.report/1"


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of the model: immutable, keyword-only, unknown fields refused, defaults left out of JSON."""


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
    since: datetime | None = None
    pending: bool = False  # broken, but not yet for the objective's duration
    reason: Reason | None = None  # why unknown
    probe: str = ""
    evidence: tuple[str, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """Something that changed on a system: a rollout, a restart, a configuration load."""

    at: datetime
    system: str  # kubernetes, postgres, redis, prometheus, service
    subject: str  # Deployment api
    says: str  # image 1.14.2 -> 1.14.3
    source: str = ""


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
