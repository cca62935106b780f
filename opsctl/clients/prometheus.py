"""Prometheus' HTTP API, read side; also what speaks it: Thanos, Mimir, VictoriaMetrics under a path prefix."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from opsctl.clients.http import HttpReader, Params
from opsctl.clients.http_answer import HttpAnswer
from opsctl.clients.prometheus_answers import (
    Alertmanagers,
    Instant,
    PrometheusAlert,
    Ranges,
    RangeSeries,
    Replay,
    RuleGroup,
    RuntimeInfo,
    Series,
    Struct,
    Target,
)
from opsctl.clients.typed import ready
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook, Reason
from opsctl.model import Point
from opsctl.redact import printable, redact

MAX_POINTS = 11_000  # per series; Prometheus refuses more (domain-checks.md 2.5)

T = TypeVar("T")


class _Sample(Struct, frozen=True):
    metric: dict[str, str]
    value: tuple[float, str] | None = None  # absent: a native histogram


class _Row(Struct, frozen=True):
    metric: dict[str, str]
    values: tuple[tuple[float, str], ...] = ()


class _Result(Struct, frozen=True):
    kind: str = msgspec.field(name="resultType", default="")
    result: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(Struct, frozen=True):
    status: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    kind: str = msgspec.field(name="errorType", default="")
    error: str = ""
    warnings: tuple[str, ...] | None = None
    infos: tuple[str, ...] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(redact(printable(text)) for text in (*(self.warnings or ()), *(self.infos or ())))


class _Rules(Struct, frozen=True):
    groups: tuple[RuleGroup, ...]


class _Targets(Struct, frozen=True):
    active: tuple[Target, ...] = msgspec.field(name="activeTargets")


class _Alerts(Struct, frozen=True):
    alerts: tuple[PrometheusAlert, ...]


_ERRORS: dict[str, Reason] = {
    "bad_data": "bad-query",
    "execution": "bad-query",
    "timeout": "timeout",
    "canceled": "timeout",
    "internal": "server-error",
    "unavailable": "server-error",
    "not_found": "not-found",
    "too_many_requests": "throttled",
}


class PrometheusReader:
    """Queries, rules, targets, state. Thread-safe. ``address`` and ``setting`` as in HttpReader."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._http = HttpReader(endpoint)
        self.address = self._http.address
        self.setting = endpoint.setting
        self._posts = True  # until the server (or a proxy before it) says it takes GET only

    def query(self, expr: str, *, at: float | None = None, timeout: float = 5.0) -> Instant:
        """Evaluate ``expr`` now or at unix time ``at``. Raises CouldNotLook; an empty result is no failure."""
        form: dict[str, Any] = {"query": expr, "timeout": f"{timeout:.3f}"}
        if at is not None:
            form["time"] = f"{at:.3f}"
        answer = self._ask("/api/v1/query", form, timeout)
        result = self._part(answer.data, _Result)
        notes = answer.notes
        if result.kind in ("scalar", "string"):
            moment, text = self._part(result.result, tuple[float, str])
            return Instant(series=(Series(labels={}, time=moment, value=self._number(text)),), warnings=notes)
        if result.kind != "vector":
            raise self._strange(f"a {result.kind or 'missing'} result for an instant query")
        series: list[Series] = []
        samples = self._part(result.result, tuple[_Sample, ...])
        for sample in samples:
            if sample.value is not None:
                moment, text = sample.value
                series.append(Series(labels=sample.metric, time=moment, value=self._number(text)))
        if left := len(samples) - len(series):
            notes += (f"{left} of {len(samples)} series are native histograms and were left out",)
        return Instant(series=tuple(series), warnings=notes)

    def query_range(self, expr: str, *, start: float, end: float, step: float, timeout: float = 5.0) -> Ranges:
        """Evaluate ``expr`` from ``start`` to ``end`` (unix s); ``step`` (s) is raised so that points <= 11,000."""
        step = max(step, (end - start) / (MAX_POINTS - 1), 0.001)
        form = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.6f}"}
        answer = self._ask("/api/v1/query_range", {**form, "timeout": f"{timeout:.3f}"}, timeout)
        result = self._part(answer.data, _Result)
        if result.kind != "matrix":
            raise self._strange(f"a {result.kind or 'missing'} result for a range query")
        rows = self._part(result.result, tuple[_Row, ...])
        ranges = Ranges(
            RangeSeries(labels=row.metric, points=tuple(Point(at, self._number(text)) for at, text in row.values))
            for row in rows
        )
        ranges.warnings, ranges.step = answer.notes, step
        return ranges

    def rules(self, timeout: float = 5.0) -> tuple[RuleGroup, ...]:
        """All rule groups with their rules' health."""
        return self._read("/api/v1/rules", _Rules, timeout).groups

    def targets(self, timeout: float = 5.0) -> tuple[Target, ...]:
        """Active scrape targets."""
        return self._read("/api/v1/targets", _Targets, timeout, {"state": "active"}).active

    def runtimeinfo(self, timeout: float = 5.0) -> RuntimeInfo:
        """Start, configuration load, retention; "not-found" on systems that only speak the query API."""
        return self._read("/api/v1/status/runtimeinfo", RuntimeInfo, timeout)

    def alerts(self, timeout: float = 5.0) -> tuple[PrometheusAlert, ...]:
        """Pending and firing alerts."""
        return self._read("/api/v1/alerts", _Alerts, timeout).alerts

    def alertmanagers(self, timeout: float = 5.0) -> Alertmanagers:
        """Where this Prometheus sends its alerts."""
        return self._read("/api/v1/alertmanagers", Alertmanagers, timeout)

    def ready(self, timeout: float = 5.0) -> HttpAnswer:
        """What ``/-/ready`` answers, when it says that queries are answered; else raises CouldNotLook."""
        return self._http.get("/-/ready", timeout=timeout)

    def replay(self, timeout: float = 5.0) -> Replay:
        """How far the write-ahead log has been read; also told while the server is not ready (from 2.28 on)."""
        return self._read("/api/v1/status/walreplay", Replay, timeout)

    def metrics(self, timeout: float = 5.0) -> HttpAnswer:
        """Prometheus' own metrics page."""
        return self._http.get("/metrics", timeout=timeout)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _ask(self, path: str, form: Params, timeout: float) -> _Answer:
        """A query by POST (long expressions), or by GET where something on the way only lets reads through."""
        if self._posts:
            got = self._http.post_query(path, form, timeout=timeout)
            if got.status not in (301, 302, 303, 403, 404, 405, 501):
                return self._envelope(got)
            asked = self._http.get(path, params=form, timeout=max(0.05, timeout - got.seconds), accept=None)
            self._posts = asked.status != 200
            return self._envelope(asked)
        return self._envelope(self._http.get(path, params=form, timeout=timeout, accept=None))

    def _read(self, path: str, type: type[T], timeout: float, params: Params | None = None) -> T:
        answer = self._envelope(self._http.get(path, params=params, timeout=timeout, accept=None))
        return self._part(answer.data, type)

    def _envelope(self, got: HttpAnswer) -> _Answer:
        if got.status == 200:
            answer = self._http.decode(got, _Answer)
            if answer.status == "success":
                return answer
        else:
            try:
                answer = msgspec.json.decode(got.body, type=ready(_Answer))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise self._http.failure(got) from None
            if not answer.error or got.status in (401, 403):
                raise self._http.failure(got)
        error = redact(printable(" ".join(answer.error.split())))[:300]
        reason = _ERRORS.get(answer.kind, "server-error" if got.status >= 500 else "bad-answer")
        if reason == "bad-query" and "too many samples" in error:
            reason = "too-large"
        if reason == "timeout":
            says = f"Prometheus gave the query up: {error}"
        else:
            says = f"Prometheus answers {answer.kind.replace('_', ' ') or 'an error'}: {error}"
        raise CouldNotLook(reason, says, address=self.address, setting=self.setting)

    def _part(self, raw: msgspec.Raw, type: type[T]) -> T:
        try:
            return msgspec.json.decode(raw, type=ready(type))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._strange(f"JSON of another shape ({printable(str(error))})") from None

    def _number(self, text: str) -> float:
        try:
            return float(text)  # also NaN, +Inf and -Inf, as Prometheus writes them
        except ValueError:
            raise self._strange(f'the value "{printable(text[:40])}"') from None

    def _strange(self, what: str) -> CouldNotLook:
        says = f"{self.address} answered with {what}"
        return CouldNotLook("bad-answer", says, address=self.address, setting=self.setting)
