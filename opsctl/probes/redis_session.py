"""How the redis probes ask: the shared connection, the deadline of the look, evidence with its source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from opsctl.durations import format_quantity
from opsctl.model import Evidence, Finding, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.quantities import Quantities

if TYPE_CHECKING:
    from opsctl.clients.redis import RedisReader
    from opsctl.clients.redis_answers import Sample

QUESTION_SECONDS = 5.0


class RedisParams(Quantities, frozen=True, kw_only=True):
    """``endpoint``: which Redis of the service is meant."""

    endpoint: str = "redis"


@dataclass(slots=True)
class Session:
    """One probe's use of the shared connection."""

    look: Look
    reader: RedisReader
    asked: list[str] = field(default_factory=list)

    def left(self) -> float:
        """Seconds for one question."""
        return max(0.05, min(QUESTION_SECONDS, self.look.remaining()))

    def info(self) -> Sample:
        """INFO now."""
        self.asked.append("INFO all")
        return self.reader.info(timeout=self.left())

    def two(self, pause: float) -> tuple[Sample, Sample]:
        """Two INFO samples: ``pause`` seconds apart, or less when the probe has not that long."""
        self.asked.append("INFO all")
        return self.reader.two(min(pause, self.look.remaining() / 2), timeout=self.left())

    def evidence(self, values: Iterable[Value], *, window: str = "") -> Evidence:
        """What was seen, with the commands that asked for it."""
        note = (Value(name="TLS certificate checked", value=False),) if self.reader.tls_unverified else ()
        return Evidence(
            subject="redis",
            source=f"redis {self.reader.address}",
            values=(*values, *note),
            query="; ".join(dict.fromkeys(self.asked)),
            window=window,
            setting=self.reader.setting,
            sampled_at=datetime.now(UTC),
        )


def session(look: Look, params: RedisParams) -> Session:
    """The endpoint's connection. Raises CouldNotLook."""
    reader = look.readers.redis(params.endpoint)
    present_only(look, reader.address, reader.setting)
    return Session(look, reader)


def span(before: Sample, after: Sample) -> str:
    """The time between two samples in words."""
    return format_quantity(after.taken - before.taken, "s")


def grown(before: Sample, after: Sample, name: str) -> float | None:
    """By how much a counter grew between two samples; None when it is absent or was reset in between."""
    old, new = before.number(name), after.number(name)
    return None if old is None or new is None or new < old else new - old


def unsure(id: str, says: str) -> Finding:
    """Unknown, because the server does not tell."""
    return Finding(id=id, state="unknown", says=says, reason="unsupported")


def numbers(sample: Sample, names: Iterable[tuple[str, str]]) -> list[Value]:
    """Fields as values, with their units; absent ones are left out."""
    found = ((name, unit, sample.number(name)) for name, unit in names)
    return [Value(name=name, value=value, unit=unit) for name, unit, value in found if value is not None]
