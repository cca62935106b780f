"""Hands for trying a Kubernetes action by itself in a test's namespace, as the engine would hand them over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec

from opsctl.actions.hands import Hands
from opsctl.actions.model import Did, Limit, Pace, Plan, Proposal, Step, Verified
from opsctl.actions.registry import Action, get
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.config.settings import Settings
from opsctl.errors import NotConfigured
from opsctl.services.model import Kubernetes, Profile, Workload
from opsctl.signals.reader import SignalReader
from tests.servers.kube import Kube


@contextmanager
def hands_on(
    kube: Kube,
    namespace: str,
    *,
    act: Path | None = None,
    workloads: tuple[str, ...] = ("api",),
    settings: Mapping[str, str] | None = None,
    postgres: str = "",
    told: list[str] | None = None,
    check_stop: Callable[[], None] = lambda: None,
) -> Iterator[Hands]:
    """Look as admin, act as admin or by the kubeconfig ``act``; ``told``: takes the progress lines."""
    urls = {"kubernetes": str(kube.admin), "kubernetes-act": str(act or kube.admin)}
    urls |= {"postgres": postgres} if postgres else {}

    def resolve(name: str) -> Endpoint:
        if name not in urls:
            raise NotConfigured(f"no endpoint {name}")
        return Endpoint(name=name, url=urls[name], setting=f"test {name}")

    profile = Profile(
        service="shop",
        kubernetes=Kubernetes(namespace=namespace, workloads={name: Workload(name=name) for name in workloads}),
        settings=dict(settings or {}),
    )
    readers, writers = Readers(resolve), Writers(resolve)
    lines: list[str] = [] if told is None else told
    try:
        yield Hands(
            profile=profile,
            settings=cast(Settings, None),
            readers=readers,
            writers=writers,
            signals=cast(SignalReader, None),
            now=time.time(),
            check_stop=check_stop,
            tell=lines.append,
        )
    finally:
        writers.close()
        readers.close()


def action(id: str) -> Action:
    """The action ``kubernetes.ID``."""
    found = get(f"kubernetes.{id}")
    assert found is not None
    return found


def proposed(id: str, hands: Hands, **params: Any) -> Proposal:
    """Observe and propose, as the planner does; steps are numbered, and all of it must travel as JSON."""
    found = action(id)
    typed = msgspec.convert(params, found.params, strict=False)
    proposal = found.propose(found.observe(hands, typed), typed)
    steps = tuple(msgspec.structs.replace(step, number=n) for n, step in enumerate(proposal.steps, 1))
    proposal = msgspec.structs.replace(proposal, steps=steps)
    assert msgspec.json.decode(msgspec.json.encode(proposal), type=Proposal) == proposal
    assert bool(found.undo) or not proposal.undo, "what cannot be undone promises nothing"
    assert not proposal.undo or not proposal.lost
    return proposal


def step_of(proposal: Proposal) -> Step:
    """The only step of a proposal whose preconditions all hold."""
    assert [f"{check.id}: {check.says}" for check in proposal.checks if check.ok is not True] == []
    (step,) = proposal.steps
    return step


def refused(proposal: Proposal) -> dict[str, str]:
    """Preconditions that do not hold: id -> sentence, with the flag that lifts it."""
    return {c.id: f"{c.says} {c.lift}".strip() for c in proposal.checks if c.ok is not True}


def applied(id: str, hands: Hands, step: Step) -> Did:
    """Apply one step; what came of it must travel as JSON."""
    did = action(id).apply(hands, step)
    assert msgspec.json.decode(msgspec.json.encode(did), type=Did) == did
    assert did.inverse is None or did.state == "acted"
    return did


def undone(id: str, hands: Hands, step: Step, did: Did) -> Did:
    """Undo one step with what its act left."""
    undo = action(id).undo
    assert undo is not None
    assert did.inverse is not None
    return undo(hands, step, did.inverse)


def verified(id: str, hands: Hands, proposal: Proposal, timeout: float = 30.0) -> Verified:
    """Look until the effect is there, or the last look."""
    now = datetime.now(UTC)
    plan = Plan(
        opsctl="0", action=f"kubernetes.{id}", service="shop", proposal=proposal, limit=Limit(), pace=Pace(), cap=1,
        created=now, expires=now + timedelta(seconds=300),
    )  # fmt: skip
    until = time.monotonic() + timeout
    while True:
        told = action(id).verify(hands, plan, tuple(step.number for step in proposal.steps))
        if told.ok or time.monotonic() > until:
            return told
        time.sleep(0.1)


def version(kube: Kube, path: str) -> str:
    """An object's resourceVersion, once nothing changes it any more."""
    seen = ""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        now = str(kube.call("GET", path)["metadata"]["resourceVersion"])
        if now == seen:
            return now
        seen = now
        time.sleep(0.3)
    raise TimeoutError(f"{path} does not come to rest")
