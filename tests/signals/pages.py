"""Samples written as a metrics page and as a backfill for a real Prometheus; and a SignalReader over test servers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from opsctl.clients.readers import Readers
from opsctl.config.endpoint import Endpoint
from opsctl.errors import NotConfigured
from opsctl.model import Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import get as probe_of
from opsctl.services.model import Profile
from opsctl.signals.exposition import Page
from opsctl.signals.growth import Scrapes
from opsctl.signals.reader import SignalReader

START = 1_700_000_000.0
TARGET = {"job": "app", "instance": "a:1"}


class Line(NamedTuple):
    """One series at one time; ``value`` None: it is not there."""

    metric: str
    labels: Mapping[str, str]
    value: float | None


def written(value: float) -> str:
    """A number as the formats write it."""
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(str(value), repr(float(value)))


def escaped(value: str) -> str:
    """A label value inside its quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def series(metric: str, labels: Mapping[str, str]) -> str:
    """A series as both formats write it."""
    inside = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return f"{metric}{{{inside}}}" if inside else metric


def page(lines: Sequence[Line], *, at: float = START) -> Page:
    """A scraped page."""
    text = "".join(f"{series(x.metric, x.labels)} {written(x.value)}\n" for x in lines if x.value is not None)
    return Page(("# HELP x x\n" + text).encode(), time=at)


def scrapes(first: Sequence[Line], second: Sequence[Line], pause: float = 10.0) -> Scrapes:
    """Two pages ``pause`` seconds apart, the second at START + pause."""
    return Scrapes(page(first, at=START), page(second, at=START + pause), pause)


def backfill(at: Mapping[float, Sequence[Line]], *, up: bool = True) -> str:
    """OpenMetrics text with times, as if TARGET had been scraped then; ``up`` tells that each scrape worked."""
    found: dict[str, list[str]] = {}
    for moment, lines in sorted(at.items()):
        targets = [Line("up", {}, 1.0)] if up else []
        for line in (*lines, *targets):
            if line.value is not None:
                name = series(line.metric, {**line.labels, **TARGET})
                found.setdefault(name, []).append(f"{name} {written(line.value)} {moment:.3f}")
    return "\n".join(row for rows in found.values() for row in rows) + "\n"


def readers(**urls: str) -> Readers:
    """Clients for endpoints by name; what is not named is not configured."""

    def resolve(name: str) -> Endpoint:
        if name not in urls:
            raise NotConfigured(f"no {name} is configured")
        return Endpoint(name=name, url=urls[name], setting=f"test {name}")

    return Readers(resolve)


def signals(clients: Readers | None = None, **how: Any) -> SignalReader:
    """A SignalReader with short times; endpoints as keywords ``prometheus=`` and ``metrics=`` (URLs)."""
    urls = {name: how.pop(name) for name in ("prometheus", "metrics") if name in how}
    settings: dict[str, Any] = {"labels": {}, "scrape_interval": 1.0, "window": 10.0, "pause": 0.3, **how}
    return SignalReader(clients or readers(**urls), **settings)


def look(
    profile: Profile, reader: SignalReader, *, runbook: str = "high-latency", at: float | None = None, **how: Any
) -> Look:
    """What the engine gives a probe."""
    settings: dict[str, Any] = {"since": 1800.0, "deadline": time.monotonic() + 60.0, **how}
    now = time.time() if at is None else at
    clients = readers()
    return Look(runbook=runbook, profile=profile, readers=clients, signals=reader, now=now, at=at, **settings)


def run(id: str, where: Look, **params: Any) -> Seen:
    """Run a probe as the engine does: its parameters converted and checked."""
    found = probe_of(id)
    assert found is not None
    return found.run(where, msgspec.convert(params, found.params))


def only(seen: Seen) -> Finding:
    """The probe's one finding."""
    assert len(seen.findings) == 1, seen.findings
    return seen.findings[0]
