"""threads on a real Kubernetes API: what is wrong with its pods or its rollout is named first, and nothing is written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.app import App
from tests.acceptance.session import Session, confirmed, top, until
from tests.servers.kube import Kube
from tests.servers.prometheus import start_prometheus, static

pytestmark = [pytest.mark.slow, pytest.mark.needs("prometheus", "kube"), pytest.mark.timeout(300)]

OTHERS = ("celery-worker", "persona-runtime", "postgres")
OLD, NEW = "registry.test/threads/orchestrator:2.4.0", "registry.test/threads/orchestrator:2.4.1"
DEPLOYMENTS = "apis/apps/v1/namespaces/{}/deployments/{}"
LONG_AGO = {"ago": "600"}  # seconds since the pods came to be as they are


class Threads:
    """One namespace with the stack, the orchestrator's metrics, and the Prometheus that scrapes them."""

    def __init__(self, folder: Path, kube: Kube) -> None:
        self.folder = folder
        self.kube = kube
        self.namespace = kube.namespace("threads")
        self.app = App(latency=0.1)
        self.prometheus = start_prometheus(folder / "prometheus", [static("orchestrator", self.app.netloc)])
        self.deploy(OLD)
        for name in OTHERS:
            kube.deploy(self.namespace, name, image=OLD)
        for name in ("orchestrator", *OTHERS):
            kube.rolled_out(self.path(name))
        self.prometheus.wait_for("count_over_time(up[60s])", lambda count: count >= 7)

    def path(self, name: str) -> str:
        return DEPLOYMENTS.format(self.namespace, name)

    def deploy(self, image: str, behaviour: str = "ok", **how: Any) -> None:
        self.kube.deploy(self.namespace, "orchestrator", replicas=3, image=image, behaviour=behaviour, **how)

    def ill(self, reason: str) -> None:
        """Wait until a pod of the orchestrator shows this reason, and the metrics show what users see."""
        self.kube.pods(self.namespace, lambda pods: reason in json.dumps([pod.get("status") for pod in pods]))
        self.app.change(latency=1.6, errors=0.2)

    def session(self, name: str, kubeconfig: Path) -> Session:
        context = {
            "prometheus": self.prometheus.url,
            "kubernetes": {"kubeconfig": str(kubeconfig), "namespace": self.namespace},
            "services": {
                "threads": {
                    "window": "5s",
                    "for": "2s",
                    "scrape_interval": "1s",
                    "endpoints": {"metrics": {"url": self.app.url}},
                }
            },
        }
        folder = self.folder / name
        folder.mkdir()
        (folder / "opsctl.yaml").write_text(
            json.dumps({"current-context": "test", "contexts": {"test": context}}, indent=1)
        )
        return Session(folder)

    def broken(self, runbook: str, *more: str, code: int) -> dict[str, Any]:
        """What a user with all rights is told as soon as the objective has been broken for long enough."""
        session = self.session(f"{runbook}-{len(list(self.folder.iterdir()))}", self.kube.admin)
        found = until(40, lambda: (lambda r: r if r[0] == code else None)(session.diagnose(runbook, "threads", *more)))
        assert found, session.diagnose(runbook, "threads", *more)[1]["says"]
        return found[1]

    def stop(self) -> None:
        self.prometheus.stop()
        self.app.stop()


@pytest.fixture
def threads(tmp_path: Path, kube: Kube) -> Iterator[Threads]:
    stack = Threads(tmp_path, kube)
    yield stack
    stack.stop()


def says(report: dict[str, Any], id: str) -> str:
    return next(f["says"] for f in report["findings"] if f["id"] == id)


