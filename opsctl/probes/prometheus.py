"""Prometheus itself: does it scrape this service, do its rules evaluate, did its configuration load."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from opsctl.clients.prometheus import PrometheusReader
from opsctl.clients.prometheus_answers import RuntimeInfo, Target
from opsctl.errors import CouldNotLook
from opsctl.model import Change, Evidence, Finding, Seen, Unknown, Value
from opsctl.probes import (
    prometheus_coverage,
    prometheus_delivery,
    prometheus_ready,
    prometheus_rules,
    prometheus_samples,
    prometheus_targets,
)
from opsctl.probes.look import Look
from opsctl.probes.prometheus_changes import of_state
from opsctl.probes.prometheus_service import selector, targets_of, whose
from opsctl.probes.quantities import judged
from opsctl.probes.registry import NoParams, probe

__all__ = [
    "prometheus_coverage",
    "prometheus_delivery",
    "prometheus_ready",
    "prometheus_rules",
    "prometheus_samples",
    "prometheus_targets",
    "self_",
]

_SHOWN = 5  # targets or rules named in a sentence

# Failures of the first question that the next ones would meet too: a server that hangs is asked once.
_GONE = ("unresolved", "refused", "timeout", "closed", "tls", "unauthorized", "throttled", "server-error", "bad-answer",
         "missing-library")  # fmt: skip

_EMITS = {
    "prometheus.target-down": "Prometheus cannot scrape a target of this service.",
    "prometheus.rule-failing": "A rule's last evaluation failed: its alerts cannot fire.",
    "prometheus.reload-failed": "The last configuration reload failed; the old configuration is in use.",
}

T = TypeVar("T")
Judged = tuple[Finding, tuple[Value, ...]]


@probe(
    "prometheus.self",
    emits=_EMITS,
    params=NoParams,
    asks="/api/v1/targets, /api/v1/rules, /api/v1/status/runtimeinfo",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="three requests",
    minimum="Prometheus 2.14 (runtimeinfo); systems that only speak the query API answer unknown",
)
def self_(look: Look, params: NoParams) -> Seen:
    """Each of the three parts may be missing without costing the others; all three gone raises CouldNotLook."""
    reader = look.readers.prometheus()
    evidence: list[Evidence] = []
    findings: list[Finding] = []
    changes: list[Change] = []
    failures: list[CouldNotLook] = []

    def part(id: str, query: str, ask: Callable[[], T], judge: Callable[[T], Judged]) -> None:
        try:
            finding, values = judge(ask())
        except CouldNotLook as failed:
            failures.append(failed)
            findings.append(Finding(id=id, state="unknown", says=failed.says, reason=failed.reason))
            evidence.append(_evidence(reader, query, (), failed))
            return
        findings.append(finding)
        evidence.append(_evidence(reader, query, values))

    def limit() -> float:
        return min(5.0, look.remaining())

    def state(info: RuntimeInfo) -> Judged:
        changes.extend(of_state(info, reader, look.moment))
        return _reload(info, reader)

    def rules() -> Judged:
        if look.at is not None:
            raise CouldNotLook("no-history", "Prometheus tells the state of its rules only for now")
        return _rules(reader, limit())

    if look.at is None:
        part("prometheus.target-down", "/api/v1/targets?state=active", lambda: reader.targets(limit()), _targets(look))
    else:
        expr = selector(look, "up")
        part("prometheus.target-down", expr, lambda: _up_then(look, reader, expr, limit()), _targets(look, past=True))
    if not failures or failures[0].reason not in _GONE:
        part("prometheus.rule-failing", "/api/v1/rules", rules, lambda seen: seen)
        part("prometheus.reload-failed", "/api/v1/status/runtimeinfo", lambda: reader.runtimeinfo(limit()), state)
    if len(failures) == len(findings):
        # Nothing was seen: one answer "unknown" for the whole.
        raise failures[0]
    return Seen(evidence=tuple(evidence), findings=tuple(findings), changes=tuple(changes))


def _targets(look: Look, *, past: bool = False) -> Callable[[tuple[Target, ...]], Judged]:
    """Judges the targets that belong to the service: by the profile's labels, else by the metrics endpoint's host."""

    def judge(targets: tuple[Target, ...]) -> Judged:
        mine = list(targets) if past else targets_of(look, targets)
        if not mine:
            says = f"Prometheus has no scrape target {whose(look)}, of {len(targets)} targets"
            raise CouldNotLook("no-data", says)
        down = [target for target in mine if target.health == "down"]
        values = tuple(
            Value(
                name="target",
                value=target.health,
                labels={"instance": target.labels.get("instance", ""), "job": target.labels.get("job", "")},
                note=target.last_error,
            )
            for target in sorted(mine, key=lambda target: target.health)[:20]
        )
        named = "; ".join(_named(target) for target in down[:_SHOWN])
        says = f"{len(down)} of {len(mine)} scrape targets of {look.profile.service} are down" + (
            f": {named}" if named else ""
        )
        count = float(len(down))
        return judged("prometheus.target-down", bool(down), says, measured=count, threshold=0, unit="count"), values

    return judge


def _named(target: Target) -> str:
    instance = target.labels.get("instance") or target.scrape_url
    return f"{instance} ({target.last_error})" if target.last_error else instance


def _up_then(look: Look, reader: PrometheusReader, expr: str, timeout: float) -> tuple[Target, ...]:
    """The targets as they were: /api/v1/targets only knows now, the series ``up`` knows then."""
    series = reader.query(expr, at=look.now, timeout=timeout).series
    return tuple(Target(labels=one.labels, health="up" if one.value == 1 else "down") for one in series)


def _rules(reader: PrometheusReader, timeout: float) -> Judged:
    groups = reader.rules(timeout)
    failing = [(group, rule) for group in groups for rule in group.rules if rule.health == "err"]
    total = sum(len(group.rules) for group in groups)
    values = (
        Value(name="rules", value=total, unit="count"),
        *(
            Value(name="failing_rule", value=rule.name, labels={"group": group.name}, note=rule.last_error)
            for group, rule in failing[:20]
        ),
    )
    named = "; ".join(f"{rule.name} in {group.name} ({rule.last_error})" for group, rule in failing[:_SHOWN])
    says = f"{len(failing)} of {total} rules fail" + (f": {named}" if named else "")
    count = float(len(failing))
    return judged("prometheus.rule-failing", bool(failing), says, measured=count, threshold=0, unit="count"), values


def _reload(info: RuntimeInfo, reader: PrometheusReader) -> Judged:
    if info.reload_config_success is None:
        raise CouldNotLook("unsupported", f"{reader.address} does not tell whether its configuration loaded")
    loaded = f"{info.last_config_time:%Y-%m-%d %H:%M:%S} UTC" if info.last_config_time else "at an unknown time"
    good = info.reload_config_success
    says = f"the last configuration load ({loaded}) worked" if good else "the last configuration reload failed"
    values = (
        Value(name="reload_config_success", value=good),
        Value(name="last_config_time", value=loaded),
        Value(name="storage_retention", value=info.storage_retention),
    )
    return judged("prometheus.reload-failed", not good, f"Prometheus: {says}"), values


def _evidence(
    reader: PrometheusReader, query: str, values: tuple[Value, ...], failed: CouldNotLook | None = None
) -> Evidence:
    unknown = None
    if failed is not None:
        unknown = Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)
    return Evidence(
        subject="prometheus",
        source=f"prometheus {reader.address}",
        setting=reader.setting,
        query=query,
        sampled_at=datetime.now(UTC),
        values=values,
        unknown=unknown,
    )
