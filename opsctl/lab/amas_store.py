"""The simulated AMAS' data in real Postgres: schema, the decision path's statements, and the ways to damage them."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

USERS = 120
WORDS = 200
LOCKED_WORDS = 42  # words that the batch of db-locks holds: about 20 % of the decisions
GROUPS = 3
LOCK_SECONDS = 4.2  # below the app's statement timeout: late, not failed
SLOW_SECONDS = 0.8
MISLED_SECONDS = 0.9  # of a join whose plan rests on old statistics
LESSONS = 500
LATE = 12_000  # rows of the day that the statistics do not know
KEEP_MINUTES = 20  # decisions older than this are removed: the lab may run for days

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS word_state (word_id int PRIMARY KEY, repetitions bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS review_history (user_id int NOT NULL, word_id int NOT NULL, quality real NOT NULL);
CREATE INDEX IF NOT EXISTS review_history_user ON review_history (user_id);
CREATE TABLE IF NOT EXISTS decision_insights (
  decision_id uuid NOT NULL, user_id int NOT NULL, word_id int NOT NULL, reward real NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()) PARTITION BY RANGE (created_at);
CREATE TABLE IF NOT EXISTS decision_insights_chunk_1 PARTITION OF decision_insights
  FOR VALUES FROM ('2000-01-01') TO ('2100-01-01');
CREATE INDEX IF NOT EXISTS decision_insights_created ON decision_insights (created_at);
CREATE TABLE IF NOT EXISTS review_queue (word_id int NOT NULL, fee money NOT NULL, due_day int NOT NULL)
  WITH (autovacuum_enabled = false);
CREATE TABLE IF NOT EXISTS lesson (lesson int NOT NULL, fee money NOT NULL, open boolean NOT NULL)
  WITH (autovacuum_enabled = false);
INSERT INTO word_state (word_id) SELECT generate_series(0, {WORDS - 1}) ON CONFLICT DO NOTHING;
INSERT INTO review_history SELECT g % {USERS}, g % {WORDS}, (g % 100) / 100.0
  FROM generate_series(0, {USERS * 50 - 1}) g WHERE NOT EXISTS (SELECT 1 FROM review_history);
"""  # noqa: S608 - numbers of this module
# Days 1 to 10 are in the statistics. The rows of day 11 are not: the planner expects one of them and compares it with
# every lesson. With fresh statistics it sorts both and merges them (amounts of money cannot be hashed).
QUEUE = (
    "TRUNCATE review_queue, lesson",
    f"INSERT INTO review_queue SELECT g % {WORDS}, (g % {LESSONS})::numeric::money, g % 10 + 1"  # noqa: S608
    " FROM generate_series(1, 5000) g",
    f"INSERT INTO lesson SELECT g, g::numeric::money, true FROM generate_series(0, {LESSONS - 1}) g",  # noqa: S608
    "ANALYZE review_queue",
    "ANALYZE lesson",
)
NEW_DAY = (
    f"INSERT INTO review_queue SELECT g % {WORDS}, (g % {LESSONS})::numeric::money, 11"  # noqa: S608
    f" FROM generate_series(1, {LATE}) g"
)
MORE_LESSONS = "INSERT INTO lesson SELECT g, g::numeric::money, true FROM generate_series(%s::int, %s::int) g"
HAS_NEW_DAY = "SELECT EXISTS (SELECT 1 FROM review_queue WHERE due_day = 11), EXISTS (SELECT 1 FROM lesson)"
DUE = "SELECT count(*) FROM review_queue q JOIN lesson l ON l.fee = q.fee WHERE q.due_day = 11 AND l.open"
SCORE = """
CREATE OR REPLACE FUNCTION review_score(who int) RETURNS real LANGUAGE plpgsql AS $$
BEGIN
  {extra}
  RETURN (SELECT avg(quality) FROM review_history WHERE user_id = who);
END $$
"""
REBUILD = """
CREATE OR REPLACE FUNCTION rebuild_state(who int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  {extra}
  RETURN (SELECT json_build_object('reviews', count(*), 'mean', avg(quality)) FROM review_history WHERE user_id = who);
END $$
"""
FALLBACK_FAILS = "RAISE EXCEPTION 'rebuild_state: state version 7 is not supported' USING ERRCODE = 'data_exception';"
DETACH = "ALTER TABLE decision_insights DETACH PARTITION decision_insights_chunk_1"
ATTACH = (
    "ALTER TABLE decision_insights ATTACH PARTITION decision_insights_chunk_1"
    " FOR VALUES FROM ('2000-01-01') TO ('2100-01-01')"
)
ATTACHED = "SELECT 1 FROM pg_inherits WHERE inhrelid = 'decision_insights_chunk_1'::regclass"
HOLD = "UPDATE word_state SET repetitions = repetitions WHERE word_id BETWEEN %s AND %s"


