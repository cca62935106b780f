"""Do alerts leave Prometheus: does it know an Alertmanager, and do its notifications get through."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from opsctl.clients.prometheus import PrometheusReader
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.monitoring import asked, limit, seen_at, unknown, weighed
from opsctl.probes.own_page import LATELY, Own, own, tried
from opsctl.probes.quantities import Quantities
from opsctl.probes.registry import probe

NOBODY = "prometheus.no-alertmanager"
FAILING = "prometheus.notifications-failing"
_OWN = "prometheus_notifications"
_FULL = 0.5  # of the queue: Prometheus drops what does not fit


class DeliveryParams(Quantities, frozen=True, kw_only=True):
    """``pause``: between two looks at the counters; Prometheus repeats an alert each minute unless set otherwise."""

    durations = ("pause",)
    pause: str | float = "3s"


@probe(
    "prometheus.delivery",
    emits={
        NOBODY: "Prometheus knows no Alertmanager to send its alerts to.",
        FAILING: "Prometheus' notifications fail, are dropped or pile up.",
    },
    params=DeliveryParams,
    asks="/api/v1/alertmanagers and its own /metrics, twice",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="three requests",
    minimum="Prometheus 2.0",
)
def delivery(look: Look, params: DeliveryParams) -> Seen:
    """Each of the two may be missing without costing the other; both gone raises CouldNotLook."""
    reader = look.readers.prometheus()
    present_only(look, reader.address, reader.setting)
    source = f"prometheus {reader.address}"
    findings: list[Finding] = []
    evidence = []
    failures = []
    try:
        finding, values = _known(reader, look)
        evidence.append(seen_at(source, reader.setting, "/api/v1/alertmanagers", values))
    except CouldNotLook as failed:
        finding = unknown(NOBODY, failed)
        failures.append(failed)
        evidence.append(seen_at(source, reader.setting, "/api/v1/alertmanagers", failed=failed))
    findings.append(finding)
    if failures and failures[0].reason not in ("not-found", "unsupported", "forbidden"):
        raise failures[0]
    try:
        first = own(reader.metrics(limit(look)))
        time.sleep(min(params.number("pause"), max(0.0, look.remaining() / 2)))
        second = own(reader.metrics(limit(look)))
        finding, values = _sent((first, second), _past(reader, look))
        evidence.append(seen_at(source, reader.setting, "/metrics", values))
    except CouldNotLook as failed:
        finding = unknown(FAILING, failed)
        failures.append(failed)
        evidence.append(seen_at(source, reader.setting, "/metrics", failed=failed))
    findings.append(finding)
    if len(failures) == len(findings):
        raise failures[0]
    return Seen(evidence=tuple(evidence), findings=weighed(look, *findings))


def _known(reader: PrometheusReader, look: Look) -> tuple[Finding, tuple[Value, ...]]:
    told = asked(look, reader.alertmanagers)
    values = (
        *(Value(name="alertmanager", value="active", note=peer.url) for peer in told.active[:10]),
        *(Value(name="alertmanager", value="dropped", note=peer.url) for peer in told.dropped[:10]),
    )
    if told.active:
        named = ", ".join(peer.url.partition("/api/")[0] for peer in told.active[:3])
        return Finding(id=NOBODY, state="ok", says=f"Prometheus sends its alerts to {named}"), values
    dropped = f"; {len(told.dropped)} were found and dropped by relabelling" if told.dropped else ""
    says = f"Prometheus knows no Alertmanager: firing alerts are told to nobody{dropped}"
    return Finding(id=NOBODY, state="breach", says=says), values


def _sent(pages: tuple[Own, Own], past: Callable[[str], float | None]) -> tuple[Finding, tuple[Value, ...]]:
    """By the counters of Prometheus itself: failed requests per Alertmanager, and how full the queue is."""
    second = pages[1]
    length, room = second.total(f"{_OWN}_queue_length"), second.total(f"{_OWN}_queue_capacity")
    if length is None or not room:
        raise CouldNotLook("no-data", "its own metrics page does not tell of notifications")
    fails, works, values = list[str](), list[str](), list[Value]()
    for url in sorted(second.by(f"{_OWN}_latency_seconds_count", "alertmanager")):
        labels = {"alertmanager": url}
        got = tried(pages, f"{_OWN}_errors_total", f"{_OWN}_latency_seconds_count", labels, past)
        place = url.partition("/api/")[0]
        total = second.total(f"{_OWN}_errors_total", **labels) or 0.0
        note = f"{got.failed:g} of {got.tried:g} failed {got.over}" if got.tried else "none was sent lately"
        values.append(Value(name="errors", value=total, unit="count", labels=labels, note=note))
        if got.fails:
            fails.append(f"{got.failed:g} of {got.tried:g} notifications to {place} failed {got.over}")
        elif got.tried:
            works.append(f"{got.tried:g} notifications reached {place} {got.over}")
    values.append(Value(name="queue", value=length, unit="count", note=f"room for {room:g}"))
    full = length / room > _FULL
    if full:
        fails.append(f"{length:g} alerts wait in a queue of {room:g}")
    # While one Alertmanager of several gets them, they are told.
    broken = full or bool(fails and not works)
    says = "; ".join([*fails, *works]) or "no alert had to be sent lately"
    return Finding(id=FAILING, state="breach" if broken else "ok", says=says), tuple(values)


def _past(reader: PrometheusReader, look: Look) -> Callable[[str], float | None]:
    """What a Prometheus that scrapes itself knows of its counters."""

    def ask(metric: str) -> float | None:
        try:
            series = reader.query(f"sum by (instance) (increase({metric}[{LATELY}]))", timeout=limit(look)).series
        except CouldNotLook:
            return None
        return series[0].value if len(series) == 1 and math.isfinite(series[0].value) else None  # several: whose is it

    return ask
