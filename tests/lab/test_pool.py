"""The simulated app's pool over real Postgres: bounded, fair, and honest in its numbers."""

from __future__ import annotations

import threading
import time

import pytest

from opsctl.lab.amas_pool import SIZE, SMALL, Pool, PoolSize, PoolTimeout
from opsctl.lab.metrics import Registry

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def pool(postgres):
    registry = Registry()
    pool = Pool(postgres.superuser_dsn, registry, size=3)
    pool.registry = registry  # type: ignore[attr-defined]
    yield pool
    for link in pool._idle:
        link.close()


def gauge(pool: Pool, name: str) -> float:
    page = pool.registry.page().decode()  # type: ignore[attr-defined]
    return float(next(line for line in page.splitlines() if line.startswith(name + " ")).split()[1])


def test_it_never_has_more_sessions_than_its_size_and_the_next_one_waits(pool):
    links = [pool.take() for _ in range(3)]
    assert len({link.info.backend_pid for link in links}) == 3
    with pytest.raises(PoolTimeout, match="Connection pool timeout"):
        pool.take(0.2)
    waiting = threading.Thread(target=lambda: pool.give(pool.take(20)))
    waiting.start()
    until = time.monotonic() + 10
    while gauge(pool, "prisma_client_queries_wait") != 1 and time.monotonic() < until:
        time.sleep(0.02)
    assert gauge(pool, "prisma_client_queries_wait") == 1
    assert gauge(pool, "prisma_pool_connections_busy") == 3
    pool.give(links.pop())
    waiting.join(20)
    assert not waiting.is_alive()
    for link in links:
        pool.give(link)
    assert gauge(pool, "prisma_pool_connections_busy") == 0
    assert gauge(pool, "prisma_client_queries_wait") == 0


def test_a_transaction_is_rolled_back_on_an_error_and_the_session_used_again(pool):
    def fail() -> int:
        with pool.connection() as link:
            seen.append(link.info.backend_pid)
            return 1 // 0

    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    with pool.connection() as link:
        assert link.info.backend_pid == seen[0]


def test_a_session_that_the_server_ended_is_replaced(pool, postgres):
    import psycopg

    def lose() -> None:
        with pool.connection() as link:
            seen.append(link.info.backend_pid)
            with psycopg.connect(postgres.superuser_dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (seen[0],))
            link.execute("SELECT 1")

    seen: list[int] = []
    with pytest.raises(psycopg.Error):
        lose()
    with pool.connection() as link:
        assert link.info.backend_pid != seen[0]


def test_a_database_that_refuses_gives_the_slot_back(postgres):
    import psycopg

    dsn = postgres.superuser_dsn.rpartition("/")[0] + "/there_is_none"
    pool = Pool(dsn, Registry(), size=1)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            pool.take(1.0)


def test_the_pools_size_is_what_its_env_file_said_when_the_process_started(tmp_path):
    file = tmp_path / "work" / "amas.env"
    running = PoolSize(file)
    assert running.of(False) == SIZE
    assert running.of(True) == SMALL
    assert file.read_text() == f"DB_CONNECTION_POOL_SIZE={SMALL}\n"
    file.write_text("DB_CONNECTION_POOL_SIZE=20\n")
    assert running.of(True) == SMALL, "read once"
    started = PoolSize(file)
    assert started.of(True) == 20, "corrected, although the fault is still switched on"
    assert started.of(False) == SIZE
