"""kubernetes.rollback on a real control plane: the earlier template, exactly, and back again exactly."""

from __future__ import annotations

import copy
from typing import Any

from tests.actions.kubernetes_acting import applied, hands_on, proposed, refused, step_of, undone, verified, version
from tests.servers.kube import Kube

NEW = "registry.test/shop/api:1.14.3"
CAUSE = "kubernetes.io/change-cause"


def template(kube: Kube, path: str) -> dict[str, Any]:
    return copy.deepcopy(kube.call("GET", path)["spec"]["template"])


def two_revisions(kube: Kube, namespace: str, **how: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A Deployment at its second revision; its path, the first template, the present one."""
    env = {"LOG_LEVEL": "info", "DATABASE_URL": "postgresql://app:hunter2@db/app"}
    path = kube.deploy(namespace, replicas=2, env=env, env_from=["settings"], behaviour="unready")
    first = template(kube, path)
    kube.deploy(namespace, replicas=2, image=NEW, env={**env, "LOG_LEVEL": "debug"}, **how)
    return path, first, template(kube, path)


def test_back_to_the_revision_before_and_undone_exactly(kube: Kube) -> None:
    namespace = kube.namespace("rollback")
    kube.call(
        "POST", f"api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "settings"}, "data": {"A": "1"}}
    )
    path = kube.deploy(namespace, replicas=2, env={"LOG_LEVEL": "info", "PASSWORD": "hunter2"}, env_from=["settings"])
    kube.call("PATCH", path, {"metadata": {"annotations": {CAUSE: "release 1.14.2"}}})
    kube.rolled_out(path)
    first = template(kube, path)
    kube.call(
        "PATCH",
        path,
        {
            "metadata": {"annotations": {CAUSE: "release 1.14.3"}},
            "spec": {"template": {"spec": {"containers": [{"name": "main", "image": NEW}]}}},
        },
        patch="strategic-merge",
    )
    kube.rolled_out(path)
    second, at = template(kube, path), version(kube, path)
    assert first != second
    with hands_on(kube, namespace) as hands:
        plan = proposed("rollback", hands)
        step = step_of(plan)
        assert version(kube, path) == at, "the plan's dry run changes nothing"
        assert step.shows == ("image 1.14.3 -> 1.14.2",)
        assert step.calls[0].endswith("rollout undo deployment/api --to-revision=1")
        assert "(ConfigMap settings)" in plan.notes[0]
        assert "hunter2" not in repr(plan), "no value of a template goes into a plan"

        did = applied("rollback", hands, step)
        assert did.state == "acted"
        assert template(kube, path) == first
        assert "hunter2" not in repr(did)
        told = verified("rollback", hands, plan)
        assert told.ok, told.says
        assert kube.rolled_out(path)["metadata"]["annotations"][CAUSE] == "release 1.14.2"

        back = undone("rollback", hands, step, did)
        assert back.state == "acted"
        assert template(kube, path) == second
        assert kube.rolled_out(path)["metadata"]["annotations"][CAUSE] == "release 1.14.3"
        assert undone("rollback", hands, step, did).state == "unchanged"


def test_undo_leaves_alone_what_somebody_changed_since_and_a_stale_plan_is_skipped(kube: Kube) -> None:
    namespace = kube.namespace("rollback")
    path, first, _ = two_revisions(kube, namespace)
    with hands_on(kube, namespace) as hands:
        kube.wait(path, lambda obj: obj["status"].get("observedGeneration") == 2)
        stale = step_of(proposed("rollback", hands, during_rollout=True))
        kube.call("PATCH", path, {"spec": {"minReadySeconds": 1}})
        skipped = applied("rollback", hands, stale)
        assert (skipped.state, skipped.inverse) == ("skipped", None)
        assert skipped.says == "changed meanwhile: generation 2, now 3"

        step = step_of(proposed("rollback", hands, during_rollout=True))
        did = applied("rollback", hands, step)
        assert template(kube, path) == first
        kube.deploy(namespace, replicas=2, image="registry.test/shop/api:1.15.0")
        newer = template(kube, path)
        left = undone("rollback", hands, step, did)
        assert left.state == "skipped"
        assert left.says == "the pod template of deployment/api was changed since: it is left alone"
        assert template(kube, path) == newer


def test_a_rollout_that_goes_on_is_not_rolled_back_unasked_and_a_stuck_one_is(kube: Kube) -> None:
    namespace = kube.namespace("rollback")
    path, _, _ = two_revisions(kube, namespace, behaviour="imagepull", deadline=2)
    with hands_on(kube, namespace) as hands:
        kube.wait(path, lambda obj: obj["status"].get("observedGeneration") == 2)
        stopped = refused(proposed("rollback", hands))
        assert set(stopped) <= {"no-rollout"}, "its deadline of 2 s may have passed by now"
        if stopped:
            assert stopped["no-rollout"].endswith("--during-rollout")
        kube.wait(
            path,
            lambda obj: any(c.get("reason") == "ProgressDeadlineExceeded" for c in obj["status"]["conditions"]),
        )
        plan = proposed("rollback", hands)
        step_of(plan)
        assert next(c.says for c in plan.checks if c.id == "no-rollout").startswith(
            "its rollout is stuck, which this ends: Deployment api: no progress within its deadline of 2 s"
        )


def test_what_is_refused_and_which_flag_lifts_it(kube: Kube) -> None:
    namespace = kube.namespace("rollback")
    path, _, _ = two_revisions(kube, namespace)
    kube.wait(path, lambda obj: obj["status"].get("observedGeneration") == 2)
    notes = {"meta.helm.sh/release-name": "shop"}
    kube.call("PATCH", path, {"metadata": {"annotations": notes}, "spec": {"paused": True}})
    with hands_on(kube, namespace) as hands:
        plan = proposed("rollback", hands, during_rollout=True)
        assert refused(plan) == {
            "not-paused": "Deployment api is paused: nothing would roll",
            "not-managed": "helm release shop keeps it and would not know of it: roll back there --accept-drift",
        }
        kube.call("PATCH", path, {"metadata": {"labels": {"argocd.argoproj.io/instance": "shop"}}})
        managed = refused(proposed("rollback", hands, during_rollout=True))["not-managed"]
        assert managed.startswith("argocd keeps it and would put the present version back within minutes")
        kube.call("PATCH", path, {"spec": {"paused": False}})
        step_of(proposed("rollback", hands, during_rollout=True, accept_drift=True))

        for wanted, why in ((2, "revision 2 is the present one"), (9, "revision 9 is not kept; kept are 2, 1")):
            none = proposed("rollback", hands, to_revision=wanted)
            assert none.steps == ()
            assert none.excluded[-1].why == why
            assert none.excluded[-1].refused

        alone = kube.deploy(namespace, "alone", spec={"revisionHistoryLimit": 0})
        kube.rolled_out(alone)
        none = proposed("rollback", hands, workload="deployment/alone")
        assert none.excluded[-1].why == "its revisionHistoryLimit is 0: no earlier template is kept"
