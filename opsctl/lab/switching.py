"""What is switched on in a stack: faults in the parts, parts that are stopped or frozen, deployments, distractors."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from opsctl.lab import files, storm
from opsctl.lab.alert import ALERTS, send
from opsctl.lab.faults import fault
from opsctl.lab.plan import AGE, RELEASE
from opsctl.lab.servers import NotStarted
from opsctl.lab.stack import Stack
from opsctl.lab.state import absent, write

NEW = "2.4.0"
LONG = 3600.0  # seconds: longer than anybody waits

# Fault -> the part that it stops, restarts or freezes; fault -> (service, what its new release does).
STOPS: Mapping[str, tuple[str, ...]] = {
    "database-down": ("postgres",),
    "redis-down": ("redis",),
    "prometheus-down": ("prometheus",),
    "alertmanager-unreachable": ("alertmanager",),
    "vritti-stopped": ("vritti",),
    "amas-stopped": ("amas",),
    "agro-stopped": ("agro",),
    "insa-stopped": ("insa",),
    "kyrodb-stopped": ("kyrodb-text",),
    "kyrodb-both-stopped": ("kyrodb-text", "kyrodb-image"),
}
RESTARTS = {"redis-restarted": "redis"}  # once, as they are broken: what was only in memory is lost
FREEZES = {"vritti-frozen": "vritti", "amas-frozen": "amas", "kyrodb-frozen": "kyrodb-text"}
WITHIN = {"kyrodb-circuit-stuck": "vritti", "memory-pressure": "amas"}  # a state inside a process: it ends with that
DEPLOYS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "bad-deploy": ("vritti", {"version": NEW, "slower": 0.08}),
    "bad-deploy-errors": ("vritti", {"version": NEW, "failing": 0.25}),
    "vritti-starting": ("vritti", {"loading": LONG}),
    "agro-bad-deploy": ("agro", {"version": NEW, "failing": 0.25}),
}


def _stopped(faults: frozenset[str]) -> set[str]:
    """The parts that these faults stop."""
    return {part for name in faults for part in STOPS.get(name, ())}


class Switchboard:
    """Breaks and heals one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._alerts: dict[str, threading.Event] = {}

    def switch(self, on: frozenset[str]) -> list[str]:
        """Switch to exactly these faults and distractors; returns what could not be done."""
        stack = self._stack
        with stack.lock:
            before = frozenset(stack.lab.on)
            stack.lab.on = sorted(on)
            write(stack.lab)
            troubles: list[str] = []
            gone, come = before - on, on - before
            for name, part in FREEZES.items():
                if name in gone:
                    stack.children[part].freeze(False)
            for part in _stopped(gone) - _stopped(on):
                troubles += self.start_part(part)
            for name, part in RESTARTS.items():
                if name in come and part not in _stopped(on):
                    self.stop_part(part)
                    troubles += self.start_part(part)
            for service in {DEPLOYS[name][0] for name in before ^ on if name in DEPLOYS}:
                troubles += self._deploy(service, on)
            for child in stack.children.values():
                if child.frozen or (part_of := stack.part(child.name)) is None or part_of.state == "stopped":
                    continue
                trouble = child.switch(on)
                troubles += [trouble] if trouble else []
            if stack.kube is not None and (before ^ on):
                troubles += stack.kube.switch(on)
            self._configure(before, on)
            for part in _stopped(come):
                self.stop_part(part)
            for name, part in FREEZES.items():
                if name in come:
                    stack.children[part].freeze(True)
            self._distract(on)
            return troubles

    def missing(self, id: str) -> list[str]:
        """Parts that this fault needs and that are absent here, each with the reason."""
        found = fault(id)
        needs = (*found.needs, found.service) if found is not None else ()
        needs += ("alertmanager",) if id == "distract-alert" else ()
        return absent(self._stack.lab.parts, needs)

    def _deploy(self, service: str, on: frozenset[str]) -> list[str]:
        """Restart a service: as the new release that the faults describe, or as the old one."""
        child = self._stack.children[service]
        releases = [more for name, (whose, more) in DEPLOYS.items() if name in on and whose == service]
        release = dict(RELEASE)
        for more in releases:
            release |= more
        child.settings["release"] = release
        child.settings["started"] = time.time() - (0.0 if releases else AGE)
        child.stop()
        return self._start_child(service, on)

    def _start_child(self, name: str, on: frozenset[str]) -> list[str]:
        stack = self._stack
        part = stack.part(name)
        assert part is not None
        try:
            identity, told = stack.children[name].start(on)
        except NotStarted as error:
            part.state = "ended"
            return [str(error)]
        part.version = str(told.get("version", ""))
        stack.up(part, identity)
        return []

    def stop_part(self, name: str) -> None:
        """Stop one real server or one service; it stays stopped until it is started again."""
        stack = self._stack
        with stack.lock:
            part = stack.part(name)
            one = stack.servers.get(name) or stack.children.get(name)
            if one is not None and part is not None:
                part.state = "stopped"
                one.stop()
                write(stack.lab)

    def start_by_hand(self, name: str, *, again: bool = False) -> list[str]:
        """Start a part, or (``again``) restart it, as an operator does; returns what went wrong.

        The faults that lay in its process alone are over with that.
        """
        stack = self._stack
        with stack.lock:
            if again:
                self.stop_part(name)
            child = stack.children.get(name)
            if child is not None and not child.is_running() and "started" in child.settings:
                child.settings["started"] = time.time()
            down = {part.name for part in stack.lab.parts if part.state != "up"} - {name}
            over = {fault for fault, parts in STOPS.items() if name in parts and not down & set(parts)}
            over |= {fault for fault, part in (*FREEZES.items(), *WITHIN.items()) if part == name}
            stack.lab.on = [fault for fault in stack.lab.on if fault not in over]
            write(stack.lab)
            return self.start_part(name)

    def start_part(self, name: str) -> list[str]:
        """Start what was stopped again; returns what went wrong."""
        stack = self._stack
        with stack.lock:
            part = stack.part(name)
            if part is None:
                return []
            if name in stack.children:
                return [] if stack.children[name].is_running() else self._start_child(name, frozenset(stack.lab.on))
            if name not in stack.servers or stack.servers[name].is_running():
                return []
            try:
                stack.up(part, stack.servers[name].start(30.0))
            except NotStarted as error:
                part.state = "ended"
                return [str(error)]
            return []

    def _configure(self, before: frozenset[str], on: frozenset[str]) -> None:
        """Prometheus' configuration with or without what is wrong with it; it reads it again when told to."""
        stack = self._stack
        if (before ^ on) & files.CONFIGURED.keys():
            there = "alertmanager" in stack.servers
            files.prometheus_files(stack.folder, stack.ports, stack.services, alertmanager=there, on=on)
            stack.reload("prometheus")

    def _distract(self, on: frozenset[str]) -> None:
        """Keep the alerts firing that are switched on, and let go of the others."""
        for name in ALERTS:
            if name in on and name not in self._alerts:
                self._alerts[name] = threading.Event()
                threading.Thread(target=self._keep, args=(name, self._alerts[name]), daemon=True).start()
            elif name not in on and name in self._alerts:
                self._alerts.pop(name).set()
        for name in storm.SENT:
            if name in on and name not in self._alerts:
                self._alerts[name] = threading.Event()
                threading.Thread(target=self._keep_storm, args=(name, self._alerts[name]), daemon=True).start()
            elif name not in on and name in self._alerts:
                self._alerts.pop(name).set()

    def _keep_storm(self, name: str, ended: threading.Event) -> None:
        port, began = self._stack.ports.alertmanager, datetime.now(UTC)
        while not ended.is_set():
            storm.send(port, name, began, firing=True)
            ended.wait(10)
        storm.send(port, name, began, firing=False)

    def _keep(self, name: str, ended: threading.Event) -> None:
        port = self._stack.ports.alertmanager
        while not ended.is_set():
            send(port, ALERTS[name], firing=True)
            ended.wait(10)
        send(port, ALERTS[name], firing=False)
