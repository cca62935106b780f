"""What alerts did before, from Prometheus' ``ALERTS``: when each fired and for how long. Times in unix seconds.

Prometheus keeps one sample for each evaluation while an alert fires; a range query looks every ``step`` seconds, so a
firing shorter than that may be missed, and two with less between them count as one. ``step`` is always told.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opsctl.alerts.model import name_of
from opsctl.silences.matcher import Matcher, matches_all

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Silence
    from opsctl.clients.prometheus import PrometheusReader

DAY = 86400.0
_LOOKS = 1440  # looks in a span: every minute of a day, every seven minutes of a week
_SHORTEST = 15.0
SHORT = 600.0  # seconds: a firing that ends within this was over before somebody could have acted

# INSA-59: alerts of a day, and what is expected to be sent for them after grouping.
_BANDS = (("healthy", 0, 2, "0-1"), ("degraded", 5, 15, "2-5"), ("incident", 20, 50, "5-10"))


class Firing(NamedTuple):
    """Once that an alert fired. ``begun``: it began within the span, not before; ``over``: it ended within it."""

    name: str
    labels: dict[str, str]
    start: float
    end: float
    begun: bool
    over: bool

    @property
    def seconds(self) -> float:
        """How long, as far as it was seen."""
        return self.end - self.start


class Past(NamedTuple):
    """The firings of a span, the oldest first, and how often Prometheus was looked at (seconds)."""

    firings: tuple[Firing, ...]
    step: float


class Noise(NamedTuple):
    """One label set. ``times``: how often it began to fire; ``longest``: seconds; ``silenced``: a silence covers it."""

    name: str
    labels: dict[str, str]
    times: int
    total: float
    longest: float
    silenced: bool | None

    @property
    def idle(self) -> bool:
        """Always short and never silenced: a hint that nobody acts on it, no proof."""
        return self.silenced is False and self.longest <= SHORT


class Day(NamedTuple):
    """A day's count: ``kind`` healthy, degraded, incident, or between two of them; ``expected``: notifications."""

    start: float
    alerts: int
    kind: str
    expected: str


def read(prometheus: PrometheusReader, matchers: Sequence[Matcher], start: float, end: float, timeout: float) -> Past:
    """All firings between two moments that the matchers choose. Raises CouldNotLook."""
    step = max(_SHORTEST, (end - start) / _LOOKS)
    chosen = ", ".join(['alertstate="firing"', *(one.text() for one in matchers if one.name != "alertstate")])
    ranges = prometheus.query_range(f"ALERTS{{{chosen}}}", start=start, end=end, step=step, timeout=timeout)
    found: list[Firing] = []
    for series in ranges:
        labels = {k: v for k, v in series.labels.items() if k not in ("__name__", "alertstate")}
        found += firings(labels, [point.time for point in series.points], start, end, ranges.step)
    return Past(tuple(sorted(found, key=lambda one: (one.start, one.name))), ranges.step)


def firings(labels: dict[str, str], times: Sequence[float], start: float, end: float, step: float) -> list[Firing]:
    """The stretches of moments that lie no more than one step apart. Pure."""
    found: list[Firing] = []
    name = name_of(labels)
    first = last = None
    for at in (*times, None):
        if last is not None and (at is None or at - last > step * 1.5):
            assert first is not None
            found.append(Firing(name, labels, first, last, first - start > step * 0.5, end - last > step))
            first = None
        if at is not None:
            first = at if first is None else first
            last = at
    return found


def day_of(count: int) -> tuple[str, str]:
    """The kind of day for so many alerts, and how many notifications are expected (INSA-59). The source leaves gaps."""
    below = ""
    for kind, low, high, expected in _BANDS:
        if count < low:
            return f"between {below} and {kind}", ""
        if count <= high:
            return kind, expected
        below = kind
    return "more than an incident", ""


def days(past: Past, starts: Sequence[float]) -> list[Day]:
    """Each day's count of alerts that began in it. ``starts``: where the days begin, and where the last one ends."""
    found: list[Day] = []
    for begin, end in itertools.pairwise(starts):
        count = sum(1 for one in past.firings if one.begun and begin <= one.start < end)
        found.append(Day(begin, count, *day_of(count)))
    return found


def noise(past: Past, silences: Iterable[Silence] | None) -> list[Noise]:
    """Label sets by how often they began to fire, the noisiest first. ``silences`` None: not known."""
    from opsctl.silences.matcher import of_silence

    found: dict[tuple[tuple[str, str], ...], list[Firing]] = {}
    for one in past.firings:
        found.setdefault(tuple(sorted(one.labels.items())), []).append(one)
    covers = None if silences is None else [of_silence(silence) for silence in silences]

    def silenced(labels: dict[str, str]) -> bool | None:
        return None if covers is None else any(matches_all(matchers, labels) for matchers in covers)

    ranked = [
        Noise(
            several[0].name,
            several[0].labels,
            len(several),
            sum(one.seconds for one in several),
            max(one.seconds for one in several),
            silenced(several[0].labels),
        )
        for several in found.values()
    ]
    return sorted(ranked, key=lambda one: (-one.times, one.longest, one.name))