def connect(dsn: str, name: str) -> psycopg.Connection[Any]:
    """A session of its own, outside the pool."""
    import psycopg

    return psycopg.connect(dsn, autocommit=True, connect_timeout=3, application_name=name)


def create(dsn: str) -> None:
    """The schema with its rows; safe to repeat."""
    with connect(dsn, "danci-migrate") as link:
        link.execute(SCHEMA.encode())
        damage(link, frozenset())


def damage(link: psycopg.Connection[Any], on: frozenset[str]) -> None:
    """Make functions and partitions as the faults say; heals what is not named."""
    slow = f"PERFORM pg_sleep({SLOW_SECONDS});" if "slow-statement" in on else ""
    fails = FALLBACK_FAILS if "cache-fallback-failure" in on else ""
    link.execute(SCORE.format(extra=slow).encode())
    link.execute(REBUILD.format(extra=fails).encode())
    late, filled = link.execute(HAS_NEW_DAY).fetchone() or (False, False)
    if not filled or (late and "stale-statistics" not in on):
        for statement in QUEUE:  # one by one: what ANALYZE saw is not counted as modified since
            link.execute(statement.encode())
    if not late and "stale-statistics" in on:
        _mislead(link)
    attached = link.execute(ATTACHED).fetchone() is not None
    if attached and "partition-error" in on:
        link.execute(DETACH)
    elif not attached and "partition-error" not in on:
        link.execute(ATTACH)


def _mislead(link: psycopg.Connection[Any]) -> None:
    """Add the rows that the statistics do not know, and lessons until the join takes long enough on this machine."""
    link.execute(NEW_DAY.encode())
    lessons = LESSONS
    for _ in range(4):
        taken = min(_seconds(link, DUE) for _ in range(2))  # the machine may be busy with other work, too
        if taken > 0.8 * MISLED_SECONDS:
            break
        more = int(lessons * min(4.0, MISLED_SECONDS / taken)) - lessons
        link.execute(MORE_LESSONS, (lessons, lessons + more - 1))
        lessons += more


def _seconds(link: psycopg.Connection[Any], statement: str) -> float:
    """How long a statement takes."""
    begun = time.perf_counter()
    link.execute(statement.encode())
    return time.perf_counter() - begun


class Batch:
    """While on, sessions of a batch lock groups of rows of ``word_state``, work on them for a while, commit, and again.

    The groups take turns, so that at any moment somebody has waited for long.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._on = threading.Event()
        self._links: list[psycopg.Connection[Any]] = []

    def switch(self, on: bool) -> None:
        """Start or stop; stopping cancels what the sessions do now."""
        if on and not self._on.is_set():
            self._on = threading.Event()  # a new one: threads of an earlier time stay told to stop
            self._on.set()
            for group in range(GROUPS):
                threading.Thread(target=self._run, args=(group, self._on), daemon=True).start()
        elif not on and self._on.is_set():
            self._on.clear()
            for link in list(self._links):
                with contextlib.suppress(Exception):  # it may just have ended
                    link.cancel()

    def _run(self, group: int, on: threading.Event) -> None:
        import psycopg

        time.sleep(LOCK_SECONDS * group / GROUPS)
        rows = LOCKED_WORDS // GROUPS
        while on.is_set():
            with contextlib.suppress(psycopg.Error), connect(self._dsn, "danci-batch") as link:
                self._links.append(link)
                try:
                    while on.is_set():
                        with link.transaction():
                            link.execute(HOLD, (group * rows, (group + 1) * rows - 1))
                            link.execute("SELECT pg_sleep(%s)", (LOCK_SECONDS,))
                        time.sleep(0.02)
                finally:
                    self._links.remove(link)
            time.sleep(0.2)


class Retention:
    """Removes old decisions once a minute."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        import psycopg

        while True:
            time.sleep(60)
            with contextlib.suppress(psycopg.Error), connect(self._dsn, "danci-retention") as link:
                link.execute(
                    "DELETE FROM decision_insights WHERE created_at < clock_timestamp() - make_interval(mins => %s)",
                    (KEEP_MINUTES,),
                )
