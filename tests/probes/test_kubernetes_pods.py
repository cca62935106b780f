"""kubernetes.pods against a real API server; the containers' states are those a kubelet would report (K8-4)."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.model import Seen
from opsctl.services.model import Workload
from tests.probes.kubernetes_look import finding, look_at, run, states
from tests.servers.kube import Kube

CALM = dict.fromkeys(
    (
        "crash-loop",
        "oom-killed",
        "image-pull",
        "missing-config",
        "unschedulable",
        "starting",
        "evicted",
        "not-ready",
        "restarts",
    ),
    "ok",
)


def reported(pods: list[dict[str, Any]], count: int) -> bool:
    """Whether the scheduler, and for a pod that has a node its kubelet, has told about every pod."""

    def told(pod: dict[str, Any]) -> bool:
        status = pod.get("status", {})
        by_kubelet = status.get("containerStatuses") or status.get("phase") == "Failed"
        return bool(status.get("conditions") and (by_kubelet or not pod["spec"].get("nodeName")))

    return len(pods) == count and all(map(told, pods))


def pods(kube: Kube, replicas: int = 2, params: dict[str, Any] | None = None, **how: Any) -> Seen:
    namespace = kube.namespace()
    kube.deploy(namespace, replicas=replicas, **how)
    kube.pods(namespace, lambda found: reported(found, replicas))
    return run("kubernetes.pods", look_at(kube.admin, namespace), **{"unready_for": "0s", **(params or {})})


def test_all_is_well(kube: Kube) -> None:
    seen = pods(kube, behaviour="ok")
    assert states(seen) == CALM
    assert finding(seen, "not-ready").says == "Deployment api: 2 of 2 pods are ready"
    assert finding(seen, "restarts").measured == 0
    assert seen.changes == ()
    shown = {value.name: value.value for value in seen.evidence[0].values}
    assert shown == {"pods": 2, "ready": 2, "desired": 2}
    assert seen.evidence[0].query.endswith("/pods?labelSelector=app=api")


def test_crash_loop(kube: Kube) -> None:
    seen = pods(kube, behaviour="crashloop")
    assert states(seen) == {**CALM, "crash-loop": "breach", "not-ready": "breach", "restarts": "breach"}
    says = finding(seen, "crash-loop").says
    assert says.startswith("2 of 2 pods of Deployment api crash in a loop: container main of api-")
    assert "7 restarts, last exit code 1: the program failed at 20" in says
    assert finding(seen, "crash-loop").measured == 2
    assert finding(seen, "crash-loop").since is not None
    assert "CrashLoopBackOff: back-off 5m0s" in finding(seen, "not-ready").says
    assert len(seen.changes) == 2
    assert "restarted: exit code 1" in seen.changes[0].says


@pytest.mark.parametrize(
    ("code", "meaning"), [("127", "not in the image"), ("139", "segmentation"), ("143", "SIGTERM")]
)
def test_what_an_exit_code_means(kube: Kube, code: str, meaning: str) -> None:
    assert meaning in finding(pods(kube, behaviour="crashloop", notes={"exit-code": code}), "crash-loop").says


def test_killed_for_memory(kube: Kube) -> None:
    seen = pods(kube, behaviour="oom", limits={"memory": "512Mi"}, notes={"restarts": "1"})
    assert states(seen) == {**CALM, "oom-killed": "breach", "restarts": "breach"}
    assert "exit code 137, OOMKilled: it exceeded its memory limit of 512Mi" in finding(seen, "oom-killed").says


def test_a_loop_of_memory_kills_is_both(kube: Kube) -> None:
    seen = pods(kube, behaviour="oom-loop")
    assert {"crash-loop", "oom-killed", "not-ready", "restarts"} == {
        k for k, v in states(seen).items() if v == "breach"
    }


def test_exit_137_alone_is_no_memory_kill(kube: Kube) -> None:
    seen = pods(kube, behaviour="killed", notes={"restarts": "1"})
    assert states(seen) == {**CALM, "restarts": "breach"}
    assert "exit code 137: killed (SIGKILL): after the grace period" in finding(seen, "restarts").says


def test_restarts_of_last_week_are_not_of_today(kube: Kube) -> None:
    seen = pods(kube, behaviour="oom", notes={"restarts": "9", "ago": str(3 * 86400)})
    assert states(seen) == CALM
    assert finding(seen, "restarts").says == (
        "Deployment api: no container was restarted in the last 15m (18 before that)"
    )
    assert "no OOM kill in the last 15m; an older one: exit code 137, OOMKilled" in finding(seen, "oom-killed").says


def test_the_window_may_be_longer(kube: Kube) -> None:
    seen = pods(kube, params={"window": "2d"}, behaviour="oom", notes={"ago": "86400"})
    assert states(seen) == {**CALM, "oom-killed": "breach", "restarts": "breach"}


def test_image_pull(kube: Kube) -> None:
    seen = pods(kube, behaviour="imagepull")
    assert states(seen) == {**CALM, "image-pull": "breach", "not-ready": "breach"}
    assert (
        'ImagePullBackOff: Back-off pulling image "registry.test/shop/api:1.14.2"' in finding(seen, "image-pull").says
    )


def test_missing_configuration_in_the_kubelets_words(kube: Kube) -> None:
    seen = pods(kube, behaviour="config-error")
    assert states(seen) == {**CALM, "missing-config": "breach", "not-ready": "breach"}
    assert finding(seen, "missing-config").says.endswith('configmap "settings" not found')
    assert finding(seen, "missing-config").since is not None
    assert 'CreateContainerConfigError: configmap "settings" not found' in finding(seen, "not-ready").says


def test_an_init_container_that_crashes(kube: Kube) -> None:
    seen = pods(kube, behaviour="init-crashloop", init=True)
    assert states(seen) == {**CALM, "crash-loop": "breach", "not-ready": "breach", "restarts": "breach"}
    assert "init container migrate of api-" in finding(seen, "crash-loop").says


def test_no_node_takes_the_pod_in_the_real_schedulers_words(kube: Kube) -> None:
    seen = pods(kube, replicas=1, requests={"cpu": "1000"})
    assert states(seen) == {**CALM, "unschedulable": "breach", "not-ready": "breach"}
    assert (
        "1 of 1 pods of Deployment api finds no node: Unschedulable: 0/1 nodes" in finding(seen, "unschedulable").says
    )
    assert "Insufficient cpu" in finding(seen, "unschedulable").says


def test_a_pod_that_is_just_starting_is_not_late(kube: Kube) -> None:
    starting = pods(kube, params={"unready_for": "10m"}, behaviour="unready")
    assert states(starting) == {**CALM, "starting": "breach"}
    assert "2 of 2 pods of Deployment api are starting" in finding(starting, "starting").says
    assert "2 of 2 pods not ready yet, for less than 10m" in finding(starting, "not-ready").says
    late = pods(kube, params={"unready_for": "10m"}, behaviour="unready", notes={"ago": "900"})
    assert states(late) == {**CALM, "not-ready": "breach"}
    assert "not ready, for up to 15m" in finding(late, "not-ready").says
    assert "ContainersNotReady" in finding(late, "not-ready").says


def test_scaled_to_zero_is_not_unready_but_no_pods_at_all_is(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace, replicas=0))
    zero = run("kubernetes.pods", look_at(kube.admin, namespace))
    assert states(zero) == CALM
    assert "none are wanted (scaled to zero)" in finding(zero, "not-ready").says
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    kube.call("POST", f"api/v1/namespaces/{namespace}/resourcequotas", quota)
    kube.wait(f"api/v1/namespaces/{namespace}/resourcequotas/none", lambda obj: obj.get("status", {}).get("hard"))
    path = kube.deploy(namespace, replicas=2)
    kube.wait(path, lambda obj: any(c["type"] == "ReplicaFailure" for c in obj["status"].get("conditions", ())))
    none = run("kubernetes.pods", look_at(kube.admin, namespace))
    assert finding(none, "not-ready").says == "Deployment api: no pod exists, 2 wanted"


def test_evicted_pods_stay_as_objects_and_count_apart(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    pod = kube.pods(namespace, bool)[0]["metadata"]["name"]
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    kube.call("PATCH", f"api/v1/namespaces/{namespace}/pods/{pod}/status", {"status": evicted})
    kube.pods(namespace, lambda found: reported(found, 3))
    seen = run("kubernetes.pods", look_at(kube.admin, namespace), unready_for="0s")
    assert states(seen) == {**CALM, "evicted": "breach"}
    assert finding(seen, "evicted").says.endswith("on node-1: The node was low on resource: memory.")
    assert ("failed", 1, "Evicted") in [(v.name, v.value, v.note) for v in seen.evidence[0].values]


def test_pods_by_label_need_no_deployment(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    by_label = {"api": Workload(selector="app=api")}
    seen = run("kubernetes.pods", look_at(kube.admin, namespace, by_label))
    assert states(seen) == CALM
    nothing = run("kubernetes.pods", look_at(kube.admin, namespace, {"x": Workload(selector="app=x")}))
    assert set(states(nothing).values()) == {"unknown"}
    assert finding(nothing, "crash-loop").says == f"no pod in namespace {namespace} has the labels app=x"


def test_a_wrong_namespace_is_not_healthy(kube: Kube) -> None:
    seen = run("kubernetes.pods", look_at(kube.admin, "no-such-namespace"))
    assert set(states(seen).values()) == {"unknown"}
    assert finding(seen, "crash-loop").reason == "not-found"


def test_a_list_that_was_cut_short_clears_nobody(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsctl.clients.kube_items import Items
    from opsctl.clients.kubernetes import KubernetesReader

    whole = KubernetesReader.list

    def cut(self: KubernetesReader, path: str, *arguments: Any, **more: Any) -> Items:
        return whole(self, path, *arguments, **more)._replace(cut="only the first 2 of about 9 pods were read")

    monkeypatch.setattr(KubernetesReader, "list", cut)
    calm = pods(kube)
    assert set(states(calm).values()) == {"unknown"}
    assert finding(calm, "crash-loop").reason == "too-large"
    looping = pods(kube, behaviour="crashloop")
    assert states(looping)["crash-loop"] == "breach"
    assert states(looping)["image-pull"] == "unknown"


def test_without_rights(kube: Kube) -> None:
    seen = run("kubernetes.pods", look_at(kube.viewer, "default"))
    assert set(states(seen).values()) == {"unknown"}
