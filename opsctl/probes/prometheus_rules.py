"""Do the rules that watch this service evaluate, in time; are there any; is the configuration as written in use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from opsctl.clients.prometheus import PrometheusReader
from opsctl.clients.prometheus_answers import Rule, RuleGroup
from opsctl.durations import format_duration, format_quantity
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.monitoring import asked, limit, seen_at, unknown, weighed
from opsctl.probes.prometheus_service import rules_of
from opsctl.probes.registry import NoParams, probe

FAILING = "prometheus.rule-failing"
LATE = "prometheus.evaluation-late"
MISSING = "prometheus.rules-missing"
RELOAD = "prometheus.reload-failed"
_SHOWN = 5
_INTERVALS = 3.0  # an evaluation may wait for a slow one before it
_SLACK = 10.0  # seconds

Mine = Sequence[tuple[RuleGroup, Rule]]


@probe(
    "prometheus.rules",
    emits={
        FAILING: "A rule's last evaluation failed: its alerts cannot fire.",
        LATE: "Rules are evaluated too late, or take longer than their interval.",
        MISSING: "No alerting rule watches this service.",
        RELOAD: "The last configuration reload failed; the old configuration is in use.",
    },
    params=NoParams,
    asks="/api/v1/rules, /api/v1/status/runtimeinfo, the server's time",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="two requests and one query",
    minimum="Prometheus 2.14",
)
def rules(look: Look, params: NoParams) -> Seen:
    """The rules that concern this service; those of others are counted and do not decide."""
    reader = look.readers.prometheus()
    if look.at is not None:
        raise CouldNotLook("no-history", "Prometheus tells the state of its rules only for now")
    groups = asked(look, reader.rules)
    mine = rules_of(look, groups)
    evidence = [seen_at(f"prometheus {reader.address}", reader.setting, "/api/v1/rules", _values(groups, mine))]
    findings = [_failing(look, groups, mine), _missing(look, groups, mine)]
    try:
        findings.append(_late([group for group, _ in mine] or groups, _server_time(reader, look)))
    except CouldNotLook as failed:
        findings.append(unknown(LATE, failed))
    try:
        info = reader.runtimeinfo(limit(look))
        if info.reload_config_success is None:
            raise CouldNotLook("unsupported", f"{reader.address} does not tell whether its configuration loaded")
        loaded = f"{info.last_config_time:%Y-%m-%d %H:%M:%S} UTC" if info.last_config_time else "an unknown time"
        good = info.reload_config_success
        says = f"the configuration of {loaded} is in use" + ("" if good else ": the last reload failed")
        findings.append(Finding(id=RELOAD, state="ok" if good else "breach", says=says))
    except CouldNotLook as failed:
        findings.append(unknown(RELOAD, failed))
    return Seen(evidence=tuple(evidence), findings=weighed(look, *findings))


def _failing(look: Look, groups: Sequence[RuleGroup], mine: Mine) -> Finding:
    failing = [(group, rule) for group, rule in mine if rule.health == "err"]
    ours = {id(rule) for _, rule in mine}
    others = sum(rule.health == "err" for group in groups for rule in group.rules if id(rule) not in ours)
    named = "; ".join(f"{rule.name} in group {group.name} ({rule.last_error})" for group, rule in failing[:_SHOWN])
    says = f"{len(failing)} of the {len(mine)} rules that watch {look.profile.service} fail"
    says += f": {named}" if named else ""
    says += (
        f"; {others} rule{'s' if others != 1 else ''} of other services fail{'' if others != 1 else 's'}"
        if others
        else ""
    )
    return Finding(
        id=FAILING,
        state="breach" if failing else "ok",
        says=says,
        measured=float(len(failing)),
        threshold=0.0,
        unit="count",
    )


def _missing(look: Look, groups: Sequence[RuleGroup], mine: Mine) -> Finding:
    alerting = [rule for _, rule in mine if rule.type != "recording"]
    total = sum(len(group.rules) for group in groups)
    if alerting:
        says = f"{len(alerting)} alerting rules watch {look.profile.service}, of {total} rules"
    elif total:
        says = f"no alerting rule watches {look.profile.service}; Prometheus evaluates {total} rules of others"
    else:
        says = "Prometheus evaluates no rule at all: nothing can raise an alert"
    return Finding(
        id=MISSING, state="ok" if alerting else "breach", says=says, measured=float(len(alerting)), unit="count"
    )


def _late(groups: Sequence[RuleGroup], now: float) -> Finding:
    """By the groups that hold rules of this service, else by all; one that was never evaluated says nothing yet."""
    found: list[tuple[str, datetime | None]] = []
    for group in {group.name: group for group in groups}.values():
        interval = group.interval or 60.0
        if group.last_evaluation is not None and group.last_evaluation.year > 1:
            age = now - group.last_evaluation.timestamp()
            if age > _INTERVALS * interval + _SLACK:
                when = f"{format_quantity(float(round(age)), 's')} ago, every {format_duration(interval)} is wanted"
                found.append((f"group {group.name} was last evaluated {when}", group.last_evaluation))
                continue
        if group.evaluation_time > interval:
            took = f"takes {format_quantity(group.evaluation_time, 's')}, its interval is {format_duration(interval)}"
            found.append((f"group {group.name} {took}: evaluations are missed", None))
    since = min((at for _, at in found if at is not None), default=None)
    says = "; ".join(text for text, _ in found[:_SHOWN]) or f"{len(groups)} rule groups are evaluated in time"
    return Finding(id=LATE, state="breach" if found else "ok", says=says, since=since)


def _server_time(reader: PrometheusReader, look: Look) -> float:
    """Prometheus' own clock, which its evaluation times are from."""
    series = reader.query("time()", timeout=limit(look)).series
    return series[0].value if series else datetime.now(UTC).timestamp()


def _values(groups: Sequence[RuleGroup], mine: Mine) -> tuple[Value, ...]:
    failing = [(group, rule) for group in groups for rule in group.rules if rule.health == "err"]
    return (
        Value(name="rules", value=sum(len(group.rules) for group in groups), unit="count"),
        Value(
            name="rules_of_service", value=len(mine), unit="count", note=", ".join(rule.name for _, rule in mine[:20])
        ),
        *(
            Value(name="failing_rule", value=rule.name, labels={"group": group.name}, note=rule.last_error)
            for group, rule in failing[:20]
        ),
    )
