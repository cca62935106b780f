"""The proof that a revoked key is refused, at every address of the service (domain-checks.md R6).

A key that was validated is remembered for a while, with its customer's status: until then a revoked key is let in, and
a suspended customer's 403 proves nothing about the key. Only 401 does, everywhere.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from opsctl.actions import customer_keyfile as keyfile
from opsctl.actions.model import Did
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsctl.actions.hands import Hands

ROUNDS = 3  # requests to each address, so that several workers behind it are met
_PAUSE = 0.5


def ttl_of(hands: Hands, given: str) -> float:
    """Seconds for which validated keys are remembered. Raises ValueError."""
    return parse_duration(given or hands.profile.settings.get("key_cache_ttl") or "5m")


def addresses_of(hands: Hands, given: Sequence[str]) -> tuple[str, ...]:
    """Where the service is asked: what was given, else the endpoint ``app``. Raises NotConfigured."""
    return tuple(given) or (hands.readers.endpoint("app").url.rstrip("/"),)


def check_path(hands: Hands) -> str:
    """A path that asks for a key first and does nothing with an empty body."""
    settings = hands.profile.settings
    return settings.get("path.key_check") or settings.get("path.search") or "/"


def ask(hands: Hands, address: str, key: str) -> int | str:
    """The status that a request with this key gets; or in words why none came."""
    from opsctl.clients.http_write import HttpWriter

    endpoint = msgspec.structs.replace(hands.writers.endpoint("app"), url=address)
    writer = HttpWriter(endpoint)
    try:
        header = hands.profile.settings.get("key_header", "X-API-Key")
        return writer.send_json("POST", check_path(hands), {}, timeout=5.0, headers={header: key}).status
    except CouldNotLook as failed:
        return failed.says
    finally:
        writer.close()


def wait(hands: Hands, seconds: float, why: str) -> None:
    """Let time pass; can be stopped. Progress is told now and then."""
    until = time.monotonic() + seconds
    told = 0.0
    while (left := until - time.monotonic()) > 0:
        hands.check_stop()
        if time.monotonic() - told > 15:
            hands.tell(f"{why}: {format_duration(float(round(left)))} left")
            told = time.monotonic()
        time.sleep(min(_PAUSE, left))


def refused(hands: Hands, key_file: str, addresses: Sequence[str], ttl: float) -> Did:
    """Ask with the old key until every address answers 401 and nothing else; at most as long as keys are remembered."""
    try:
        key = keyfile.read(key_file)
    except (OSError, ValueError) as error:
        says = error.strerror if isinstance(error, OSError) else str(error)
        return Did(state="failed", says=f"the old key could not be read from {key_file}: {says}")
    until = time.monotonic() + ttl + 2 * _PAUSE
    while True:
        seen = {address: Counter(ask(hands, address, key) for _ in range(ROUNDS)) for address in addresses}
        if all(set(counts) == {401} for counts in seen.values()):
            where = f"{len(addresses)} addresses" if len(addresses) > 1 else addresses[0]
            return Did(state="acted", says=f"the old key is refused with 401 at {where}, {ROUNDS} times each")
        if time.monotonic() > until:
            return Did(state="failed", says=_told(seen, ttl))
        hands.tell(f"{_told(seen, ttl)}; asked again")
        wait(hands, max(_PAUSE, min(5.0, ttl / 10)), "the old key is still remembered")


def accepted(hands: Hands, key_file: str, addresses: Sequence[str]) -> Did:
    """Whether the new key is let in everywhere, and its file is still its owner's alone."""
    from pathlib import Path

    if keyfile.state_of(Path(key_file)) != "full":
        return Did(state="failed", says=f"{key_file} does not hold a key with mode 0600")
    try:
        key = keyfile.read(key_file)
    except (OSError, ValueError):
        return Did(state="failed", says=f"{key_file} does not hold one key")
    seen = {address: ask(hands, address, key) for address in addresses}
    bad = {address: status for address, status in seen.items() if status in (401, 403) or isinstance(status, str)}
    if bad:
        says = ", ".join(f"{address}: {status}" for address, status in bad.items())
        return Did(state="failed", says=f"the new key is not let in ({says})")
    says = f"the new key is let in; give {key_file} to the owner, by another way than the one that leaked"
    return Did(state="acted", says=says, after={"file": key_file})


def _told(seen: dict[str, Counter[int | str]], ttl: float) -> str:
    odd = next((address, counts) for address, counts in seen.items() if set(counts) != {401})
    address, counts = odd
    statuses = [status for status in counts if status != 401]
    if 403 in statuses:
        return f"{address} answers 403: the customer is shut out, which does not prove that the key is"
    if any(isinstance(status, str) or status == 429 or status >= 500 for status in statuses):
        return f"{address} does not tell: {', '.join(map(str, statuses))[:120]}"
    known = format_duration(ttl)
    return f"{address} lets the old key in ({', '.join(map(str, statuses))}); keys are remembered for {known}"
