"""What Prometheus answers: only the fields that opsctl uses, everything else is skipped."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsctl.model import Point


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is decoded: only the fields that opsctl uses, everything else is skipped."""


class Series(Struct, frozen=True, kw_only=True):
    """One sample of an instant query: ``time`` in unix seconds; ``value`` may be NaN or infinite."""

    labels: dict[str, str]
    time: float
    value: float


class Instant(Struct, frozen=True, kw_only=True):
    """The result of an instant query. No series is a valid answer. ``warnings``: also what newer servers call infos."""

    series: tuple[Series, ...] = ()
    warnings: tuple[str, ...] = ()


class RangeSeries(Struct, frozen=True, kw_only=True):
    """One series of a range query."""

    labels: dict[str, str]
    points: tuple[Point, ...]


class Ranges(tuple[RangeSeries, ...]):
    """The series of a range query; ``warnings`` and the ``step`` that was really used (seconds)."""

    warnings: tuple[str, ...] = ()
    step: float = 0.0


class Rule(Struct, frozen=True, kw_only=True):
    """A rule and how its last evaluation went (``health``: ok, err, unknown)."""

    name: str
    type: str = ""  # alerting, recording
    query: str = ""
    state: str = ""  # alerting rules: inactive, pending, firing
    health: str = ""
    last_error: str = msgspec.field(name="lastError", default="")
    duration: float = 0.0  # seconds of ``for``
    labels: dict[str, str] = {}
    last_evaluation: datetime | None = msgspec.field(name="lastEvaluation", default=None)
    evaluation_time: float = msgspec.field(name="evaluationTime", default=0.0)  # seconds


class RuleGroup(Struct, frozen=True, kw_only=True):
    """A group of rules."""

    name: str
    file: str = ""
    interval: float = 0.0
    rules: tuple[Rule, ...] = ()
    last_evaluation: datetime | None = msgspec.field(name="lastEvaluation", default=None)
    evaluation_time: float = msgspec.field(name="evaluationTime", default=0.0)  # seconds, all rules together


class Target(Struct, frozen=True, kw_only=True):
    """An active scrape target (``health``: up, down, unknown)."""

    labels: dict[str, str]
    scrape_url: str = msgspec.field(name="scrapeUrl", default="")
    health: str
    last_error: str = msgspec.field(name="lastError", default="")
    last_scrape: datetime | None = msgspec.field(name="lastScrape", default=None)
    last_seconds: float = msgspec.field(name="lastScrapeDuration", default=0.0)
    pool: str = msgspec.field(name="scrapePool", default="")
    interval: str = msgspec.field(name="scrapeInterval", default="")  # as 15s; absent before 2.33
    timeout: str = msgspec.field(name="scrapeTimeout", default="")


class RuntimeInfo(Struct, frozen=True, kw_only=True):
    """When this Prometheus started and last loaded its configuration, and whether that worked."""

    start_time: datetime = msgspec.field(name="startTime")
    last_config_time: datetime | None = msgspec.field(name="lastConfigTime", default=None)
    reload_config_success: bool | None = msgspec.field(name="reloadConfigSuccess", default=None)
    storage_retention: str = msgspec.field(name="storageRetention", default="")


class PrometheusAlert(Struct, frozen=True, kw_only=True):
    """An alert as Prometheus sees it (``state``: pending, firing)."""

    labels: dict[str, str]
    state: str
    active_at: datetime | None = msgspec.field(name="activeAt", default=None)


class Peer(Struct, frozen=True, kw_only=True):
    """An Alertmanager as Prometheus knows it."""

    url: str


class Alertmanagers(Struct, frozen=True, kw_only=True):
    """Where alerts are sent, and what service discovery found but relabelling dropped."""

    active: tuple[Peer, ...] = msgspec.field(name="activeAlertmanagers", default=())
    dropped: tuple[Peer, ...] = msgspec.field(name="droppedAlertmanagers", default=())


class Replay(Struct, frozen=True, kw_only=True):
    """How far the write-ahead log has been read after a start: segment ``current`` of ``last``."""

    first: int = msgspec.field(name="min", default=0)
    last: int = msgspec.field(name="max", default=0)
    current: int = 0
