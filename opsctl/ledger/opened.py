"""Which ledger is meant, opened: the file in the user's state folder, or the team's Postgres."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from opsctl.errors import ConfigError, CouldNotLook
from opsctl.ledger.record import Record

if TYPE_CHECKING:
    from opsctl.config.settings import Settings
    from opsctl.ledger.database import Database

FILE = "ledger.sqlite3"


def path_of(environ: Mapping[str, str]) -> Path:
    """The ledger's file. It may not exist yet."""
    from opsctl.config.places import state_dir

    return state_dir(environ) / FILE


def open_ledger(
    settings: Settings | None,
    environ: Mapping[str, str],
    *,
    reading: bool = False,
    clock: Callable[[], float] = time.time,
) -> Record:
    """The ledger, ready; made when it is not there yet. ``reading``: nothing is made, and a missing one is empty.

    ``settings`` None: the file, whatever is configured. Raises CannotWrite, Unavailable, Refused, ConfigError.
    """
    from opsctl.ledger.sqlite import SqliteDatabase

    database = _database(settings, environ, reading)
    if reading and not _made(database):
        database.close()
        database = SqliteDatabase(None, where=database.where)
    return Record(database, clock)


def _database(settings: Settings | None, environ: Mapping[str, str], reading: bool) -> Database:
    from opsctl.config.state import state_of

    try:
        endpoint = None if settings is None else state_of(settings)
    except CouldNotLook as failure:
        raise ConfigError(failure.says, place=failure.setting) from None
    if endpoint is not None:
        from opsctl.ledger.postgres import PostgresDatabase

        return PostgresDatabase(endpoint)
    from opsctl.ledger.sqlite import SqliteDatabase

    return SqliteDatabase(path_of(environ), reading=reading)


def _made(database: Database) -> bool:
    from opsctl.ledger.schema import version_of

    try:
        with database.reading() as work:
            return version_of(work) > 0
    except BaseException:
        database.close()
        raise
