"""The objectives of a runbook: is the service within them, since when not, how bad is it (design.md, "objective")."""

from __future__ import annotations

import math
from typing import NamedTuple

from opsctl.durations import format_duration, parse_duration
from opsctl.errors import NotConfigured
from opsctl.model import Bound, Evidence, Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import NoParams, probe
from opsctl.probes.signal_reading import QUESTION, declared, evidence, labels_text, read, shown, thinned, title
from opsctl.signals.model import History, Judgement, Objective, Reading
from opsctl.signals.objective import edge_of, falling, judge, longest_for, severity_of
from opsctl.signals.once import side_by_side

BROKEN = "signal.objective-broken"
MISSED = "signal.target-missed"
_MOST_POINTS = 1500
_EMITS = {
    BROKEN: "An objective of this runbook is broken; its band gives the severity.",
    MISSED: "A target of the service is missed; it is shown and does not decide.",
}


class Judged(NamedTuple):
    """One objective held against its signal."""

    objective: Objective
    reading: Reading
    history: History | None
    judgement: Judgement


def objectives_of(look: Look) -> tuple[Objective, ...]:
    """The service's objectives for this runbook; raises NotConfigured when it has none."""
    found = tuple(o for o in look.profile.objectives if o.runbook == look.runbook)
    if not found:
        says = f"{look.profile.service} defines no objective for {look.runbook}"
        raise NotConfigured(says, setting=f"profile {look.profile.service}")
    return found


def judge_all(look: Look) -> list[Judged]:
    """Every objective of the runbook, read at the same time. Readings are shared with whoever else asks for them."""
    return side_by_side([lambda o=o: judge_one(look, o) for o in objectives_of(look)])  # type: ignore[misc]


class Onset(NamedTuple):
    """When the first of the broken objectives began to be broken (unix seconds; give or take ``step`` seconds).

    ``longer``: it was broken when its history begins, so it began then or before.
    """

    at: float
    longer: bool
    step: float


def onset(look: Look) -> Onset | None:
    """The onset of what is wrong now; None when nothing is, or when it is not known since when."""
    try:
        judged = [one for one in judge_all(look) if one.objective.kind == "alert"]
    except NotConfigured:
        return None
    found = [
        Onset(one.judgement.since.timestamp(), one.judgement.longer, one.history.step if one.history else 0.0)
        for one in judged
        if one.judgement.since is not None and one.judgement.reason is None
    ]
    return min(found, default=None)


@probe(
    "signal.objectives",
    emits=_EMITS,
    params=NoParams,
    asks="Prometheus: one instant query, its event count and one range query per objective; else two scrapes",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="three queries per objective",
    minimum="any Prometheus-compatible API, or the service's own metrics page",
)
def objectives(look: Look, params: NoParams) -> Seen:
    """One finding per objective, with severity, since and history."""
    judged = judge_all(look)
    seen: dict[str, Evidence] = {}
    for one in judged:
        lowest = falling(one.objective)
        points = thinned(one.history.points, lowest=lowest) if one.history is not None else ()
        if one.objective.signal not in seen or points:
            seen[one.objective.signal] = evidence(look, one.reading, points, lowest=lowest)
    return Seen(evidence=tuple(seen.values()), findings=tuple(finding_of(look, one) for one in judged))


def judge_one(look: Look, objective: Objective) -> Judged:
    """One objective held against its signal, with the signal's history for how long."""
    reading = _value(look, objective.signal)
    history = _history(look, objective, reading)
    return Judged(objective, reading, history, judge(objective, reading, history, look.profile.severities))


def _value(look: Look, name: str) -> Reading:
    try:
        return read(look, name)
    except NotConfigured as absent:
        from opsctl.model import Unknown

        unknown = Unknown(reason="not-configured", says=absent.says, setting=absent.setting)
        return Reading(signal=name, unit="", unknown=unknown)


