"""The alert that always fires: it must be on every Alertmanager, and nothing may mute it (alert-tooling.md 5).

A Watchdog that is missing or muted means that no alert of that Alertmanager can be trusted to arrive.
"""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.clients.alertmanager import Alert, AlertmanagerReader
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.monitoring import limit, seen_at

MISSING, MUTED, UNASKED = "alertmanager.watchdog-missing", "alertmanager.watchdog-muted", "alertmanager.member-unasked"
_YOUNG = 120.0  # seconds after its start in which Prometheus may not have told its alerts again


def watchdog(look: Look, name: str) -> Seen:
    """Raises CouldNotLook when this Alertmanager cannot be asked."""
    reader = look.readers.alertmanager()
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    alerts = reader.alerts((f'alertname="{escaped}"',), timeout=limit(look))
    muted = [alert for alert in alerts if _by(alert)]
    values = (
        Value(name="watchdogs", value=len(alerts), unit="count"),
        Value(name="muted", value=len(muted), unit="count"),
    )
    evidence = seen_at(f"alertmanager {reader.address}", reader.setting, f'/api/v2/alerts?alertname="{name}"', values)
    missing = f"{name} does not fire on {reader.address}{_young(look, reader)}" if not alerts else ""
    silent = f"{name} is {_how(look, reader, muted[0])} on {reader.address}" if muted else ""
    return Seen(
        evidence=(evidence,),
        findings=(
            Finding(id=MISSING, state="breach" if missing else "ok", says=missing or f"{name} fires"),
            Finding(id=MUTED, state="breach" if silent else "ok", says=silent or f"{name} is not muted"),
        ),
    )


def cluster(look: Look, asked: int) -> Seen:
    """Whether every member of the cluster is one of those that are asked."""
    reader = look.readers.alertmanager()
    told = reader.status(limit(look)).cluster
    there = len(told.peers) if told.status != "disabled" else 1
    values = (Value(name="members", value=there, unit="count"), Value(name="asked", value=asked, unit="count"))
    evidence = seen_at(f"alertmanager {reader.address}", reader.setting, "/api/v2/status", values)
    says = f"all {there} Alertmanagers of the cluster were asked" if there > 1 else "one Alertmanager, which was asked"
    finding = Finding(id=UNASKED, state="ok", says=says)
    if there > asked:
        says = f"the cluster has {there} Alertmanagers, and {asked} of them is configured: the Watchdog of the others"
        says += " is not seen (write all addresses, with commas between them)"
        finding = Finding(id=UNASKED, state="unknown", says=says, reason="not-configured")
    return Seen(evidence=(evidence,), findings=(finding,))


def _by(alert: Alert) -> bool:
    return bool(alert.status.silenced_by or alert.status.inhibited_by or alert.status.muted_by)


def _young(look: Look, reader: AlertmanagerReader) -> str:
    """A restarted Alertmanager hears of its alerts again within a minute: said beside, it excuses nothing."""
    try:
        started = reader.status(limit(look)).started
    except CouldNotLook:
        return ""
    age = (datetime.now(UTC) - started).total_seconds() if started is not None else _YOUNG
    return f" (which started {age:.0f} s ago)" if 0 <= age < _YOUNG else ""


def _how(look: Look, reader: AlertmanagerReader, alert: Alert) -> str:
    """Muted by what; a silence with its author, end and comment."""
    status = alert.status
    if not status.silenced_by:
        what = "inhibited by alert" if status.inhibited_by else "muted by the time interval"
        return f"{what} {', '.join(status.inhibited_by or status.muted_by)}"
    id = status.silenced_by[0]
    try:
        silence = next((one for one in reader.silences(limit(look)) if one.id == id), None)
    except CouldNotLook:
        silence = None
    if silence is None:
        return f"silenced by {id}"
    until = f"{silence.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    comment = f': "{silence.comment[:80]}"' if silence.comment else ""
    return f"silenced by {silence.created_by or 'nobody named'} until {until} ({id}{comment})"
