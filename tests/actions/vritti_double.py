"""The lab's Vritti with its administration, in this process, over real HTTP; and hands on it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from opsctl.actions.hands import Hands
from opsctl.actions.model import Did, Proposal, Step
from opsctl.actions.registry import Action
from opsctl.clients.readers import Readers
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint, HttpAccess
from opsctl.config.places import built_in
from opsctl.config.settings import Settings
from opsctl.errors import NotConfigured
from opsctl.lab.identity import HOST, free_ports
from opsctl.lab.part import Switches
from opsctl.lab.plan import RELEASE
from opsctl.lab.vritti_admin import Admin
from opsctl.lab.vritti_app import App
from opsctl.lab.vritti_customers import key_id_of
from opsctl.lab.web import Server, serve
from opsctl.services.load import load_profile
from opsctl.services.model import LogFile
from opsctl.signals.reader import SignalReader

ADMIN_KEY = "admin-secret-for-tests"
OLD_KEY = "key-3-that-leaked"
KEYS = {OLD_KEY: "customer-3", "key-4-of-another": "customer-4"}
OLD_ID = key_id_of(OLD_KEY)
TTL = 0.4  # seconds for which the double remembers a validated key


class Vritti:
    """One double with its folder."""

    def __init__(self, folder: Path, *, budget_route: str = "works", keys_routes: bool = True) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self.url = f"http://{HOST}:{self.port}"
        self.log = folder / "app.log"
        settings = {
            "release": RELEASE,
            "started": time.time(),
            "admin_key": ADMIN_KEY,
            "keys": KEYS,
            "customers": str(folder / "customers.json"),
            "key_cache": TTL,
            "log": str(self.log),
            "kyrodb": {"text": self.port, "image": self.port},
            "provider": self.port,
        }
        self.app = App(settings, Switches())
        routes = {("POST", "/api/v1/search"): self.app.handler("search"), **Admin(self.app, budget_route).routes()}
        if not keys_routes:
            routes = {key: route for key, route in routes.items() if not key[1].endswith("...")}
        self.server: Server = serve(self.port, routes)

    def use(self, key: str, source: str = "198.51.100.23") -> int:
        """One request with that key, without a body that could be worked on; its status."""
        import http.client

        link = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            link.request("POST", "/api/v1/search", "{}", {"X-API-Key": key, "X-Forwarded-For": source})
            answer = link.getresponse()
            answer.read()
            return answer.status
        finally:
            link.close()

    def past_use(self, key_id: str, source: str, times: int, ago: float = 60.0) -> None:
        """Lines of the log as that key's requests of a while ago left them."""
        with self.log.open("a") as file:
            for _ in range(times):
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))
                line = {"timestamp": stamp, "level": "info", "event": "request_completed", "customer_id": "customer-3",
                        "key_id": key_id, "method": "POST", "path": "/api/v1/search", "status_code": 200,
                        "client_host": source}  # fmt: skip
                file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self.server.hang_up()
        self.server.socket.close()
        threading.Thread(target=self.server.shutdown, daemon=True).start()  # it takes up to half a second


@contextmanager
def vritti(folder: Path, **how: Any) -> Iterator[Vritti]:
    double = Vritti(folder, **how)
    try:
        yield double
    finally:
        double.close()


@contextmanager
def hands_on(
    double: Vritti,
    *,
    admin_key: str = ADMIN_KEY,
    settings: Mapping[str, str] | None = None,
    signals: Any = None,
    check_stop: Callable[[], None] = lambda: None,
) -> Iterator[Hands]:
    """Hands as the engine gives them, for the double."""
    profile = load_profile("vritti", [built_in()])
    profile = msgspec.structs.replace(
        profile,
        logs={"app": LogFile(path=str(double.log), format="json")},
        settings={**profile.settings, "key_cache_ttl": f"{TTL}s", **(settings or {})},
    )
    headers = (("X-Admin-API-Key", admin_key),) if admin_key else ()

    def resolve(name: str) -> Endpoint:
        if name == "admin":
            return Endpoint(name=name, url=f"{double.url}/admin", setting="test", http=HttpAccess(headers=headers))
        if name == "app":
            return Endpoint(name=name, url=double.url, setting="test")
        raise NotConfigured(f"no endpoint {name}")

    readers, writers = Readers(resolve), Writers(resolve)
    environ = {"XDG_STATE_HOME": str(double.folder / "state"), "HOME": str(double.folder), "PATH": "/usr/bin:/bin"}
    hands = Hands(
        profile=profile,
        settings=cast(Settings, SimpleNamespace(environ=environ, context="")),
        readers=readers,
        writers=writers,
        signals=cast(SignalReader, signals),
        now=time.time(),
        actor="ana",
        run="RUN",
        check_stop=check_stop,
    )
    try:
        yield hands
    finally:
        writers.close()
        readers.close()


def propose(action: Action, hands: Hands, **given: Any) -> Proposal:
    """What the action proposes now."""
    params = msgspec.convert(given, action.params)
    return action.propose(action.observe(replace(hands, now=time.time()), params), params)


def numbered(proposal: Proposal) -> tuple[Step, ...]:
    return tuple(msgspec.structs.replace(step, number=n) for n, step in enumerate(proposal.steps, 1))


def kinds(proposal: Proposal) -> list[str]:
    return [step.before["kind"] for step in proposal.steps]


def run(action: Action, hands: Hands, steps: tuple[Step, ...]) -> dict[str, Did]:
    """Apply the steps in order, as the engine does, until one fails; kind -> what came of it."""
    done: dict[str, Did] = {}
    for step in steps:
        did = done[step.before["kind"]] = action.apply(hands, step)
        if did.state in ("failed", "unknown"):
            break
    return done


def refused(proposal: Proposal) -> dict[str, str]:
    """Checks that do not hold: id -> lift."""
    return {check.id: check.lift for check in proposal.checks if check.ok is not True}
