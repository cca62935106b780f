"""kubernetes.restart on a real control plane: new pods of the same template, and never an outage unasked."""

from __future__ import annotations

import msgspec
import pytest

from opsctl.errors import UsageError
from tests.actions.kubernetes_acting import applied, hands_on, proposed, refused, step_of, verified, version
from tests.servers.kube import Kube
from tests.servers.kube_objects import deployment, template

RESTARTED = "kubectl.kubernetes.io/restartedAt"


def names(kube: Kube, namespace: str) -> set[str]:
    pods = kube.call("GET", f"api/v1/namespaces/{namespace}/pods")["items"]
    return {pod["metadata"]["name"] for pod in pods if not pod["metadata"].get("deletionTimestamp")}


def test_all_pods_are_new_and_the_old_ones_evidence_is_kept(kube: Kube) -> None:
    namespace = kube.namespace("restart")
    path = kube.deploy(namespace, replicas=2, behaviour="oom")
    kube.rolled_out(path)
    before, at = names(kube, namespace), version(kube, path)
    with hands_on(kube, namespace) as hands:
        plan = proposed("restart", hands)
        step = step_of(plan)
        assert version(kube, path) == at, "the plan's dry run changes nothing"
        assert plan.subject == f"kubernetes test/{namespace}"
        assert plan.scope == f"kubernetes {namespace}/Deployment/api"
        assert step.calls == (f"kubectl --context test -n {namespace} rollout restart deployment/api",)
        assert plan.lost.startswith("the pods that ended stay ended")
        did = applied("restart", hands, step)
        assert (did.state, did.inverse) == ("acted", None)
        told = verified("restart", hands, plan)
        assert told.ok, told.says
        assert not before & names(kube, namespace)
        kept = did.after["evidence"]["pods"]
        assert {pod["pod"] for pod in kept} == before
        assert "OOMKilled" in kept[0]["containers"][0]
        assert any("main (previous)" in pod["logs"] for pod in kept)
        again = applied("restart", hands, step)
        assert again.state == "skipped", "a plan that was applied is not applied again"
        assert again.says.startswith("changed meanwhile: generation 1, now 2")


def test_whether_a_crashed_restart_took_effect_is_told_by_its_stamp(kube: Kube) -> None:
    from opsctl.actions.kubernetes_restart import settled

    namespace = kube.namespace("restart")
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    with hands_on(kube, namespace) as hands:
        step = step_of(proposed("restart", hands))
        assert settled(hands, step) == "not-acted"
        applied("restart", hands, step)
        assert settled(hands, step) == "acted"
        other = msgspec.structs.replace(step, before={**step.before, "stamp": "2020-01-01T00:00:00Z"})
        assert settled(hands, other) == "unknown", "somebody else changed it"


def test_an_outage_must_be_accepted_by_its_flag(kube: Kube) -> None:
    namespace = kube.namespace("restart")
    kube.rolled_out(kube.deploy(namespace, replicas=1))
    kube.rolled_out(kube.deploy(namespace, "all", replicas=2, spec={"strategy": {"type": "Recreate"}}))
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%", "maxSurge": 0}}
    kube.rolled_out(kube.deploy(namespace, "wide", replicas=2, spec={"strategy": rolling}))
    with hands_on(kube, namespace, workloads=("api", "all", "wide")) as hands:
        flag = "--accept-downtime"
        assert refused(proposed("restart", hands, workload="api")) == {"no-downtime": f"it has a single replica {flag}"}
        assert refused(proposed("restart", hands, workload="all")) == {
            "no-downtime": f"its strategy is Recreate: all pods end before the first new one starts {flag}"
        }
        assert refused(proposed("restart", hands, workload="wide")) == {
            "no-downtime": f"maxUnavailable lets all 2 replicas be away at once {flag}"
        }
        step_of(proposed("restart", hands, workload="wide", accept_downtime=True))
        with pytest.raises(UsageError) as several:
            proposed("restart", hands)
        assert several.value.sentence() == (
            "more than one workload may be meant. Name it with --workload: "
            "deployment/api, deployment/all, deployment/wide."
        )


def test_a_budget_that_a_rollout_would_break_and_a_cordoned_node(kube: Kube) -> None:
    namespace = kube.namespace("restart")
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    kube.rolled_out(kube.deploy(namespace, replicas=2, spec={"strategy": rolling}))
    budgets = f"apis/policy/v1beta1/namespaces/{namespace}/poddisruptionbudgets"
    body = {"metadata": {"name": "api"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "api"}}}}
    kube.call("POST", budgets, body)
    kube.wait(f"{budgets}/api", lambda item: item["status"].get("currentHealthy") == 2)
    kube.call("PATCH", "api/v1/nodes/node-1", {"spec": {"unschedulable": True}})
    try:
        with hands_on(kube, namespace) as hands:
            assert refused(proposed("restart", hands)) == {
                "no-drain": "node node-1 under its pods is cordoned: it may be being drained --during-drain",
                "disruption-budget": "budget api needs 2 healthy pods; a rollout leaves at least 1 of 2 "
                "--accept-downtime",
            }
            step_of(proposed("restart", hands, during_drain=True, accept_downtime=True))
    finally:
        kube.call("PATCH", "api/v1/nodes/node-1", {"spec": {"unschedulable": None}})


def test_paused_rolling_and_workloads_that_would_not_roll(kube: Kube) -> None:
    namespace = kube.namespace("restart")
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    kube.call("PATCH", path, {"spec": {"paused": True}})
    sets = f"apis/apps/v1/namespaces/{namespace}/statefulsets"
    for name, strategy in (
        ("frozen", {"type": "OnDelete"}),
        ("held", {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
    ):
        body = deployment(name, template(name), replicas=1, serviceName=name, updateStrategy=strategy)
        body["spec"].pop("progressDeadlineSeconds")
        kube.call("POST", sets, body)
    kube.deploy(namespace, "off", replicas=0)
    with hands_on(kube, namespace) as hands:
        assert refused(proposed("restart", hands))["not-paused"] == "Deployment api is paused: nothing would roll"
        for name, why in (
            ("sts/frozen", "its strategy is OnDelete: pods change only when somebody deletes them, one by one"),
            ("statefulset/held", "its partition 1 holds all 1 pods back"),
            ("off", "it is scaled to zero: there is no pod to restart"),
        ):
            plan = proposed("restart", hands, workload=name)
            assert plan.steps == ()
            assert plan.excluded[0].why == why
        kube.call("PATCH", path, {"spec": {"paused": False}})
        kube.deploy(namespace, replicas=2, behaviour="imagepull")
        kube.wait(path, lambda obj: obj["status"].get("updatedReplicas") == 1)
        assert "the rollout is not finished" in refused(proposed("restart", hands))["no-rollout"]


def test_without_the_right_one_sentence_says_which_and_nothing_is_done(kube: Kube) -> None:
    namespace = kube.namespace("restart")
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    with hands_on(kube, namespace) as hands:
        step = step_of(proposed("restart", hands))
    at = version(kube, path)
    with hands_on(kube, namespace, act=kube.viewer) as hands:
        needs = f'missing is Role in namespace "{namespace}": apiGroups ["apps"], resources ["deployments"], verbs '
        says = refused(proposed("restart", hands))["dry-run"]
        assert says == f'user viewer may not patch deployments "api" in namespace {namespace}; {needs}["patch"]'
    assert version(kube, path) == at
    assert step.target.pin["generation"] == 1
