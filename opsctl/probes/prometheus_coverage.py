"""What no rule covers: the gaps that left a runaway loop unseen for two days (AGRO-04), where they can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opsctl.clients.prometheus import PrometheusReader
from opsctl.clients.prometheus_answers import Rule
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Finding, Seen, Value
from opsctl.probes.alertmanager_receivers import silent_routes
from opsctl.probes.look import Look
from opsctl.probes.monitoring import asked, limit, seen_at
from opsctl.probes.prometheus_service import rules_of
from opsctl.probes.registry import NoParams, probe
from opsctl.signals.shape import metrics_of

GAP = "prometheus.gap-open"
_SHOWN = 6


class Gap(NamedTuple):
    """One thing that ought to be watched. ``open``: None where it cannot be measured."""

    name: str
    open: bool | None
    says: str


@probe(
    "prometheus.coverage",
    emits={GAP: "Something that the service's profile wants watched is watched by no rule, or is told to nobody."},
    params=NoParams,
    asks="/api/v1/rules and /api/v1/alertmanagers; Alertmanager's configuration in use, where one is configured",
    privilege="none, or what a proxy before them asks for",
    cost="three requests",
    minimum="Prometheus 2.0, Alertmanager 0.16",
)
def coverage(look: Look, params: NoParams) -> Seen:
    """Rules, frequency, processes, delivery, rate limit. An open gap is no fault of today: it does not decide."""
    reader = look.readers.prometheus()
    if look.at is not None:
        raise CouldNotLook("no-history", "Prometheus tells its rules only for now")
    rules = [rule for _, rule in rules_of(look, asked(look, reader.rules)) if rule.type != "recording"]
    gaps = [
        *_alerts(look, rules),
        *_frequency(look, rules),
        _processes(look, rules),
        _delivery(look, reader),
        *_rate_limit(look),
    ]
    values = tuple(
        Value(name=gap.name, value={True: "open", False: "closed", None: "not measured"}[gap.open], note=gap.says)
        for gap in gaps
    )
    gone = [gap for gap in gaps if gap.open]
    unsure = [gap for gap in gaps if gap.open is None]
    says = "; ".join(f"{gap.name}: {gap.says}" for gap in gone) or "no gap was found"
    says += f" (not measured: {', '.join(f'{gap.name}, {gap.says}' for gap in unsure)})" if unsure else ""
    finding = Finding(id=GAP, state="breach" if gone else "ok", says=says, measured=float(len(gone)), unit="count")
    evidence = seen_at(f"prometheus {reader.address}", reader.setting, "/api/v1/rules", values, subject="coverage")
    return Seen(evidence=(evidence,), findings=(finding,))


def _alerts(look: Look, rules: Sequence[Rule]) -> list[Gap]:
    """The alerts that the profile's objectives name: each needs a rule of that name, or one over its metrics."""
    wanted = {b.alert: o for o in look.profile.objectives if o.kind == "alert" for b in o.bands if b.alert}
    if not wanted:
        return []
    without = []
    for alert, objective in wanted.items():
        signal = look.profile.signals.get(objective.signal)
        metrics = metrics_of(signal) if signal is not None else ()
        if not any(rule.name == alert or (metrics and all(name in rule.query for name in metrics)) for rule in rules):
            without.append(alert)
    named = ", ".join(without[:_SHOWN]) + (f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else "")
    says = f"no rule for {named}" if without else "each has a rule"
    return [Gap("rules", bool(without), f"of {len(wanted)} alerts that the profile names, {says}")]


def _frequency(look: Look, rules: Sequence[Rule]) -> list[Gap]:
    """Calls of one client: only where the service's profile counts them."""
    signals = {o.signal for o in look.profile.objectives if o.runbook == "runaway-client"}
    labels = {label for name in signals if (s := look.profile.signals.get(name)) for label in s.by}
    alerts = {b.alert for o in look.profile.objectives if o.signal in signals for b in o.bands if b.alert}
    if not signals:
        return []
    covered = any(rule.name in alerts or any(label in rule.query for label in labels) for rule in rules)
    says = "a rule counts the calls of one client" if covered else "no rule counts the calls of one client"
    return [Gap("frequency", not covered, says)]


def _processes(look: Look, rules: Sequence[Rule]) -> Gap:
    covered = any("process_" in rule.query or "up{" in rule.query or rule.query.startswith("up ") for rule in rules)
    says = "a rule watches its process" if covered else "no rule watches whether its process runs (up, process_*)"
    return Gap("processes", not covered, says)


def _delivery(look: Look, reader: PrometheusReader) -> Gap:
    if not reader.alertmanagers(limit(look)).active:
        return Gap("delivery", True, "Prometheus sends its alerts to no Alertmanager")
    try:
        routes = silent_routes(look.readers.alertmanager().status(limit(look)).config.original)
    except NotConfigured:
        return Gap("delivery", None, "no Alertmanager is configured for this service")
    except CouldNotLook as failed:
        return Gap("delivery", None, failed.says)
    if routes:
        return Gap("delivery", True, f"the receiver {', '.join(routes)} tells nobody")
    return Gap("delivery", False, "every receiver in use tells somebody")


def _rate_limit(look: Look) -> list[Gap]:
    """Said in words only: whether calls are limited shows in the service, not in its monitoring."""
    if "throttle" not in look.profile.settings:
        return []
    chosen = look.profile.settings["throttle"]
    says = (
        "settings.throttle names nothing that limits calls"
        if not chosen
        else f"limited by {chosen}, as the profile says"
    )
    return [Gap("rate limit", None if not chosen else False, says)]
