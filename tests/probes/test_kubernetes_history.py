"""kubernetes.history against a real API server: what each rollout changed, and when (K8-3)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from opsctl.model import Seen
from opsctl.probes import kubernetes_history
from opsctl.services.model import Workload
from tests.probes.kubernetes_look import finding, look_at, run, states
from tests.servers.kube import Kube

IMAGE = "registry.test/shop/api"


def history(kube: Kube, namespace: str, **params: Any) -> Seen:
    return run("kubernetes.history", look_at(kube.admin, namespace), **params)


def says(seen: Seen) -> list[str]:
    return [each.says for each in seen.changes]


def test_the_first_rollout(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    seen = history(kube, namespace)
    assert states(seen) == {"rollout-recent": "breach"}
    assert says(seen) == ["created (first revision)"]
    assert seen.changes[0].subject == "Deployment api"
    assert abs(seen.changes[0].at.timestamp() - time.time()) < 120


def test_a_new_image_and_settings_are_told_without_their_values(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(
        namespace, image=f"{IMAGE}:1.14.2", env={"LOG_LEVEL": "info", "OLD": "x", "API_KEY": "hunter-one"}
    )
    kube.rolled_out(path)
    kube.deploy(
        namespace,
        image=f"{IMAGE}:1.14.3",
        env={"LOG_LEVEL": "debug", "NEW": "y", "API_KEY": "hunter-two"},
        env_from=["settings-v2"],
        limits={"memory": "1Gi"},
    )
    kube.rolled_out(path)
    seen = history(kube, namespace)
    assert states(seen) == {"rollout-recent": "breach"}
    newest = seen.changes[0].says
    assert newest.startswith("image 1.14.2 -> 1.14.3, ")
    assert newest.endswith("(revision 1 -> 2, by python-httpx)")
    for told in ("env LOG_LEVEL info -> debug", "env OLD removed", "env NEW added", "env API_KEY changed"):
        assert told in newest
    assert "ConfigMap settings-v2 now used" in newest
    assert "memory limit none -> 1Gi" in newest
    assert "envFrom" not in newest
    text = repr(seen)
    assert not any(secret in text for secret in ("hunter",))
    recent = finding(seen, "rollout-recent")
    assert recent.says.startswith("Deployment api was rolled out ")
    assert recent.measured is not None
    assert recent.measured < 120
    assert (recent.threshold, recent.unit, recent.threshold_from) == (1800.0, "s", "within")
    assert recent.since == seen.changes[0].at


def test_a_restart_and_an_old_rollout(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace)
    kube.rolled_out(path)
    restart = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    kube.call("PATCH", path, {"spec": {"template": {"metadata": {"annotations": restart}}}})
    kube.rolled_out(path)
    assert says(history(kube, namespace))[0] == "restarted (revision 1 -> 2, by python-httpx)"
    time.sleep(1.1)
    seen = history(kube, namespace, within="1s")
    assert states(seen) == {"rollout-recent": "ok"}


def test_a_rollback_reuses_an_old_replica_set_but_happened_now(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, image=f"{IMAGE}:1")
    kube.rolled_out(path)
    time.sleep(1.1)  # creation times have whole seconds
    kube.deploy(namespace, image=f"{IMAGE}:2")
    kube.rolled_out(path)
    time.sleep(1.1)
    kube.deploy(namespace, image=f"{IMAGE}:1")
    kube.rolled_out(path)
    seen = history(kube, namespace)
    assert "rolled back: image 2 -> 1 (revision 2 -> 3" in seen.changes[0].says
    created = kube.call("GET", path)["metadata"]["creationTimestamp"]
    assert seen.changes[0].at.isoformat() > created


def test_the_past_is_known_from_the_replica_sets(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_history, "SKEW", 0.0)
    namespace = kube.namespace()
    path = kube.deploy(namespace, image=f"{IMAGE}:1")
    kube.rolled_out(path)
    first = time.time()
    time.sleep(1.1)
    kube.deploy(namespace, image=f"{IMAGE}:2")
    kube.rolled_out(path)
    seen = run("kubernetes.history", look_at(kube.admin, namespace, at=first))
    assert says(seen) == ["created (first revision)"]
    before = run("kubernetes.history", look_at(kube.admin, namespace, at=first - 3600))
    assert (finding(before, "rollout-recent").state, finding(before, "rollout-recent").reason) == ("unknown", "no-data")


def test_a_stateful_set_keeps_controller_revisions(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, "db", image="postgres:15.1")
    template = kube.call("GET", path)["spec"]["template"]
    kube.call("DELETE", path)
    sets = f"apis/apps/v1/namespaces/{namespace}/statefulsets"
    spec = {"replicas": 1, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template}
    kube.call("POST", sets, {"metadata": {"name": "db"}, "spec": spec})
    kube.wait(f"{sets}/db", lambda obj: obj.get("status", {}).get("readyReplicas") == 1)
    time.sleep(1.1)
    template["spec"]["containers"][0]["image"] = "postgres:15.2"
    kube.call("PATCH", f"{sets}/db", {"spec": {"template": template}})
    kube.wait(f"{sets}/db", lambda obj: obj["status"].get("currentRevision") == obj["status"].get("updateRevision"))
    workloads = {"db": Workload(kind="StatefulSet", name="db")}
    seen = run("kubernetes.history", look_at(kube.admin, namespace, workloads))
    assert says(seen)[0] == "image 15.1 -> 15.2 (revision 1 -> 2, by python-httpx)"


def test_without_rights(kube: Kube) -> None:
    seen = run("kubernetes.history", look_at(kube.viewer, "default"))
    assert (finding(seen, "rollout-recent").state, finding(seen, "rollout-recent").reason) == ("unknown", "forbidden")
