"""What the facts say about a storm: how many alerts began in a minute, and how they hang together. Pure.

Counted is what began to fire, never what is active: a hundred alerts of last week are no storm.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opsctl.probes.alertmanager_storm_alert import ALWAYS, Group, StormAlert, grouped
from opsctl.probes.alertmanager_storm_edges import Edges, edges_of, inhibitions
from opsctl.probes.alertmanager_storm_rank import Candidate, Cluster, Lift, clusters, lifts, rank
from opsctl.probes.alertmanager_storm_read import HISTORY, Facts, waits_of
from opsctl.services.model import Profile

PER_MINUTE = 50.0  # AMAS-50
TIMES_USUAL = 5.0  # domain-checks.md R5
_LEAST = 10.0  # alerts a minute that no usual makes a storm below
_LEAD = 600.0  # seconds before the worst minute in which what it began with may have fired
_MOST = 1000  # groups that are ranked, the earliest; one alert's name each
_INTERVAL = 60.0  # seconds of an evaluation where nothing tells
NEAR = 0.05  # a candidate so near to the first one may be the root as well


class Storm(NamedTuple):
    """``rate``: the most alerts that began within one minute and still fire, or that fired anew a minute lately.

    ``loud``: the same of those that somebody is told of. ``limit``: what is compared with, ``limit_from`` says why.
    ``began``: unix time of the worst minute; ``fresh``: its alerts, ``old``: those that fired before it.
    """

    rate: float
    loud: float
    limit: float
    limit_from: str
    counted: str
    began: float
    groups: tuple[Group, ...]
    edges: Edges
    ranked: tuple[Candidate, ...]
    clusters: tuple[Cluster, ...]
    lifts: tuple[Lift, ...]
    fresh: tuple[StormAlert, ...]
    old: tuple[StormAlert, ...]

    @property
    def holds(self) -> bool:
        """Whether there is a storm."""
        return self.rate > self.limit

    @property
    def root(self) -> Candidate | None:
        """The most likely root; None without a storm's alerts."""
        return next((one for one in self.ranked if one.group.recent), None)

    @property
    def roots(self) -> tuple[Candidate, ...]:
        """The root, and what scores so near to it that it may be the root as well."""
        root = self.root
        return tuple(one for one in self.ranked if root and one.group.recent and one.score >= root.score - NEAR)


def conclude(facts: Facts, profile: Profile, per_minute: float, limit_from: str = "") -> Storm:
    """``per_minute``: more new alerts than this are a storm; fewer are one if they are far more than usual."""
    alerts = [alert for alert in facts.alerts if alert.name not in ALWAYS]
    began, rate = worst_minute([alert.began for alert in alerts], facts.now, facts.since)
    loud = worst_minute([alert.began for alert in alerts if not alert.muted], facts.now, facts.since)[1]
    anew = (facts.number("refired") or 0.0) * 60 / facts.window
    new = facts.number("new") or 0.0
    counted = "began within one minute and still fire"
    best = max(rate, new, anew)
    if best > rate:
        counted = "began in the last minute, by Prometheus" if new >= anew else "fired anew in a minute"
    # What Prometheus alone counts cannot be told apart by who hears of it: all of it is as loud as the rest is.
    share = loud / rate if rate else 1.0
    limit, why = _limit(facts, per_minute, limit_from)
    since = (began or facts.now) - _LEAD
    fresh = tuple(alert for alert in alerts if alert.began >= since)
    old = tuple(alert for alert in alerts if alert.began < since)
    groups = grouped(
        alerts,
        since=since,
        onsets={name: at for name, at in (facts.numbers("onsets") or {}).items() if at >= since - 900},
        waits=waits_of(facts.told.get("rules", ())),
        severities=profile.severities,
        before=None if "before" not in facts.told else frozenset(facts.numbers("before") or ()),
        flaps=facts.numbers("flaps"),
    )
    if len(groups) > _MOST:
        kept = sorted(groups, key=lambda group: (not group.recent, group.onset, group.name))[:_MOST]
        groups = tuple(sorted(kept, key=lambda group: group.name))
    status = facts.told.get("status")
    edges = edges_of(groups, inhibitions(status.config.original) if status is not None else (), profile)
    ranked = rank(groups, edges, interval_of(facts, groups))
    targets = [target.labels for target in facts.told.get("targets", ())]
    return Storm(
        best,
        max(loud, (new if new > rate else 0.0) * share, (anew if anew > rate else 0.0) * share),
        limit,
        why,
        counted,
        began or facts.now,
        groups,
        edges,
        ranked,
        clusters(groups, ranked),
        lifts(fresh, targets, old) if fresh else (),
        fresh,
        old,
    )


def worst_minute(began: Sequence[float], now: float, since: float) -> tuple[float, float]:
    """When the minute with the most beginnings began (unix), and how many; (0, 0) for none within ``since`` seconds."""
    times = sorted(at for at in began if at >= now - since)
    best, when = 0, 0.0
    for first, at in enumerate(times):
        many = bisect_left(times, at + 60.0, first) - first
        if many > best:
            best, when = many, at
    return when, float(best)


def _limit(facts: Facts, per_minute: float, limit_from: str) -> tuple[float, str]:
    """The fixed bound, or five times the usual worst where a week's history makes that less."""
    usual, hours = facts.number("usual"), facts.number("history")
    if usual and hours is not None and hours >= HISTORY:
        relative = max(TIMES_USUAL * usual, _LEAST)
        if relative < per_minute:
            return relative, f"{TIMES_USUAL:g} times the 99th percentile of 7 days, {usual:g} a minute"
    return per_minute, limit_from


def interval_of(facts: Facts, groups: Sequence[Group]) -> float:
    """Seconds between two evaluations of the rules of these alerts, the longest of them."""
    names = {group.name for group in groups}
    found = [
        group.interval
        for group in facts.told.get("rules", ())
        if group.interval and any(rule.name in names for rule in group.rules)
    ]
    return max(found, default=_INTERVAL)


def dominant(storm: Storm) -> tuple[str, float]:
    """The alert's name that most of the storm has, and its share; ("", 0) without alerts."""
    count: dict[str, int] = {}
    for alert in storm.fresh:
        count[alert.name] = count.get(alert.name, 0) + 1
    name = max(count, key=lambda one: (count[one], one), default="")
    return (name, count[name] / len(storm.fresh)) if name else ("", 0.0)


def share_of(storm: Storm, pair: tuple[str, str]) -> float:
    """Share of the storm's alerts with that label value."""
    have = sum(1 for alert in storm.fresh if alert.labels.get(pair[0]) == pair[1])
    return have / len(storm.fresh) if storm.fresh else 0.0


def of_labels(storm: Storm, names: Mapping[str, object] | frozenset[str]) -> Lift | None:
    """The value that stands out most among these labels; None when none of them is among the first."""
    return next((lift for lift in storm.lifts if lift.label in names), None)
