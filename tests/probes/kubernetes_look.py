"""Builds what the Kubernetes probes are given, for a test's namespace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from opsctl.clients.readers import Readers
from opsctl.config.endpoint import Endpoint
from opsctl.errors import NotConfigured
from opsctl.model import Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import get
from opsctl.services.model import Kubernetes, Profile, Workload
from opsctl.signals.reader import SignalReader


def look_at(
    kubeconfig: Path | str,
    namespace: str,
    workloads: dict[str, Workload] | None = None,
    *,
    at: float | None = None,
    seconds: float = 20.0,
) -> Look:
    """Look at Deployment ``api`` (or ``workloads``; {} for none) of a namespace through a kubeconfig."""

    def resolve(name: str) -> Endpoint:
        if name != "kubernetes":
            raise NotConfigured(f"no {name} in this test")
        return Endpoint(name=name, url=str(kubeconfig), setting="test")

    if workloads is None:
        workloads = {"api": Workload(name="api")}
    part = Kubernetes(namespace=namespace, workloads=workloads) if workloads else None
    signals: Any = SignalReader.__new__(SignalReader)  # these probes read no signal
    return Look(
        runbook="high-latency",
        profile=Profile(service="shop", kubernetes=part),
        readers=Readers(resolve),
        signals=signals,
        now=time.time() if at is None else at,
        at=at,
        since=1800.0,
        deadline=time.monotonic() + seconds,
    )


def run(id: str, look: Look, **params: object) -> Seen:
    """Run a probe as the engine would; every id it declares must come, and its answer must travel as JSON."""
    probe = get(id)
    assert probe is not None
    seen = probe.run(look, msgspec.convert(params, probe.params))
    assert {finding.id for finding in seen.findings} == set(probe.emits), "every declared finding is told"
    assert len(seen.findings) == len(probe.emits), "and each once"
    assert msgspec.json.decode(msgspec.json.encode(seen), type=Seen) == seen
    for each in seen.evidence:
        assert each.sampled_at is not None or each.unknown is not None
        assert each.setting == "test"
        assert each.source.startswith("kubernetes test/")
    look.readers.close()
    return seen


def states(seen: Seen) -> dict[str, str]:
    """Finding id without its system -> state."""
    return {finding.id.removeprefix("kubernetes."): finding.state for finding in seen.findings}


def finding(seen: Seen, id: str) -> Finding:
    """The finding of that id (without ``kubernetes.``)."""
    return next(each for each in seen.findings if each.id == f"kubernetes.{id}")
