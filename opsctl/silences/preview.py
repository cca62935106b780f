"""What a silence would reach: alerts that fire now, rules that could, what fired in the last week, what stays audible.

Read only. ``of`` is pure; ``gather`` asks the servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from opsctl.errors import CouldNotLook
from opsctl.silences.matcher import Matcher, matches_all
from opsctl.silences.members import Failed, Members

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Alert
    from opsctl.clients.prometheus import PrometheusReader
    from opsctl.clients.prometheus_answers import Rule

WEEK = 7 * 86400.0
_TEMPLATE = "{{"


class Hit(NamedTuple):
    """One alert that fires now and would be muted. ``already``: a silence mutes it as it is."""

    fingerprint: str
    alertname: str
    labels: dict[str, str]
    already: bool


class Preview(NamedTuple):
    """``rules``, ``fired``: None when Prometheus was not asked or could not say (``unknown`` has the sentences).

    ``rules``: names of alerting rules whose alerts could be muted; ``fired``: alert name -> label sets of the last 7
    days. ``audible``: names of firing alerts that stay, with how many of each.
    """

    firing: int
    hits: tuple[Hit, ...]
    critical: int
    audible: tuple[tuple[str, int], ...]
    rules: tuple[str, ...] | None = None
    all_rules: int = 0
    fired: dict[str, int] | None = None
    unknown: tuple[str, ...] = ()


def merged(answers: Iterable[Sequence[Alert]]) -> list[Alert]:
    """The alerts of all members, each once: alerts are not shared between them (alert-tooling.md 0.7).

    A member that has it silenced knows more than one that has not heard of the silence yet.
    """
    found: dict[str, Alert] = {}
    for alerts in answers:
        for alert in alerts:
            key = alert.fingerprint or repr(sorted(alert.labels.items()))
            if key not in found or len(alert.status.silenced_by) > len(found[key].status.silenced_by):
                found[key] = alert
    return list(found.values())


def of(matchers: Sequence[Matcher], alerts: Sequence[Alert], rules: Sequence[Rule] | None = None) -> Preview:
    """The preview against alerts that fire and the alerting rules there are. Pure."""
    hits: list[Hit] = []
    audible: dict[str, int] = {}
    critical = 0
    for alert in alerts:
        name = alert.labels.get("alertname", "")
        if matches_all(matchers, alert.labels):
            hits.append(Hit(alert.fingerprint, name, alert.labels, bool(alert.status.silenced_by)))
            critical += alert.labels.get("severity", "") == "critical"
        elif not alert.status.silenced_by:
            audible[name] = audible.get(name, 0) + 1
    alerting = [rule for rule in rules or () if rule.type == "alerting"]
    could = tuple(sorted({rule.name for rule in alerting if could_match(matchers, rule)}))
    ranked = tuple(sorted(audible.items(), key=lambda one: (one[0] != "Watchdog", -one[1], one[0])))
    return Preview(
        len(alerts),
        tuple(hits),
        critical,
        ranked,
        None if rules is None else could,
        len({rule.name for rule in alerting}),
    )


def could_match(matchers: Sequence[Matcher], rule: Rule) -> bool:
    """Whether an alert of this rule could be muted: labels that the rule does not fix may be anything.

    The rule's own labels and its name are fixed, unless they are templates.
    """
    fixed = {name: value for name, value in rule.labels.items() if _TEMPLATE not in value} | {"alertname": rule.name}
    return all(matcher.matches(fixed) for matcher in matchers if matcher.name in fixed)


def gather(
    matchers: Sequence[Matcher], members: Members, prometheus: PrometheusReader | None, timeout: float = 10.0
) -> tuple[Preview, list[Failed]]:
    """Ask every Alertmanager for its alerts, and Prometheus for rules and the last week. Never raises for Prometheus.

    Raises Unavailable when no Alertmanager answers.
    """
    from opsctl.silences.members import unavailable

    given, failed = members.ask(lambda one: one.alerts((), timeout))
    if not given:
        raise unavailable(failed)
    alerts = merged(answer for _, answer in given)
    unknown: list[str] = []
    rules: list[Rule] | None = None
    fired: dict[str, int] | None = None
    if prometheus is not None:
        try:
            rules = [rule for group in prometheus.rules(timeout) for rule in group.rules]
        except CouldNotLook as error:
            unknown.append(f"which rules it could mute: {error.says}")
        try:
            fired = fired_in(matchers, prometheus, timeout)
        except CouldNotLook as error:
            unknown.append(f"what fired in the last 7 days: {error.says}")
    else:
        unknown.append("which rules it could mute: no Prometheus is configured")
    return of(matchers, alerts, rules)._replace(fired=fired, unknown=tuple(unknown)), failed


def fired_in(matchers: Sequence[Matcher], prometheus: PrometheusReader, timeout: float) -> dict[str, int]:
    """Alert name -> how many of its label sets fired in the last seven days and match. Raises CouldNotLook."""
    chosen = ", ".join(['alertstate="firing"', *(matcher.text() for matcher in matchers)])
    expr = f"count by (alertname) (present_over_time(ALERTS{{{chosen}}}[7d]))"
    answer = prometheus.query(expr, timeout=timeout)
    return {series.labels.get("alertname", ""): int(series.value) for series in answer.series}
