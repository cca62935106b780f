"""How the postgres probes ask: one session, the deadline of the look, evidence with its source, load shedding."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opsctl.clients.postgres_errors import SlotsFull
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Finding, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.quantities import Quantities
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.clients.postgres import PostgresReader, Preflight

FALLBACK = "postgres-superuser"  # read only, and only when the monitoring role finds no slot (PG-0)
QUESTION_SECONDS = 5.0
TEXT_LENGTH = 120
SHED_RATIO = 0.7  # of the slots working: the server has enough to do (domain-checks 1.1)
SHED_SECONDS = 1.0
CONNECT_SECONDS = 3.0  # as PG-0 has it


class PostgresParams(Quantities, frozen=True, kw_only=True):
    """``endpoint``: which Postgres of the service is meant."""

    endpoint: str = "postgres"


@dataclass(slots=True)
class Session:
    """One probe's use of the shared read-only session."""

    look: Look
    reader: PostgresReader
    facts: Preflight
    name: str
    before: float  # how long the last question of an earlier probe took
    asked: list[str] = field(default_factory=list)

    def rows(
        self, sql_name: str, params: Mapping[str, object] | None = None, *, schema: str = ""
    ) -> list[dict[str, Any]]:
        """The rows of that file, within what is left of the probe's time."""
        if sql_name not in self.asked:
            self.asked.append(sql_name)
        return self.reader.rows(sql_name, params, self.left(), schema=schema)

    def begin(self, *sql_names: str) -> None:
        """Ask counters that a later probe of this diagnosis will compare: it need not wait then, and sees more."""
        for name in sql_names:
            if name not in self.reader.first:
                self.reader.first[name] = (time.monotonic(), self.rows(name))

    def two(self, sql_name: str, pause: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
        """The diagnosis' first rows of that file, rows at least ``pause`` seconds later, and the seconds in between.

        When nothing asked before, the pause is made here: half of what the probe has left at most.
        """
        self.begin(sql_name)
        at, before = self.reader.first[sql_name]
        wanted = max(0.0, at + pause - time.monotonic())
        time.sleep(min(wanted, self.look.remaining() / 2))
        after = self.rows(sql_name)
        return before, after, time.monotonic() - at

    def left(self, share: float = 1.0) -> float:
        """Seconds for one question: at most five, and no more than the probe still has."""
        return max(0.05, min(QUESTION_SECONDS, self.look.remaining() * share))

    def evidence(self, values: Sequence[Value], *, window: str = "") -> Evidence:
        """What was seen, with the files that asked for it."""
        more = () if self.name != FALLBACK else (Value(name="read through", value=FALLBACK),)
        return Evidence(
            subject=self.facts.database,
            source=f"postgres {self.reader.address}",
            values=(*values, *more),
            query=" ".join(f"{name}.sql" for name in self.asked),
            window=window,
            setting=self.reader.setting,
            sampled_at=datetime.now(UTC),
        )

    def hidden(self, id: str, what: str) -> Finding:
        """Unknown, because this role sees only its own sessions; with the remedy."""
        says = f"role {self.facts.role} may not see {what}; as a superuser: {self.facts.remedy}"
        return Finding(id=id, state="unknown", says=says, reason="forbidden")

    def spare(self, what: str) -> None:
        """Raise CouldNotLook "skipped" when the server is too busy for a dearer question."""
        if self.before > SHED_SECONDS:
            took = format_quantity(self.before, "s")
            raise self._skipped(f"{what} was left out: the question before took {took}, limit {SHED_SECONDS:g} s")
        (row,) = self.rows("get_capacity")
        if row["slots"] > 0 and row["working"] / row["slots"] > SHED_RATIO:
            raise self._skipped(
                f"{what} was left out: {row['working']} of {row['slots']} slots are at work, limit {SHED_RATIO:.0%}"
            )

    def _skipped(self, says: str) -> CouldNotLook:
        return CouldNotLook("skipped", says, address=self.reader.address, setting=self.reader.setting)


def session(look: Look, params: PostgresParams) -> Session:
    """The endpoint's open session; or of ``postgres-superuser`` when no slot is left for it. CouldNotLook."""
    reader = look.readers.postgres(params.endpoint)
    present_only(look, reader.address, reader.setting)
    before = reader.last_seconds
    seconds = max(0.05, min(CONNECT_SECONDS, look.remaining()))
    try:
        return Session(look, reader, reader.open(seconds), params.endpoint, before)
    except SlotsFull:
        try:
            other = look.readers.postgres(FALLBACK)
        except NotConfigured:
            other = None
        if other is None or look.readers.endpoint(FALLBACK).url == look.readers.endpoint(params.endpoint).url:
            raise
        seconds = max(0.05, min(CONNECT_SECONDS, look.remaining()))
        return Session(look, other, other.open(seconds), FALLBACK, other.last_seconds)


def short(text: object) -> str:
    """A statement as one line without secrets, cut to what fits in a report."""
    line = " ".join(redact(printable(str(text or ""))).split())
    return line if len(line) <= TEXT_LENGTH else line[: TEXT_LENGTH - 1] + "…"


def labels(**given: object) -> dict[str, str]:
    """Labels of a row; empty ones are left out."""
    return {key: str(value) for key, value in given.items() if value not in (None, "")}


def who(row: Mapping[str, Any]) -> str:
    """A session in words: ``pid 4711 (api, app)``."""
    names = ", ".join(dict.fromkeys(short(row[key])[:40] for key in ("application", "role") if row.get(key)))
    return f"pid {row['pid']} ({names})" if names else f"pid {row['pid']}"
