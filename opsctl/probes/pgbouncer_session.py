"""How the pgbouncer probes ask: the shared console connection, the deadline of the look, evidence with its source."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opsctl.clients.pgbouncer import DATABASE
from opsctl.model import Evidence, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.quantities import Quantities

if TYPE_CHECKING:
    from opsctl.clients.pgbouncer import PgbouncerReader

Row = Mapping[str, Any]
QUESTION_SECONDS = 5.0


class PgbouncerParams(Quantities, frozen=True, kw_only=True):
    """``endpoint``: which PgBouncer of the service is meant."""

    endpoint: str = "pgbouncer"


@dataclass(slots=True)
class Session:
    """One probe's use of the shared connection."""

    look: Look
    reader: PgbouncerReader
    asked: list[str] = field(default_factory=list)

    def show(self, name: str) -> list[dict[str, Any]]:
        """The rows of SHOW NAME, without the console's own."""
        if f"SHOW {name}" not in self.asked:
            self.asked.append(f"SHOW {name}")
        left = max(0.05, min(QUESTION_SECONDS, self.look.remaining()))
        return [row for row in self.reader.show(name, left) if DATABASE not in (row.get("database"), row.get("name"))]

    def two(self, name: str, pause: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
        """The diagnosis' first rows of that list, rows at least ``pause`` seconds later, and the seconds between."""
        if name not in self.reader.first:
            self.reader.first[name] = (time.monotonic(), self.show(name))
        at, before = self.reader.first[name]
        time.sleep(min(max(0.0, at + pause - time.monotonic()), self.look.remaining() / 2))
        return before, self.show(name), time.monotonic() - at

    def evidence(self, values: Iterable[Value], *, window: str = "") -> Evidence:
        """What was seen, with the commands that asked for it."""
        return Evidence(
            subject="pgbouncer",
            source=f"pgbouncer {self.reader.address}",
            values=tuple(values),
            query="; ".join(self.asked),
            window=window,
            setting=self.reader.setting,
            sampled_at=datetime.now(UTC),
        )


def session(look: Look, params: PgbouncerParams) -> Session:
    """The endpoint's connection. Raises CouldNotLook."""
    reader = look.readers.pgbouncer(params.endpoint)
    present_only(look, reader.address, reader.setting)
    return Session(look, reader)


def number(row: Row, name: str) -> float:
    """A column as a number: releases add and remove columns, and an absent one counts 0."""
    try:
        return float(row.get(name) or 0)
    except (TypeError, ValueError):
        return 0.0


def waited(row: Row) -> float:
    """Seconds that the first client in this pool's queue has waited; the microseconds are absent in old releases."""
    return number(row, "maxwait") + number(row, "maxwait_us") / 1e6


def name_of(row: Row) -> str:
    """A pool in words: ``app as user danci``."""
    return f"{row.get('database', '?')} as user {row.get('user', '?')}"


def waiting(count: float) -> str:
    """``1 client waits``, ``3 clients wait``."""
    return "1 client waits" if count == 1 else f"{count:g} clients wait"
