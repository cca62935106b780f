"""Which runbook answers an alert, for which service, and how bad the alert is to that service."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opsctl.alerts.model import Sighting
from opsctl.config.index import entry
from opsctl.errors import ConfigError
from opsctl.redact import printable
from opsctl.runbooks.find import find

if TYPE_CHECKING:
    from opsctl.services.model import Profile


class Answer(NamedTuple):
    """A runbook's claim on an alert; ``service`` "" = of any."""

    alertname: str
    service: str
    runbook: str


def answers(dirs: Sequence[Path]) -> tuple[Answer, ...]:
    """The ``alerts`` of every runbook; from the generated index where that holds. A file with a mistake has none."""
    found: list[Answer] = []
    for name, path in find(dirs).items():
        known = entry("runbooks", path)
        if known is not None and "alerts" in known:
            found += [Answer(alertname, service, name) for alertname, service in known["alerts"]]
            continue
        from opsctl.runbooks.load import load_file

        try:
            found += [Answer(ref.alertname, ref.service, name) for ref in load_file(path).runbook.alerts]
        except ConfigError:
            continue
    return tuple(found)


class Desk:
    """What is known about the services that alerts may belong to. ``profile``: the one that was chosen, if any."""

    def __init__(self, dirs: Sequence[Path], profile: Profile | None, before: str = "") -> None:
        self._dirs = dirs
        self._profile = profile
        self._before = before
        self._answers: tuple[Answer, ...] | None = None
        self._profiles: dict[str, Profile | None] = {}

    def profile(self, alert: Sighting) -> Profile | None:
        """The profile of the alert's ``service`` label, else the chosen one."""
        name = alert.labels.get("service", "")
        if self._profile is not None and name in ("", self._profile.service):
            return self._profile
        if name not in self._profiles:
            self._profiles[name] = self._load(name)
        return self._profiles[name] or self._profile

    def _load(self, name: str) -> Profile | None:
        from opsctl.services.find import list_profiles
        from opsctl.services.load import load_file

        path = list_profiles(self._dirs).get(name)
        try:
            return None if path is None else load_file(path)
        except ConfigError:
            return None

    def severity(self, alert: Sighting) -> str:
        """``sev1`` to ``sev4`` in the service's own mapping, "" where it has none for this word."""
        profile = self.profile(alert)
        found = None if profile is None else profile.severities.get(alert.severity)
        return "" if found is None else str(found)

    def runbook(self, alert: Sighting) -> str:
        """The runbook that answers it, "" for none; one that names the service goes before one for all."""
        if self._answers is None:
            self._answers = answers(self._dirs)
        profile = self.profile(alert)
        service = profile.service if profile is not None else alert.labels.get("service", "")
        claims = [one for one in self._answers if one.alertname == alert.name and one.service in ("", service)]
        return max(claims, key=lambda one: bool(one.service)).runbook if claims else ""

    def command(self, alert: Sighting) -> str:
        """The command that looks for its cause, labels filled in; "" when no runbook answers it."""
        runbook = self.runbook(alert)
        if not runbook:
            return ""
        profile = self.profile(alert)
        chosen = f" -s {shlex.quote(printable(profile.service))}" if profile is not None else ""
        return f"opsctl {self._before}diagnose {runbook}{chosen}"
