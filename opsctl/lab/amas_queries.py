"""Three reads of the simulated AMAS' decision path over tables of their own, and the three ways to make them slow.

An index is dropped; a table fills with dead rows; a query loses its bound and reads all partitions. While its fault is
on, each read covers as many peers, words or users as take about a second on this machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    Link = psycopg.Connection[Any]

SLOW_SECONDS = 1.0  # of a read whose fault is on
ANSWERS = 100_000
LEARNERS = 2000
FORMS = 2000
BLOAT = 12_000  # dead rows, two of them a page
DAYS = 40  # partitions of the log
PER_DAY = 5000
LOOPS = 60  # peers, words or users of one read
FIRST_LOOPS = 4  # with which a slow read begins
EVERY = 40  # decisions, one of which does each read

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS answer_history (user_id int NOT NULL, quality real NOT NULL);
CREATE TABLE IF NOT EXISTS answer_log (day int NOT NULL, user_id int NOT NULL, quality real NOT NULL)
  PARTITION BY RANGE (day);
CREATE UNLOGGED TABLE IF NOT EXISTS word_form (word_id int NOT NULL, form text NOT NULL)
  WITH (autovacuum_enabled = false);
ALTER TABLE word_form ALTER COLUMN form SET STORAGE PLAIN;
DO $$ BEGIN FOR day IN 1..{DAYS} LOOP
  EXECUTE format('CREATE TABLE IF NOT EXISTS answer_log_chunk_%1$s PARTITION OF answer_log'
                 ' FOR VALUES FROM (%1$s) TO (%2$s)', day, day + 1);
END LOOP; END $$;
INSERT INTO answer_history SELECT g % {LEARNERS}, (g % 100) / 100.0
  FROM generate_series(0, {ANSWERS - 1}) g WHERE NOT EXISTS (SELECT 1 FROM answer_history);
INSERT INTO answer_log SELECT g % {DAYS} + 1, g % {LEARNERS}, (g % 100) / 100.0
  FROM generate_series(0, {DAYS * PER_DAY - 1}) g WHERE NOT EXISTS (SELECT 1 FROM answer_log);
ANALYZE answer_history, answer_log;
"""  # noqa: S608 - numbers of this module
INDEX = "CREATE INDEX IF NOT EXISTS answer_history_user ON answer_history (user_id)"
NO_INDEX = "DROP INDEX IF EXISTS answer_history_user"
CLEAN_FORMS = (
    "TRUNCATE word_form",
    f"INSERT INTO word_form SELECT g, 'form ' || g FROM generate_series(0, {FORMS - 1}) g",  # noqa: S608
    "ANALYZE word_form",
)
DEAD_FORMS = (
    f"INSERT INTO word_form SELECT {FORMS} + g, repeat('x', 3500) FROM generate_series(1, {BLOAT}) g",  # noqa: S608
    f"DELETE FROM word_form WHERE word_id > {FORMS}",  # noqa: S608
)
FRESH_FORMS = "ANALYZE word_form"
STATE = f"""SELECT to_regclass('public.answer_history_user') IS NOT NULL,
  coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'word_form'), 0) >= {BLOAT // 2},
  EXISTS (SELECT 1 FROM word_form)"""  # noqa: S608
PEERS = """SELECT avg(one.mean) FROM generate_series(1, %s::int) peer
 CROSS JOIN LATERAL (SELECT avg(quality) AS mean FROM answer_history WHERE user_id = peer) one"""
WORDS = """SELECT sum(one.forms) FROM generate_series(1, %s::int) word
 CROSS JOIN LATERAL (SELECT count(*) AS forms FROM word_form WHERE word_id = word) one"""
RECENT = """SELECT avg(one.mean) FROM generate_series(1, %s::int) learner
 CROSS JOIN LATERAL (SELECT avg(quality) AS mean FROM answer_log WHERE user_id = learner AND day >= %s) one"""

Ask = Callable[..., list[Any]]


class Read:
    """One of the reads: its statement, how much it covers, and never two of them at a time."""

    def __init__(self, statement: str, turn: int, *values: int) -> None:
        self.statement, self._turn, self._usual = statement, turn, values
        self.loops, self.values, self.is_slow = LOOPS, values, False
        self._busy = threading.Lock()

    def run(self, ask: Ask, link: Link, number: int) -> None:
        """Read, if it is this decision's turn; while slow, over as much as takes long on this machine as it is now."""
        if number % EVERY == self._turn and self._busy.acquire(blocking=False):
            begun = time.perf_counter()
            try:
                ask(link, self.statement, self.loops, *self.values)
                if self.is_slow:
                    taken = time.perf_counter() - begun
                    self.loops = max(1, int(self.loops * min(4.0, max(0.25, SLOW_SECONDS / taken))))
            finally:
                self._busy.release()

    def slow(self, *values: int) -> None:
        """From now on with these values, and over more and more until it takes long."""
        self.loops, self.values, self.is_slow = FIRST_LOOPS, values or self._usual, True

    def usual(self) -> None:
        """As before."""
        self.loops, self.values, self.is_slow = LOOPS, self._usual, False


class Reads:
    """All reads of the decision path, and their faults."""

    def __init__(self) -> None:
        self.peers = Read(PEERS, 10)
        self.words = Read(WORDS, 20)
        self.recent = Read(RECENT, 30, DAYS)
        self._on: frozenset[str] = frozenset()

    def run(self, ask: Ask, link: Link, number: int) -> None:
        """What this decision reads."""
        for read in (self.peers, self.words, self.recent):
            read.run(ask, link, number)

    def switch(self, connect: Callable[[], Link], on: frozenset[str]) -> None:
        """Make tables and reads as the faults say; heals what is not named."""
        with connect() as link:
            self._tables(connect, link, on)
            every = (("missing-index", self.peers), ("table-bloat", self.words), ("chunk-scan", self.recent))
            for name, read in every:
                if name in on - self._on:
                    read.slow(*((0,) if name == "chunk-scan" else ()))
                elif name not in on:
                    read.usual()
        self._on = on

    @staticmethod
    def _tables(connect: Callable[[], Link], link: Link, on: frozenset[str]) -> None:
        indexed, bloated, filled = link.execute(STATE.encode()).fetchone() or (False, False, False)
        if indexed and "missing-index" in on:
            link.execute(NO_INDEX)
        elif not indexed and "missing-index" not in on:
            link.execute(INDEX)
        if not filled or (bloated and "table-bloat" not in on):
            for statement in CLEAN_FORMS:
                link.execute(statement.encode())
        if not bloated and "table-bloat" in on:
            with (
                connect() as other
            ):  # it reports its counts when it ends: what ANALYZE saw then is not "modified since"
                for statement in DEAD_FORMS:
                    other.execute(statement.encode())
            link.execute(FRESH_FORMS)


def create(link: Link) -> None:
    """The tables with their rows; safe to repeat."""
    link.execute(SCHEMA.encode())
