"""Read alerts from everywhere they are: every Alertmanager of a cluster, Prometheus for what is pending.

Alerts are not shared between the members of a cluster, silences are (alert-tooling.md 0.7): all are asked, at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from opsctl.alerts.model import FIRING, Sighting, name_of
from opsctl.clients.alertmanager import AlertmanagerReader, AlertStatus, Receiver, Silence
from opsctl.errors import CouldNotLook
from opsctl.silences.matcher import Matcher, matches_all

if TYPE_CHECKING:
    from opsctl.clients.prometheus import PrometheusReader

T = TypeVar("T")
_SUMMARIES = ("summary", "description", "message")


class Wire(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An alert as Alertmanager sends it, narrowed to what is shown: 10,000 of them are 4.6 MB."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime | None = msgspec.field(name="startsAt", default=None)
    fingerprint: str = ""
    receivers: tuple[Receiver, ...] = ()
    status: AlertStatus = AlertStatus()


class Unanswered(NamedTuple):
    """Something that was asked and gave no answer."""

    address: str
    error: CouldNotLook


def ask(
    readers: Sequence[AlertmanagerReader], question: Callable[[AlertmanagerReader], T]
) -> tuple[list[T], list[Unanswered]]:
    """Ask every member at once; answers and failures in the members' order."""
    with ThreadPoolExecutor(max_workers=max(1, len(readers))) as pool:
        running = [(reader, pool.submit(question, reader)) for reader in readers]
        given: list[T] = []
        failed: list[Unanswered] = []
        for reader, answer in running:
            try:
                given.append(answer.result())
            except CouldNotLook as error:
                failed.append(Unanswered(reader.address, error))
    return given, failed


def firing(
    readers: Sequence[AlertmanagerReader],
    matchers: Sequence[Matcher] = (),
    states: Collection[str] = FIRING,
    timeout: float = 10.0,
) -> tuple[list[Sighting], list[Unanswered]]:
    """The alerts of all members in these states, each once; matchers and states are sent along. Never raises for a
    member: the second list names those that did not answer.
    """
    filters = [matcher.text() for matcher in matchers]
    params: dict[str, str] = {}
    if "active" not in states:
        params["active"] = params["unprocessed"] = "false"
    if "silenced" not in states:
        params["silenced"] = "false"
    if "inhibited" not in states:
        params["inhibited"] = "false"
    given, failed = ask(readers, lambda one: one.alerts_as(tuple[Wire, ...], filters, timeout, params))
    wanted = (alert for alert in merged(given) if alert.state in states)
    return list(wanted), failed


def merged(answers: Iterable[Sequence[Wire]]) -> list[Sighting]:
    """Alerts of several members, each once; a member that has it muted knows more than one that has not heard yet."""
    found: dict[str, Wire] = {}
    for alerts in answers:
        for alert in alerts:
            key = alert.fingerprint or repr(sorted(alert.labels.items()))
            known = found.get(key)
            if known is None or _heard(alert.status) > _heard(known.status):
                found[key] = alert
    return [_sighting(alert) for alert in found.values()]


def _heard(status: AlertStatus) -> int:
    return len(status.silenced_by) + len(status.inhibited_by) + len(status.muted_by)


def _sighting(wire: Wire) -> Sighting:
    status = wire.status
    state = "silenced" if status.silenced_by else "inhibited" if status.inhibited_by else ""
    return Sighting(
        source="alertmanager",
        fingerprint=wire.fingerprint,
        name=name_of(wire.labels),
        state=state or ("muted" if status.muted_by else "active"),
        labels=wire.labels,
        since=wire.starts_at,
        severity=wire.labels.get("severity", ""),
        says=next((wire.annotations[key] for key in _SUMMARIES if wire.annotations.get(key)), ""),
        receivers=tuple(receiver.name for receiver in wire.receivers),
        silenced_by=status.silenced_by,
        inhibited_by=status.inhibited_by,
        muted_by=status.muted_by,
    )


def in_prometheus(
    prometheus: PrometheusReader, state: str, matchers: Sequence[Matcher] = (), timeout: float = 10.0
) -> list[Sighting]:
    """What Prometheus holds for ``pending`` or ``firing``, with the moment each began. Raises CouldNotLook.

    ``ALERTS`` only has 1 as its value; the moment is the value of ``ALERTS_FOR_STATE`` of the same labels.
    """
    chosen = ", ".join([f'alertstate="{state}"', *(one.text() for one in matchers if one.name != "alertstate")])
    expr = f"ALERTS_FOR_STATE and ignoring(alertstate) ALERTS{{{chosen}}}"
    found: list[Sighting] = []
    for series in prometheus.query(expr, timeout=timeout).series:
        labels = {name: value for name, value in series.labels.items() if name != "__name__"}
        if matches_all(matchers, labels):
            since = datetime.fromtimestamp(series.value, UTC) if 0 < series.value < 4e9 else None
            shown = "pending" if state == "pending" else "active"
            found.append(Sighting("prometheus", "", name_of(labels), shown, labels, since, labels.get("severity", "")))
    return found


def silences(
    readers: Sequence[AlertmanagerReader], timeout: float = 5.0
) -> tuple[dict[str, Silence], list[Unanswered]]:
    """Id -> silence, of all members, ended ones included; the newest version of each."""
    given, failed = ask(readers, lambda one: one.silences(timeout))
    found: dict[str, Silence] = {}
    for answer in given:
        for silence in answer:
            known = found.get(silence.id)
            if known is None or (silence.updated_at and known.updated_at and silence.updated_at > known.updated_at):
                found[silence.id] = silence
    return found, failed


def counted(readers: Sequence[AlertmanagerReader], timeout: float = 3.0) -> dict[str, int]:
    """Alertmanager's own count by state (active, suppressed), the largest of the members; {} when none tells it.

    Its metrics page answers while a list of 50,000 alerts is still being worked out.
    """
    from opsctl.signals.exposition import NotMetrics, Page, labels_of

    given, _ = ask(readers, lambda one: one.metrics(timeout).body)
    found: dict[str, int] = {}
    for body in given:
        try:
            samples = list(Page(body).samples("alertmanager_alerts"))
        except NotMetrics:
            continue
        for raw, value, _ in samples:
            state = labels_of(raw).get("state", "")
            if state in ("active", "suppressed") and math.isfinite(value):
                found[state] = max(found.get(state, 0), int(value))
    return found
