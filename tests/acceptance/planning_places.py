"""The places of the planning tests: real servers with something wrong on each, behind what notes every request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from opsctl.config.endpoint import Endpoint, HttpAccess
from opsctl.config.places import built_in
from opsctl.lab.identity import free_ports
from opsctl.services.load import load_profile
from opsctl.services.model import Adapter, EndpointSpec, Kubernetes, LogFile, Profile, Workload
from tests.acceptance.planning import (
    Console,
    GrpcCalls,
    Monitor,
    Place,
    Programs,
    StatementLog,
    before,
    before_kube,
    hands_on,
)
from tests.actions.postgres_server import act_role
from tests.actions.vritti_double import ADMIN_KEY, OLD_ID, vritti
from tests.fakes.kyrodb import Kyrodb
from tests.fakes.supervisors import Host
from tests.probes.sessions import clients_of
from tests.servers.alertmanager import start_alertmanager
from tests.servers.kube import Kube
from tests.servers.pgbouncer import start_pgbouncer
from tests.servers.postgres import start_postgres
from tests.servers.redis import Redis

SHOP = Profile(service="shop")
STRANGER = "203.0.113.50"
LOGGED: dict[str, str | int] = {
    "log_statement": "all",
    "log_line_prefix": "app=%a ",
    "log_min_duration_statement": -1,
}


@contextmanager
def databases(folder: Path) -> Iterator[Place]:
    """A Postgres with an idle session, a forgotten transaction that blocks another, a long statement; a PgBouncer
    before it with a server connection and a database that somebody has disabled."""
    with ExitStack() as stack:
        postgres = start_postgres(folder / "postgres", LOGGED)
        stack.callback(postgres.close)
        pooler = start_pgbouncer(folder / "pgbouncer", postgres)
        stack.callback(pooler.stop)
        pooled = stack.enter_context(psycopg.connect(pooler.dsn(), autocommit=True, prepare_threshold=None))
        pooled.execute("SELECT 1")
        with psycopg.connect(pooler.admin_dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as console:
            console.execute("DISABLE danci")
        postgres.sql("CREATE TABLE stock (id int PRIMARY KEY)", "INSERT INTO stock VALUES (1)", role="app")
        clients = stack.enter_context(clients_of(postgres))
        clients.connect("leaks").execute("SELECT 1")
        clients.idle_in_transaction("UPDATE stock SET id = 1", application="forgets")
        clients.busy("UPDATE stock SET id = 1", application="waits")
        clients.busy("SELECT pg_sleep(600)", application="reports")
        clients.waiting(1)
        time.sleep(0.3)  # longer than the rows' thresholds
        console = stack.enter_context(Console(pooler.port))
        url = f"postgresql://{{}}@127.0.0.1:{console.port}/app"
        urls = {
            "postgres": postgres.dsn(),
            "postgres-act": act_role(postgres),
            "pgbouncer": url.format("opsctl_read"),
            "pgbouncer-act": url.format("postgres"),
        }
        hands = stack.enter_context(hands_on(SHOP, urls))
        yield Place(hands, StatementLog(folder / "postgres" / "postgres.log"), console)


@contextmanager
def cache(redis: Redis) -> Iterator[Place]:
    """A Redis with pages in its cache, and what is none."""
    with redis.client() as client:
        for number in range(50):
            client.set(f"page:{number}", "x", ex=300)
            client.set(f"session:{number}", "x")
        profile = msgspec.structs.replace(SHOP, cache={"page:": "300s"})
        try:
            with hands_on(profile, {"redis": redis.url}) as hands:
                yield Place(hands, Monitor(redis))
        finally:
            client.flushall()


@contextmanager
def storm(folder: Path) -> Iterator[Place]:
    """An Alertmanager in a storm."""
    server = start_alertmanager(folder)
    try:
        server.post_alerts({"alertname": "DatabaseDown", "database": "orders", "severity": "critical"})
        server.post_alerts(
            *(
                {"alertname": name, "database": "orders", "service": f"shop-{n}", "severity": "warning"}
                for name in ("HighErrorRate", "HighLatency", "OrdersLate")
                for n in range(20)
            )
        )
        server.wait_for_alerts(lambda alerts: len(alerts) == 61)
        with before(server.url) as recorder, hands_on(SHOP, {"alertmanager": recorder.url}) as hands:
            yield Place(hands, recorder)
    finally:
        server.stop()


@contextmanager
def cluster(kube: Kube, folder: Path) -> Iterator[Place]:
    """A Deployment at its second revision with two pods that serve, behind a Service."""
    namespace = kube.namespace("planning")
    labels = {"app": "api"}
    kube.call(
        "POST",
        f"api/v1/namespaces/{namespace}/services",
        {"metadata": {"name": "api"}, "spec": {"selector": labels, "ports": [{"port": 80}]}},
    )
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    kube.deploy(namespace, replicas=2, image="registry.test/shop/api:1.14.3")
    kube.rolled_out(path)
    pods = kube.pods(namespace, lambda pods: len(pods) == 2)
    profile = msgspec.structs.replace(
        SHOP, kubernetes=Kubernetes(namespace=namespace, workloads={"api": Workload(name="api")})
    )
    with before_kube(kube) as recorder:
        token = {"token": kube.files.admin_token}
        config = kube.kubeconfig(folder / "planning.kubeconfig", token, server=recorder.url, cluster={})
        with hands_on(profile, {"kubernetes": str(config)}) as hands:
            yield Place(hands, recorder, pod=pods[0]["metadata"]["name"])


@contextmanager
def service(folder: Path, prometheus: str) -> Iterator[Place]:
    """Vritti with its administration, a key that is used from two addresses, and nft on this host."""
    home = folder / "vritti"
    home.mkdir()
    host = Host(folder / "host")
    host.install("nft", 'end(1, "", "Error: No such file or directory\\n")')
    with vritti(home) as double, before(double.url) as recorder, before(prometheus) as measured:
        double.app.store.change("customer-4", {"status": "suspended"})
        double.past_use(OLD_ID, STRANGER, 3, ago=3600)
        access = HttpAccess(headers=(("X-Admin-API-Key", ADMIN_KEY),))
        urls: dict[str, Any] = {
            "admin": Endpoint(name="admin", url=f"{recorder.url}/admin", setting="test", http=access),
            "app": recorder.url,
            "prometheus": measured.url,
        }
        profile = msgspec.structs.replace(
            load_profile("vritti", [built_in()]), logs={"app": LogFile(path=str(double.log), format="json")}
        )
        environ = {**host.environ, "XDG_STATE_HOME": str(home / "state")}
        with hands_on(profile, urls, environ) as hands:
            yield Place(hands, recorder, measured, Programs(host))


@contextmanager
def units(folder: Path, mine: Path) -> Iterator[Place]:
    """Units of every kind of adapter; a KyroDB that is dead and one that serves, with a canary configured."""
    host = Host(folder / "host")
    host.systemd("shop.service")
    host.systemd("kyrodb.service")
    host.systemd("worker.service", ActiveState="inactive", SubState="dead", MainPID="0")
    host.pm2("shop")
    host.compose("web")
    host.install("keeper", 'end(0, "pid=1\\n")')
    (dead,) = free_ports(1)
    adapters = {
        "app": Adapter(kind="systemd", unit="shop.service", folder=str(mine), env_file=".env"),
        "worker": Adapter(kind="systemd", unit="worker.service"),
        "pm2": Adapter(kind="pm2", unit="shop"),
        "compose": Adapter(kind="docker-compose", unit="web", folder=str(mine)),
        "own": Adapter(kind="command", unit="own", argv=("keeper", "{verb}")),
        "kyrodb-text": Adapter(kind="systemd", unit="kyrodb.service"),
    }
    with Kyrodb() as there, before("http://127.0.0.1:9") as canary:
        urls = {"kyrodb-text": f"127.0.0.1:{dead}", "kyrodb-image": there.address, "canary": canary.url}
        profile = msgspec.structs.replace(
            SHOP,
            adapters=adapters,
            endpoints={name: EndpointSpec(kind="kyrodb") for name in ("kyrodb-text", "kyrodb-image")},
        )
        with hands_on(profile, urls, host.environ) as hands:
            yield Place(hands, Programs(host), GrpcCalls(there), canary)
