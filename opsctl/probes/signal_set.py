"""Probes on values that are set or taken once: whether one was changed lately, whether it is as at the start."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.durations import format_duration, parse_duration, parse_quantity
from opsctl.model import Change, Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_course import LEAST, history_of, no_past, span_of, too_few
from opsctl.probes.signal_reading import evidence, read, shown, thinned, title, unseen

_SETTLES = 0.2  # of the time since the start


class ChangedParams(Params, frozen=True, kw_only=True):
    """A gauge that somebody sets: a configured deadline, a number of workers. Breach when its last change within
    ``within`` ("" = as far as the diagnosis looks back) went ``to`` fell, rose or any, by more than ``least``."""

    signal: str
    finding: str
    to: str = "any"
    within: str = ""
    least: float | str = 0.1

    def __post_init__(self) -> None:
        if self.to not in ("fell", "rose", "any"):
            raise ValueError("to is one of fell, rose, any")
        parse_quantity(self.least, "ratio")
        if self.within and parse_duration(self.within) <= 0:
            raise ValueError("within must be longer than 0s")


@probe(
    "signal.changed",
    params=ChangedParams,
    local=True,
    asks="one gauge and its history",
    cost="one query and one range query",
    minimum="Prometheus; a scrape has no past",
)
def changed(look: Look, params: ChangedParams) -> Seen:
    """Breach when a value that is set, not measured, was changed lately; the change is reported as one."""
    reading = read(look, params.signal)
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    if reading.direct or reading.sampled_at is None:
        return no_past(look, params.finding, reading)
    span = parse_duration(params.within) if params.within else look.since
    history = history_of(look, params.signal, reading.sampled_at.timestamp(), span)
    points, least = history.points, parse_quantity(params.least, "ratio")
    if len(points) < 2:
        return too_few(look, params.finding, reading, history, span)
    seen = (evidence(look, reading, thinned(points)),)
    now, name = points[-1].value, title(look, params.signal)
    before = next((i for i in range(len(points) - 1, -1, -1) if abs(points[i].value - now) > 0.01 * abs(now)), None)
    if before is None:
        known = format_duration(round(points[-1].time - points[0].time))
        says = f"{name} has been {shown(reading, now)} for at least {known}"
        return Seen(evidence=seen, findings=(Finding(id=params.finding, state="ok", says=says),))
    was, at = points[before].value, datetime.fromtimestamp(points[before + 1].time, UTC)
    went = "fell" if now < was else "rose"
    large = abs(now - was) > least * max(abs(now), abs(was))
    change = f"{name} {shown(reading, was)} -> {shown(reading, now)}"
    found = Finding(
        id=params.finding,
        state="breach" if large and params.to in ("any", went) else "ok",
        says=f"{name} {went} from {shown(reading, was)} to {shown(reading, now)} at {at:%H:%M:%S} UTC",
        measured=now,
        threshold=was,
        unit=reading.unit,
        since=at,
    )
    told = Change(at=at, system="service", subject=look.profile.service, says=change, source=reading.source)
    return Seen(evidence=seen, findings=(found,), changes=(told,))


class SteadyParams(Params, frozen=True, kw_only=True):
    """Breach when the signal has stayed within ``within`` (a ratio) of its largest value since the process started
    (``started``: a gauge with that unix time), or over ``over`` ("" = six windows) when it started before."""

    signal: str
    finding: str
    started: str = "process_started"
    over: str = ""
    within: float | str = 0.15

    def __post_init__(self) -> None:
        parse_quantity(self.within, "ratio")
        if self.over and parse_duration(self.over) <= 0:
            raise ValueError("over must be longer than 0s")


@probe(
    "signal.steady",
    params=SteadyParams,
    local=True,
    asks="two signals and the history of one",
    cost="two queries and one range query",
    minimum="Prometheus; a scrape has no past",
)
def steady(look: Look, params: SteadyParams) -> Seen:
    """Breach when a value has been what it is right from the start: what it takes, not what it has grown to."""
    reading = read(look, params.signal)
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    if reading.direct or reading.sampled_at is None:
        return no_past(look, params.finding, reading)
    end, span = reading.sampled_at.timestamp(), span_of(look, params.signal, params.over)
    start = read(look, params.started).value or 0.0
    history = history_of(look, params.signal, end, span)
    # What is loaded at the start takes its time: the first fifth does not count.
    settled = start + max(2 * history.step, _SETTLES * (end - start)) if start > end - span else start
    points = [p for p in history.points if p.time > settled]
    if len(points) < LEAST // 2:
        return too_few(look, params.finding, reading, history, span)
    low, high = min(p.value for p in points), max(p.value for p in points)
    bound, spread = parse_quantity(params.within, "ratio"), (high - low) / high if high else 0.0
    length = format_duration(round(end - max(start, end - span)))
    since = f"since the process started {length} ago" if start > end - span else f"over {length}"
    found = Finding(
        id=params.finding,
        state="breach" if spread <= bound else "ok",
        says=f"{title(look, params.signal)} was {shown(reading, low)} to {shown(reading, high)} {since}",
        measured=spread,
        threshold=bound,
        unit="ratio",
        threshold_from="parameter within",
    )
    return Seen(evidence=(evidence(look, reading, thinned(history.points)),), findings=(found,))
