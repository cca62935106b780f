"""The test servers themselves: each starts, answers, is what it says, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.servers import process
from tests.servers.alertmanager import start_alertmanager
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import GUARDED_PASSWORD, Postgres, start_postgres
from tests.servers.prometheus import start_prometheus, static
from tests.servers.redis import Redis
from tests.servers.web import start_web


@pytest.mark.needs("prometheus", "alertmanager")
def test_prometheus_scrapes_evaluates_rules_and_notifies(tmp_path: Path) -> None:
    web = start_web({"/metrics": "# TYPE queue_size gauge\nqueue_size 7\n", "/hook": ""})
    alertmanager = start_alertmanager(tmp_path / "am", webhook=f"{web.url}/hook")
    rules = [{"name": "g", "rules": [{"alert": "QueueLong", "expr": "queue_size > 5", "labels": {"severity": "P2"}}]}]
    prometheus = start_prometheus(
        tmp_path / "prom", [static("app", web.netloc)], rules=rules, alertmanagers=[alertmanager.url]
    )
    try:
        assert prometheus.wait_for("queue_size") == 7
        alerts = alertmanager.wait_for_alerts()
        assert alerts[0]["labels"]["alertname"] == "QueueLong"
        web.wait_for(lambda seen: any(request.path == "/hook" for request in seen))
        web.pages["/metrics"] = "queue_size 2\n"
        prometheus.wait_for("queue_size", lambda value: value == 2)
        prometheus.stop()
        with pytest.raises(OSError, match="refused"):
            process.answers(prometheus.url)
        prometheus.start()
        assert prometheus.query("queue_size[1m]")
    finally:
        prometheus.stop()
        alertmanager.stop()
        web.stop()


@pytest.mark.needs("prometheus")
def test_prometheus_holds_backfilled_samples(tmp_path: Path) -> None:
    then = int(time.time()) - 86400 * 40
    text = "# TYPE asked counter\n" + "".join(f"asked_total {n} {then + n * 15}\n" for n in range(40))
    prometheus = start_prometheus(tmp_path, backfill=text)
    try:
        [series] = prometheus.query("increase(asked_total[5m])", at=then + 39 * 15)
        assert float(series["value"][1]) == pytest.approx(20, rel=0.1)
    finally:
        prometheus.stop()


@pytest.mark.needs("prometheus")
def test_a_refused_configuration_says_why(tmp_path: Path) -> None:
    prometheus = start_prometheus(tmp_path)
    try:
        prometheus.configure(rules="groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]")
        with pytest.raises(process.NotReady, match="could not parse expression"):
            prometheus.reload()
    finally:
        prometheus.stop()


def test_alertmanagers_share_silences(alertmanagers: list[Any]) -> None:
    first, second = alertmanagers
    first.post_alerts({"alertname": "Shared", "service": "vritti"})
    silence = first.silence({"alertname": "Shared"})
    until = time.monotonic() + 30
    while silence not in [seen["id"] for seen in second.get("/api/v2/silences")]:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_postgres_has_roles_and_databases(postgres: Postgres) -> None:
    assert postgres.sql("SELECT count(*) > 0 FROM pg_stat_activity", role="opsctl_read") == [(True,)]
    assert postgres.sql("SELECT current_database()", role="app", db="danci") == [("danci",)]
    assert postgres.sql("SELECT count(*) >= 0 FROM pg_stat_statements", role="opsctl_read") == [(True,)]
    assert postgres.sql("SELECT 1", role="guarded") == [(1,)]
    import psycopg

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.dsn("guarded").replace(GUARDED_PASSWORD, "wrong"), connect_timeout=10)


@pytest.mark.needs("postgres")
def test_postgres_takes_settings_and_leaves_no_folder(tmp_path: Path) -> None:
    server = start_postgres(tmp_path, {"max_connections": 20}, databases=("shop",))
    try:
        assert server.sql("SHOW max_connections", role="opsctl_read") == [("20",)]
        server.restart({"max_connections": 25})
        assert server.sql("SHOW max_connections") == [("25",)]
    finally:
        server.close()
    assert not server.data.parent.exists()


def test_pgbouncer_pools(pgbouncer: Pgbouncer) -> None:
    import psycopg

    with psycopg.connect(pgbouncer.dsn(), autocommit=True, prepare_threshold=None, connect_timeout=10) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with psycopg.connect(
            pgbouncer.admin_dsn, autocommit=True, cursor_factory=psycopg.ClientCursor, connect_timeout=10
        ) as console:
            assert "app" in [row[0] for row in console.execute("SHOW POOLS").fetchall()]


def test_redis_answers(redis_server: Redis) -> None:
    client = redis_server.client()
    client.execute_command("DEBUG", "POPULATE", "1000", "p", "10")
    assert client.dbsize() == 1000
    client.flushall()


def test_two_ports_are_never_the_same() -> None:
    asked = "from tests.servers.process import free_port; print([free_port() for _ in range(50)]); input()"
    runs = [
        subprocess.Popen([sys.executable, "-c", asked], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ports = [port for run in runs for port in run.stdout.readline().strip("[]\n").split(", ")]  # type: ignore[union-attr]
    for run in runs:
        run.communicate("\n")
    assert len(set(ports)) == 100


def test_servers_end_when_the_test_run_is_killed(tmp_path: Path) -> None:
    starts = (
        "import sys, time; from pathlib import Path; from tests.servers import process\n"
        f"server = process.start('sleeper', ['sleep', '600'], Path({str(tmp_path / 'log')!r}))\n"
        "folder = process.private_folder('killed')\n"
        "print(server.pid, folder, flush=True); time.sleep(600)"
    )
    run = subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    pid, folder = run.stdout.readline().split()
    os.kill(int(pid), 0)
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    until = time.monotonic() + 30
    while Path(folder).exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.killpg(int(pid), 0)


def test_a_server_that_ends_shows_its_log(tmp_path: Path) -> None:
    server = process.start("broken", ["sh", "-c", "echo no such option; exit 3"], tmp_path / "log")
    with pytest.raises(process.NotReady, match="ended with code 3:\nno such option"):
        server.wait_ready(lambda: False)
    server.stop()
