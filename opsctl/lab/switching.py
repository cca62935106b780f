"""What is switched on in a stack: faults in the parts, servers that are stopped, deployments, distractors."""

from __future__ import annotations

import threading
import time

from opsctl.lab.faults import fault
from opsctl.lab.servers import NotStarted
from opsctl.lab.stack import AGE, RELEASE, Stack
from opsctl.lab.state import write

NEW = "2.4.0"
SLOWER = 0.08  # seconds on each request of the bad deployment
FAILING = 0.25  # of all requests
DEPLOYMENTS = frozenset({"bad-deploy", "bad-deploy-errors"})
STOPS = {"database-down": "postgres", "redis-down": "redis"}


class Switchboard:
    """Breaks and heals one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._alert: threading.Event | None = None

    def switch(self, on: frozenset[str]) -> list[str]:
        """Switch to exactly these faults and distractors; returns what could not be done."""
        stack = self._stack
        with stack.lock:
            before = frozenset(stack.lab.on)
            stack.lab.on = sorted(on)
            write(stack.lab)
            troubles: list[str] = []
            for name, part in STOPS.items():
                if name in before - on:
                    troubles += self.start_server(part)
            if (before ^ on) & DEPLOYMENTS:
                troubles += self._deploy(on)
            for child in stack.children.values():
                trouble = child.switch(on)
                troubles += [trouble] if trouble else []
            for name, part in STOPS.items():
                if name in on - before:
                    self.stop_server(part)
            self._distract(on)
            return troubles

    def missing(self, id: str) -> list[str]:
        """Parts that this fault needs and that are absent here."""
        found = fault(id)
        needs = (*found.needs, found.service) if found is not None else ()
        absent = [n for n in needs if (part := self._stack.part(n)) is None or part.state == "absent"]
        return absent + (
            ["alertmanager"] if id == "distract-alert" and "alertmanager" not in self._stack.servers else []
        )

    def _deploy(self, on: frozenset[str]) -> list[str]:
        """Restart Vritti: as the new version that the faults describe, or as the old one."""
        stack = self._stack
        child, part = stack.children["vritti"], stack.part("vritti")
        assert part is not None
        new = bool(on & DEPLOYMENTS)
        slower = SLOWER if "bad-deploy" in on else 0.0
        failing = FAILING if "bad-deploy-errors" in on else 0.0
        child.settings["release"] = {"version": NEW, "slower": slower, "failing": failing} if new else RELEASE
        child.settings["started"] = time.time() - (0.0 if new else AGE)
        child.stop()
        try:
            identity, told = child.start(on)
        except NotStarted as error:
            part.state = "ended"
            return [str(error)]
        part.version = str(told.get("version", ""))
        stack.up(part, identity)
        return []

    def stop_server(self, name: str) -> None:
        """Stop one real server; it stays stopped until it is started again."""
        stack = self._stack
        with stack.lock:
            part = stack.part(name)
            if name in stack.servers and part is not None:
                stack.servers[name].stop()
                part.state = "stopped"
                write(stack.lab)

    def start_server(self, name: str) -> list[str]:
        """Start a stopped real server again; returns what went wrong."""
        stack = self._stack
        with stack.lock:
            part = stack.part(name)
            if name not in stack.servers or part is None or stack.servers[name].is_running():
                return []
            try:
                stack.up(part, stack.servers[name].start(30.0))
            except NotStarted as error:
                part.state = "ended"
                return [str(error)]
            return []

    def _distract(self, on: frozenset[str]) -> None:
        if "distract-alert" in on and self._alert is None:
            self._alert = threading.Event()
            threading.Thread(target=self._keep_alert, args=(self._alert,), daemon=True).start()
        elif "distract-alert" not in on and self._alert is not None:
            self._alert.set()
            self._alert = None

    def _keep_alert(self, ended: threading.Event) -> None:
        from opsctl.lab.alert import send

        port = self._stack.ports.alertmanager
        while not ended.is_set():
            send(port, firing=True)
            ended.wait(10)
        send(port, firing=False)
