"""What silencing the symptoms of a storm is based on: all alerts that fire now, what they follow from, the policy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from opsctl.errors import CouldNotLook
from opsctl.probes.alertmanager_storm import bound
from opsctl.probes.alertmanager_storm_alert import Group, StormAlert, unique
from opsctl.probes.alertmanager_storm_judge import Storm, conclude
from opsctl.probes.alertmanager_storm_read import ENGINE, gather
from opsctl.silences.guard import Refusal, refusals
from opsctl.silences.matcher import Matcher, matches_all
from opsctl.silences.policy import Policy, find_policy, load_policy

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

RUNBOOK = "alert-storm"
_LOOK = 20.0  # seconds; 50,000 alerts take Alertmanager four
_BACK = 1800.0
# Labels that may narrow a silence down, where all alerts of a group agree on them.
_SCOPES = ("namespace", "service", "job", "app", "component", "database", "node", "cluster")


class Seen(NamedTuple):
    """``alerts``: all that fire, of every member; ``address``: host:port; ``unheard``: members that gave no answer."""

    storm: Storm
    alerts: tuple[StormAlert, ...]
    policy: Policy
    address: str
    unheard: tuple[str, ...]
    actor: str
    reason: str


def observe(hands: Hands) -> Seen:
    """Read everything; no writer is touched. Raises CouldNotLook, ConfigError for a policy that cannot be read."""
    deadline = time.monotonic() + _LOOK

    def remaining() -> float:
        return max(0.0, deadline - time.monotonic())

    reader = hands.readers.alertmanager()  # raises NotConfigured: other sources of alerts cannot be silenced
    facts = gather(hands.readers, hands.profile, now=hands.now, since=_BACK, remaining=remaining, runbook=RUNBOOK)
    if "alerts" in facts.failed:
        raise facts.failed["alerts"]
    more, unheard = _of_members(hands, remaining())
    alerts = unique([*(a for a in facts.alerts if a.status.state != ENGINE), *more])
    facts = facts._replace(alerts=tuple(alerts))
    limit, origin = bound(hands.profile, RUNBOOK)
    storm = conclude(facts, hands.profile, limit, origin)
    policy = load_policy(find_policy(None))
    return Seen(storm, facts.alerts, policy, _host(reader.address), unheard, hands.actor, hands.reason)


def _of_members(hands: Hands, timeout: float) -> tuple[list[StormAlert], tuple[str, ...]]:
    """The alerts of the other members of the cluster: alerts are not shared between them."""
    from opsctl.clients.alertmanager import AlertmanagerReader

    endpoint = hands.readers.endpoint("alertmanager")
    urls = [url for url in endpoint.options.get("members", "").split(",") if url and url != endpoint.url]
    alone = {name: value for name, value in endpoint.options.items() if name != "members"}
    found: list[StormAlert] = []
    unheard: list[str] = []
    for url in dict.fromkeys(urls):
        member = AlertmanagerReader(msgspec.structs.replace(endpoint, url=url, options=alone))
        try:
            found += member.alerts_as(tuple[StormAlert, ...], timeout=max(0.1, timeout))
        except CouldNotLook as failed:
            unheard.append(f"{member.address}: {failed.says}")
        finally:
            member.close()
    return found, tuple(unheard)


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2] or address


def matchers_of(group: Group) -> tuple[Matcher, ...]:
    """The alert's name, and every scope on which all of the group's alerts agree."""
    common = dict(sorted(set.intersection(*(set(alert.labels.items()) for alert in group.alerts))))
    narrow = [Matcher(name=name, value=common[name]) for name in _SCOPES if common.get(name)]
    return (Matcher(name="alertname", value=group.name), *narrow)


def hit(matchers: Sequence[Matcher], alerts: Sequence[StormAlert]) -> list[StormAlert]:
    """The alerts that such a silence mutes."""
    return [alert for alert in alerts if matches_all(matchers, alert.labels)]


def against(
    policy: Policy,
    matchers: Sequence[Matcher],
    *,
    seconds: float,
    comment: str,
    firing: Sequence[Mapping[str, str]],
    complete: bool = True,
    allow: Sequence[str] = (),
    allow_count: int | None = None,
) -> tuple[Refusal, ...]:
    """The guards of `opsctl silence create`. ``allow``: ``NAME=why``; the ticket is found in the comment."""
    return refusals(
        policy,
        matchers,
        seconds=seconds,
        comment=comment,
        ticket=_ticket(policy, comment),
        firing=firing,
        complete=complete,
        allowed={name.strip(): why for name, _, why in (word.partition("=") for word in allow)},
        allow_count=allow_count,
    )


def _ticket(policy: Policy, comment: str) -> str:
    """The word of the comment that is a ticket by the policy's pattern; --reason and --ticket are both in it."""
    import re

    if not policy.ticket_pattern:
        return comment
    return next((word for word in comment.replace(":", " ").split() if re.fullmatch(policy.ticket_pattern, word)), "")
