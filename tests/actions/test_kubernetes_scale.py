"""kubernetes.scale-out on a real control plane: never down unless told, by the autoscaler where there is one."""

from __future__ import annotations

import pytest

from opsctl.actions.kubernetes_goal import ScaleOut, goal_of
from opsctl.actions.kubernetes_room import fitting, quota_shortages
from opsctl.actions.kubernetes_scaler import Scaler
from opsctl.errors import UsageError
from tests.actions.kubernetes_acting import applied, hands_on, proposed, refused, step_of, undone, verified, version
from tests.servers.kube import Kube
from tests.servers.kube_objects import autoscaler
from tests.servers.postgres import Postgres


def replicas(kube: Kube, path: str) -> int:
    return int(kube.call("GET", path)["spec"]["replicas"])


def test_to_the_number_asked_for_and_undone_exactly(kube: Kube) -> None:
    namespace = kube.namespace("scale")
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    at = version(kube, path)
    with hands_on(kube, namespace) as hands:
        plan = proposed("scale-out", hands, to=3)
        step = step_of(plan)
        assert version(kube, path) == at, "the plan's dry run changes nothing"
        assert step.calls[0].endswith("scale deployment/api --current-replicas=2 --replicas=3")
        assert step.shows == ("replicas 2 -> 3",)
        did = applied("scale-out", hands, step)
        assert (did.state, did.inverse) == ("acted", {"replicas": 2, "set": 3})
        told = verified("scale-out", hands, plan)
        assert told.ok, told.says
        assert undone("scale-out", hands, step, did).state == "acted"
        assert replicas(kube, path) == 2
        assert undone("scale-out", hands, step, did).state == "unchanged"
        kube.call("PATCH", path, {"spec": {"replicas": 5}})
        left = undone("scale-out", hands, step, did)
        assert left.state == "skipped"
        assert left.says == "replicas of deployment/api is 5, somebody changed it since"


def test_never_down_unless_told(kube: Kube) -> None:
    namespace = kube.namespace("scale")
    path = kube.deploy(namespace, replicas=4)
    kube.rolled_out(path)
    kube.deploy(namespace, "off", replicas=0)
    with hands_on(kube, namespace, settings={"service_replicas": "2"}) as hands:
        plan = proposed("scale-out", hands, to=2)
        assert plan.steps == ()
        (left,) = plan.excluded
        assert left.why == "it has 4 replicas already, and 2 were asked for: it is not scaled down unless told"
        assert left.lift == "--allow-down"
        assert step_of(proposed("scale-out", hands)).before["to"] == 6, "the profile's 2 is no reason to go down"
        none = proposed("scale-out", hands, to=0, allow_down=True)
        assert none.steps == ()
        assert none.excluded[0].why == "0 replicas would be an outage: opsctl does not scale to zero"
        assert proposed("scale-out", hands, workload="off", to=2).excluded[0].refused
        did = applied("scale-out", hands, step_of(proposed("scale-out", hands, to=3, allow_down=True)))
        assert did.state == "acted"
    assert replicas(kube, path) == 3


def test_more_than_double_must_be_named_and_a_stale_plan_is_skipped(kube: Kube) -> None:
    namespace = kube.namespace("scale")
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    with hands_on(kube, namespace) as hands:
        assert refused(proposed("scale-out", hands, to=5)) == {
            "factor": "2 -> 5 replicas, at most 2 times as many --max-factor 2.5"
        }
        step = step_of(proposed("scale-out", hands, to=5, max_factor=2.5))
        kube.call("PATCH", path, {"spec": {"replicas": 3}})
        skipped = applied("scale-out", hands, step)
        assert (skipped.state, skipped.says) == ("skipped", "changed meanwhile: generation 1, now 2")
        assert replicas(kube, path) == 3
        with pytest.raises(UsageError, match="--skip-check weather is no check"):
            proposed("scale-out", hands, skip_check=["weather"])


def test_where_an_autoscaler_decides_its_minimum_is_raised_and_put_back(kube: Kube) -> None:
    namespace = kube.namespace("scale")
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    scaler = f"apis/autoscaling/v1/namespaces/{namespace}/horizontalpodautoscalers/api"
    kube.call("POST", scaler.rpartition("/")[0], autoscaler("api", minimum=1, maximum=4))
    with hands_on(kube, namespace) as hands:
        plan = proposed("scale-out", hands, to=3)
        step = step_of(plan)
        assert step.target.id == "horizontalpodautoscaler/api"
        assert step.shows == ("minReplicas 1 -> 3 (maximum 4)",)
        did = applied("scale-out", hands, step)
        assert did.inverse == {"minReplicas": 1, "set": 3}
        told = verified("scale-out", hands, plan)
        assert told.ok, told.says
        assert replicas(kube, path) == 3, "the autoscaler itself brought them"
        assert undone("scale-out", hands, step, did).state == "acted"
        spec = kube.call("GET", scaler)["spec"]
        assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 4)

        assert step_of(proposed("scale-out", hands, to=6)).before["to"] == 4, "never above its maximum"
        kube.call("PATCH", scaler, {"spec": {"maxReplicas": 3}})
        kube.rolled_out(path)
        none = proposed("scale-out", hands, to=6)
        assert none.steps == ()
        assert none.excluded[0].why == "autoscaler api has 3 of at most 3 replicas: raise its maxReplicas first"

        kube.call(
            "PATCH", scaler, {"spec": {"maxReplicas": 8}, "metadata": {"labels": {"scaledobject.keda.sh/name": "q"}}}
        )
        assert refused(proposed("scale-out", hands, to=5)) == {
            "not-keda": "KEDA's ScaledObject q keeps the autoscaler: change its minReplicaCount instead"
        }
        stale = proposed("scale-out", hands, to=5).steps[0]
        kube.call("PATCH", scaler, {"spec": {"maxReplicas": 9}})
        assert applied("scale-out", hands, stale).says == "changed meanwhile: maxReplicas 8, now 9"


