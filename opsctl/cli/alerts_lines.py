"""Alerts one by one, a line each, printed as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opsctl.cli import output as out
from opsctl.cli.alerts_data import SCHEMA
from opsctl.cli.silence_data import time as rfc3339
from opsctl.cli.silence_text import told

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from opsctl.alerts.log import Entry
    from opsctl.alerts.model import Sighting

_WIDTH = 9  # of the word for the state
_LABELS = 6  # labels in a line of text


class Lines:
    """Prints lines as they come: text from files and servers is made harmless here."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.lines = 0

    def entry(self, one: Entry) -> None:
        """An alert of the log."""
        self._line(one.at, one.state, one, {"fingerprint": one.fingerprint})

    def change(self, at: datetime, state: str, was: str, alert: Sighting) -> None:
        """A change that was seen at ``at``."""
        self._line(at, state, alert, {"fingerprint": alert.fingerprint, "was": was})

    def _line(self, at: datetime | None, state: str, alert: Entry | Sighting, more: Mapping[str, str]) -> None:
        self.lines += 1
        labels = {told(name): told(value) for name, value in alert.labels.items()}
        when = None if at is None else rfc3339(at)
        if self._as_json:
            import msgspec

            data: dict[str, Any] = {
                "schema": SCHEMA,
                "time": when,
                "state": told(state),
                "name": told(alert.name),
                "severity": told(alert.severity),
                "labels": labels,
                "says": told(alert.says),
                **{name: told(value) for name, value in more.items()},
            }
            out.write(msgspec.json.encode(data).decode())
            return
        shown = [f"{k}={v}" for k, v in sorted(labels.items()) if k not in ("alertname", "severity") and v]
        if len(shown) > _LABELS:
            shown = [*shown[:_LABELS], f"and {len(shown) - _LABELS} more labels"]
        parts = (when or "(no time)", f"{told(state):<{_WIDTH}}", told(alert.name), told(alert.severity), *shown)
        says = told(alert.says)
        out.write(" ".join(part for part in parts if part) + (f": {says}" if says else ""))
