"""The canary after a restart: capture an episode of the canary's own customer and find it again (VRI-19, B-45).

Only where a canary is configured: it writes, costs credits, and must never touch a customer's memory. Its key is the
endpoint ``canary`` of the context: the service's address with the canary's own key in its headers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from opsctl.actions.service_ready import Ready
from opsctl.errors import CouldNotLook, NotConfigured

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands

_FOUND = 10.0  # seconds until what was written must be found


class Canary(NamedTuple):
    """``customer`` "": none is configured."""

    customer: str
    says: str


def canary_of(hands: Hands) -> Canary:
    """The canary, where the context gives it an endpoint with its own key."""
    try:
        hands.writers.endpoint("canary")
    except NotConfigured:
        return Canary("", "no canary is configured (endpoint canary): capture and search are not tried")
    customer = hands.profile.settings.get("canary_customer", "") or "canary"
    return Canary(customer, f"the customer {customer} captures one episode and searches for it")


def prove(hands: Hands, canary: Canary) -> Ready:
    """Capture, then search until it is found. ``ok`` None: there is no canary."""
    import secrets

    if not canary.customer:
        return Ready(None, canary.says)
    settings, writer = hands.profile.settings, hands.writers.http("canary")
    marker = f"opsctl canary {secrets.token_hex(8)}"
    episode = {"goal": marker, "error_trace": "none", "episode_type": "success", "tags": ["opsctl-canary"]}
    try:
        wrote = writer.send_json("POST", settings.get("path.capture", "/api/v1/capture"), episode)
        if wrote.status >= 300:
            return Ready(False, f"the canary's capture was answered with HTTP {wrote.status}")
        end = time.monotonic() + _FOUND
        while True:
            path = settings.get("path.search", "/api/v1/search")
            found = writer.send_json("POST", path, {"goal": marker, "query": marker, "k": 3}, timeout=5.0)
            if found.status < 300 and marker.encode() in found.body:
                return Ready(True, "the canary's episode was captured and found")
            if time.monotonic() > end:
                said = f"HTTP {found.status}" if found.status >= 300 else "without it"
                return Ready(False, f"the canary's episode is not found within {_FOUND:g} s ({said})")
            time.sleep(1.0)
    except CouldNotLook as failed:
        return Ready(False, f"the canary: {failed.says}")
