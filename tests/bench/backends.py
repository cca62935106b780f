"""Every kind of backend, real where it can be, for one diagnosis that asks them all."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers import process, programs
from tests.servers.slow import Slow, start_slow

DELAY = 0.2
RUNBOOK = "ten-looks"


class Backends(NamedTuple):
    """``folder`` holds the runbook and profile; ``looks``: probes of the runbook; ``script``: the same by hand."""

    folder: Path
    env: dict[str, str]
    looks: int
    script: Path
    left_out: tuple[str, ...]
    proxies: list[Slow]

    def delay(self, seconds: float) -> None:
        """How late every backend answers from now on."""
        for proxy in self.proxies:
            proxy.delay = seconds


class _Building:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = contextlib.ExitStack()
        self.proxies: list[Slow] = []
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.probes: list[dict[str, Any]] = []
        self.by_hand: list[str] = []
        self.env: dict[str, str] = {}
        self.left_out: list[str] = []
        self.kubernetes: dict[str, Any] | None = None

    def slow(self, port: int) -> str:
        proxy = start_slow(port, 0.0)
        self.stack.callback(proxy.stop)
        self.proxies.append(proxy)
        return proxy.netloc

    def has(self, server: str) -> bool:
        found = programs.find(server)
        if isinstance(found, programs.Missing):
            self.left_out.append(f"{server} ({found.says})")
            return False
        return True

    def http(self, number: int) -> None:
        from tests.servers.web import start_web

        web = start_web({"/health": '{"status": "ok"}'})
        self.stack.callback(web.stop)
        url = f"http://{self.slow(web.port)}/health"
        self.endpoints[f"app-{number}"] = {"kind": "http", "url": url}
        self.probes.append({"probe": "http.health", "with": {"endpoint": f"app-{number}"}})
        self.by_hand.append(f"curl -s {url} | grep status")

    def prometheus(self) -> None:
        from tests.servers.prometheus import start_prometheus, static
        from tests.servers.web import start_web

        web = start_web({"/metrics": "# TYPE queue_size gauge\nqueue_size 7\n"})
        self.stack.callback(web.stop)
        server = start_prometheus(self.folder / "prometheus", [static("bench", web.netloc)])
        self.stack.callback(server.stop)
        server.wait_for("up", lambda value: value == 1)
        self.endpoints["metrics"] = {"kind": "metrics", "url": f"{web.url}/metrics"}
        url = f"http://{self.slow(server.port)}"
        self.endpoints["prometheus"] = {"kind": "prometheus", "url": url}
        self.probes.append({"probe": "prometheus.self"})
        self.by_hand.append(f"curl -s {url}/api/v1/targets | grep -c health")

    def alertmanager(self) -> None:
        from tests.servers.alertmanager import start_alertmanager

        server = start_alertmanager(self.folder / "alertmanager")
        self.stack.callback(server.stop)
        url = f"http://{self.slow(server.port)}"
        self.endpoints["alertmanager"] = {"kind": "alertmanager", "url": url}
        self.probes.append({"probe": "alertmanager.alerts"})
        self.by_hand.append(f"curl -s {url}/api/v2/alerts | grep -c alertname")

    def postgres(self) -> None:
        from tests.servers.postgres import start_postgres

        server = start_postgres(self.folder / "postgres", databases=("app",))
        self.stack.callback(server.close)
        dsn = server.dsn().replace(f":{server.port}/", f":{self.slow(server.port).split(':')[1]}/")
        self.endpoints["postgres"] = {"kind": "postgres", "url": dsn}
        self.probes.append({"probe": "postgres.capacity"})
        self.by_hand.append(f"psql -Atc 'select count(*) from pg_stat_activity' {dsn}")

    def redis(self) -> None:
        from tests.servers.redis import start_redis

        server = start_redis(self.folder / "redis")
        self.stack.callback(server.stop)
        netloc = self.slow(server.port)
        self.endpoints["redis"] = {"kind": "redis", "url": f"redis://{netloc}/0"}
        self.probes.append({"probe": "redis.reachable"})
        self.by_hand.append(f"redis-cli -p {netloc.split(':')[1]} info memory | grep used_memory_human")

    def kube(self) -> None:
        from tests.servers.kube import start_kube

        server = start_kube(self.folder / "kube")
        self.stack.callback(server.stop)
        namespace = server.namespace("bench")
        server.rolled_out(server.deploy(namespace, "api", replicas=3))
        config = self.folder / "kubeconfig"
        text = Path(server.admin).read_text()
        config.write_text(re.sub(rf"{process.HOST}:\d+", self.slow(server.port), text))
        self.endpoints["kubernetes"] = {"kind": "kubernetes", "url": str(config), "options": {"namespace": namespace}}
        self.kubernetes = {"namespace": namespace, "workloads": {"api": {"name": "api", "selector": "app=api"}}}
        self.probes.append({"probe": "kubernetes.rollout"})
        self.by_hand.append(f"kubectl --kubeconfig {config} -n {namespace} get deployments")

    def kyrodb(self) -> None:
        from opsctl.lab import kyrodb
        from opsctl.lab.part import Switches

        ports = {"port": process.free_port(), "http_port": process.free_port()}
        kyrodb.start({"instance": "text", **ports}, Switches())
        self.endpoints["kyrodb"] = {"kind": "kyrodb", "url": self.slow(ports["port"])}
        self.probes.append({"probe": "kyrodb.health", "with": {"samples": 1, "slow": "1s"}})
        self.by_hand.append(f"curl -s http://{self.slow(ports['http_port'])}/health | grep status")

    def write(self) -> Backends:
        """The files of the runbook, the profile and the script."""
        books = self.folder / "books"
        (books / "services").mkdir(parents=True)
        runbook = {
            "runbook": RUNBOOK,
            "title": "Ten looks, each of them slow",
            "meaning": "For measuring.",
            "impact": "None.",
            "diagnosis": self.probes,
            "causes": [{"cause": "none", "says": "An app is ill.", "confirms": ["http.unhealthy"]}],
        }
        profile: dict[str, Any] = {
            "service": "bench",
            "endpoints": self.endpoints,
            "symptoms": [{"id": "ill", "runbook": RUNBOOK, "endpoint": "app-1"}],
        }
        if self.kubernetes is not None:
            profile["kubernetes"] = self.kubernetes
        (books / f"{RUNBOOK}.yaml").write_text(json.dumps(runbook, indent=1))  # JSON is YAML
        (books / "services" / "bench.yaml").write_text(json.dumps(profile, indent=1))
        script = self.folder / "by-hand.sh"
        script.write_text("#!/bin/sh\n" + "".join(f"{line}\n" for line in self.by_hand))
        return Backends(books, self.env, len(self.probes), script, tuple(self.left_out), self.proxies)


@contextlib.contextmanager
def ten_backends(folder: Path) -> Iterator[Backends]:
    """Start what this machine has of the backends behind slow proxies, until there are ten probes."""
    folder.mkdir(parents=True)
    building = _Building(folder)
    with building.stack:
        for server in ("prometheus", "alertmanager", "postgres", "redis", "kube"):
            if building.has(server):
                getattr(building, server)()
        building.kyrodb()
        for number in range(1, 11 - len(building.probes)):
            building.http(number)
        yield building.write()
