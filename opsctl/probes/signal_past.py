"""Probes on how a value came about: against its usual size, against a start of the process."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.durations import format_duration, format_quantity, parse_duration, parse_quantity
from opsctl.model import Change, Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_objectives import judge_all
from opsctl.probes.signal_reading import (
    evidence,
    read,
    shown,
    title,
    unknown,
    unseen,
)
from opsctl.signals.model import Reading
from opsctl.signals.once import side_by_side

_OFFSETS = ("1w", "1d", "1h")
_LEAST_EVENTS = 20.0


class UsualParams(Params, frozen=True, kw_only=True):
    """Breach when the signal is more than ``above`` times what it was at an offset that has data: a week, a day, an
    hour ago, then ``offset``. ``floor``: a value up to this (base unit or quantity) is never unusual."""

    signal: str
    finding: str
    above: float = 2.0
    offset: str = ""
    floor: float | str = 0.0

    def __post_init__(self) -> None:
        parse_quantity(self.floor)
        if self.offset:
            parse_duration(self.offset)
        if self.above <= 0:
            raise ValueError("above must be more than 0")


@probe(
    "signal.usual",
    params=UsualParams,
    local=True,
    asks="one signal, now and at three or four times in the past",
    cost="up to five queries",
    minimum="Prometheus; without it the profile's baselines or capacity",
)
def usual(look: Look, params: UsualParams) -> Seen:
    """Breach when a signal is far above its usual size. The past is Prometheus'; without it the profile's figures."""
    now = read(look, params.signal)
    if (none := unseen(look, params.finding, [now])) is not None:
        return none
    row = max(now.rows, key=lambda r: r.value)
    before, base, source = _usual(look, params, now)
    seen = tuple(evidence(look, one) for one in (now, before) if one is not None)
    name = title(look, params.signal)
    if base is None:
        says = f"{name} {shown(now, row.value)}: what is usual is not known ({source})"
        reason = "no-history" if now.direct else "no-data"
        return Seen(evidence=seen, findings=(unknown(params.finding, reason, says),))  # type: ignore[arg-type]
    factor, floor = params.above, parse_quantity(params.floor)
    limit = base if source == "capacity" else factor * base
    over = row.value > limit and row.value > floor and (row.count is None or row.count >= _LEAST_EVENTS)
    beside = f"the service's capacity {shown(now, base)}" if source == "capacity" else f"{source} {shown(now, base)}"
    times = f", {row.value / base:.1f} times as much" if base > 0 else ""
    small = "" if over or row.value <= limit else " (too few events to call it unusual)"
    found = Finding(
        id=params.finding,
        state="breach" if over else "ok",
        says=f"{name} {shown(now, row.value, beside=limit)}, {beside}{times}, bound {shown(now, limit)}{small}",
        measured=row.value,
        threshold=limit,
        unit=now.unit,
        threshold_from="profile capacity" if source == "capacity" else "parameter above",
    )
    return Seen(evidence=seen, findings=(found,))


def _usual(look: Look, params: UsualParams, now: Reading) -> tuple[Reading | None, float | None, str]:
    """The reading of the past, the usual value, and where it is from."""
    if not now.direct and now.sampled_at is not None:
        moment = now.sampled_at.timestamp()
        offsets = list(dict.fromkeys((*_OFFSETS, params.offset) if params.offset else _OFFSETS))
        past = side_by_side(
            [lambda o=o: read(look, params.signal, at=moment - parse_duration(o)) for o in offsets],  # type: ignore[misc]
            look.deadline,
        )
        for offset, reading in zip(offsets, past, strict=True):
            if reading.unknown is None and (value := reading.value) is not None and value > 0:
                return reading, value, f"{offset} ago"
    if params.signal in look.profile.baselines:
        return None, look.profile.baselines[params.signal][1], "the healthy high"
    if params.signal in look.profile.capacity:
        return None, look.profile.capacity[params.signal], "capacity"
    why = "a scrape has no past" if now.direct else "Prometheus has no value of a week, a day or an hour ago"
    return None, None, f"{why}; the profile has no baseline"


def usual_value(look: Look, signal: str, now: Reading) -> tuple[float | None, str]:
    """What a signal usually is and where that is from: its past, else the middle of the profile's healthy range."""
    params = UsualParams(signal=signal, finding="")
    before, base, source = _usual(look, params, now)
    if before is None and signal in look.profile.baselines:
        low, high = look.profile.baselines[signal]
        return (max(low, 0.0) * high) ** 0.5 or high, "usually"
    return base, source


