"""A declared signal evaluated by Prometheus; and finding out once, for all threads, that there is none to ask."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from opsctl.errors import CouldNotLook, Reason
from opsctl.model import Point
from opsctl.signals.histogram import quantile
from opsctl.signals.model import Row, Signal
from opsctl.signals.outcome import MISSING_PART, Outcome, settle
from opsctl.signals.promql import Compiled
from opsctl.signals.shape import unit_for

if TYPE_CHECKING:
    from opsctl.clients.prometheus import PrometheusReader
    from opsctl.clients.prometheus_answers import Instant, RangeSeries
    from opsctl.clients.readers import Readers

T = TypeVar("T")

FIRST_ANSWER = 3.0  # seconds a Prometheus that has not answered yet may take, where a scrape can take its place

# Not a Prometheus that may be asked: these hold for every question.
_GONE: frozenset[Reason] = frozenset(
    {"not-configured", "unresolved", "refused", "closed", "tls", "unauthorized", "forbidden", "missing-library"}
)
# These hold for every question only if Prometheus has never answered one.
_GONE_AT_FIRST: frozenset[Reason] = frozenset({"timeout", "server-error", "bad-answer", "not-found", "unsupported"})


class Seen(NamedTuple):
    """An outcome and when it holds: unix seconds of the evaluation, or None when the answer was empty."""

    outcome: Outcome
    time: float | None


class PrometheusSource:
    """The Prometheus of one diagnosis. Questions run side by side; when it turns out to be gone, all of them end."""

    def __init__(self, readers: Readers, name: str, *, first_answer: float | None) -> None:
        self._readers = readers
        self._name = name
        self._first_answer = first_answer
        self.changed = threading.Condition()
        self.gone: CouldNotLook | None = None
        self.answered = False

    def reader(self) -> PrometheusReader:
        """The client; raises NotConfigured."""
        return self._readers.prometheus(self._name)

    def ask(self, call: Callable[[PrometheusReader, float], T], timeout: float) -> Asked[T]:
        """Begin a question (in a thread of its own); ``timeout`` in seconds."""
        return Asked(self, call, timeout)

    def run(self, call: Callable[[PrometheusReader, float], T], timeout: float) -> T:
        """Ask in this thread, and remember what the answer tells about Prometheus itself."""
        first = self._first_answer is not None and not self.answered
        brief = min(timeout, self._first_answer or timeout) if first else timeout
        try:
            try:
                value = call(self.reader(), brief)
            except CouldNotLook as failed:
                if failed.reason != "timeout" or not self.answered or timeout - brief < 0.1:
                    raise
                # it has answered others meanwhile: it is there, and may take its time
                value = call(self.reader(), timeout - brief)
        except CouldNotLook as failed:
            with self.changed:
                if failed.reason in _GONE or (failed.reason in _GONE_AT_FIRST and not self.answered):
                    self.gone = self.gone or failed
                else:
                    self.answered = self.answered or failed.reason in ("bad-query", "too-large")
                self.changed.notify_all()
            raise
        with self.changed:
            self.answered = True
            self.changed.notify_all()
        return value

    def evaluate(self, signal: Signal, compiled: Compiled, *, at: float | None, timeout: float, stale: float) -> Seen:
        """The signal's rows now or at ``at``; raises CouldNotLook.

        ``stale``: seconds after which the newest sample of a gauge says nothing any more. Reason "no-data" means
        that Prometheus has no series of the metric at all.
        """
        value = self.ask(lambda p, t: p.query(compiled.expr, at=at, timeout=t), timeout)
        beside = compiled.counts or compiled.newest
        extra = self.ask(lambda p, t: p.query(beside, at=at, timeout=t), timeout) if beside else None
        part = self.ask(lambda p, t: p.query(compiled.part, at=at, timeout=t), timeout) if compiled.part else None
        instant = value.result()
        asked = extra.result() if extra is not None else None
        time = next((series.time for series in instant.series), None)
        rows = [Row(labels=series.labels, value=series.value) for series in instant.series]
        events: float | None = None
        if compiled.counts and asked is not None:
            rows, events = _with_counts(signal, compiled, rows, asked)
            if compiled.kind == "share_above" and not rows and (events or 0.0) >= max(1.0, compiled.min_count):
                return Seen(_no_edge(signal, compiled, asked), time)
        elif compiled.kind in ("rate", "increase"):
            rows = [Row(labels=row.labels, value=row.value, count=_events(signal, compiled, row.value)) for row in rows]
        elif asked is not None and instant.series and (old := _age(asked)) > stale:
            return Seen(Outcome(reason="stale", says=f"the newest sample is {old:.0f} s old"), time)
        if not rows and events is None:
            return Seen(self._absent(compiled, at, timeout), time)
        settled = settle(rows, least=compiled.min_count, window=compiled.window, events=events)
        missing = (MISSING_PART,) if part is not None and settled.rows and not part.result().series else ()
        return Seen(settled._replace(notes=(*settled.notes, *missing, *instant.warnings)), time)

    def history(
        self, compiled: Compiled, *, start: float, end: float, step: float, timeout: float, lowest: bool
    ) -> tuple[Point, ...]:
        """The largest (or smallest) row at each step, without NaN; raises CouldNotLook."""
        asked = self.ask(
            lambda p, t: p.query_range(compiled.guarded, start=start, end=end, step=step, timeout=t), timeout
        )
        return _merged(asked.result(), min if lowest else max)

    def _absent(self, compiled: Compiled, at: float | None, timeout: float) -> Outcome:
        """Why there is no value: no such series, or series without a value."""
        what = " or ".join(compiled.selects)
        if compiled.presence and self.run(lambda p, t: p.query(compiled.presence, at=at, timeout=t), timeout).series:
            if compiled.kind == "age":
                return Outcome(reason="stale", says=f"{what} is 0 (never set) or has no fresh sample")
            if compiled.newest:
                return Outcome(reason="stale", says=f"{what} has no fresh sample: its target no longer shows it")
            return Outcome(reason="too-few", says=f"{what} did not move in the window, or has a single sample there")
        return Outcome(reason="no-data", says=f"no series of {what}" if what else "the expression gives no series")


class Asked(Generic[T]):
    """A question on its way."""

    def __init__(self, source: PrometheusSource, call: Callable[[PrometheusReader, float], T], timeout: float) -> None:
        self._source = source
        self._done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        if source.gone is None:
            thread = threading.Thread(target=self._run, args=(call, timeout), daemon=True, name="prometheus")
            thread.start()

    def _run(self, call: Callable[[PrometheusReader, float], T], timeout: float) -> None:
        try:
            self._value = self._source.run(call, timeout)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self._error = error
        with self._source.changed:
            self._done = True
            self._source.changed.notify_all()

    def result(self) -> T:
        """The answer; raises what the call raised, or as soon as it is known why Prometheus cannot be asked."""
        with self._source.changed:
            while not self._done and self._source.gone is None:
                self._source.changed.wait()
        if self._done:
            if self._error is not None:
                raise self._error
            return self._value  # type: ignore[return-value]
        assert self._source.gone is not None
        raise self._source.gone


def _with_counts(
    signal: Signal, compiled: Compiled, rows: Sequence[Row], asked: Instant
) -> tuple[list[Row], float | None]:
    """Rows with the events behind them, a quantile above the highest bucket marked; and all events together."""
    whole: dict[tuple[str, ...], float] = {}
    edges: dict[tuple[str, ...], dict[float, float]] = {}
    for series in asked.series:
        key = tuple(series.labels.get(label, "") for label in compiled.by)
        edge = _edge(series.labels.get("le"))
        if compiled.kind in ("quantile", "share_above"):
            group = edges.setdefault(key, {})
            group[edge] = group.get(edge, 0.0) + series.value  # 5 and 5.0 are one edge
            if edge == math.inf:
                whole[key] = series.value
        else:
            whole[key] = series.value
    found: list[Row] = []
    for row in rows:
        key = tuple(row.labels.get(label, "") for label in compiled.by)
        # the rank lies in the +Inf bucket: Prometheus then answers with the highest finite edge (trap c)
        above = signal.quantile is not None and quantile(signal.quantile, edges.get(key, {})).at_least
        found.append(Row(labels=row.labels, value=row.value, count=whole.get(key), at_least=above, exceeds=above))
    return found, sum(whole.values()) if asked.series else None


def _events(signal: Signal, compiled: Compiled, value: float) -> float:
    """The events behind a rate or increase: the value without its unit and scale, over the window."""
    unit = unit_for(signal)
    raw = value / signal.scale / unit.times * unit.over if signal.scale else math.nan
    return raw * compiled.window if compiled.kind == "rate" else raw


def _no_edge(signal: Signal, compiled: Compiled, asked: Instant) -> Outcome:
    found = sorted({edge for series in asked.series if math.isfinite(edge := _edge(series.labels.get("le")))})
    known = ", ".join(f"{edge:g}" for edge in found) or "none"
    says = f"{compiled.selects[0]} has no bucket edge {signal.share_above:g}; it has {known}"
    return Outcome(reason="unsupported", says=says)


def _edge(le: str | None) -> float:
    try:
        return float(le) if le is not None else math.nan
    except ValueError:
        return math.nan


def _age(asked: Instant) -> float:
    """Seconds since the newest sample."""
    return min((series.time - series.value for series in asked.series), default=0.0)


def _merged(series: Sequence[RangeSeries], pick: Callable[[float, float], float]) -> tuple[Point, ...]:
    values: dict[float, float] = {}
    for one in series:
        for point in one.points:
            if math.isfinite(point.value):
                known = values.get(point.time)
                values[point.time] = point.value if known is None else pick(known, point.value)
    return tuple(Point(time, values[time]) for time in sorted(values))
