"""A look for trying one probe by itself, as the engine would hand it over."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from opsctl.clients.readers import Readers
from opsctl.config.endpoint import Endpoint
from opsctl.errors import NotConfigured
from opsctl.model import Finding, Seen
from opsctl.probes import registry
from opsctl.probes.look import Look
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader


@contextmanager
def looking(
    endpoints: Mapping[str, str], *, seconds: float = 30.0, since: float = 1800.0, at: float | None = None,
    profile: Profile | None = None, runbook: str = "high-latency",
) -> Iterator[Look]:  # fmt: skip
    """A look at these endpoints (name -> URL), with ``seconds`` for the probe; its clients are closed at the end."""

    def resolve(name: str) -> Endpoint:
        if name not in endpoints:
            raise NotConfigured(f"no endpoint {name}")
        return Endpoint(name=name, url=endpoints[name], setting=f"test {name}")

    readers = Readers(resolve)
    try:
        yield Look(
            runbook=runbook,
            profile=profile or Profile(service="amas"),
            readers=readers,
            signals=cast(SignalReader, None),
            now=time.time(),
            at=at,
            since=since,
            deadline=time.monotonic() + seconds,
        )
    finally:
        readers.close()


def run(look: Look, id: str, **params: object) -> Seen:
    """Run probe ``id`` and hold it to the rules: every id it declares, no other, sources and times in its evidence."""
    probe = registry.get(id)
    assert probe is not None
    seen = probe.run(look, msgspec.convert(params, probe.params))
    assert {finding.id for finding in seen.findings} == set(probe.emits)
    assert len(seen.findings) == len(probe.emits)
    for finding in seen.findings:
        assert finding.says
        assert "None" not in finding.says
        assert (finding.state == "unknown") == (finding.reason is not None)
    for evidence in seen.evidence:
        assert evidence.source.startswith(f"{id.partition('.')[0]} ")
        assert evidence.setting.startswith("test ")
        assert evidence.sampled_at is not None
        assert evidence.subject
    msgspec.json.encode(seen)
    return seen


def finding(seen: Seen, id: str) -> Finding:
    """The finding of that id."""
    return next(finding for finding in seen.findings if finding.id == id)


def states(seen: Seen) -> dict[str, str]:
    """Finding id -> state."""
    return {finding.id: finding.state for finding in seen.findings}


def values(seen: Seen, name: str) -> list[Any]:
    """The evidence values of that name."""
    return [value for evidence in seen.evidence for value in evidence.values if value.name == name]
