"""Who uses Vritti's keys: their owners, each from an address of their own, and, with a fault, somebody else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from opsctl.lab.part import Switches
from opsctl.lab.traffic_call import Call, Crowd

CONSOLE = "198.51.100.5"  # where administration is usually done from
THIEF, BURGLAR, MOVED = "203.0.113.50", "203.0.113.66", "198.51.100.150"
VICTIM = 3  # the number of the customer whose key it is about


def owner(number: int, switches: Switches) -> str:
    """The address from which a customer works."""
    return MOVED if number == VICTIM and "key-moved" in switches else f"198.51.100.{20 + number}"


def strangers(one: dict[str, Any], switches: Switches) -> Iterator[Crowd]:
    """Clients that let every turn pass until their fault is switched on."""
    keys, admin_key, port = one["keys"], one["admin_key"], one["port"]
    body = {"goal": "deploy the service", "error_trace": "timeout", "episode_type": "failure"}

    def when(fault: str, make: Callable[[random.Random], Call]) -> Callable[[random.Random], Call | None]:
        return lambda chance: make(chance) if fault in switches else None

    def theft(chance: random.Random) -> Call:
        headers = {"X-API-Key": keys[VICTIM], "X-Forwarded-For": THIEF}
        if chance.random() < 0.2:
            return Call("GET", f"/api/v1/episodes/{chance.randrange(10**6)}", None, headers)
        return Call("POST", "/api/v1/reflect", body, headers)

    def burglary(chance: random.Random) -> Call:
        headers = {"X-Admin-API-Key": admin_key, "X-Forwarded-For": BURGLAR}
        customer = f"customer-{chance.randrange(8)}"
        if chance.random() < 0.1:
            return Call("POST", f"/api/v1/customers/{customer}/api-keys", {"name": "backup"}, headers)
        return Call("GET", f"/api/v1/customers/{customer}/api-keys", None, headers)

    def loop(_: random.Random) -> Call:
        headers = {"X-API-Key": keys[VICTIM], "X-Forwarded-For": owner(VICTIM, switches)}
        return Call("POST", "/api/v1/search", body, headers)

    def crowd(chance: random.Random) -> Call:
        number = chance.randrange(len(keys))
        headers = {"X-API-Key": keys[number], "X-Forwarded-For": owner(number, switches)}
        return Call("POST", "/api/v1/reflect", body, headers)

    def freeloader(_: random.Random) -> Call:
        message = {"role": "user", "content": "write a novel " * 100}
        return Call("POST", "/api/v1/chat/completions", {"model": "openai/gpt-4o", "messages": [message]})

    yield Crowd(port, 11, 4, when("stolen-key", theft))
    yield Crowd(port, 5, 2, when("admin-key-stolen", burglary))
    yield Crowd(port, 10, 4, when("customer-loop", loop))
    yield Crowd(port, 14, 6, when("reflect-growth", crowd))
    yield Crowd(one["provider"], 5, 2, when("provider-key-stolen", freeloader))