def _history(look: Look, objective: Objective, reading: Reading) -> History | None:
    """The past of the signal up to the reading: long enough for twice the longest ``for`` and for the sparkline."""
    if reading.unknown is not None or reading.direct or reading.sampled_at is None:
        return None
    signal = declared(look, objective.signal)
    window = look.signals.window_of(signal)
    span = max(2 * longest_for(objective), 30 * window, look.since)
    holds = [h for band in objective.bands if (h := parse_duration(band.for_)) > 0]
    step = max(min([span / 120, *(h / 10 for h in holds)]), look.signals.interval, span / _MOST_POINTS)
    end = reading.sampled_at.timestamp()

    def ask(step: float) -> History:
        step = math.ceil(step * 1000) / 1000
        return look.signals.history(
            objective.signal,
            signal,
            start=end - math.ceil(span / step) * step,
            end=end,
            step=step,
            timeout=min(QUESTION, max(0.1, look.remaining())),
            lowest=falling(objective),
            deadline=look.deadline,
        )

    history = ask(step)
    if history.unknown is not None and history.unknown.reason == "too-large":
        history = ask(max(step, span / 60))  # more than the server will load at once: look more coarsely
    return history


def finding_of(look: Look, one: Judged) -> Finding:
    """The finding of a judged objective; one of kind alert has a severity when it is broken."""
    objective, reading, judged = one.objective, one.reading, one.judgement
    alert = objective.kind == "alert"
    broken = judged.band is not None and judged.reason is None
    label = judged.band.severity if judged.band is not None else ""
    return Finding(
        id=BROKEN if alert else MISSED,
        state="breach" if broken else "ok" if judged.reason is None else "unknown",
        says=_says(look, one),
        severity=judged.severity if alert and broken else None,
        severity_label=label if alert and broken else "",
        measured=judged.value,
        threshold=judged.objective,
        unit=reading.unit,
        threshold_from=objective.row or f"objective {objective.id}",
        bounds=_bounds(look, objective, reading),
        since=judged.since,
        pending=judged.pending,
        reason=judged.reason,
    )


def _bounds(look: Look, objective: Objective, reading: Reading) -> tuple[Bound, ...]:
    """The objective's bands, mildest first, for the plot of a report."""
    edges = [edge_of(band, reading.unit) for band in objective.bands]
    return tuple(
        Bound(
            value=edge.low,
            side="above" if edge.rising else "below",
            severity=severity_of(edge.band.severity, look.profile.severities),
            label=edge.band.severity,
            holds=edge.hold,
        )
        for edge in sorted(edges, key=lambda e: e.low if e.rising else -e.low)
    )


def _says(look: Look, one: Judged) -> str:
    objective, reading, judged = one.objective, one.reading, one.judgement
    name = objective.title or title(look, objective.signal)
    if judged.reason is not None:
        return judged.says if judged.says.startswith(reading.signal) else f"{name}: {judged.says}"
    value = shown(reading, judged.value, beside=judged.objective, at_least=judged.at_least)
    at = f" ({labels_text(judged.labels)})" if judged.labels else ""
    kind = "objective" if objective.kind == "alert" else "target"
    least = " at least" if falling(objective) else ""
    text = f"{name}{at} {value}, {kind}{least} {shown(reading, judged.objective)}"
    if judged.band is None:
        return f"{text}: within it"
    parts = [text, _since(one)]
    if judged.band.severity and objective.kind == "alert" and judged.bound != judged.objective:
        over = "below" if judged.band.below is not None else "above"
        parts.append(f"{judged.band.severity} {over} {shown(reading, judged.bound)}")
    if judged.worse is not None and judged.worse.severity:
        parts.append(f"{judged.worse.severity} when it has lasted {_long(parse_duration(judged.worse.for_))}")
    return ", ".join(parts)


def _since(one: Judged) -> str:
    judged, reading = one.judgement, one.reading
    if judged.since is None or reading.sampled_at is None:
        if reading.direct:
            return "how long is not known without Prometheus"
        if not judged.duration_known and one.history is not None and one.history.unknown is not None:
            return f"how long is not known ({one.history.unknown.says})"
        return "now"
    lasted = (reading.sampled_at - judged.since).total_seconds()
    text = f"broken for {'more than ' if judged.longer else ''}{_long(lasted)}" if lasted >= 1 else "broken now"
    if judged.pending and judged.band is not None:
        text += f", counts from {_long(parse_duration(judged.band.for_))} on"
    return text


def _long(seconds: float) -> str:
    return format_duration(float(round(seconds) if seconds < 600 else round(seconds / 60) * 60))
