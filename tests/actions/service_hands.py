"""What actions on units are given in tests, and one whole course: observe, propose, apply every step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from opsctl.actions.hands import Hands
from opsctl.actions.model import Did, Plan, Proposal
from opsctl.actions.registry import Action
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.errors import NotConfigured
from opsctl.services.model import Adapter, EndpointSpec, Profile
from tests.fakes.endpoints import endpoint


def hands_for(
    adapters: Mapping[str, Adapter],
    environ: Mapping[str, str],
    urls: Mapping[str, tuple[str, str]] | None = None,
) -> Hands:
    """``urls``: endpoint name -> (kind, URL)."""
    urls = urls or {}
    specs = {name: EndpointSpec(kind=kind) for name, (kind, _) in urls.items() if name != "canary"}
    profile = Profile(service="shop", endpoints=specs, adapters=dict(adapters))

    def resolve(name: str) -> Endpoint:
        if name not in urls:
            raise NotConfigured(f"no endpoint {name}")
        return endpoint(urls[name][1], name=name)

    return Hands(
        profile=profile,
        settings=cast(Any, SimpleNamespace(environ=dict(environ))),
        readers=Readers(resolve),
        writers=Writers(resolve),
        signals=cast(Any, None),
        now=time.time(),
    )


def proposed(action: Action, hands: Hands, **given: Any) -> Proposal:
    """What the action proposes, its steps numbered as the planner does."""
    params = msgspec.convert(given, action.params)
    proposal = action.propose(action.observe(hands, params), params)
    steps = tuple(msgspec.structs.replace(step, number=at) for at, step in enumerate(proposal.steps, 1))
    # a plan is written to a file and read back before it is applied
    written = msgspec.json.encode(msgspec.structs.replace(proposal, steps=steps))
    return msgspec.json.decode(written, type=Proposal)


def done(action: Action, hands: Hands, **given: Any) -> tuple[Proposal, list[Did]]:
    """The proposal, and what came of each step."""
    proposal = proposed(action, hands, **given)
    return proposal, [action.apply(hands, step) for step in proposal.steps]


def plan_of(action: Action, proposal: Proposal) -> Plan:
    """A plan of it, as ``verify`` gets one."""
    now = datetime.now(UTC)
    return Plan(
        opsctl="0",
        action=action.id,
        service="shop",
        proposal=proposal,
        limit=action.limit,
        pace=action.pace,
        cap=1,
        created=now,
        expires=now + timedelta(minutes=5),
    )
