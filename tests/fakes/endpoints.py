"""Endpoints and looks for tests."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

from opsctl.clients.readers import Readers
from opsctl.config.endpoint import Endpoint, HttpAccess
from opsctl.errors import NotConfigured
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
