"""The lab's clients: real HTTP requests at a bounded rate, with a bounded number in flight.

Each thread has its own connection and its own turn; a thread whose request is slow sends fewer, and never catches up
afterwards. So a slow service sees a queue of at most as many requests as there are threads.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from opsctl.lab.part import Switches
from opsctl.lab.traffic_call import Call, Crowd
from opsctl.lab.traffic_keys import CONSOLE, owner, strangers

SPIKE = 8.5
RUSH = 6.0
MORE = 1.3
QUIET = 0.03  # of the usual requests at quiet hours


def vritti_call(keys: list[str], admin_key: str, switches: Switches) -> Callable[[random.Random], Call]:
    """Requests to Vritti: five endpoints in equal parts."""

    def make(chance: random.Random) -> Call:
        number = chance.randrange(len(keys))
        key, source = keys[number], owner(number, switches)
        if "authentication-errors" in switches and chance.random() < 0.33:
            key = f"expired-{chance.randrange(10)}"
        headers = {"X-API-Key": key, "X-Forwarded-For": source}
        body: dict[str, Any] = {"goal": "deploy the service", "error_trace": "timeout", "episode_type": "failure"}
        if "validation-errors" in switches and chance.random() < 0.33:
            del body["goal"]
        kind = chance.randrange(5)
        if kind == 0:
            return Call("POST", "/api/v1/capture", {**body, "image": chance.random() < 0.2}, headers)
        if kind == 4:
            headers = {"X-Admin-API-Key": admin_key, "X-Forwarded-For": CONSOLE}
            return Call("GET", f"/api/v1/customers/customer-{chance.randrange(8)}", None, headers)
        return Call("POST", ("/api/v1/search", "/api/v1/gate", "/api/v1/reflect")[kind - 1], body, headers)

    return make


def decision_call(users: int, words: int, switches: Switches) -> Callable[[random.Random], Call | None]:
    """Decisions to AMAS."""

    def make(chance: random.Random) -> Call | None:
        user = _user(chance, users, switches)
        body = {"user": user, "word": chance.randrange(words), "quality": chance.random()}
        return None if user is None else Call("POST", "/api/decisions", body)

    return make


def state_call(users: int, switches: Switches) -> Callable[[random.Random], Call | None]:
    """Reads of a user's state from AMAS."""

    def make(chance: random.Random) -> Call | None:
        user = _user(chance, users, switches)
        return None if user is None else Call("GET", f"/api/state/{user}")

    return make


def _user(chance: random.Random, users: int, switches: Switches) -> int | None:
    """Whose request it is: at quiet hours only now and then somebody's, who has not been there before."""
    if "low-traffic" not in switches:
        return chance.randrange(users)
    return users + chance.randrange(10**6) if chance.random() < QUIET else None


def agent_call(chance: random.Random) -> Call:
    """Tasks for INSA's agents."""
    return Call("POST", "/tasks", {"agent": chance.choice(("sales", "support"))})


def question_call(chance: random.Random) -> Call:
    """Searches and chats of AGRO's many users, each a few times a minute."""
    headers = {"X-Forwarded-For": f"10.8.0.{chance.randrange(1, 60)}"}
    word = chance.choice(("install", "configure", "test"))
    if chance.random() < 0.5:
        return Call("GET", f"/api/search?query={word}", None, headers)
    return Call("POST", "/api/chat", {"question": f"how to {word}?", "repo": "lab", "final_k": 5}, headers)


def unclear_call(switches: Switches) -> Callable[[random.Random], Call]:
    """As ``question_call``; while the fault is on, half of the chats have no question."""

    def make(chance: random.Random) -> Call:
        call = question_call(chance)
        if "agro-validation-errors" in switches and call.body is not None and chance.random() < 0.5:
            return call._replace(body={"repo": "lab", "prompt": "how to?"})
        return call

    return make


def run_call(chance: random.Random) -> Call:
    """Runs of Threads' orchestrator."""
    return Call("POST", "/runs", {"persona": chance.choice(("mentor", "critic"))})


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Begin to send; each crowd may be absent from the settings."""
    crowds: list[tuple[str, Crowd]] = []
    if "vritti" in settings:
        one = settings["vritti"]
        make = vritti_call(one["keys"], one["admin_key"], switches)
        crowds.append(("vritti", Crowd(one["port"], 32, 40, make)))
        crowds += [("", crowd) for crowd in strangers(one, switches)]
    if "amas" in settings:
        one = settings["amas"]
        crowds.append(("amas", Crowd(one["port"], 32, 20, decision_call(one["users"], one["words"], switches))))
        crowds.append(("amas", Crowd(one["port"], 16, 8, state_call(one["users"], switches))))
    if "insa" in settings:
        crowds.append(("insa", Crowd(settings["insa"]["port"], 15, 120, agent_call)))
    if "agro" in settings:
        crowds.append(("agro", Crowd(settings["agro"]["port"], 6, 12, unclear_call(switches))))
    if "threads" in settings:
        crowds.append(("threads", Crowd(settings["threads"]["port"], 10, 40, run_call)))

    def change(on: frozenset[str]) -> None:
        for service, crowd in crowds:
            factor = MORE if "distract-traffic" in on else 1.0
            if service == "vritti" and "traffic-spike" in on:
                factor *= SPIKE
            if service == "insa" and "agent-load" in on:
                factor *= RUSH
            crowd.set_factor(factor)

    switches.when_changed(change)
    for _, crowd in crowds:
        crowd.run()
    return {}
