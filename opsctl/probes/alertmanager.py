"""What else is firing: context for the reader. Alerts never decide a cause, an unrelated one must change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Seen, Value
from opsctl.probes import alertmanager_changes, alertmanager_delivery, alertmanager_storm
from opsctl.probes.look import Look
from opsctl.probes.registry import NoParams, probe

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Alert

__all__ = ["alertmanager_changes", "alertmanager_delivery", "alertmanager_storm", "alerts"]

_SHOWN = 20
_NAMING = ("service", "job", "component", "app", "namespace")  # labels that may name a service


@probe(
    "alertmanager.alerts",
    params=NoParams,
    asks="/api/v2/alerts",
    privilege="none, or what a proxy before Alertmanager asks for",
    cost="one request; slow in a storm (50,000 alerts: seconds)",
    minimum="Alertmanager 0.16 (API v2)",
)
def alerts(look: Look, params: NoParams) -> Seen:
    """Active, silenced and inhibited alerts, those that name this service first. Emits no finding."""
    if look.at is not None:
        raise CouldNotLook("no-history", "Alertmanager keeps no history of alerts")
    reader = look.readers.alertmanager()
    firing = reader.alerts(timeout=look.remaining())
    names = {look.profile.service, *look.profile.prometheus_labels.values()}
    ours = [alert for alert in firing if _names(alert, names)]
    shown = sorted(firing, key=lambda alert: (alert not in ours, _began(alert)))[:_SHOWN]
    values = [
        Value(name="alerts", value=len(firing), unit="count"),
        Value(name="alerts_of_service", value=len(ours), unit="count", note=f"labels naming {look.profile.service}"),
        *(_value(alert) for alert in shown),
    ]
    if len(firing) > len(shown):
        values.append(Value(name="not_shown", value=len(firing) - len(shown), unit="count"))
    evidence = Evidence(
        subject="alerts",
        source=f"alertmanager {reader.address}",
        setting=reader.setting,
        query="/api/v2/alerts",
        sampled_at=datetime.now(UTC),
        values=tuple(values),
    )
    return Seen(evidence=(evidence,))


def _value(alert: Alert) -> Value:
    since = f"since {alert.starts_at:%Y-%m-%d %H:%M:%S} UTC" if alert.starts_at else ""
    status = alert.status
    why = [
        f"{word} by {', '.join(by)}"
        for word, by in (
            ("silenced", status.silenced_by),
            ("inhibited", status.inhibited_by),
            ("muted", status.muted_by),
        )
        if by
    ]
    summary = alert.annotations.get("summary", "")
    return Value(
        name=alert.labels.get("alertname", "alert"),
        value=status.state,
        labels={name: value for name, value in alert.labels.items() if name != "alertname"},
        note="; ".join(part for part in (since, *why, summary) if part),
    )


def _names(alert: Alert, names: set[str]) -> bool:
    return any(alert.labels.get(label) in names for label in _NAMING)


def _began(alert: Alert) -> datetime:
    return alert.starts_at or datetime.max.replace(tzinfo=UTC)