class OnsetParams(Params, frozen=True, kw_only=True):
    """``signal``: a gauge with a unix time, such as the process' start. Breach when the objective of the runbook
    began to be broken within ``within`` after that time."""

    signal: str
    finding: str
    within: str | float = "10m"

    def __post_init__(self) -> None:
        if parse_quantity(self.within, "s") <= 0:
            raise ValueError("within must be longer than 0s")


@probe(
    "signal.onset-after",
    params=OnsetParams,
    local=True,
    asks="one gauge, and the objectives' history (shared with signal.objectives)",
    cost="two queries",
    minimum="Prometheus; a scrape has no past",
)
def onset_after(look: Look, params: OnsetParams) -> Seen:
    """Breach when the trouble began soon after a moment that a gauge names; the moment is reported as a change."""
    reading = read(look, params.signal)
    if (none := unseen(look, params.finding, [reading])) is not None:
        return none
    seen = (evidence(look, reading),)
    starts = sorted(row.value for row in reading.rows if row.value > 0)
    if not starts:
        says = f"{params.signal} is 0: it was never set"
        return Seen(evidence=seen, findings=(unknown(params.finding, "no-data", says),))
    changes = tuple(_started(look, at, reading) for at in starts)  # the engine keeps those of the time it looks at
    judged = [j for j in judge_all(look) if j.objective.kind == "alert"]
    broken = [j for j in judged if j.judgement.band is not None and j.judgement.reason is None]
    within = parse_quantity(params.within, "s")
    name = title(look, params.signal)
    if not broken:
        unseen_ones = [j for j in judged if j.judgement.reason is not None]
        if unseen_ones:
            says = f"whether and when the objective broke is not known ({unseen_ones[0].judgement.says})"
            reason = unseen_ones[0].judgement.reason or "no-data"
            return Seen(evidence=seen, findings=(unknown(params.finding, reason, says),), changes=changes)
        found = Finding(id=params.finding, state="ok", says="no objective is broken")
        return Seen(evidence=seen, findings=(found,), changes=changes)
    known = [j for j in broken if j.judgement.since is not None]
    if not known:
        says = "when the objective broke is not known without Prometheus"
        return Seen(evidence=seen, findings=(unknown(params.finding, "no-history", says),), changes=changes)
    first = min(known, key=lambda j: j.judgement.since or datetime.max.replace(tzinfo=UTC))
    assert first.judgement.since is not None
    onset = first.judgement.since.timestamp()
    step = first.history.step if first.history is not None else 0.0
    before = [at for at in starts if at <= onset + step]
    gap = onset - before[-1] if before else None
    # what has been broken since before the history begins did not begin soon after a start that lies in it
    soon = gap is not None and gap <= within + step and not (first.judgement.longer and gap > step)
    when = f"{name} {_clock(before[-1] if before else starts[0])}, the objective broke at {_clock(onset)}"
    after = f", {format_quantity(float(round(max(gap, 0.0))), 's')} after" if gap is not None else ", before it"
    found = Finding(
        id=params.finding,
        state="breach" if soon else "ok",
        says=f"{when}{after}, bound {format_duration(within)}",
        measured=gap,
        threshold=within,
        unit="s",
        threshold_from="parameter within",
    )
    return Seen(evidence=seen, findings=(found,), changes=changes)


def _started(look: Look, at: float, reading: Reading) -> Change:
    moment = datetime.fromtimestamp(at, UTC)
    return Change(
        at=moment, system="service", subject=look.profile.service, says="process started", source=reading.source
    )


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
