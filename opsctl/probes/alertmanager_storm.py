"""A storm of alerts: is there one, is it about the monitor, what did it begin with, what may be told once for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from opsctl.durations import parse_duration
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.probes.alertmanager_storm_causes import EMITS, explained, in_words
from opsctl.probes.alertmanager_storm_judge import PER_MINUTE, Storm, conclude
from opsctl.probes.alertmanager_storm_rank import Candidate
from opsctl.probes.alertmanager_storm_read import NEW, Facts, gather
from opsctl.probes.look import Look
from opsctl.probes.monitoring import seen_at, weighed
from opsctl.probes.registry import Params, probe
from opsctl.services.model import Profile, Symptom

STORM = "alertmanager.storm"
LOUD = "alertmanager.storm-loud"
_GROUPS = 100  # told one by one; the list itself is `opsctl alerts list`


class StormParams(Params, frozen=True, kw_only=True):
    """``per_minute``: more alerts than this that begin within one minute are a storm; without it the profile's."""

    per_minute: float | None = None

    def __post_init__(self) -> None:
        if self.per_minute is not None and self.per_minute < 1:
            raise ValueError("per_minute must be at least 1")


@probe(
    "alertmanager.storm",
    emits={
        STORM: "More alerts began within one minute than anybody can read.",
        LOUD: "More of them reach people than anybody can read: what follows from something else is not muted.",
        **EMITS,
    },
    params=StormParams,
    asks=f"/api/v2/alerts, /api/v2/status; {NEW}, onsets and the past of ALERTS; rules and targets of Prometheus",
    privilege="none, or what a proxy before them asks for",
    cost="two requests and some 13 queries at once; 50,000 alerts take Alertmanager seconds",
    minimum="Alertmanager 0.16 (API v2); without one the alerts of Prometheus, or of the service's own engine",
)
def storm(look: Look, params: StormParams) -> Seen:
    """Raises CouldNotLook when nobody tells which alerts fire."""
    facts = gather(
        look.readers,
        look.profile,
        now=look.now,
        since=look.since,
        remaining=look.remaining,
        runbook=look.runbook,
        at=look.at,
    )
    limit, origin = bound(look.profile, look.runbook, params.per_minute)
    found = conclude(facts, look.profile, limit, origin)

    def ask(expr: str) -> list[float]:
        series = look.readers.prometheus().query(expr, at=look.at, timeout=min(3.0, look.remaining())).series
        return [one.value for one in series]

    since = datetime.fromtimestamp(found.began, UTC) if found.holds else None
    says = f"{found.rate:.0f} alerts {found.counted}, limit {found.limit:g}"
    storming = Finding(
        id=STORM,
        state="breach" if found.holds else "ok",
        says=f"{says} ({found.limit_from})" if found.limit_from else says,
        measured=found.rate,
        threshold=found.limit,
        unit="count",
        threshold_from=found.limit_from,
        since=since,
    )
    loud = Finding(
        id=LOUD,
        state="breach" if found.loud > found.limit else "ok",
        says=f"{found.loud:.0f} of them reach people, limit {found.limit:g}",
        measured=found.loud,
        threshold=found.limit,
        unit="count",
    )
    causes = explained(facts, found, ask)
    return Seen(evidence=_evidence(look, facts, found), findings=(*weighed(look, storming), loud, *causes))


def bound(profile: Profile, runbook: str, given: float | None = None) -> tuple[float, str]:
    """Alerts a minute and who says so: the parameter, the profile's symptom of one minute, AMAS-50."""
    if given is not None:
        return given, "parameter per_minute"
    for symptom in _symptoms(profile, runbook, 60.0):
        for band in symptom.bands:
            if isinstance(band.above, int | float):
                return float(band.above), symptom.row or f"symptom {symptom.id}"
    return PER_MINUTE, "AMAS-50"


def _symptoms(profile: Profile, runbook: str, within: float) -> Iterable[Symptom]:
    return (s for s in profile.symptoms if s.runbook == runbook and s.within and parse_duration(s.within) == within)


