"""Does Alertmanager answer, and do its own notifications get through."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.monitoring import DOWN, asked, limit, seen_at, unknown, weighed
from opsctl.probes.own_page import LATELY, Own, own, tried
from opsctl.probes.prometheus_service import quoted
from opsctl.probes.quantities import Quantities
from opsctl.probes.registry import probe

UNREACHABLE = "alertmanager.unreachable"
FAILING = "alertmanager.notifications-failing"
_COUNTERS = (  # failed and tried; the first are single requests, of which several make a notification
    ("alertmanager_notification_requests_failed_total", "alertmanager_notification_requests_total"),
    ("alertmanager_notifications_failed_total", "alertmanager_notifications_total"),
)


class DeliveryParams(Quantities, frozen=True, kw_only=True):
    """``pause``: between two looks at the counters."""

    durations = ("pause",)
    pause: str | float = "3s"


@probe(
    "alertmanager.delivery",
    emits={
        UNREACHABLE: "Alertmanager does not answer, or is not ready: alerts reach nobody.",
        FAILING: "Alertmanager cannot tell a receiver: its notifications fail.",
    },
    params=DeliveryParams,
    asks="/-/ready and its own /metrics, twice",
    privilege="none, or what a proxy before Alertmanager asks for",
    cost="three requests",
    minimum="Alertmanager 0.16; failures of single requests from 0.22 on",
)
def delivery(look: Look, params: DeliveryParams) -> Seen:
    """Raises CouldNotLook where it answers that we may not ask, NotConfigured where nothing says where it is."""
    reader = look.readers.alertmanager()
    present_only(look, reader.address, reader.setting)
    source = f"alertmanager {reader.address}"
    try:
        asked(look, reader.ready)
    except CouldNotLook as failed:
        if failed.reason not in DOWN:
            raise
        values = (Value(name="ready", value=False, note=failed.says),)
        found = Finding(id=UNREACHABLE, state="breach", says=f"Alertmanager: {failed.says}")
        return Seen(
            evidence=(seen_at(source, reader.setting, "/-/ready", values),),
            findings=weighed(look, found, unknown(FAILING, failed)),
        )
    ready = Finding(id=UNREACHABLE, state="ok", says="Alertmanager is ready")
    seen = seen_at(source, reader.setting, "/-/ready", (Value(name="ready", value=True),))
    try:
        first = own(reader.metrics(limit(look)))
        time.sleep(min(params.number("pause"), max(0.0, look.remaining() / 2)))
        second = own(reader.metrics(limit(look)))
        finding, told = _told((first, second), _past(look))
        evidence = seen_at(source, reader.setting, "/metrics", told)
    except CouldNotLook as failed:
        finding, evidence = unknown(FAILING, failed), seen_at(source, reader.setting, "/metrics", failed=failed)
    return Seen(evidence=(seen, evidence), findings=weighed(look, ready, finding))


def _told(pages: tuple[Own, Own], past: Callable[[str, str], float | None]) -> tuple[Finding, tuple[Value, ...]]:
    """By the counters of Alertmanager itself, per integration (email, webhook, slack …)."""
    second = pages[1]
    failed, asked = next(((f, a) for f, a in _COUNTERS if second.page.has(a)), ("", ""))
    if not asked:
        raise CouldNotLook("no-data", "its own metrics page does not tell of notifications")
    values, broken, fine = list[Value](), list[str](), 0.0
    for integration, total in sorted(second.by(asked, "integration").items()):
        if total == 0:
            continue
        got = tried(pages, failed, asked, {"integration": integration}, lambda m, i=integration: past(m, i))  # type: ignore[misc]
        note = f"{got.failed:g} of {got.tried:g} failed {got.over}" if got.tried else "none was sent lately"
        labels = {"integration": integration}
        values.append(Value(name="notifications", value=total, unit="count", labels=labels, note=note))
        if got.fails:
            broken.append(f"{got.failed:g} of {got.tried:g} notifications by {integration} failed {got.over}")
        else:
            fine += got.tried - got.failed
    says = "; ".join(broken) or (f"{fine:g} notifications got through" if fine else "nothing had to be told lately")
    return Finding(id=FAILING, state="breach" if broken else "ok", says=says), tuple(values)


def _past(look: Look) -> Callable[[str, str], float | None]:
    """What Prometheus knows of Alertmanager's counters, if it scrapes it."""

    def ask(metric: str, integration: str) -> float | None:
        expr = f"sum(increase({metric}{{integration={quoted(integration)}}}[{LATELY}]))"
        try:
            series = look.readers.prometheus().query(expr, timeout=limit(look)).series
        except CouldNotLook:
            return None
        return series[0].value if series and math.isfinite(series[0].value) else None

    return ask
