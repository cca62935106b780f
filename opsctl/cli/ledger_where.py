"""What every ``opsctl ledger`` command needs first: the ledger that is meant, and who asks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from opsctl.cli.options import root_of

if TYPE_CHECKING:
    from opsctl.ledger.record import Record
    from opsctl.remediation.workspace import Who

SCHEMA = "opsctl.ledger/1"


@contextmanager
def opened(ctx: typer.Context, *, reading: bool = True) -> Iterator[Record]:
    """The ledger of this command line, closed at the end. Raises ConfigError, CannotWrite, Unavailable, Refused."""
    from opsctl.config.settings import load_settings
    from opsctl.ledger.opened import open_ledger

    root = root_of(ctx)
    ledger = open_ledger(load_settings(root.config, root.context), os.environ, reading=reading)
    try:
        yield ledger
    finally:
        ledger.close()


def who() -> Who:
    """Who runs this command, for what it adds to the record."""
    from opsctl.remediation.workspace import who_of

    return who_of(["opsctl", *sys.argv[1:]], os.environ)


def begin_of(since: str | None) -> datetime | None:
    """The moment that ``--since`` means: so long ago, or a time. Raises UsageError."""
    import time

    from opsctl.durations import parse_duration, parse_time
    from opsctl.errors import UsageError

    if since is None:
        return None
    now = time.time()
    try:
        at = now - parse_duration(since)
    except UsageError:
        at = parse_time(since, now)
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        raise UsageError(f"--since {since!r} is further back than a calendar goes") from None
