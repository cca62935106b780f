"""Alerts as people read them: at most 80 columns where the content allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from opsctl.alerts.model import Group, Sighting, counts
from opsctl.cli.silence_text import moment, rough, row, told

if TYPE_CHECKING:
    from opsctl.cli.alerts_where import Where
    from opsctl.clients.alertmanager import Silence
    from opsctl.report.style import Style

_LOOKS = {"active": "red", "pending": "yellow"}
_LABELS = 6  # labels of an alert in its line


def headline(alerts: Iterable[Sighting]) -> str:
    """``3 active, 1 silenced, 2 pending``."""
    found = counts(alerts)
    return ", ".join(f"{number:,} {state}" for state, number in found.items())


def block(where: Where, alert: Sighting, silences: Mapping[str, Silence], style: Style) -> list[str]:
    """One alert: state, name, severity and age; its labels; what it says; who muted it; what to run."""

    def more(text: str) -> str:
        return row("", text, style, indent=9, column=9)

    state = style.paint(f"{alert.state:<9}", _LOOKS.get(alert.state, "dim"))
    lines = [f"{state} {style.paint(told(alert.name), 'bold')}{severity(where, alert)}{age(where, alert)}"]
    labels = labels_of(alert)
    if labels:
        lines.append(more(labels))
    if alert.says or alert.value is not None:
        lines.append(more(told(alert.says) + measured(alert)))
    lines += [more(text) for text in muted(where, alert, silences)]
    command = where.desk.command(alert)
    if command and alert.state in ("active", "pending"):
        lines.append(f"{'':10}{command}")
    return lines


def labels_of(alert: Sighting) -> str:
    """The labels that its line does not show yet."""
    shown = [
        f"{told(k)}={told(v)}" for k, v in sorted(alert.labels.items()) if k not in ("alertname", "severity") and v
    ]
    return " ".join(shown[:_LABELS]) + (f" and {len(shown) - _LABELS} more labels" if len(shown) > _LABELS else "")


def severity(where: Where, alert: Sighting) -> str:
    """``, critical (sev1)``."""
    if not alert.severity:
        return ""
    mapped = where.desk.severity(alert)
    return f", {told(alert.severity)}" + (f" ({mapped})" if mapped else "")


def age(where: Where, alert: Sighting) -> str:
    """``, for 42m, since 02:25 UTC``."""
    if alert.since is None:
        return ""
    seconds = (where.now - alert.since).total_seconds()
    return f", for {rough(seconds)}, since {moment(alert.since, where.zone, where.now)}"


def measured(alert: Sighting) -> str:
    """`` (550, threshold 500)``."""
    if alert.value is None:
        return ""
    limit = "" if alert.threshold is None else f", threshold {alert.threshold:g}"
    return f" ({alert.value:g}{limit})"


def muted(where: Where, alert: Sighting, silences: Mapping[str, Silence]) -> list[str]:
    """Who muted it, until when and why."""
    lines: list[str] = []
    for id in alert.silenced_by:
        known = silences.get(id)
        if known is None:
            lines.append(f"silenced by {told(id)[:8]}; nothing more is known of it")
            continue
        ends = moment(known.ends_at, where.zone, where.now)
        by = told(known.created_by) or "nobody named"
        lines.append(f"silenced until {ends} by {by}: {told(known.comment)} ({told(id)[:8]})")
    if alert.inhibited_by:
        lines.append(f"inhibited by {', '.join(told(one) for one in alert.inhibited_by[:3])}")
    if alert.muted_by:
        lines.append(f"muted by the time interval {', '.join(told(one) for one in alert.muted_by)}")
    return lines


def group_lines(where: Where, group: Group, by: Sequence[str], style: Style) -> list[str]:
    """One group: how many, what they share, their states and the age of the oldest."""
    key = " ".join(f"{told(label)}={told(value) or '(none)'}" for label, value in zip(by, group.key, strict=True))
    states = headline(group.alerts)
    oldest = "" if group.since is None else f", oldest {rough((where.now - group.since).total_seconds())}"
    lines = [f"{len(group.alerts):>7,}  {style.paint(key, 'bold')}", f"{'':9}{states}{oldest}"]
    loud = next((alert for alert in group.alerts if alert.state in ("active", "pending")), None)
    command = "" if loud is None else where.desk.command(loud)
    return [*lines, f"{'':9}{command}"] if command else lines
