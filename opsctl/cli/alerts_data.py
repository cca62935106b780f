"""Alerts as ``-o json`` tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsctl.cli.silence_data import time
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opsctl.alerts.model import Sighting
    from opsctl.alerts.read import Unanswered
    from opsctl.cli.alerts_where import Where
    from opsctl.clients.alertmanager import Silence

SCHEMA = "opsctl.alerts/1"


def of_alert(where: Where, alert: Sighting, silences: Mapping[str, Silence]) -> dict[str, Any]:
    """One alert. ``since``: RFC 3339; ``severity``: the source's word; ``mapped``: sev1 to sev4, "" for none."""
    data: dict[str, Any] = {
        "source": alert.source,
        "fingerprint": printable(alert.fingerprint),
        "name": printable(alert.name),
        "state": alert.state,
        "severity": printable(alert.severity),
        "mapped": where.desk.severity(alert),
        "since": None if alert.since is None else time(alert.since),
        "labels": {printable(name): redact(printable(value)) for name, value in alert.labels.items()},
        "says": redact(printable(alert.says)),
        "receivers": [printable(name) for name in alert.receivers],
        "silenced_by": [of_silence(id, silences.get(id)) for id in alert.silenced_by],
        "inhibited_by": list(alert.inhibited_by),
        "muted_by": list(alert.muted_by),
        "command": where.desk.command(alert),
    }
    if alert.value is not None:
        data |= {"value": alert.value, "threshold": alert.threshold}
    return data


def of_silence(id: str, silence: Silence | None) -> dict[str, Any]:
    """Who muted it, until when and why; only the id where nothing more is known."""
    if silence is None:
        return {"id": id}
    return {
        "id": id,
        "ends_at": time(silence.ends_at),
        "author": redact(printable(silence.created_by)),
        "comment": redact(printable(silence.comment)),
    }


def of_failed(failed: Iterable[Unanswered]) -> list[dict[str, str]]:
    """What gave no answer."""
    return [{"address": one.address, "says": one.error.says} for one in failed]
