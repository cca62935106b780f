"""Signals as a report recorded them: the same questions, answered without any server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from opsctl.config.endpoint import Endpoint
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook, NotConfigured, OpsctlError
from opsctl.model import RecordedHistory, RecordedReading, Report, Unknown
from opsctl.runbooks.recorded import declared, points_of, reading_of
from opsctl.services.model import Profile
from opsctl.signals.model import History, Reading, Signal
from opsctl.signals.shape import unit_for

if TYPE_CHECKING:
    from opsctl.signals.reader import SignalReader

SLACK = 1.0  # seconds: moments asked for come from times that lost their microseconds in the file


def no_server(name: str) -> Endpoint:
    """Instead of an endpoint: a replay asks nobody. Raises CouldNotLook."""
    raise CouldNotLook("not-recorded", f"a replay asks no server, not even {name}")


def replayed(report: Report, profile: Profile) -> SignalReader:
    """The signals of a report, for probes that know nothing of replays."""
    return cast("SignalReader", Replayed(report, profile))


class Replayed:
    """Answers as ``SignalReader`` does, from one report; what it does not hold is unknown, ``not-recorded``.

    No subclass, because all that evaluates metrics pages and PromQL would be imported for nothing.
    """

    def __init__(self, report: Report, profile: Profile) -> None:
        self._profile = profile
        self._readings: dict[str, list[RecordedReading]] = {}
        for reading in report.readings:
            self._readings.setdefault(reading.signal, []).append(reading)
        self._histories: dict[str, list[RecordedHistory]] = {}
        for past in report.histories:
            self._histories.setdefault(past.signal, []).append(past)
        self._said: dict[str, None] = {}

    def __getattr__(self, name: str) -> Any:
        """Whatever else a probe asks of a reader, a real one answers that can ask no server."""
        if name.startswith("_"):
            raise AttributeError(name)
        from opsctl.clients.readers import Readers
        from opsctl.signals.reader import SignalReader

        reader = SignalReader(
            Readers(no_server),
            labels=self._profile.prometheus_labels,
            scrape_interval=self.interval,
            window=parse_duration(self._profile.window),
            pause=1.0,
            prefer="prometheus",
        )
        return getattr(reader, name)

    @property
    def interval(self) -> float:
        """See ``SignalReader.interval``."""
        return parse_duration(self._profile.scrape_interval)

    def window_of(self, signal: Signal, window: float | None = None) -> float:
        """See ``SignalReader.window_of``; by today's profile."""
        wanted = window or parse_duration(signal.window or self._profile.window)
        return max(wanted, 4 * self.interval)

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
        """The recorded reading of that moment, if the signal was declared the same way."""
        kept = self._readings.get(name, [])
        same = [one for one in kept if one.declared == declared(signal)]
        fits = [one for one in same if _near(one.at, at) and (one.over or 0.0) == (window or 0.0)]
        if not fits:
            return Reading(signal=name, unit=unit_for(signal).base, unknown=_why(name, kept, same))
        found = min(fits, key=lambda one: abs((one.at or 0.0) - (at or 0.0)))
        self._compare_windows(found, signal, window)
        return reading_of(found)

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
        """The recorded past that covers most of the time asked for, in its own steps."""
        kept = self._histories.get(name, [])
        same = [one for one in kept if one.declared == declared(signal)]
        fits = [one for one in same if one.lowest == lowest and (one.over or 0.0) == (window or 0.0)]
        near = [one for one in fits if abs(one.end - end) <= max(SLACK, one.step)]
        # Most of the time asked for first, then the steps that are most like those asked for.
        best = max(near, key=lambda one: (-max(0.0, one.start - start - SLACK), -abs(one.step - step)), default=None)
        if best is None:
            return History(signal=name, step=step, unknown=_why(f"the history of {name}", kept, same))
        points = tuple(p for p in points_of(best) if start - SLACK <= p.time <= end + SLACK)
        return History(signal=name, step=best.step, points=points, unknown=best.unknown)

    def notes(self) -> tuple[str, ...]:
        """Where what was measured then differs from how it would be measured now."""
        return tuple(self._said)

    def _compare_windows(self, found: RecordedReading, signal: Signal, window: float | None) -> None:
        if not found.window or found.direct or window is not None:
            return
        now = self.window_of(signal)
        try:
            then = parse_duration(found.window)
        except OpsctlError:  # somebody edited it
            return
        if abs(then - now) > SLACK:
            said = (
                f"Signals were measured over {found.window} then; {self._profile.service} now measures "
                f"over {format_duration(now)}"
            )
            self._said.setdefault(said)


def absent(unknown: Unknown) -> NoReturn:
    """What was not configured then still is not known. Raises NotConfigured."""
    raise NotConfigured(unknown.says, setting=unknown.setting)


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SLACK


def _why(what: str, kept: Sequence[object], same: Sequence[object]) -> Unknown:
    if kept and not same:
        says = f"{what} is declared otherwise today than when the report was written: what was read then does not count"
    elif kept:
        says = f"{what} was recorded for another time or window than is asked for today"
    else:
        says = f"{what} was not recorded: the runbook did not ask for it when the report was written"
    return Unknown(reason="not-recorded", says=says)
