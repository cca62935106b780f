"""threads on a real Kubernetes API: what is wrong with its pods or rollout is named first, and nothing is written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.app import App
from tests.acceptance.session import Session, confirmed, top, until
from tests.servers.kube import Kube
from tests.servers.prometheus import Prometheus, start_prometheus, static

pytestmark = [pytest.mark.slow, pytest.mark.needs("prometheus", "kube"), pytest.mark.timeout(300)]

OTHERS = ("celery-worker", "persona-runtime", "postgres")
OLD, NEW = "registry.test/threads/orchestrator:2.4.0", "registry.test/threads/orchestrator:2.4.1"


class Threads:
    """One namespace with the stack, and the metrics that its orchestrator shows as the Prometheus job of that name."""

    def __init__(self, folder: Path, kube: Kube) -> None:
        self.folder = folder
        self.kube = kube
        self.namespace = kube.namespace("threads")
        self.app = App(latency=0.1)
        self.prometheus: Prometheus | None = None
        self.deploy(OLD)
        for name in OTHERS:
            kube.deploy(self.namespace, name, image=OLD)

    def path(self, name: str) -> str:
        return f"apis/apps/v1/namespaces/{self.namespace}/deployments/{name}"

    def deploy(self, image: str, behaviour: str = "ok", **how: Any) -> None:
        self.kube.deploy(self.namespace, "orchestrator", replicas=3, image=image, behaviour=behaviour, **how)

    def settled(self) -> None:
        for name in ("orchestrator", *OTHERS):
            self.kube.rolled_out(self.path(name))

    def ill(self, reason: str) -> None:
        """Wait until a pod of the orchestrator shows this reason; from then on the metrics show what users see."""
        self.kube.pods(self.namespace, lambda pods: reason in json.dumps([pod.get("status") for pod in pods]))
        self.app.change(latency=1.6, errors=0.2)

    def session(self, name: str, kubeconfig: Path) -> Session:
        assert self.prometheus is not None
        override = {"window": "5s", "for": "2s", "scrape_interval": "1s", "labels": {"job": self.namespace}}
        context = {
            "prometheus": self.prometheus.url,
            "kubernetes": {"kubeconfig": str(kubeconfig), "namespace": self.namespace},
            "services": {"threads": override},
        }
        folder = self.folder / f"{self.namespace}-{name}"
        folder.mkdir()
        config = {"current-context": "test", "contexts": {"test": context}}
        (folder / "opsctl.yaml").write_text(json.dumps(config, indent=1))
        return Session(folder)

    def broken(self, runbook: str, *more: str, code: int) -> dict[str, Any]:
        """What a user with all rights is told as soon as the objective has been broken for long enough."""
        session = self.session(f"{runbook}-{len(list(self.folder.iterdir()))}", self.kube.admin)
        found = until(40, lambda: (lambda r: r if r[0] == code else None)(session.diagnose(runbook, "threads", *more)))
        assert found, session.diagnose(runbook, "threads", *more)[1]["says"]
        return found[1]


ILLS = {  # behaviour -> what a pod's status then shows
    "crashloop": "CrashLoopBackOff",
    "oom": "OOMKilled",
    "unready": "ContainersNotReady",
    "imagepull": "ImagePullBackOff",
}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory, kube: Kube) -> Iterator[dict[str, Threads]]:
    """A healthy stack per illness, for a rollout, and for one that comes too late to blame; one Prometheus for all."""
    folder = tmp_path_factory.mktemp("threads")
    made = {name: Threads(folder, kube) for name in (*ILLS, "rollout", "late")}
    prometheus = start_prometheus(
        folder / "prometheus", [static(stack.namespace, stack.app.netloc) for stack in made.values()]
    )
    for stack in made.values():
        stack.prometheus = prometheus
        stack.settled()
    prometheus.wait_for("min(count_over_time(up[60s]))", lambda count: count >= 7)
    yield made
    prometheus.stop()
    for stack in made.values():
        stack.app.stop()


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


@pytest.fixture(scope="module")
def bad_rollout(stacks: dict[str, Threads]) -> Threads:
    """A new image that crashes."""
    stack = stacks["crashloop"]
    stack.deploy(NEW, "crashloop")
    stack.ill("CrashLoopBackOff")
    return stack


def test_a_bad_rollout(bad_rollout):
    report = bad_rollout.broken("high-error-rate", code=2)
    assert (report["severity"], report["severity_label"]) == ("sev1", "critical")
    assert set(confirmed(report)[:2]) == {"pods-unhealthy", "recent-deployment"}
    assert top(report) == "recent-deployment"
    changes = [c["says"] for c in report["changes"] if c["subject"] == "Deployment orchestrator"]
    assert changes[0].startswith("image 2.4.0 -> 2.4.1")
    assert "image 2.4.0 -> 2.4.1" in says(report, "kubernetes.rollout-recent")
    assert "last exit code 1" in says(report, "kubernetes.crash-loop")


def test_a_bad_rollout_in_text_and_nothing_is_written(bad_rollout):
    bad_rollout.broken("high-latency", code=1)
    before = versions(bad_rollout.kube, bad_rollout.namespace)
    session = bad_rollout.session("text", bad_rollout.kube.admin)
    text = session.opsctl("diagnose", "high-latency", "-s", "threads", "--no-save", check=(1,)).out
    assert text.startswith("WARNING  sev3  threads: 95th percentile of request time 2.")
    causes, changes = text[: text.index("What changed")], text[text.index("What changed") :]
    assert " 1  Some pods are not ready" in causes
    assert " 2  It began right after a restart or a rollout" in causes
    assert "Deployment orchestrator: image 2.4.0 -> 2.4.1" in changes
    assert max(map(len, text.splitlines())) <= 80
    assert len(before) > 12
    assert versions(bad_rollout.kube, bad_rollout.namespace) == before


@pytest.mark.parametrize("behaviour", ["oom", "unready", "imagepull"])
def test_pods_that_are_ill_without_a_rollout_to_blame(stacks, behaviour):
    """The Deployments are as old as the test is, so a rollout counts as recent only within a second here."""
    stack = stacks[behaviour]
    stack.deploy(OLD, behaviour, notes={"ago": "600"} if behaviour == "unready" else {}, spec=ALL_AT_ONCE)
    stack.ill(ILLS[behaviour])
    report = stack.broken("high-error-rate", "--deploy-within", "1s", code=2)
    assert confirmed(report)[0] == "pods-unhealthy"
    id = {"oom": "oom-killed", "unready": "not-ready", "imagepull": "image-pull"}[behaviour]
    assert "orchestrator" in says(report, f"kubernetes.{id}")


@pytest.mark.parametrize(
    ("behaviour", "cause"), [("crashloop", "crash-loop"), ("oom", "oom-killed"), ("imagepull", "image-pull")]
)
def test_what_took_it_down_with_real_controllers(stacks, bad_rollout, behaviour, cause):
    """test_kubernetes_failures has every failure; here nothing is written but what users write."""
    stack = stacks[behaviour]
    if behaviour != "crashloop":
        stack.deploy(OLD, behaviour, spec=ALL_AT_ONCE)
        stack.ill(ILLS[behaviour])
    session = stack.session(f"down-{behaviour}", stack.kube.admin)
    code, report = session.diagnose("service-down", "threads")
    assert top(report) == cause, report["says"]
    assert code in (1, 2)  # with old pods beside the new ones it still serves


def test_a_rollout_whose_pods_are_well(stacks):
    stack = stacks["rollout"]
    stack.deploy(NEW)
    stack.kube.rolled_out(stack.path("orchestrator"))
    stack.app.change(latency=1.6, errors=0.2)
    report = stack.broken("high-error-rate", code=2)
    assert confirmed(report) == ["recent-deployment"]
    assert report["changes"][0]["says"].startswith("image 2.4.0 -> 2.4.1")


def test_a_rollout_after_it_began_is_not_its_cause(stacks):
    """Somebody rolls out a fix while it is broken: that is told, but not blamed."""
    late = stacks["late"]
    late.app.change(latency=1.6, errors=0.2)
    late.broken("high-error-rate", code=2)
    time.sleep(8)  # more than clocks and the step of a history allow for
    late.deploy(NEW)
    late.kube.rolled_out(late.path("orchestrator"))
    report = late.broken("high-error-rate", "--deploy-within", "1s", code=2)
    assert "recent-deployment" not in confirmed(report)
    assert any(c["says"].startswith("image 2.4.0 -> 2.4.1") for c in report["changes"])


def test_a_user_without_rights(bad_rollout):
    bad_rollout.broken("high-error-rate", code=2)
    session = bad_rollout.session("viewer", bad_rollout.kube.viewer)
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


ALL_AT_ONCE = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 3, "maxSurge": 0}}}
