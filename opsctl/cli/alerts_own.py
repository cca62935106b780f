"""The history of a service's own alert engine, where it has no Alertmanager."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.cli.alerts_where import Where
    from opsctl.report.style import Style
    from opsctl.silences.matcher import Matcher


def own_history(where: Where, matchers: tuple[Matcher, ...], seconds: float, limit: int, output: str) -> Result:
    """What a service's own engine remembers: its newest 200 entries (AMAS-44)."""
    from opsctl.alerts import own
    from opsctl.cli import alerts_data
    from opsctl.cli.alerts_text import measured, severity
    from opsctl.cli.silence_data import time
    from opsctl.cli.silence_text import moment, told
    from opsctl.errors import ConfigError
    from opsctl.silences.matcher import matches_all

    if where.own_history is None or where.profile is None:
        raise ConfigError("the service's profile has no endpoint alert-history", remedy="Add it to its endpoints.")
    entries = own.entries(where.own_history, where.timeout)
    service = where.profile.service
    oldest = where.now - timedelta(seconds=seconds)
    pairs = [(entry, own.sighting(entry, service)) for entry in entries]
    chosen = [
        (entry, alert)
        for entry, alert in pairs
        if matches_all(matchers, alert.labels) and (alert.since is None or alert.since >= oldest)
    ]
    chosen.sort(key=lambda pair: pair[1].since or oldest, reverse=True)
    data = {
        "schema": alerts_data.SCHEMA,
        "kept": len(entries),
        "entries": [
            {
                "id": told(alert.fingerprint),
                "name": told(alert.name),
                "status": told(entry.status),
                "severity": told(alert.severity),
                "mapped": where.desk.severity(alert),
                "from": None if alert.since is None else time(alert.since),
                "value": alert.value,
                "threshold": alert.threshold,
                "says": told(alert.says),
            }
            for entry, alert in chosen
        ],
    }

    def render(style: Style) -> str:
        if not chosen:
            return f"{service} remembers {len(entries)}, none of them is meant."
        lines = [f"{len(chosen)} of the {len(entries)} that {service} remembers"]
        for entry, alert in chosen[: limit or None]:
            when = "" if alert.since is None else f", {moment(alert.since, where.zone, where.now)}"
            name = style.paint(told(alert.name), "bold")
            lines.append(f"{told(entry.status):<9} {name}{severity(where, alert)}{when}{measured(alert)}")
        if limit and len(chosen) > limit:
            lines.append(f"{len(chosen) - limit} older ones are not shown: give --limit 0.")
        return "\n".join(lines)

    return Result(data, render, output)
