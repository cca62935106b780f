"""A server with everything that must not be touched, and hands that act on it as a role that may signal and no more."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from opsctl.actions import registry
from opsctl.actions.hands import Hands
from opsctl.actions.model import Did, Limit, Pace, Plan, Proposal, Step
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.config.settings import Settings
from opsctl.errors import NotConfigured
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader
from tests.servers.postgres import Postgres

ACT = "opsctl_act"


def act_role(postgres: Postgres) -> str:
    """The URL of a role that sees all sessions and may signal those of others."""
    if not postgres.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{ACT}'"):
        postgres.sql(f"CREATE ROLE {ACT} LOGIN IN ROLE pg_monitor, pg_signal_backend")
    return postgres.dsn(ACT)


@contextmanager
def hands_on(endpoints: Mapping[str, str], profile: Profile | None = None, **more: Any) -> Iterator[Hands]:
    """Hands with these endpoints (name -> URL); all clients are closed at the end."""

    def resolve(name: str) -> Endpoint:
        if name not in endpoints:
            raise NotConfigured(f"no endpoint {name}")
        return Endpoint(name=name, url=endpoints[name], setting=f"test {name}")

    readers, writers = Readers(resolve), Writers(resolve)
    try:
        yield Hands(
            profile=profile or Profile(service="shop"),
            settings=cast(Settings, SimpleNamespace()),
            readers=readers,
            writers=writers,
            signals=cast(SignalReader, None),
            now=time.time(),
            **more,
        )
    finally:
        readers.close()
        writers.close()


def proposed(hands: Hands, action: str, **params: Any) -> Proposal:
    """What the action would do now, its steps numbered, held to the rules of plans: plain JSON, no secret."""
    found = registry.get(action)
    assert found is not None
    given = msgspec.convert(params, found.params)
    proposal = found.propose(found.observe(hands, given), given)
    assert msgspec.json.decode(msgspec.json.encode(proposal), type=Proposal) == proposal
    assert proposal.undo or proposal.lost
    steps = tuple(msgspec.structs.replace(step, number=n) for n, step in enumerate(proposal.steps, 1))
    return msgspec.structs.replace(proposal, steps=steps)


def applied(hands: Hands, action: str, step: Step) -> Did:
    """One act."""
    found = registry.get(action)
    assert found is not None
    return found.apply(hands, step)


def plan_of(action: str, proposal: Proposal) -> Plan:
    """Just enough of a plan for an action's own verification."""
    now = time.time()
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(now, UTC)
    return Plan(opsctl="test", action=action, service="shop", proposal=proposal, limit=Limit(), pace=Pace(),
                cap=len(proposal.steps), created=moment, expires=moment)  # fmt: skip


def refused(proposal: Proposal) -> list[str]:
    """The checks that do not hold."""
    return [check.id for check in proposal.checks if check.ok is not True]


def whys(proposal: Proposal) -> dict[str, str]:
    """Excluded id -> reason."""
    return {one.id: one.why for one in proposal.excluded}
