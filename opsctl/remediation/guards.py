"""Guard signals: read before the first act and after each batch; one that got worse pauses, then stops the run.

A guard that was within its objective is broken when it leaves it; one that was outside already (an incident) when it
is a tenth farther out. One that could be read before and cannot be any more counts as broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opsctl.durations import format_quantity
from opsctl.model import Severity
from opsctl.remediation.compared import NOTICED
from opsctl.signals.model import Objective, Reading
from opsctl.signals.objective import falling, judge

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.services.model import Profile


class Bounds(NamedTuple):
    """What a signal is held against: its objectives, else its healthy range."""

    objectives: tuple[Objective, ...] = ()
    healthy: tuple[float, float] | None = None


class Watch:
    """The guards of one run. ``notes``: those that are not watched, and why."""

    def __init__(self, names: Sequence[str], hands: Hands) -> None:
        self._hands = hands
        self.notes: list[str] = []
        self._before: dict[str, Reading] = {}
        for name in names:
            if name not in hands.profile.signals:
                self.notes.append(f"{name} is not watched: {hands.profile.service} defines no such signal")
                continue
            if bounds_of(name, hands.profile) == Bounds():
                self.notes.append(f"{name} is not watched: it has no objective and no healthy range")
                continue
            reading = self._read(name)
            if reading.unknown is not None or reading.value is None:
                why = reading.unknown.says if reading.unknown is not None else "it has no value"
                self.notes.append(f"{name} is not watched: {why}")
                continue
            try:
                broken(bounds_of(name, hands.profile), reading, reading, hands.profile.severities)
            except ValueError as error:  # bounds that cannot be read: now, and not between two acts
                self.notes.append(f"{name} is not watched: {error}")
                continue
            self._before[name] = reading

    def look(self) -> list[tuple[str, str]]:
        """(signal, what is wrong) of each guard that is broken now."""
        found = []
        for name, before in self._before.items():
            bounds = bounds_of(name, self._hands.profile)
            says = broken(bounds, before, self._read(name), self._hands.profile.severities)
            if says:
                found.append((name, says))
        return found

    def _read(self, name: str) -> Reading:
        return self._hands.signals.fresh().read(name, self._hands.profile.signals[name])


def bounds_of(name: str, profile: Profile) -> Bounds:
    """The objectives of a signal that decide an alert, and its healthy range."""
    own = tuple(o for o in profile.objectives if o.signal == name and o.bands)
    return Bounds(tuple(o for o in own if o.kind == "alert") or own, profile.baselines.get(name))


def broken(bounds: Bounds, before: Reading, now: Reading, severities: Mapping[str, Severity]) -> str:
    """Why the signal forbids going on, in one sentence with the numbers; "" when it does not. Pure."""
    if now.unknown is not None or not now.rows:
        why = now.unknown.says if now.unknown is not None else "it has no value"
        return f"{now.signal} cannot be read any more: {why}"
    for objective in bounds.objectives:
        judged = judge(objective, now, None, severities)
        if judged.band is None or judged.value is None or judged.objective is None:
            continue
        was = judge(objective, before, None, severities)
        low = falling(objective)
        if was.band is None or _farther(was.value, judged.value, judged.objective, low):
            return _says(now, was.value, judged.value, f"objective {format_quantity(judged.objective, now.unit)}")
    if bounds.objectives or bounds.healthy is None:
        return ""
    for low, bound in ((True, bounds.healthy[0]), (False, bounds.healthy[1])):
        pick = min if low else max
        was_value, value = pick(r.value for r in before.rows), pick(r.value for r in now.rows)
        outside, was_outside = _out(value, bound, low), _out(was_value, bound, low)
        if outside > 0 and (was_outside <= 0 or _farther(was_value, value, bound, low)):
            return _says(
                now, was_value, value, f"healthy {'from' if low else 'up to'} {format_quantity(bound, now.unit)}"
            )
    return ""


def _farther(was: float | None, now: float, bound: float, low: bool) -> bool:
    """Whether a value that was outside already is a tenth farther out."""
    if was is None:
        return True
    before, after = _out(was, bound, low), _out(now, bound, low)
    noticed = NOTICED * (before if before > 0 else abs(bound))
    return after > before + noticed


def _out(value: float, bound: float, low: bool) -> float:
    return bound - value if low else value - bound


def _says(reading: Reading, was: float | None, now: float, against: str) -> str:
    before = format_quantity(was, reading.unit, beside=now) if was is not None else "not known"
    return f"{reading.signal} {before} -> {format_quantity(now, reading.unit, beside=was)}, {against}"
