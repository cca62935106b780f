"""Whether a unit serves again: its supervisor's word for it, and the endpoint of the profile that tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from opsctl.actions.service_units import Unit, unit_at
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.services.model import Profile

_ANSWER = 3.0  # seconds for one answer
_EVERY = 0.5  # seconds between two looks, growing
_MOST = 5.0


class Ready(NamedTuple):
    """``ok`` None: nothing tells."""

    ok: bool | None
    says: str


def endpoint_of(profile: Profile, name: str) -> str:
    """The endpoint that tells whether the adapter's unit serves; "" where none does."""
    adapter = profile.adapters.get(name)
    if adapter is not None and adapter.endpoint:
        return adapter.endpoint
    asked = ("readiness", "health", "app") if name == "app" else (name,)
    return next((one for one in asked if one in profile.endpoints), "")


def look(hands: Hands, endpoint: str) -> Ready:
    """Ask once. A refused connection and a 503 are answers: not ready."""
    if not endpoint:
        return Ready(None, "no endpoint of the profile tells whether it serves")
    spec = hands.profile.endpoints.get(endpoint)
    try:
        if spec is not None and spec.kind == "kyrodb":
            health = hands.readers.kyrodb(endpoint).health(timeout=_ANSWER)
            return Ready(True, f"{endpoint} answers: {health.status}, up {health.uptime_seconds} s")
        reader = hands.readers.http(endpoint)
        answer = reader.get(timeout=_ANSWER, accept=None, max_bytes=2**20)
    except CouldNotLook as failed:
        if failed.reason in ("refused", "timeout", "closed", "server-error"):
            return Ready(False, failed.says)
        return Ready(None, failed.says)
    return Ready(answer.status < 300, f"{endpoint} answers HTTP {answer.status}")


def wait_for(ask: Callable[[], Ready], seconds: float, check: Callable[[], None] = lambda: None) -> Ready:
    """Ask until it is ready or the time is over; the last answer. ``check`` may raise to end the waiting."""
    end, pause = time.monotonic() + seconds, _EVERY
    while True:
        told = ask()
        if told.ok or time.monotonic() + pause > end:
            return told
        check()
        time.sleep(pause)
        pause = min(_MOST, pause * 1.3)


def serves(hands: Hands, name: str, key: str, before: Unit | None = None) -> Ready:
    """Whether the unit runs, as another run than ``before``, and its endpoint answers well."""
    try:
        unit = unit_at(hands, name, key)
    except CouldNotLook as failed:
        return Ready(None, failed.says)
    if unit is None:
        return Ready(False, "its supervisor does not know it any more")
    if unit.word not in ("running", "unknown"):
        return Ready(False, f"{unit.id}: {unit.says}")
    if before is not None and unit.pin and unit.pin == before.pin:
        return Ready(False, f"{unit.id} is still the same run: {unit.says}")
    told = look(hands, endpoint_of(hands.profile, name))
    if told.ok is None and unit.word == "running":
        return Ready(True, f"{unit.id}: {unit.says}; {told.says}")
    return Ready(told.ok, f"{unit.id}: {unit.says}; {told.says}")
