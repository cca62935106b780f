"""kubernetes.endpoints and kubernetes.config (K8-7, K8-11) against a real API server and its endpoint controllers."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.clients.readers import Readers
from opsctl.probes.kubernetes_config import Reference, referred
from opsctl.probes.kubernetes_writers import keys_of, writer_of
from tests.probes.kubernetes_look import finding, look_at, run, states
from tests.servers.kube import Kube

NONE, MISMATCH = "no-endpoints", "service-mismatch"


def service(kube: Kube, namespace: str, selector: dict[str, str], port: Any = 8080, name: str = "api") -> None:
    spec = {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": port}]}
    kube.call("POST", f"api/v1/namespaces/{namespace}/services", {"metadata": {"name": name}, "spec": spec})


def settled(kube: Kube, namespace: str, addresses: int, name: str = "api") -> None:
    def there(obj: dict[str, Any]) -> bool:
        return sum(len(each.get("endpoints") or ()) for each in obj["items"]) == addresses

    kube.wait(f"apis/discovery.k8s.io/v1beta1/namespaces/{namespace}/endpointslices", there)


def test_a_service_that_reaches_its_pods(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace, replicas=2))
    service(kube, namespace, {"app": "api"})
    settled(kube, namespace, 2)
    seen = run("kubernetes.endpoints", look_at(kube.admin, namespace))
    assert states(seen) == {NONE: "ok", MISMATCH: "ok"}
    assert finding(seen, NONE).says == "Service api has 2 ready endpoints"
    shown = seen.evidence[0].values[0]
    assert (shown.value, shown.labels, shown.note) == (2, {"service": "api"}, "of 2; port 80 -> 8080")


def test_a_selector_that_no_pod_has(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    service(kube, namespace, {"app": "apii"})
    kube.wait(f"api/v1/namespaces/{namespace}/endpoints/api", bool)
    seen = run("kubernetes.endpoints", look_at(kube.admin, namespace))
    assert states(seen) == {NONE: "breach", MISMATCH: "breach"}
    assert finding(seen, MISMATCH).says == (
        "Service api has no ready endpoint: it selects app=apii, the pods of Deployment api have app=api"
    )


def test_a_port_by_a_name_that_no_container_has(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    service(kube, namespace, {"app": "api"}, port="https")
    kube.wait(f"api/v1/namespaces/{namespace}/endpoints/api", bool)
    seen = run("kubernetes.endpoints", look_at(kube.admin, namespace))
    assert states(seen) == {NONE: "breach", MISMATCH: "breach"}
    assert (
        "its port leads to https, a name that no port of the pods of Deployment api has" in finding(seen, MISMATCH).says
    )


def test_pods_that_are_not_ready_are_not_the_services_fault(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.deploy(namespace, behaviour="unready")
    service(kube, namespace, {"app": "api"})
    settled(kube, namespace, 1)
    seen = run("kubernetes.endpoints", look_at(kube.admin, namespace))
    assert states(seen) == {NONE: "breach", MISMATCH: "ok"}
    assert finding(seen, NONE).says.endswith("none of the 1 pods of Deployment api is ready")


def test_no_service_at_all_and_no_rights(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.rolled_out(kube.deploy(namespace))
    seen = run("kubernetes.endpoints", look_at(kube.admin, namespace))
    assert finding(seen, NONE).says == "no Service stands before the service's workloads"
    from opsctl.errors import CouldNotLook

    with pytest.raises(CouldNotLook) as refused:
        run("kubernetes.endpoints", look_at(kube.viewer, namespace))
    assert refused.value.reason == "forbidden"


def test_what_is_referred_to_and_when_it_changed(kube: Kube) -> None:
    namespace = kube.namespace()
    root = f"api/v1/namespaces/{namespace}"
    kube.call("POST", f"{root}/configmaps", {"metadata": {"name": "settings"}, "data": {"A": "old-value"}})
    kept = {"kubectl.kubernetes.io/last-applied-configuration": '{"stringData":{"token":"hunter-two"}}'}
    secret = {"metadata": {"name": "keys", "annotations": kept}, "stringData": {"token": "hunter-two"}}
    kube.call("POST", f"{root}/secrets", secret)
    path = kube.deploy(namespace, env_from=["settings"])
    kube.rolled_out(path)
    seen = run("kubernetes.config", look_at(kube.admin, namespace))
    assert states(seen) == {"reference-missing": "ok"}
    assert [(each.subject, each.says.split(" (")[0]) for each in seen.changes] == [
        ("ConfigMap settings", "created by python-httpx")
    ]

    def reference(name: str, key: str, **more: Any) -> dict[str, Any]:
        return {"name": key.upper(), "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}

    env = [reference("keys", "token"), reference("keys", "absent"), reference("other", "x", optional=True)]
    kube.call("PATCH", path, [{"op": "replace", "path": "/spec/template/spec/containers/0/env", "value": env}], "json")
    seen = run("kubernetes.config", look_at(kube.admin, namespace))
    assert finding(seen, "reference-missing").says == (
        "Deployment api refers to what is not there: Secret keys key absent"
    )
    told = [(value.value, value.labels.get("key"), value.note) for value in seen.evidence[0].values]
    assert ("missing", "x", "optional: pods start without it") in told
    assert not any(hidden in repr(seen) for hidden in ("hunter", "old-value"))


def test_values_never_leave_the_server(kube: Kube) -> None:
    namespace = kube.namespace()
    path = f"api/v1/namespaces/{namespace}/secrets"
    kube.call("POST", path, {"metadata": {"name": "keys"}, "stringData": {"token": "hunter-two"}})
    kube.call("POST", f"api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "s"}, "data": {"a": "hunter"}})
    readers = Readers(lambda name: look_at(kube.admin, namespace).readers.endpoint(name))
    reader = readers.kubernetes()
    told = reader.get(f"{path}/keys")
    assert (told["kind"], set(told)) == ("PartialObjectMetadata", {"kind", "apiVersion", "metadata"})
    assert keys_of(told) == {"token"}
    assert writer_of(told, "data") is not None
    for listed in (reader.list(path), reader.list(f"api/v1/namespaces/{namespace}/configmaps")):
        assert all(set(each) <= {"kind", "apiVersion", "metadata"} for each in listed.items)
        assert not any("annotations" in each["metadata"] for each in listed.items)
    readers.close()


def test_everything_a_pod_may_refer_to() -> None:
    spec = {
        "serviceAccountName": "robot",
        "imagePullSecrets": [{"name": "registry"}],
        "volumes": [
            {"configMap": {"name": "a"}},
            {"secret": {"secretName": "b", "optional": True}},
            {"persistentVolumeClaim": {"claimName": "c"}},
            {"projected": {"sources": [{"configMap": {"name": "d"}}, {"secret": {"name": "e"}}]}},
        ],
        "initContainers": [{"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "f", "key": "k"}}}]}],
        "containers": [{"envFrom": [{"secretRef": {"name": "g"}}], "env": [{"name": "Y", "value": "1"}]}],
    }
    assert [str(each) for each in referred(spec)] == [
        "ConfigMap a",
        "Secret b",
        "PersistentVolumeClaim c",
        "ConfigMap d",
        "Secret e",
        "ConfigMap f key k",
        "Secret g",
        "ServiceAccount robot",
        "Secret registry",
    ]
    assert Reference("Secret", "b", optional=True) in set(referred(spec))


def test_a_server_that_does_not_tell_who_wrote_what() -> None:
    assert keys_of({"metadata": {"name": "x"}}) is None
    assert writer_of({"metadata": {"managedFields": [{"manager": "x", "fieldsV1": None}]}}, "spec") is None