def versions(kube: Kube, namespace: str) -> dict[str, str]:
    """The resourceVersion of every object that this user can see in the namespace, reviews and leases included."""
    found: dict[str, str] = {}
    groups = ["api/v1", *(f"apis/{g['preferredVersion']['groupVersion']}" for g in kube.call("GET", "apis")["groups"])]
    for group in groups:
        for kind in kube.call("GET", group)["resources"]:
            if not kind["namespaced"] or "/" in kind["name"] or "list" not in kind["verbs"]:
                continue
            for item in kube.call("GET", f"{group}/namespaces/{namespace}/{kind['name']}")["items"]:
                found[f"{group} {kind['name']} {item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


def test_a_bad_rollout(threads):
    threads.deploy(NEW, "crashloop")
    threads.ill("CrashLoopBackOff")
    before = versions(threads.kube, threads.namespace)
    report = threads.broken("high-error-rate", code=2)
    assert (report["severity"], report["severity_label"]) == ("sev1", "critical")
    assert set(confirmed(report)[:2]) == {"pods-unhealthy", "recent-deployment"}
    assert top(report) == "recent-deployment"
    changes = [c["says"] for c in report["changes"] if c["subject"] == "Deployment orchestrator"]
    assert changes[0].startswith("image 2.4.0 -> 2.4.1")
    assert "image 2.4.0 -> 2.4.1" in says(report, "kubernetes.rollout-recent")
    assert "last exit code 1" in says(report, "kubernetes.crash-loop")

    # the same by the other runbook, in text
    session = threads.session("text", threads.kube.admin)
    text = session.opsctl("diagnose", "high-latency", "-s", "threads", "--no-save", check=(1,)).out
    assert text.startswith("WARNING  sev3  threads: 95th percentile of request time 2.4")
    causes = text[: text.index("What changed")]
    assert " 1  Some pods are not ready" in causes
    assert " 2  It began right after a restart or a rollout" in causes
    assert "Deployment orchestrator: image 2.4.0 -> 2.4.1" in text[text.index("What changed") :]
    assert max(map(len, text.splitlines())) <= 80

    # every object is as it was; the simulated kubelet writes nothing of its own into a settled namespace
    assert versions(threads.kube, threads.namespace) == before


@pytest.mark.parametrize(
    ("behaviour", "seen", "finding"),
    [("oom", "OOMKilled", "oom-killed"), ("unready", "ContainersNotReady", "not-ready"),
     ("imagepull", "ImagePullBackOff", "image-pull")],
)  # fmt: skip
def test_pods_that_are_ill_without_a_rollout_to_blame(threads, behaviour, seen, finding):
    """The Deployments are as old as the test is, so a rollout counts as recent only within a second here."""
    threads.deploy(OLD, behaviour, notes=LONG_AGO if behaviour == "unready" else {}, spec=ALL_AT_ONCE)
    threads.ill(seen)
    report = threads.broken("high-error-rate", "--deploy-within", "1s", code=2)
    assert confirmed(report) == ["pods-unhealthy"]
    assert "orchestrator" in says(report, f"kubernetes.{finding}")


ALL_AT_ONCE = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 3, "maxSurge": 0}}}


def test_a_rollout_after_it_began_is_not_its_cause(threads):
    """Somebody rolls out a fix while it is broken: that is told, but not blamed."""
    threads.app.change(latency=1.6, errors=0.2)
    threads.broken("high-error-rate", "--deploy-within", "1s", code=2)
    threads.prometheus.wait_for("vector(time())")
    threading.Event().wait(7)  # longer than clocks may differ
    threads.deploy(NEW)
    threads.kube.rolled_out(threads.path("orchestrator"))
    report = threads.broken("high-error-rate", "--deploy-within", "1s", code=2)
    assert "recent-deployment" not in confirmed(report)
    assert any(c["says"].startswith("image 2.4.0 -> 2.4.1") for c in report["changes"])


def test_a_user_without_rights(threads):
    threads.deploy(NEW, "crashloop")
    threads.ill("CrashLoopBackOff")
    threads.broken("high-error-rate", code=2)
    session = threads.session("viewer", threads.kube.viewer)
    code, report = session.diagnose("high-error-rate", "threads")
    assert (code, report["verdict"]) == (2, "critical")  # the metrics still tell
    found = {f["id"]: (f["state"], f.get("reason")) for f in report["findings"] if f["id"].startswith("kubernetes.")}
    assert set(found.values()) == {("unknown", "forbidden")}
    told = json.dumps(report["unknown"])
    assert 'resources [\\"pods\\"], verbs [\\"list\\"]' in told
    assert 'resources [\\"deployments\\"], verbs [\\"get\\"]' in told
    assert "pods-unhealthy" not in confirmed(report)

    text = session.opsctl("diagnose", "high-error-rate", "-s", "threads", "--no-save", check=(2,)).out
    flat = " ".join(text.split())
    assert flat.count('missing is Role in namespace "') == 2  # one per right, not one per workload
    assert "from opsctl.yaml:" in flat
