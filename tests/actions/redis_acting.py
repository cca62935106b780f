"""Hands for trying a Redis action by itself, as the engine would hand them over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from opsctl.actions.hands import Hands
from opsctl.actions.model import Plan, Proposal, Step
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.config.settings import Settings
from opsctl.errors import NotConfigured
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader

PROFILE = Profile(service="amas", cache={"decision_insight:": "300s", "page:": "60s", "USER_STATE": "1800s"})


@contextmanager
def hands_on(
    url: str, *, act: str = "", profile: Profile = PROFILE, check_stop: Callable[[], None] = lambda: None
) -> Iterator[Hands]:
    """Readers and writers on this Redis; ``act``: another address for acting. Closed at the end."""
    urls: Mapping[str, str] = {"redis": url, **({"redis-act": act} if act else {})}

    def resolve(name: str) -> Endpoint:
        if name not in urls:
            raise NotConfigured(f"no endpoint {name}")
        return Endpoint(name=name, url=urls[name], setting=f"test {name}")

    readers, writers = Readers(resolve), Writers(resolve)
    try:
        yield Hands(
            profile=profile,
            settings=cast(Settings, None),
            readers=readers,
            writers=writers,
            signals=cast(SignalReader, None),
            now=time.time(),
            check_stop=check_stop,
        )
    finally:
        writers.close()
        readers.close()


def numbered(proposal: Proposal) -> Step:
    """The only step, with the number that the planner gives it."""
    import msgspec

    (step,) = proposal.steps
    return msgspec.structs.replace(step, number=1)


def plan_of(step: Step, proposal: Proposal) -> Plan:
    """A plan with that step, as far as ``verify`` looks at it."""
    import msgspec

    from opsctl.actions.model import Limit, Pace

    now = datetime.now(UTC)
    return Plan(
        opsctl="0", action="redis.invalidate-prefix", service="amas", limit=Limit(), pace=Pace(), cap=1,
        proposal=msgspec.structs.replace(proposal, steps=(step,)), created=now, expires=now + timedelta(seconds=300),
    )  # fmt: skip


def digest(client: Any, but: bytes = b"\0none") -> dict[bytes, tuple[bytes, bool]]:
    """Every key that does not begin with ``but``, with its value as DUMP gives it and whether it expires."""
    return {
        key: (client.dump(key), client.pttl(key) >= 0)
        for key in client.scan_iter(count=1000)
        if not key.startswith(but)
    }
