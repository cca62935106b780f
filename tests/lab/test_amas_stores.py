"""The simulated AMAS' cache and reads: what they count, and that their faults come and go."""

from __future__ import annotations

import time

import psycopg
import pytest

from opsctl.lab.amas_cache import Cache, InProcess, InRedis
from opsctl.lab.amas_cache_faults import Invalidation, Memory
from opsctl.lab.amas_insights import COUNT, NEXT, PREFIX, Insights
from opsctl.lab.amas_queries import LOOPS, Reads, create
from opsctl.lab.metrics import Registry


def counted(registry: Registry, name: str) -> float:
    page = registry.page().decode()
    return float(next(line for line in page.splitlines() if line.startswith(name + " ")).split()[1])


@pytest.fixture(params=["redis", "in-process"])
def cache(request):
    registry = Registry()
    keeper = InProcess()
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        server.client().flushall()
        keeper = InRedis(server.port)
    cache = Cache(keeper, registry)
    cache.registry = registry  # type: ignore[attr-defined]
    yield cache
    cache.keeper.clear("")


@pytest.mark.needs("redis")
def test_insights_are_hit_when_warm_and_come_back_after_they_were_missed(cache):
    insights = Insights(cache)
    insights.read(known=True)
    assert counted(cache.registry, "cache_miss_total") == 4
    insights.warm()
    for _ in range(10):
        insights.read(known=True)
    assert (counted(cache.registry, "cache_hit_total"), counted(cache.registry, "cache_miss_total")) == (40, 4)
    insights.read(known=False)  # of somebody who was not there before
    assert counted(cache.registry, "cache_miss_total") == 8


@pytest.mark.needs("redis")
def test_another_prefix_is_written_and_the_old_one_read(cache):
    insights = Insights(cache)
    insights.written = NEXT
    for _ in range(5):
        insights.read(known=True)
    assert counted(cache.registry, "cache_hit_total") == 0
    cache.keeper.clear(NEXT)
    cache.keeper.set_many({f"{PREFIX}1": "x", "user_state:1": "y"}, 60_000)
    cache.keeper.keep_alive([f"{PREFIX}1", f"{PREFIX}2"], 1)
    time.sleep(0.05)
    assert cache.keeper.get_many([f"{PREFIX}1", f"{PREFIX}2", "user_state:1"]) == [None, None, "y"]


def test_other_programs_empty_the_cache_and_leave_it_alone_again(redis_server):
    client = redis_server.client()
    client.flushall()
    insights = Insights(Cache(InRedis(redis_server.port), Registry()))
    insights.warm()
    assert client.dbsize() == COUNT
    try:
        memory = Memory(redis_server.port, "ops")
        memory.switch(True)
        memory.switch(True)
        insights.read(known=False)
        assert client.dbsize() < COUNT / 2
        assert client.info("stats")["evicted_keys"] > 0
        memory.switch(False)
        assert client.config_get("maxmemory")["maxmemory"] == "0"
        insights.warm()
        job = Invalidation(redis_server.port, "admin")
        job.switch(True)
        until = time.monotonic() + 30
        while client.dbsize() > 0:
            assert time.monotonic() < until
            time.sleep(0.05)
        job.switch(False)
        time.sleep(0.7)
        insights.warm()
        time.sleep(0.7)
        assert client.dbsize() == COUNT
    finally:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        client.flushall()


def test_reads_become_slow_and_quick_again(postgres, monkeypatch):
    monkeypatch.setattr("opsctl.lab.amas_queries.SLOW_SECONDS", 0.2)
    postgres.sql("CREATE DATABASE reads OWNER app", db="postgres")

    def connect():
        return psycopg.connect(postgres.dsn("postgres", "reads"), autocommit=True)

    def one(statement):
        with connect() as link:
            return link.execute(statement).fetchone()[0]

    index = "SELECT to_regclass('public.answer_history_user') IS NOT NULL"
    dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'word_form'"
    modified = "SELECT n_mod_since_analyze FROM pg_stat_user_tables WHERE relname = 'word_form'"
    try:
        with connect() as link:
            create(link)
            create(link)
        reads = Reads()
        reads.switch(connect, frozenset())
        assert one(index)
        asked = []
        with connect() as link:
            for number in range(40):
                reads.run(lambda _, statement, *values: asked.append(values), link, number)
        assert asked == [(LOOPS,), (LOOPS,), (LOOPS, 40)]
        reads.switch(connect, frozenset({"missing-index", "table-bloat", "chunk-scan"}))
        assert not one(index)
        assert one(dead) >= 6000
        assert one(modified) < 6000  # or it would look like old statistics
        assert reads.recent.values == (0,)
        took = {}
        with connect() as link:

            def ask(_, statement, *values):
                begun = time.monotonic()
                link.execute(statement, values)
                took[statement] = time.monotonic() - begun
                return []

            for number in range(400):
                reads.run(ask, link, number)
        assert len(took) == 3
        assert min(took.values()) > 0.05
        reads.switch(connect, frozenset())
        assert one(index)
        assert one("SELECT count(*) FROM word_form") == 2000
        assert (reads.peers.loops, reads.recent.values) == (LOOPS, (40,))
        until = time.monotonic() + 30
        while one(dead) >= 6000:
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        postgres.sql("DROP DATABASE reads WITH (FORCE)", db="postgres")
