"""Hands for trying Alertmanager's action by itself, and a plan as the engine would hand it over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from opsctl.actions.alertmanager_silence import SilenceParams, propose
from opsctl.actions.alertmanager_storm import Seen, observe
from opsctl.actions.hands import Hands
from opsctl.actions.model import Limit, Pace, Plan, Proposal, Step
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.config.settings import Settings
from opsctl.errors import NotConfigured
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader
from opsctl.silences.policy import Policy
from tests.probes.storms import SHOP, Some, judged


@contextmanager
def hands_on(
    *urls: str,
    run: str = "01TESTRUN",
    profile: Profile = SHOP,
    act: str = "",
    check_stop: Callable[[], None] = lambda: None,
) -> Iterator[Hands]:
    """Readers and writers on these members of one cluster; ``act``: where writing goes instead. Closed at the end."""
    options: Mapping[str, str] = {"members": ",".join(urls)} if len(urls) > 1 else {}

    def resolve(name: str) -> Endpoint:
        if name == "alertmanager":
            return Endpoint(name=name, url=urls[0], setting="test", options=dict(options))
        if name == "alertmanager-act" and act:
            return Endpoint(name=name, url=act, setting="test")
        raise NotConfigured(f"no endpoint {name}")

    readers, writers = Readers(resolve), Writers(resolve)
    try:
        yield Hands(
            profile=profile,
            settings=cast(Settings, None),
            readers=readers,
            writers=writers,
            signals=cast(SignalReader, None),
            now=time.time(),
            actor="ana@bastion",
            reason="INC-7",
            run=run,
            check_stop=check_stop,
        )
    finally:
        writers.close()
        readers.close()


def seen_of(groups: list[Some], policy: Policy | None = None, inhibit: str = "", **more: Any) -> Seen:
    """What ``observe`` would have seen of these groups."""
    storm = judged(groups, inhibit=inhibit)
    alerts = tuple(alert for one in groups for alert in one.alerts())
    return Seen(storm, alerts, policy or Policy(), "am:9093", (), "ana@bastion", "INC-7")._replace(**more)


def numbered(proposal: Proposal) -> tuple[Step, ...]:
    """The steps with the numbers that the planner gives them."""
    return tuple(msgspec.structs.replace(step, number=n) for n, step in enumerate(proposal.steps, 1))


def plan_of(proposal: Proposal) -> Plan:
    """A plan, as far as ``verify`` looks at it."""
    now = datetime.now(UTC)
    return Plan(
        opsctl="0", action="alertmanager.silence-symptoms", service="shop", limit=Limit(), pace=Pace(), cap=10,
        proposal=msgspec.structs.replace(proposal, steps=numbered(proposal)), created=now,
        expires=now + timedelta(seconds=300),
    )  # fmt: skip


def proposed(hands: Hands, **params: Any) -> Proposal:
    """A look and its proposal."""
    return propose(observe(hands), SilenceParams(**params))