def test_a_rollout_that_goes_on_a_full_quota_and_full_nodes_refuse(kube: Kube) -> None:
    namespace = kube.namespace("scale")
    path = kube.deploy(namespace, replicas=2, requests={"cpu": "30", "memory": "1Gi"})
    kube.rolled_out(path)
    quotas = f"api/v1/namespaces/{namespace}/resourcequotas"
    kube.call("POST", quotas, {"metadata": {"name": "team"}, "spec": {"hard": {"requests.memory": "2Gi"}}})
    kube.wait(f"{quotas}/team", lambda item: item.get("status", {}).get("used", {}).get("requests.memory") == "2Gi")
    with hands_on(kube, namespace) as hands:
        assert refused(proposed("scale-out", hands, to=3)) == {
            "quota": "quota team: requests.memory 2Gi of 2Gi used, room for 0 --skip-check quota",
            "nodes": "the nodes have room for 0 of 1 more pods, by their requests --skip-check nodes",
        }
        step_of(proposed("scale-out", hands, to=3, skip_check=["quota", "nodes"]))
        kube.call("DELETE", f"{quotas}/team")
        kube.deploy(namespace, replicas=2, behaviour="imagepull")
        kube.wait(path, lambda obj: obj["status"].get("updatedReplicas") == 1)
        assert "the rollout is not finished" in refused(proposed("scale-out", hands, to=3))["no-rollout"]
    kube.call("PATCH", path, {"spec": {"replicas": 0}})  # the node's CPUs are for the other tests


def test_more_replicas_must_fit_into_the_free_connections(kube: Kube, postgres: Postgres) -> None:
    namespace = kube.namespace("scale")
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    sizes = {"api_pool_size": "50"}
    with hands_on(kube, namespace, settings=sizes, postgres=postgres.dsn()) as hands:
        told = refused(proposed("scale-out", hands, to=3))
        assert set(told) == {"connections"}
        assert told["connections"].startswith("1 more replicas may open 50 connections (api_pool_size 50); ")
        assert told["connections"].endswith(" slots are free --skip-check connections")
    with hands_on(kube, namespace, settings={"api_pool_size": "2"}, postgres=postgres.dsn()) as hands:
        step_of(proposed("scale-out", hands, to=3))
    with hands_on(kube, namespace, settings=sizes) as hands:
        unseen = refused(proposed("scale-out", hands, to=3))["connections"]
        assert "how many slots are free cannot be seen: no endpoint postgres" in unseen
        step_of(proposed("scale-out", hands, to=3, skip_check=["connections"]))


def scaler(minimum: int, maximum: int) -> Scaler:
    return Scaler("path", "api", minimum, maximum, 0, "", {})


@pytest.mark.parametrize(
    ("now", "params", "usual", "to"),
    [
        (2, {"to": 3}, 0, 3),
        (2, {"to": 2}, 0, None),
        (3, {"to": 2}, 0, None),
        (3, {"to": 2, "allow_down": True}, 0, 2),
        (3, {"to": 0, "allow_down": True}, 0, None),
        (0, {"to": 2}, 0, None),
        (4, {"factor": 1.5}, 0, 6),
        (3, {"factor": 0.5}, 0, None),
        (1, {}, 0, 2),
        (2, {}, 5, 5),
        (5, {}, 2, 8),
    ],
)
def test_the_number_to_reach(now: int, params: dict[str, object], usual: int, to: int | None) -> None:
    assert goal_of(now, None, ScaleOut(**params), usual).to == to  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "bounds", "params", "to"),
    [
        (2, (1, 4), {"to": 3}, 3),
        (2, (1, 4), {"to": 9}, 4),
        (4, (1, 4), {"to": 9}, None),
        (2, (2, 4), {"to": 2}, None),
        (3, (1, 4), {"to": 3}, 3),  # it has 3 by load; 3 stay when the load falls
        (4, (4, 8), {"to": 2, "allow_down": True}, 2),
        (4, (4, 8), {"to": 2}, None),
    ],
)
def test_the_minimum_to_set(now: int, bounds: tuple[int, int], params: dict[str, object], to: int | None) -> None:
    assert goal_of(now, scaler(*bounds), ScaleOut(**params), 0).to == to  # type: ignore[arg-type]


def test_room_is_reckoned_as_the_server_reckons() -> None:
    spec = {"containers": [{"resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}}}]}
    hard = {"pods": "10", "requests.cpu": "4", "memory": "4Gi", "count/secrets": "1"}
    quota = {
        "metadata": {"name": "q"},
        "status": {"hard": hard, "used": {"pods": "8", "requests.cpu": "3", "memory": "1Gi"}},
    }
    assert quota_shortages([quota], spec, 2) == []
    assert quota_shortages([quota], spec, 3) == [
        "quota q: pods 8 of 10 used, room for 2",
        "quota q: requests.cpu 3 of 4 used, room for 2",
    ]
    node = {
        "metadata": {"name": "n", "labels": {"disk": "ssd"}},
        "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]},
        "status": {"allocatable": {"cpu": "2", "pods": "9"}, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    busy = [{"spec": {"nodeName": "n", **spec}, "status": {"phase": "Running"}}]
    assert fitting([node], busy, spec, 9) == 0, "the taint keeps it away"
    tolerant = {**spec, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
    assert fitting([node], busy, tolerant, 9) == 3
    assert fitting([node], busy, {**tolerant, "nodeSelector": {"disk": "hdd"}}, 9) == 0
