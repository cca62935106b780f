"""The Kubernetes writer: dry runs change nothing, stale writes conflict, every refusal is typed, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.clients.kubernetes_write import KubernetesWriter, NotWritten
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from tests.clients.test_kubernetes_bad_servers import raw, status
from tests.servers.kube import Kube
from tests.servers.web import Web, start_web

DEPLOYMENT = "apis/apps/v1/namespaces/shop/deployments/api"
BODY = {"metadata": {"resourceVersion": "7"}, "spec": {"paused": True}}


def writer_of(path: Path) -> KubernetesWriter:
    return KubernetesWriter(Endpoint(name="kubernetes", url=str(path), setting="env KUBECONFIG"))


def writer_to(folder: Path, server: str) -> KubernetesWriter:
    config = {
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "hunter2"}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(config))
    return writer_of(path)


@pytest.fixture
def web() -> Iterator[Web]:
    server = start_web()
    yield server
    server.stop()


def test_on_a_real_server(kube: Kube) -> None:
    namespace = kube.namespace("write")
    path = kube.deploy(namespace)
    kube.rolled_out(path)
    writer = writer_of(kube.admin)
    try:
        seen = writer.get(path)
        stale = seen["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": stale}, "spec": {"paused": True}}
        assert writer.patch(path, body, dry_run=True)["spec"]["paused"] is True
        assert "paused" not in kube.call("GET", path)["spec"], "a dry run is not stored"
        kube.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}})
        for dry_run in (True, False):
            with pytest.raises(NotWritten) as conflict:
                writer.patch(path, body, dry_run=dry_run)
            assert conflict.value.word == "conflict"
        assert "paused" not in kube.call("GET", path)["spec"]

        with pytest.raises(NotWritten) as invalid:
            writer.patch(f"{path}/scale", {"spec": {"replicas": -1}})
        assert (invalid.value.word, invalid.value.reason) == ("invalid", "bad-query")
        assert "must be greater than or equal to 0" in invalid.value.says
        with pytest.raises(NotWritten) as gone:
            writer.patch(f"{path}x", {"spec": {"paused": True}})
        assert gone.value.word == "gone"
        assert gone.value.says == f'deployments "apix" in namespace {namespace} does not exist'

        writer.patch(path, {"spec": {"paused": True}})
        fields = kube.call("GET", path)["metadata"]["managedFields"]
        assert "opsctl" in {each["manager"] for each in fields}, "the API server keeps who did it"

        pod = kube.pods(namespace, lambda pods: len(pods) == 1)[0]["metadata"]
        where = f"api/v1/namespaces/{namespace}/pods/{pod['name']}"
        with pytest.raises(NotWritten) as deleted:
            writer.delete(where, uid="no-such-uid")
        with pytest.raises(NotWritten) as evicted:
            writer.evict(namespace, pod["name"], uid="no-such-uid")
        assert (deleted.value.word, evicted.value.word) == ("conflict", "conflict")
        writer.delete(where, uid=pod["uid"], dry_run=True)
        writer.evict(namespace, pod["name"], uid=pod["uid"], dry_run=True)
        assert kube.call("GET", where)["metadata"].get("deletionTimestamp") is None
        assert writer.eviction_version() == "v1beta1", "1.20 has no other"
    finally:
        writer.close()


def test_without_the_right_the_rule_that_is_missing_is_named(kube: Kube) -> None:
    namespace = kube.namespace("write")
    writer = writer_of(kube.viewer)
    with pytest.raises(NotWritten) as refused:
        writer.patch(f"apis/apps/v1/namespaces/{namespace}/deployments/api/scale", {"spec": {"replicas": 2}})
    writer.close()
    assert refused.value.word == "forbidden"
    assert refused.value.says == (
        f'user viewer may not patch scale of deployments "api" in namespace {namespace}; missing is Role in namespace '
        f'"{namespace}": apiGroups ["apps"], resources ["deployments/scale"], verbs ["patch"]'
    )
    assert refused.value.address == f"kubernetes test/{namespace}"
    assert refused.value.setting == "env KUBECONFIG"


@pytest.mark.parametrize(
    ("code", "page", "word"),
    [
        (409, status(409, "Conflict", "the object has been modified"), "conflict"),
        (422, status(422, "Invalid", "spec.replicas: must be"), "invalid"),
        (403, status(403, "Forbidden", 'admission webhook "policy" denied the request: no'), "forbidden"),
        (404, status(404, "NotFound", "no", name="api"), "gone"),
        (401, status(401, "Unauthorized", "Unauthorized"), "forbidden"),
        (429, status(429, "TooManyRequests", "slow down"), "throttled"),
        (500, status(500, "InternalError", "etcdserver: request timed out"), "unknown"),
        (504, "<html>gateway</html>", "unknown"),
        (200, "<html>hello</html>", "unknown"),
    ],
)
def test_each_refusal_has_its_word_and_nothing_is_sent_twice(
    tmp_path: Path, web: Web, code: int, page: str, word: str
) -> None:
    web.pages[f"/{DEPLOYMENT}"] = lambda: (code, page)
    writer = writer_to(tmp_path, web.url)
    with pytest.raises(NotWritten) as refused:
        writer.patch(DEPLOYMENT, BODY)
    writer.close()
    assert refused.value.word == word
    (sent,) = [request for request in web.requests if request.method == "PATCH"]
    assert sent.path == f"/{DEPLOYMENT}?fieldManager=opsctl"
    assert sent.headers["content-type"] == "application/merge-patch+json"
    assert json.loads(sent.body) == BODY


def test_a_dry_run_that_fails_has_changed_nothing_whatever_the_failure(tmp_path: Path, web: Web) -> None:
    web.pages[f"/{DEPLOYMENT}"] = lambda: (500, status(500, "InternalError", "etcdserver: request timed out"))
    writer = writer_to(tmp_path, web.url)
    with pytest.raises(NotWritten) as refused:
        writer.patch(DEPLOYMENT, BODY, dry_run=True)
    writer.close()
    assert refused.value.word == "invalid"
    assert web.requests[-1].path == f"/{DEPLOYMENT}?fieldManager=opsctl&dryRun=All"


def test_cut_off_after_it_was_sent_is_unknown_and_never_asked_is_not(tmp_path: Path) -> None:
    connections: list[object] = []
    with raw(connections.append) as server:
        writer = writer_to(tmp_path, server)
        with pytest.raises(NotWritten) as cut:
            writer.patch(DEPLOYMENT, BODY)
    assert cut.value.word == "unknown"
    assert cut.value.says.startswith("sent, and no answer tells: ")
    assert len(connections) == 1
    with pytest.raises(CouldNotLook) as refused:
        writer.patch(DEPLOYMENT, BODY)
    writer.close()
    assert not isinstance(refused.value, NotWritten)
    assert refused.value.reason == "refused"


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w.patch("api/v1/namespaces/shop/secrets/key", {}),
        lambda w: w.patch("apis/apps/v1/namespaces/shop/deployments", {}),
        lambda w: w.patch("apis/apps/v1/namespaces/shop/deployments/../x", {}),
        lambda w: w.create("api/v1/namespaces/shop/pods", {}),
        lambda w: w.create("api/v1/namespaces/shop/pods/x/exec", {}),
        lambda w: w.delete("apis/apps/v1/namespaces/shop/deployments/api", uid="u"),
        lambda w: w.delete("api/v1/namespaces/shop/pods", uid="u"),
    ],
)
def test_what_is_not_on_the_list_is_never_sent(tmp_path: Path, web: Web, call: Any) -> None:
    writer = writer_to(tmp_path, web.url)
    with pytest.raises(CouldNotLook) as refused:
        call(writer)
    assert refused.value.reason == "bad-query"
    assert web.requests == []


def test_a_newer_server_is_sent_policy_v1_and_several_budgets_are_said(tmp_path: Path, web: Web) -> None:
    eviction = "/api/v1/namespaces/shop/pods/api-1/eviction"
    web.pages["/version"] = json.dumps({"major": "1", "minor": "27+", "gitVersion": "v1.27.3"})
    web.pages[eviction] = lambda: (201, status(201, "Success", ""))
    writer = writer_to(tmp_path, web.url)
    writer.evict("shop", "api-1", uid="u-1")
    sent = json.loads(web.requests[-1].body)
    assert (sent["apiVersion"], sent["kind"]) == ("policy/v1", "Eviction")
    assert sent["deleteOptions"] == {"preconditions": {"uid": "u-1"}}
    several = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    web.pages[eviction] = lambda: (500, status(500, "InternalError", several))
    with pytest.raises(NotWritten) as refused:
        writer.evict("shop", "api-1", uid="u-1")
    web.pages[eviction] = lambda: (429, status(429, "TooManyRequests", "Cannot evict pod as it would violate"))
    with pytest.raises(NotWritten) as blocked:
        writer.evict("shop", "api-1", uid="u-1")
    writer.close()
    assert refused.value.word == "invalid"
    assert refused.value.says.startswith("several disruption budgets cover this pod")
    assert blocked.value.word == "blocked"
