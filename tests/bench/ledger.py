"""The ledger: what a step's two durable writes take, and reading a record of 100,000 entries."""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from opsctl.config.endpoint import Endpoint
from opsctl.ledger.entries import add
from opsctl.ledger.model import NewRun
from opsctl.ledger.opened import FILE
from opsctl.ledger.postgres import PostgresDatabase
from opsctl.ledger.record import Record
from opsctl.ledger.sqlite import SqliteDatabase
from tests.bench.measure import Argv, least
from tests.bench.table import Row
from tests.servers import programs
from tests.servers.postgres import start_postgres

STEPS = 200
RUNS = 12_500
PER_RUN = 8  # entries: begun, three steps, outcome
TARGET = {"id": "pid 4711", "pin": {"pid": 4711, "backend_start": "2026-11-21T02:36:11Z"}, "says": "api, idle 31 min"}
STEP = {"target": TARGET, "number": 1, "why": "blocks 6 sessions", "calls": ["SELECT pg_terminate_backend(4711)"]}
DID = {"state": "acted", "says": "gone after 40 ms", "seconds": 0.04, "inverse": {"role": "app", "setting": "30s"}}
NEW = NewRun(
    actor="ana", host="bastion", command="opsctl remediate db-pool-exhaustion -s amas --yes", service="amas",
    runbook="db-pool-exhaustion", action="postgres.terminate-backend", scope="postgres danci@db1:5432",
    plan_hash="7c1f9a", plan={"proposal": {"steps": [STEP] * 3, "of": 31, "unit": "sessions"}},
)  # fmt: skip


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Writes beside bare ones on the same disk; reading as whole commands, their start among it."""
    folder = empty.parent / "ledger"
    folder.mkdir()
    yield Row("a step's two durable writes in the ledger", _steps(folder), 5.0, "ms")
    yield Row("  two bare SQLite commits on the same disk", _bare(folder), None, "ms")
    yield Row("  two writes with fsync", _fsync(folder), None, "ms")
    yield _team(folder)
    _fill(folder / "opsctl" / FILE)
    env = {**env, "XDG_STATE_HOME": str(folder)}
    for what, words in (
        ("ledger list of all runs", ["list", "--limit", str(RUNS)]),
        ("ledger verify", ["verify"]),
    ):
        argv: Argv = [opsctl, "ledger", *words]
        found = least(argv, env, empty, rounds=3)
        note = f"100,000 entries of {RUNS:,} runs" if found.code == 0 else f"it ends with {found.code}"
        yield Row(
            f"{what}, 100,000 entries, the whole command", found.wall if found.code == 0 else None, 2.0, "s", note
        )
        yield Row("  its peak memory", found.peak / 2**20, 120.0, "MB")
    exported = least([opsctl, "ledger", "export"], env, empty, rounds=2)
    yield Row("ledger export of 100,000 entries", exported.wall, None, "s")
    yield Row("  its peak memory", exported.peak / 2**20, 120.0, "MB")


def _median(once: Callable[[], None]) -> float:
    """Milliseconds."""
    took = []
    for _ in range(STEPS):
        began = time.perf_counter()
        once()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _steps(folder: Path) -> float:
    return _two_writes(Record(SqliteDatabase(folder / "steps.sqlite3")))


def _team(folder: Path) -> Row:
    """The same in a Postgres of this machine that writes through to the disk."""
    what = "the same in a team's Postgres on this machine"
    if isinstance(missing := programs.find("postgres"), programs.Missing):
        return Row(what, None, 5.0, "ms", missing.says)
    server = start_postgres(folder / "postgres", {"fsync": "on", "synchronous_commit": "on"})
    try:
        endpoint = Endpoint(name="state", url=server.dsn("app"), setting="bench")
        return Row(what, _two_writes(Record(PostgresDatabase(endpoint))), 5.0, "ms")
    finally:
        server.close()


def _two_writes(ledger: Record) -> float:
    run = ledger.begin(NEW)

    def step() -> None:
        ledger.append(run.id, "intent", STEP, 1)
        ledger.append(run.id, "result", DID, 1)

    took = _median(step)
    ledger.close()
    return took


def _bare(folder: Path) -> float:
    connection = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = full")
    connection.execute("CREATE TABLE t (body TEXT)")

    def step() -> None:
        for _ in range(2):
            connection.execute("INSERT INTO t VALUES (?)", ("x" * 300,))

    took = _median(step)
    connection.close()
    return took


def _fsync(folder: Path) -> float:
    with (folder / "plain").open("ab", buffering=0) as file:

        def step() -> None:
            for _ in range(2):
                file.write(b"x" * 300)
                os.fsync(file.fileno())

        return _median(step)


def _fill(path: Path) -> None:
    """The ledger's own entries, many to a commit: only the record is measured, not the making of it."""
    database = SqliteDatabase(path)
    ledger = Record(database)
    ids = [ledger.begin(NEW).id for _ in range(RUNS)]
    now = time.time()
    with database.writing() as work:
        for id in ids:
            for number in range(1, (PER_RUN - 2) // 2 + 1):
                add(work, id, "intent", STEP, number, now)
                add(work, id, "result", DID, number, now)
            add(work, id, "outcome", {"run": id, "word": "fixed", "says": "free slots 0 -> 9, waiting 0"}, 0, now)
    ledger.close()
