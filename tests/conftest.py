"""Real servers as session fixtures, and the account of what a run could and could not use.

A test names its servers by fixture or by ``@pytest.mark.needs("prometheus", …)``. A server that is not on this machine
skips the test with the reason; named in $OPSCTL_TEST_REQUIRE (comma list, or ``all``) its absence is a failure.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.servers import process, programs, used

if TYPE_CHECKING:
    from tests.servers.alertmanager import Alertmanager
    from tests.servers.pgbouncer import Pgbouncer
    from tests.servers.postgres import Postgres
    from tests.servers.prometheus import Prometheus
    from tests.servers.redis import Redis

settings.register_profile("opsctl", deadline=None)  # on a loaded machine one slow example is no failure
settings.load_profile("opsctl")

SERVERS = (*programs.PACKAGES, "postgres", "kube", "cron")
FIXTURES = {  # fixture -> the server it starts
    "prometheus": "prometheus",
    "alertmanagers": "alertmanager",
    "postgres": "postgres",
    "redis_server": "redis",
    "pgbouncer": "pgbouncer",
    "kube": "kube",
}


def required() -> set[str]:
    """The servers whose absence is a failure."""
    names = {name.strip() for name in os.environ.get("OPSCTL_TEST_REQUIRE", "").split(",") if name.strip()}
    unknown = names - {*SERVERS, "all"}
    if unknown:
        allowed = ", ".join(sorted(SERVERS))
        raise pytest.UsageError(f"OPSCTL_TEST_REQUIRE names {', '.join(sorted(unknown))}; known are {allowed}, all")
    return set(SERVERS) if "all" in names else names


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a misspelt $OPSCTL_TEST_REQUIRE before any test runs; skip also where only the body needs a server."""
    required()
    programs.when_missing = skip_or_fail
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A run started in the background ignores Ctrl-C and hands that on to the programs whose Ctrl-C is tested.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A server's fixture implies the marker: ``-m needs`` and ``-m "not needs"`` split the tests."""
    for item in items:
        servers = [FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in FIXTURES]
        if servers:
            item.add_marker(pytest.mark.needs(*servers))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose servers are missing."""
    for server in dict.fromkeys(str(name) for mark in item.iter_markers("needs") for name in mark.args):
        if server not in SERVERS:
            pytest.fail(f"marker needs({server!r}): known servers are {', '.join(sorted(SERVERS))}", pytrace=False)
        program = programs.find(server)
        if isinstance(program, programs.Missing):
            skip_or_fail(server, program)


def skip_or_fail(server: str, missing: programs.Missing) -> None:
    """End the running test for want of ``server``: skipped and counted, or failed where it is required."""
    if server in required():
        pytest.fail(f"{missing.says}, and OPSCTL_TEST_REQUIRE demands it; {missing.install}", pytrace=False)
    used.not_run[missing] = used.not_run.get(missing, 0) + 1
    pytest.skip(missing.says)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keep the servers' logs when something failed."""
    if exitstatus in (0, 5) or not process.logs:
        return
    folder = Path(str(session.config.rootpath)) / "artifacts" / time.strftime("%Y%m%dT%H%M%S") / str(os.getpid())
    folder.mkdir(parents=True, exist_ok=True)
    for number, log in enumerate(dict.fromkeys(process.logs)):
        if log.exists():
            shutil.copyfile(log, folder / f"{number:02d}-{log.name}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line per server that ran, and a count with the reason for what could not run."""
    if used.servers:
        terminalreporter.section("servers of this run")
        for server, use in sorted(used.servers.items()):
            terminalreporter.line(f"{server} {use.version} {use.kind} {use.note}".rstrip())
    if used.not_run:
        terminalreporter.section("not run here")
        for (says, install), count in sorted(used.not_run.items()):
            tests = "1 test" if count == 1 else f"{count} tests"
            terminalreporter.line(f"{tests} not run: {says}. To run: {install}")


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the session's servers keep configuration and logs."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def prometheus(servers_folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes itself each second. Tests that need more start one of their own."""
    from tests.servers.prometheus import start_prometheus, static

    server = start_prometheus(servers_folder / "prometheus")
    server.configure([static("prometheus", f"127.0.0.1:{server.port}")])
    server.reload()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def alertmanagers(servers_folder: Path) -> Iterator[list[Alertmanager]]:
    """Two Alertmanagers that gossip; they notify nobody."""
    from tests.servers.alertmanager import start_alertmanagers

    group = start_alertmanagers(servers_folder / "alertmanagers")
    yield group
    for server in group:
        server.stop()


@pytest.fixture(scope="session")
def postgres(servers_folder: Path) -> Iterator[Postgres]:
    """A Postgres with databases app and danci, 40 connections. Leave it as you found it."""
    from tests.servers.postgres import start_postgres

    server = start_postgres(servers_folder / "postgres")
    yield server
    server.close()


@pytest.fixture(scope="session")
def pgbouncer(servers_folder: Path, postgres: Postgres) -> Iterator[Pgbouncer]:
    """A PgBouncer in front of ``postgres``: transaction pooling, five server connections."""
    from tests.servers.pgbouncer import start_pgbouncer

    server = start_pgbouncer(servers_folder / "pgbouncer", postgres)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(servers_folder: Path) -> Iterator[Redis]:
    """A Redis without a password. Remove your keys after the test."""
    from tests.servers.redis import start_redis

    server = start_redis(servers_folder / "redis")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kube(servers_folder: Path) -> Iterator[Any]:
    """A Kubernetes API with a simulated node. One namespace per test."""
    from tests.servers.kube import start_kube

    server = start_kube(servers_folder / "kube")
    yield server
    server.stop()
