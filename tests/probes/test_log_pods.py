"""log.lines on what the pods of a workload write, through a real API server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Seen
from opsctl.probes.log import LinesParams, lines
from opsctl.services.model import LogFile
from tests.fakes.endpoints import says, states, values
from tests.probes.kubernetes_look import look_at
from tests.servers.kube import Kube

ID = "local.seen"
WRITTEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()  # the kubelet's times


def ask(kube: Kube, namespace: str, path: str = "kubernetes:Deployment/api", ago: float = 60.0) -> Seen:
    look = look_at(kube.admin, namespace)
    profile = msgspec.structs.replace(look.profile, logs={"app": LogFile(path=path)})
    asked = LinesParams(log="app", finding=ID, pattern="slow query", level="error")
    return lines(replace(look, profile=profile, now=WRITTEN + ago), asked)


@pytest.mark.needs("kube")
def test_lines_of_all_pods_of_a_workload(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.deploy(namespace)
    pods = [pod["metadata"]["name"] for pod in kube.pods(namespace, lambda found: "Running" in str(found))]
    assert kube._node is not None
    for pod in pods:
        kube._node.kubelet.logs[namespace, pod, "main", False] = [
            '{"level": "error", "event": "slow query"}',
            "ERROR a slow query again",
            "INFO slow query, told by the way",
        ]
    seen = ask(kube, namespace)
    assert states(seen) == {ID: "breach"}
    assert says(seen, ID) == f"{2 * len(pods)} error lines in 5m match, bound 0"
    assert values(seen)["line"] == "ERROR a slow query again"
    assert seen.evidence[0].source == "log kubernetes:Deployment/api"
    with pytest.raises(CouldNotLook) as later:
        ask(kube, namespace, ago=3600.0)
    assert later.value.reason == "no-data"
    with pytest.raises(NotConfigured):
        ask(kube, namespace, "kubernetes:Deployment/other")
    with pytest.raises(CouldNotLook) as gone:
        ask(kube, kube.namespace("empty"))
    assert gone.value.reason == "not-found"
