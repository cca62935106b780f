"""The ledger's tables, the same in both databases, and how an older ledger is brought up to date."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opsctl.errors import ConfigError
from opsctl.ledger.moments import text_of

if TYPE_CHECKING:
    from opsctl.ledger.database import Database, Work

# One tuple of statements per version, never changed once released. TEXT stands for Database.text_type.
VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE entries (
            number BIGINT PRIMARY KEY, run TEXT NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, step BIGINT NOT NULL,
            body TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL)""",
        "CREATE INDEX entries_of_run ON entries (run, number)",
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, actor TEXT NOT NULL, host TEXT NOT NULL, command TEXT NOT NULL, reason TEXT NOT NULL,
            ticket TEXT NOT NULL, service TEXT NOT NULL, context TEXT NOT NULL, runbook TEXT NOT NULL,
            action TEXT NOT NULL, scope TEXT NOT NULL, plan_hash TEXT NOT NULL, begun TEXT NOT NULL,
            changed TEXT NOT NULL, state TEXT NOT NULL, word TEXT NOT NULL, says TEXT NOT NULL)""",
        "CREATE INDEX runs_of_action ON runs (action, scope)",
        """CREATE TABLE leases (
            id TEXT PRIMARY KEY, scope TEXT NOT NULL UNIQUE, actor TEXT NOT NULL, host TEXT NOT NULL,
            pid BIGINT NOT NULL, command TEXT NOT NULL, since TEXT NOT NULL, until TEXT NOT NULL,
            marker TEXT NOT NULL)""",
    ),
)


def version_of(work: Work) -> int:
    """The schema's version; 0: there is none yet."""
    if not work.has_table("versions"):
        return 0
    return int(work.rows("SELECT COALESCE(MAX(version), 0) FROM versions")[0][0])


def check_version(found: int, where: str) -> None:
    """Raises ConfigError for a ledger of a newer opsctl."""
    if found > len(VERSIONS):
        raise ConfigError(
            f"this ledger was made by a newer opsctl (its schema is {found}, this one knows {len(VERSIONS)})",
            place=where,
            remedy="Use that opsctl here too.",
        )


def ready(database: Database) -> None:
    """Make the tables, or what is missing of them. Raises ConfigError for a ledger of a newer opsctl."""
    with database.reading() as work:
        found = version_of(work)
    check_version(found, database.where)
    if found == len(VERSIONS):
        return
    with database.writing() as work:
        found = version_of(work)  # somebody else may have been faster
        check_version(found, database.where)
        if found == 0:
            work.make_place()
            work.change(_typed("CREATE TABLE versions (version BIGINT PRIMARY KEY, at TEXT NOT NULL)", database))
        for number in range(found, len(VERSIONS)):
            for statement in VERSIONS[number]:
                work.change(_typed(statement, database))
            work.change("INSERT INTO versions VALUES (?, ?)", number + 1, text_of(datetime.now(UTC)))


def _typed(statement: str, database: Database) -> str:
    return statement.replace(" TEXT", f" {database.text_type}")
