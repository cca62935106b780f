"""Reads signals: by Prometheus, else by direct scrape of the service's own metrics page (design.md, "Signals")."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook
from opsctl.model import Unknown
from opsctl.signals.direct import evaluate, shows
from opsctl.signals.growth import Scrapes
from opsctl.signals.model import History, Reading, Signal
from opsctl.signals.once import Once
from opsctl.signals.outcome import Outcome
from opsctl.signals.prom import FIRST_ANSWER, PrometheusSource
from opsctl.signals.promql import Compiled, compile_signal
from opsctl.signals.scraping import Scraping
from opsctl.signals.shape import kind_of, unit_for

if TYPE_CHECKING:
    from opsctl.clients.readers import Readers

T = TypeVar("T", Reading, History)

_NO_PAST = Unknown(reason="no-history", says="a scrape shows only now; looking at the past needs a Prometheus")
_STALE = 60.0  # seconds: a gauge's newest sample may be this old, or five scrape intervals


class SignalReader:
    """The signals of one diagnosis: each is read once, whoever asks; safe to use from several threads.

    ``labels``: matchers for Prometheus (the profile's); ``scrape_interval``, ``window``, ``pause``: seconds;
    ``prometheus`` and ``metrics``: names of the endpoints.
    """

    def __init__(
        self,
        readers: Readers,
        *,
        labels: Mapping[str, str],
        scrape_interval: float,
        window: float,
        pause: float,
        prefer: Literal["auto", "prometheus", "direct"] = "auto",
        prometheus: str = "prometheus",
        metrics: str = "metrics",
    ) -> None:
        self._labels = dict(labels)
        self._interval = scrape_interval
        self._window = window
        self._prefer = prefer
        self._readers = readers
        self._prometheus, self._metrics = prometheus, metrics
        self._scraping = Scraping(readers, metrics, pause)
        spare = prefer == "auto" and self._scraping.configured()
        self._source = PrometheusSource(readers, prometheus, first_answer=FIRST_ANSWER if spare else None)
        self._lock = threading.Lock()
        self._known: dict[tuple[object, ...], Once[Reading] | Once[History]] = {}
        self._notes: dict[str, None] = {}
        self._spared: dict[tuple[str, str], dict[str, None]] = {}  # Prometheus and page -> signals it had to measure

    def read(
        self,
        name: str,
        signal: Signal,
        *,
        at: float | None = None,
        window: float | None = None,
        timeout: float = 5.0,
        deadline: float | None = None,
    ) -> Reading:
        """The signal now, or at unix time ``at``. Never raises CouldNotLook: what failed is in ``Reading.unknown``.

        ``timeout``: seconds for each question to a server; a direct look takes the pause on top. ``deadline``
        (``time.monotonic``) ends the waiting in any case.
        """
        key = ("read", name, msgspec.json.encode(signal), at, window)
        once = self._once(key, lambda: self._read(name, signal, at, window, timeout))
        try:
            return once.get(deadline)
        except TimeoutError:
            return _nothing(name, signal, self._late(f"{name} could not be read in the time that was left"))

    def history(
        self,
        name: str,
        signal: Signal,
        *,
        start: float,
        end: float,
        step: float,
        timeout: float = 5.0,
        window: float | None = None,
        lowest: bool = False,
        deadline: float | None = None,
    ) -> History:
        """The signal from ``start`` to ``end`` (unix seconds), one point per ``step`` seconds, from Prometheus.

        The largest row at each step, or with ``lowest`` the smallest. Steps with too few events are left out.
        """
        key = ("history", name, msgspec.json.encode(signal), start, end, step, window, lowest)

        def make() -> History:
            query = self.compiled(signal, window)
            if self._prefer == "direct":
                return History(signal=name, step=step, unknown=_NO_PAST, query=query.guarded)
            try:
                points = self._source.history(query, start=start, end=end, step=step, timeout=timeout, lowest=lowest)
            except CouldNotLook as failed:
                return History(signal=name, step=step, unknown=_told(failed), query=query.guarded)
            none = None if points else Unknown(reason="no-data", says=f"Prometheus has no past values of {name}")
            return History(signal=name, step=step, points=points, unknown=none, query=query.guarded)

        try:
            return self._once(key, make).get(deadline)
        except TimeoutError:
            says = f"the history of {name} could not be read in the time that was left"
            return History(signal=name, step=step, unknown=self._late(says))

    def notes(self) -> tuple[str, ...]:
        """What a reader of the report must know about how signals were measured."""
        with self._lock:
            spared = (
                f"{asked} has no series for {', '.join(names)}: measured by direct {instead}"
                for (asked, instead), names in self._spared.items()
            )
            return (*self._notes, *spared, *self._scraping.notes())

    def window_of(self, signal: Signal, window: float | None = None) -> float:
        """The window in seconds that a signal is really rated over: at least four scrape intervals (trap f)."""
        wanted = window or (parse_duration(signal.window) if signal.window else self._window)
        return max(wanted, 4 * self._interval)

    def compiled(self, signal: Signal, window: float | None = None) -> Compiled:
        """The signal for this Prometheus. Raises ValueError for a wrong declaration."""
        return compile_signal(signal, labels=self._labels, window=self.window_of(signal, window))

    def pages(self) -> Scrapes:
        """The two scrapes of the service's own page, shared with direct signals. Raises CouldNotLook."""
        return self._scraping.both()

    @property
    def interval(self) -> float:
        """Seconds between two samples in Prometheus."""
        return self._interval

    def fresh(self) -> SignalReader:
        """The same reader with nothing read yet: for a second look at what may have moved."""
        return SignalReader(
            self._readers,
            labels=self._labels,
            scrape_interval=self._interval,
            window=self._window,
            pause=self._scraping.pause,
            prefer=self._prefer,
            prometheus=self._prometheus,
            metrics=self._metrics,
        )

    def _read(self, name: str, signal: Signal, at: float | None, window: float | None, timeout: float) -> Reading:
        if self._prefer == "direct":
            if at is not None:
                return _nothing(name, signal, _NO_PAST)
            reading = self._direct(name, signal, window)
            if reading.direct:
                self._note(f"As asked, signals were measured by direct {reading.source}, twice, {self._pause()} apart")
            return reading
        try:
            reading = self._asked(name, signal, at, window, timeout)
        except CouldNotLook as failed:
            if at is not None or self._prefer == "prometheus" or failed.reason == "bad-query":
                return _nothing(name, signal, _told(failed))
            return self._instead(name, signal, window, failed)
        if (
            at is None
            and self._prefer == "auto"
            and reading.unknown is not None
            and reading.unknown.reason == "no-data"
        ):
            return self._elsewhere(name, signal, window, reading)
        return reading

    def _asked(self, name: str, signal: Signal, at: float | None, window: float | None, timeout: float) -> Reading:
        """From Prometheus; raises CouldNotLook."""
        compiled = self.compiled(signal, window)
        stale = max(5 * self._interval, _STALE)
        outcome, moment = self._source.evaluate(signal, compiled, at=at, timeout=timeout, stale=stale)
        reader = self._source.reader()
        notes = list(outcome.notes)
        wanted = window or (parse_duration(signal.window) if signal.window else self._window)
        if compiled.window > wanted and compiled.selects and not compiled.newest:
            least = format_duration(compiled.window)
            notes.append(f"window {format_duration(wanted)} raised to {least}, four scrape intervals")
        return Reading(
            signal=name,
            unit=compiled.unit,
            rows=outcome.rows,
            unknown=_without(outcome, name, f"prometheus {reader.address}", reader.setting),
            source=f"prometheus {reader.address}",
            setting=reader.setting,
            query=compiled.expr,
            window="" if compiled.newest or not compiled.selects else format_duration(compiled.window),
            sampled_at=datetime.fromtimestamp(moment or at or time.time(), UTC),
            note="; ".join(notes),
        )

    def _instead(self, name: str, signal: Signal, window: float | None, failed: CouldNotLook) -> Reading:
        """By direct scrape, because Prometheus cannot be asked."""
        reading = self._direct(name, signal, window)
        absent = failed.reason == "not-configured"
        why = failed.says.rstrip(".")
        if reading.direct:
            by = f" (from {failed.setting})" if failed.setting else ""
            cause = "No Prometheus is configured" if absent else f"Prometheus could not be asked: {why}{by}"
            self._note(f"{cause}. Signals were measured by direct {reading.source}, twice, {self._pause()} apart")
            return reading
        # Both ways are shut: the one that is configured is named first.
        other = reading.unknown
        if absent and other is not None:
            return reading if other.reason != "not-configured" else _nothing(name, signal, _told(failed))
        too = f"; without it: {other.says}" if other is not None and other.reason != "not-configured" else ""
        told = msgspec.structs.replace(_told(failed), says=why + too)
        return _nothing(name, signal, told)

    def _elsewhere(self, name: str, signal: Signal, window: float | None, reading: Reading) -> Reading:
        """Prometheus has no series of the metric at all; the service's own page may have it."""
        try:
            if not self._scraping.configured() or not shows(signal, self._scraping.first().page):
                return reading
        except CouldNotLook:
            return reading
        other = self._direct(name, signal, window)
        if not other.direct:
            return reading
        with self._lock:
            self._spared.setdefault((reading.source, other.source), {})[name] = None
        return other

    def _direct(self, name: str, signal: Signal, window: float | None) -> Reading:
        """By scrape; ``direct`` is set when a page came, whether or not it held the signal."""
        plain = kind_of(signal) in ("gauge", "age")
        try:
            taken = self._scraping.first()
            scrapes = Scrapes(taken.page, taken.page, 0.0) if plain else self._scraping.both()
        except CouldNotLook as failed:
            return _nothing(name, signal, _told(failed))
        outcome = evaluate(signal, scrapes, window=self.window_of(signal, window))
        again = ("the process started anew between the scrapes",) if scrapes.restarted else ()
        return Reading(
            signal=name,
            unit=unit_for(signal).base,
            rows=outcome.rows,
            unknown=_without(outcome, name, taken.source, taken.setting),
            source=taken.source,
            setting=taken.setting,
            window="" if plain else format_duration(round(scrapes.elapsed, 1)),
            sampled_at=datetime.fromtimestamp(scrapes.second.time, UTC),
            direct=True,
            note="; ".join((*outcome.notes, *again)),
        )

    def _late(self, says: str) -> Unknown:
        """What the time ran out over: Prometheus, or the page once that is known to be gone."""
        scraped = self._prefer == "direct" or self._source.gone is not None
        address, setting = self._readers.where(self._metrics if scraped else self._prometheus)
        return Unknown(reason="timeout", says=says, address=address, setting=setting)

    def _pause(self) -> str:
        return format_duration(round(self._scraping.pause, 1))

    def _note(self, says: str) -> None:
        with self._lock:
            self._notes[says] = None

    def _once(self, key: tuple[object, ...], make: Callable[[], T]) -> Once[T]:
        with self._lock:
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = Once(make)
            return known  # type: ignore[return-value]


def _told(failed: CouldNotLook) -> Unknown:
    return Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)


def _without(outcome: Outcome, name: str, address: str, setting: str) -> Unknown | None:
    if outcome.reason is None:
        return None
    return Unknown(reason=outcome.reason, says=f"{name}: {outcome.says}", address=address, setting=setting)


def _nothing(name: str, signal: Signal, unknown: Unknown) -> Reading:
    return Reading(
        signal=name,
        unit=unit_for(signal).base,
        unknown=unknown,
        source=unknown.address,
        setting=unknown.setting,
        sampled_at=datetime.now(UTC),
    )