def _evidence(look: Look, facts: Facts, found: Storm) -> tuple[Evidence, ...]:
    """Numbers, roots, clusters and labels; then every group. What could not be asked is evidence, too."""
    source = facts.where
    values = [
        Value(name="new_alerts", value=found.rate, unit="count", note=f"a minute; {found.counted}"),
        Value(name="reach_people", value=found.loud, unit="count", note="a minute, not silenced and not inhibited"),
        Value(name="firing", value=len(facts.alerts), unit="count", note=f"{len(found.groups)} names"),
        *_day(look, facts),
    ]
    if found.holds:
        values += [_candidate(place, one) for place, one in enumerate(found.ranked[:3], 1)]
        values += [
            Value(
                name="cluster",
                value=cluster.head.name,
                labels=dict(sorted(cluster.representative.labels.items())),
                note=f"stands for {cluster.alerts} alerts of {len(cluster.groups)} names",
            )
            for cluster in found.clusters[:10]
        ]
        values += [
            Value(name="label", value=f"{one.label}={one.value}", note=f"{in_words(one)}; {one.alerts} alerts")
            for one in found.lifts
        ]
        values += _groups(found)
        values += _proposed(found)
    seen = seen_at(source, facts.setting, facts.query, tuple(values), subject="storm")
    window = f"{facts.since:.0f}s"
    lost = [
        seen_at(source, failed.setting or facts.setting, name, failed=failed, subject=f"storm, {name}")
        for name, failed in sorted(facts.failed.items())
        if failed.reason not in ("not-configured", "no-history")
    ]
    return (msgspec.structs.replace(seen, window=window), *_told_once(lost))


def _told_once(lost: Sequence[Evidence]) -> list[Evidence]:
    """One evidence per sentence: a Prometheus that does not answer would say it ten times."""
    found: dict[str, Evidence] = {}
    for one in lost:
        found.setdefault(one.unknown.says if one.unknown else "", one)
    return list(found.values())


def _candidate(place: int, one: Candidate) -> Value:
    parts = " + ".join(f"{name} {value:.2f}" for name, value in one.parts.items())
    minus = f" - {one.penalty:.2f}" if one.penalty else ""
    why = f"; {', '.join(one.why)}" if one.why else ""
    labels = {"alertname": one.group.name} | dict(sorted(one.group.pairs))
    return Value(name=f"root_{place}", value=one.score, labels=labels, note=f"{parts}{minus}{why}")


def _groups(found: Storm) -> list[Value]:
    shown = sorted(found.groups, key=lambda group: (not group.recent, group.onset, group.name))
    values = [
        Value(
            name=group.name or "alert",
            value=len(group.alerts),
            unit="count",
            labels=dict(sorted(group.pairs)),
            note=f"since {datetime.fromtimestamp(group.onset, UTC):%Y-%m-%d %H:%M:%S} UTC"
            f"{'' if group.loud else ', muted'}{'' if group.recent else ', before the storm'}",
        )
        for group in shown[:_GROUPS]
    ]
    if len(shown) > _GROUPS:
        note = "all of them: opsctl alerts list --group-by alertname"
        values.append(Value(name="not_shown", value=len(shown) - _GROUPS, unit="count", note=note))
    return values


def _proposed(found: Storm) -> list[Value]:
    """An inhibition rule that would have muted what follows from the root: to be reviewed, never pushed."""
    root = found.root
    if root is None or not root.covers:
        return []
    targets = [found.groups[place] for place in root.covers if found.groups[place].recent]
    equal = sorted({label for label, _ in root.group.pairs} & _common(targets))
    if not targets or not equal:
        return []
    names = "|".join(group.name for group in targets[:20])
    text = (
        f"inhibit_rules: - source_matchers: ['alertname=\"{root.group.name}\"'], "
        f"target_matchers: ['alertname=~\"{names}\"'], equal: [{', '.join(equal)}]"
    )
    return [Value(name="inhibition", value=text, note="proposed; check it with amtool check-config before loading it")]


def _common(targets: Sequence[Any]) -> set[str]:
    sets = [{label for label, _ in group.pairs} for group in targets]
    return set.intersection(*sets) if sets else set()


def _day(look: Look, facts: Facts) -> list[Value]:
    """The class of the day by the profile's own numbers (INSA-59): told, never decided."""
    started = [alert for alert in facts.alerts if alert.began >= facts.now - 86400]
    values = []
    for symptom in _symptoms(look.profile, look.runbook, 86400.0):
        bounds = ", ".join(
            f"{band.severity} from {band.at_least or band.above}" + (f" to {band.up_to}" if band.up_to else "")
            for band in symptom.bands
        )
        note = f"that still fire; {symptom.row or symptom.id}: {bounds}"
        values.append(Value(name="alerts_of_one_day", value=len(started), unit="count", note=note))
    return values


__all__ = ["LOUD", "STORM", "StormParams", "bound", "storm"]
