"""Alerts of a storm and the groups they form: one group per alert's name, each fingerprint once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from opsctl.clients.alertmanager import AlertStatus
from opsctl.model import Severity

INFRASTRUCTURE, DATASTORE, SERVICE, SYMPTOM = 3, 2, 1, 0
LAYER = {INFRASTRUCTURE: "infrastructure", DATASTORE: "a datastore", SERVICE: "a process", SYMPTOM: "a symptom"}


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


# Labels that say where an alert came from or how it is told, not what is broken.
PLUMBING = words(
    """alertname severity priority alertstate prometheus prometheus_replica replica __replica__ monitor receiver cluster
    environment env region team owner runbook runbook_url summary description endpoint le quantile"""
)
# Alerts that always fire, so that somebody notices when nothing comes: they belong to no storm.
ALWAYS = frozenset({"Watchdog", "DeadMansSwitch", "DeadMansSnitch", "InfoInhibitor"})
REPLICAS = ("prometheus_replica", "replica", "__replica__")

# Words in an alert's name, by what it is about; the lowest layer that is named counts.
_WORDS = {
    INFRASTRUCTURE: words(
        """node host machine vm disk filesystem volume network dns switch link power zone rack kernel raid nfs kubelet
        etcd apiserver control hypervisor nic router"""
    ),
    DATASTORE: words(
        """postgres postgresql pgbouncer mysql database db redis kyrodb kafka rabbitmq broker mongo mongodb cassandra
        elasticsearch storage store zookeeper memcached timescale replication"""
    ),
    SERVICE: words(
        """down unreachable unavailable crash crashing crashloop crashlooping oom restart restarting pod container
        deployment target worker workers process replica replicas scrape missing absent unhealthy"""
    ),
}
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# What most systems call their severities; the profile's own words come first (P1 is worse here and milder there).
_COMMON: dict[str, Severity] = {
    "emergency": "sev1", "critical": "sev1", "page": "sev1", "error": "sev2", "high": "sev2", "major": "sev2",
    "warning": "sev3", "medium": "sev3", "minor": "sev3", "low": "sev4", "info": "sev4", "none": "sev4",
}  # fmt: skip


class StormAlert(msgspec.Struct, frozen=True, kw_only=True):
    """What the ranking needs of an alert: fewer fields than Alertmanager sends, for there may be 50,000."""

    labels: dict[str, str]
    starts_at: datetime | None = msgspec.field(name="startsAt", default=None)
    fingerprint: str = ""
    status: AlertStatus = AlertStatus()

    @property
    def name(self) -> str:
        """The alert's name, "" without one."""
        return self.labels.get("alertname", "")

    @property
    def began(self) -> float:
        """Unix time at which it began to fire; 0 where nothing tells."""
        return self.starts_at.timestamp() if self.starts_at is not None else 0.0

    @property
    def muted(self) -> bool:
        """Whether nobody is told of it: silenced, inhibited or muted by time."""
        status = self.status
        return bool(status.silenced_by or status.inhibited_by or status.muted_by)

    @property
    def key(self) -> str:
        """Its identity: the fingerprint, else the labels."""
        return self.fingerprint or repr(sorted(self.labels.items()))


class Group(NamedTuple):
    """The alerts of one name. ``onset``: unix time at which the first one's condition became true.

    ``pairs``: label=value that all of its alerts have; ``values``: those that any has. ``recent``: it belongs to the
    storm; ``before``: it also fired in the week before (None: not known); ``flaps``: how often it fired anew lately.
    """

    name: str
    alerts: tuple[StormAlert, ...]
    onset: float
    pairs: frozenset[tuple[str, str]]
    values: frozenset[tuple[str, str]]
    severity: Severity | None
    depth: int
    recent: bool = True
    before: bool | None = None
    flaps: float = 0.0

    @property
    def representative(self) -> StormAlert:
        """The alert that stands for it: the earliest, of several the one with the smallest fingerprint."""
        return min(self.alerts, key=lambda alert: (alert.began, alert.key))

    @property
    def loud(self) -> int:
        """How many of its alerts somebody is told of."""
        return sum(1 for alert in self.alerts if not alert.muted)


def unique(alerts: Iterable[StormAlert]) -> list[StormAlert]:
    """Each fingerprint once, in the order of fingerprints: what follows does not depend on the server's order."""
    found: dict[str, StormAlert] = {}
    for alert in alerts:
        known = found.get(alert.key)
        if known is None or len(alert.status.silenced_by) > len(known.status.silenced_by):
            found[alert.key] = alert
    return [found[key] for key in sorted(found)]


def grouped(
    alerts: Sequence[StormAlert],
    *,
    since: float,
    onsets: Mapping[str, float],
    waits: Mapping[str, float],
    severities: Mapping[str, Severity],
    before: frozenset[str] | None = None,
    flaps: Mapping[str, float] | None = None,
) -> tuple[Group, ...]:
    """The groups in the order of their names.

    ``since``: unix time from which an alert belongs to the storm. ``onsets``: name -> ALERTS_FOR_STATE since then;
    ``waits``: name -> the rule's ``for`` in seconds, taken off startsAt where no onset is known.
    """
    names: dict[str, list[StormAlert]] = {}
    for alert in alerts:
        names.setdefault(alert.name, []).append(alert)
    found = []
    for name in sorted(names):
        every = names[name]
        fresh = [alert for alert in every if alert.began >= since]
        those = fresh or every
        start = min(alert.began for alert in those) - waits.get(name, 0.0)
        told = onsets.get(name)
        common: set[tuple[str, str]] | None = None
        any_: set[tuple[str, str]] = set()
        for alert in those:
            items = alert.labels.items()
            any_.update(items)
            common = set(items) if common is None else common & items
        found.append(
            Group(
                name,
                tuple(those),
                told if told is not None and fresh else start,
                _telling(common or set()),
                _telling(any_),
                worst(those, severities),
                depth_of(name),
                bool(fresh),
                None if before is None else name in before,
                (flaps or {}).get(name, 0.0),
            )
        )
    return tuple(found)


def _telling(pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for pair in pairs if pair[0] not in PLUMBING and pair[1])


def worst(alerts: Iterable[StormAlert], severities: Mapping[str, Severity]) -> Severity | None:
    """The worst severity among them; None where none is known."""
    said = {alert.labels.get("severity") or alert.labels.get("priority", "") for alert in alerts}
    return min((known for word in said if (known := severity_of(word, severities)) is not None), default=None)


def severity_of(word: str, severities: Mapping[str, Severity]) -> Severity | None:
    """A label's word on the one scale: the profile's own meaning first."""
    return severities.get(word) or _COMMON.get(word.lower())


def words_of(name: str) -> tuple[str, ...]:
    """``PostgresReplicationLag`` as its words, in lower case."""
    return tuple(part.lower() for part in _PARTS.findall(name))


def depth_of(name: str) -> int:
    """How deep below the users what the alert is about lies, by the words of its name: infrastructure is deepest."""
    said = words_of(name)
    return next((layer for layer, known in _WORDS.items() if known.intersection(said)), SYMPTOM)
