"""Endpoints and looks for tests."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from opsctl.clients.readers import Readers
from opsctl.config.endpoint import Endpoint, HttpAccess
from opsctl.errors import NotConfigured
from opsctl.model import Seen
from opsctl.probes.look import Look
from opsctl.services.model import Profile
from opsctl.signals.reader import SignalReader


def endpoint(url: str, *, name: str = "app", options: Mapping[str, str] | None = None, **access: Any) -> Endpoint:
    """An endpoint chosen by the setting "test"; ``access`` are fields of HttpAccess."""
    return Endpoint(name=name, url=url, setting="test", http=HttpAccess(**access), options=dict(options or {}))


def look_at(
    urls: Mapping[str, str | Endpoint],
    profile: Profile | None = None,
    *,
    seconds: float = 5.0,
    now: float | None = None,
    at: float | None = None,
) -> Look:
    """What a probe is given: readers for ``urls`` (endpoint name -> URL), no signals."""

    def resolve(name: str) -> Endpoint:
        if name not in urls:
            raise NotConfigured(f"no endpoint {name}")
        url = urls[name]
        return url if isinstance(url, Endpoint) else endpoint(url, name=name)

    return Look(
        runbook="high-latency",
        profile=profile or Profile(service="mine"),
        readers=Readers(resolve),
        signals=cast(SignalReader, None),
        now=time.time() if now is None else now,
        at=at,
        since=1800.0,
        deadline=time.monotonic() + seconds,
    )


def states(seen: Seen) -> dict[str, str]:
    """Finding id -> state, with the reason of an unknown one: ``unknown stale``."""
    return {
        finding.id: f"{finding.state} {finding.reason}" if finding.reason else finding.state
        for finding in seen.findings
    }


def says(seen: Seen, id: str) -> str:
    """The sentence of a finding."""
    return next(finding.says for finding in seen.findings if finding.id == id)


def values(seen: Seen) -> dict[str, object]:
    """Value name -> value, of all evidence; names with a component, target or pattern label as ``name label``."""
    return {
        " ".join([value.name, *value.labels.values()]): value.value
        for evidence in seen.evidence
        for value in evidence.values
    }
