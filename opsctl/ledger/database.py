"""What the ledger needs of a database: two kinds of transactions, rows, pages. SQL is written once, with ``?``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

Row = tuple[Any, ...]


class Work(Protocol):
    """What may be done inside a transaction."""

    def rows(self, sql: str, *values: object) -> list[Row]:
        """All rows of a query."""
        ...

    def change(self, sql: str, *values: object) -> int:
        """Run a statement; how many rows it touched."""
        ...

    def pages(self, sql: str, *values: object, size: int = 2000) -> Iterator[Sequence[Row]]:
        """The rows of a query in portions: memory does not grow with the table."""
        ...

    def now(self) -> datetime | None:
        """The database's own clock, aware, UTC; None where it has none but the process'."""
        ...

    def make_place(self) -> None:
        """Make what tables are made in, where the database needs that."""
        ...

    def has_table(self, name: str) -> bool:
        """Whether the ledger's table of that name is there."""
        ...


class Database(Protocol):
    """One connection, usable by several threads in turn. All failures are typed (errors.py)."""

    where: str  # for people: the file, or the address without credentials
    text_type: str  # a column type whose values compare byte by byte

    def writing(self) -> AbstractContextManager[Work]:
        """A transaction that no other writer runs beside; durable when the block ends, undone when it raises."""
        ...

    def reading(self) -> AbstractContextManager[Work]:
        """A snapshot: what others write meanwhile is not seen."""
        ...

    def check(self) -> list[str]:
        """The database's own complaints about its storage, as sentences."""
        ...

    def close(self) -> None:
        """Never raises."""
        ...
