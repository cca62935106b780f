"""What ``opsctl k8s events`` shows: the namespace's events, newest first."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.errors import CouldNotLook
from opsctl.model import Struct
from opsctl.probes.kubernetes_event_list import events_of
from opsctl.probes.kubernetes_events import concerns
from opsctl.probes.kubernetes_scope import Scope
from opsctl.redact import printable, redact


class EventLine(Struct, frozen=True, kw_only=True):
    """One event. ``last``: the newest of its times, whichever API wrote it."""

    object: str
    reason: str
    message: str
    warning: bool
    times: int = 1
    first: datetime | None = None
    last: datetime | None = None
    source: str = ""


class Events(Struct, frozen=True, kw_only=True):
    """``left_out``: older ones beyond the limit; ``unseen``: what could not be looked at."""

    at: datetime
    source: str
    namespace: str
    events: tuple[EventLine, ...] = ()
    left_out: int = 0
    unseen: tuple[str, ...] = ()


def collect(scope: Scope, *, only: bool, warnings: bool, limit: int) -> Events:
    """All events of the namespace; ``only``: those that concern the scope's workloads. Raises CouldNotLook."""
    told = events_of(scope)
    unseen = [told.cut] if told.cut else []
    kept = [each for each in told.events if each.warning or not warnings]
    if only:
        about = []
        for wanted in scope.wanted.values():
            for found in scope.find_for_pods(wanted):
                try:
                    pods = scope.list(scope.path("", "v1", "pods"), found.selector).items
                except CouldNotLook as failure:
                    pods = ()
                    unseen.append(failure.says)
                about += [each for each in kept if concerns(each, found, pods)]
        kept = [each for each in kept if each in about]
    return Events(
        at=datetime.now(UTC),
        source=scope.source,
        namespace=scope.namespace,
        events=tuple(
            EventLine(
                object=each.subject,
                reason=each.reason,
                message=redact(printable(" ".join(each.message.split())))[:1000],
                warning=each.warning,
                times=each.times,
                first=each.first,
                last=each.last,
                source=each.source,
            )
            for each in kept[:limit]
        ),
        left_out=max(0, len(kept) - limit),
        unseen=tuple(dict.fromkeys(unseen)),
    )
