"""What changed between two looks at who holds alerts: fires, resolved, silenced, inhibited, and the end of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opsctl.alerts.model import Sighting

_ENDED = {"silenced": "silence ended", "inhibited": "inhibition ended", "muted": "mute ended"}


class Change(NamedTuple):
    """``state``: firing, resolved, silenced, inhibited, muted, or that one of the last three ended.

    ``was``: the state before (alerts.model), "" for an alert that was not there. ``alert``: as it was seen last.
    """

    state: str
    was: str
    alert: Sighting


class Changes:
    """Compares each look with the one before.

    Alerts are not shared between members. What only a silent member held counts as unchanged until it answers again;
    what another member holds, or held and does so no more, is judged by that one.
    """

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Sighting]] = {}
        self._known: dict[str, Sighting] | None = None

    @property
    def alerts(self) -> tuple[Sighting, ...]:
        """What is known to fire."""
        return tuple((self._known or {}).values())

    def look(self, answers: Mapping[str, Sequence[Sighting]]) -> list[Change]:
        """The changes since the last look; none at the first. ``answers``: address -> the alerts of who answered."""
        if not answers:
            return []
        seen: set[str] = set()
        gone: set[str] = set()
        for address, alerts in answers.items():
            now = {_key(alert): alert for alert in alerts}
            gone |= self._held.get(address, {}).keys() - now.keys()
            seen |= now.keys()
            self._held[address] = now
        for address, held in self._held.items():
            if address not in answers:
                self._held[address] = {key: one for key, one in held.items() if key not in gone | seen}
        known: dict[str, Sighting] = {}
        for held in self._held.values():
            for key, alert in held.items():
                if key not in known or _heard(alert) > _heard(known[key]):
                    known[key] = alert
        before, self._known = self._known, known
        return [] if before is None else _between(before, known)


def _between(before: Mapping[str, Sighting], known: Mapping[str, Sighting]) -> list[Change]:
    found = [Change("resolved", one.state, one) for key, one in before.items() if key not in known]
    for key, one in known.items():
        was = before[key].state if key in before else ""
        if one.state != was:
            loud = _ENDED.get(was, "firing")
            found.append(Change(loud if one.state == "active" else one.state, was, one))
    return found


def _key(alert: Sighting) -> str:
    return alert.fingerprint or repr(sorted(alert.labels.items()))


def _heard(alert: Sighting) -> int:
    return len(alert.silenced_by) + len(alert.inhibited_by) + len(alert.muted_by)
