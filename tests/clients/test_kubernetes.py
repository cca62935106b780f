"""The Kubernetes reader against a real API server: every way to log in, get, list, "may I?", refusals."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from opsctl.clients import kubernetes as module
from opsctl.clients.kubernetes import KubernetesReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from tests.servers.kube import Kube


def reader(path: Path | str, **options: str) -> KubernetesReader:
    return KubernetesReader(Endpoint(name="kubernetes", url=str(path), setting="test", options=options))


def refusal(call: Any, *arguments: Any, **more: Any) -> CouldNotLook:
    with pytest.raises(CouldNotLook) as caught:
        call(*arguments, **more)
    return caught.value


def plugin(folder: Path, name: str, code: str) -> Path:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def exec_user(command: Path | str, **more: Any) -> dict[str, Any]:
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": str(command), "interactiveMode": "Never", **more}}


CREDENTIAL = (
    """print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": %s}))"""
)


def test_reads_objects_as_the_server_gives_them(kube: Kube) -> None:
    namespace = kube.namespace()
    path = kube.deploy(namespace, replicas=2)
    kube.rolled_out(path)
    kubernetes = reader(kube.admin)
    deployment = kubernetes.get(path)
    assert deployment["status"]["readyReplicas"] == 2
    assert deployment["metadata"]["name"] == "api"
    pods = kubernetes.list(f"api/v1/namespaces/{namespace}/pods", {"labelSelector": "app=api"})
    assert len(pods.items) == 2
    assert pods.cut == ""
    assert kubernetes.get("version")["gitVersion"] == f"v{kube.version}"


def test_context_and_namespace_are_said(kube: Kube, tmp_path: Path) -> None:
    path = kube.kubeconfig(tmp_path / "config", {"token": kube.files.admin_token}, namespace="shop")
    assert reader(path).address == "kubernetes test/shop"
    assert reader(path, namespace="other").address == "kubernetes test/other"
    assert reader(kube.admin).address == "kubernetes test/default"
    failure = refusal(reader(path, context="prod").get, "version")
    assert failure.reason == "not-found"
    assert "has no context prod; it has: test" in failure.says


def test_pages_are_joined_and_a_cut_list_says_so(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = kube.namespace()
    kube.deploy(namespace, replicas=7)
    kube.pods(namespace, lambda pods: len(pods) == 7)
    monkeypatch.setattr(module, "PAGE", 3)
    path = f"api/v1/namespaces/{namespace}/pods"
    whole = reader(kube.admin).list(path)
    assert len({pod["metadata"]["name"] for pod in whole.items}) == 7
    assert whole.cut == ""
    part = reader(kube.admin).list(path, cap=6)
    assert len(part.items) == 6
    assert part.cut == f"only the first 6 of about 7 pods in namespace {namespace} were read"


def test_a_missing_right_names_the_rule(kube: Kube) -> None:
    failure = refusal(reader(kube.viewer).list, "api/v1/namespaces/default/pods")
    assert failure.reason == "forbidden"
    assert failure.says == (
        "user viewer may not list pods in namespace default; missing is "
        'Role in namespace "default": apiGroups [""], resources ["pods"], verbs ["list"]'
    )
    assert failure.address == "kubernetes test/default"
    assert failure.setting == "test"
    cluster_wide = refusal(reader(kube.viewer).get, "apis/apps/v1/deployments")
    assert 'ClusterRole: apiGroups ["apps"]' in cluster_wide.says


def test_may_i(kube: Kube) -> None:
    assert reader(kube.admin).can("list", "", "pods", namespace="default").allowed
    assert reader(kube.admin).can("create", "", "pods", "eviction", namespace="default").allowed
    assert not reader(kube.viewer).can("list", "", "pods", namespace="default").allowed


def test_absent_object_and_absent_api_are_told_apart(kube: Kube) -> None:
    absent = refusal(reader(kube.admin).get, "apis/apps/v1/namespaces/default/deployments/none")
    assert (absent.reason, absent.says) == (
        "not-found",
        'deployments "none" in namespace default does not exist',
    )
    kube.metrics_off()
    for path in ("apis/metrics.k8s.io/v1beta1/namespaces/default/pods", "apis/autoscaling/v9/horizontalpodautoscalers"):
        assert refusal(reader(kube.admin).get, path).reason == "unsupported"


def test_wrong_token_is_unauthorized(kube: Kube, tmp_path: Path) -> None:
    path = kube.kubeconfig(tmp_path / "config", {"token": "wrong"})
    failure = refusal(reader(path).get, "version")
    assert failure.reason == "unauthorized"
    assert "wrong" not in failure.says


def test_logs_in_by_token_file_and_reads_it_again_when_it_was_rotated(kube: Kube, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("ran-out\n")
    kubernetes = reader(kube.kubeconfig(tmp_path / "config", {"tokenFile": "token"}))
    assert refusal(kubernetes.get, "api/v1/namespaces").reason == "unauthorized"
    token.write_text(kube.files.admin_token + "\n")
    assert kubernetes.get("api/v1/namespaces")["kind"] == "NamespaceList"


@pytest.mark.parametrize("inline", [True, False])
def test_logs_in_by_client_certificate(kube: Kube, tmp_path: Path, inline: bool) -> None:
    files = kube.files

    def data(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    if inline:
        user = {"client-certificate-data": data(files.client_cert), "client-key-data": data(files.client_key)}
        cluster = {"certificate-authority-data": data(files.ca)}
    else:
        user = {"client-certificate": str(files.client_cert), "client-key": str(files.client_key)}
        cluster = {"certificate-authority": os.path.relpath(files.ca, tmp_path)}
    path = files.kubeconfig(tmp_path / "config", user, cluster=cluster)
    kubernetes = reader(path)
    assert kubernetes.get("api/v1/namespaces")["kind"] == "NamespaceList"
    kubernetes.close()


def test_logs_in_by_credential_plugin(kube: Kube, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    status = json.dumps({"token": kube.files.admin_token})
    code = f"open({str(asked)!r}, 'a').write(os.environ['KUBERNETES_EXEC_INFO'] + chr(10))\n" + CREDENTIAL % status
    command = plugin(tmp_path, "give-token", code)
    path = kube.kubeconfig(tmp_path / "config", exec_user("./give-token", provideClusterInfo=True))
    kubernetes = reader(path)
    assert kubernetes.get("api/v1/namespaces")["kind"] == "NamespaceList"
    kubernetes.get("version")
    told = [json.loads(line) for line in asked.read_text().splitlines()]
    assert len(told) == 1, "one credential serves the whole diagnosis"
    assert told[0]["spec"]["interactive"] is False
    assert told[0]["spec"]["cluster"]["server"] == kube.url
    assert command.exists()


def test_a_plugins_token_that_ran_out_is_asked_for_again(kube: Kube, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("ran-out")
    plugin(tmp_path, "give", CREDENTIAL % f"dict(token=open({str(token)!r}).read())")
    kubernetes = reader(kube.kubeconfig(tmp_path / "config", exec_user("./give")))
    assert refusal(kubernetes.get, "api/v1/namespaces").reason == "unauthorized"
    token.write_text(kube.files.admin_token)
    assert kubernetes.get("api/v1/namespaces")["kind"] == "NamespaceList"


def test_a_plugin_may_give_a_certificate(kube: Kube, tmp_path: Path) -> None:
    status = {
        "clientCertificateData": kube.files.client_cert.read_text(),
        "clientKeyData": kube.files.client_key.read_text(),
    }
    plugin(tmp_path, "give", CREDENTIAL % json.dumps(status))
    kubernetes = reader(kube.kubeconfig(tmp_path / "config", exec_user("./give")))
    assert kubernetes.get("api/v1/namespaces")["kind"] == "NamespaceList"


@pytest.mark.parametrize(
    ("code", "reason", "says"),
    [
        ("print('not json')", "bad-answer", "did not print an ExecCredential"),
        (
            "print('token: hunter22', file=sys.stderr); sys.exit(3)",
            "unauthorized",
            "ended with code 3: token: [redacted]",
        ),
        (CREDENTIAL % "{}", "unauthorized", "gave neither token nor certificate"),
        ("time.sleep(60)", "timeout", "gave nothing within"),
        ("os.system('sleep 60')", "timeout", "gave nothing within"),
    ],
)
def test_a_plugin_that_fails_is_named(kube: Kube, tmp_path: Path, code: str, reason: str, says: str) -> None:
    plugin(tmp_path, "give", code)
    kubernetes = reader(kube.kubeconfig(tmp_path / "config", exec_user("./give")))
    began = time.monotonic()
    failure = refusal(kubernetes.get, "version", timeout=2.0)
    assert time.monotonic() - began < 10
    assert failure.reason == reason
    assert says in failure.says
    assert "./give" in failure.says


def test_closing_the_reader_ends_a_plugin_that_runs(kube: Kube, tmp_path: Path) -> None:
    started = tmp_path / "started"
    plugin(tmp_path, "give", f"open({str(started)!r}, 'w').write(str(os.getpid()))\nos.system('sleep 60')")
    kubernetes = reader(kube.kubeconfig(tmp_path / "config", exec_user("./give")))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(refusal, kubernetes.get, "version", timeout=50.0)
        until = time.monotonic() + 20
        while not (started.exists() and started.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        kubernetes.close()
        assert asked.result(timeout=20).reason == "unauthorized"
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_plugin_that_is_not_there_tells_how_to_get_it(kube: Kube, tmp_path: Path) -> None:
    user = exec_user("no-such-plugin", installHint="Get it\nfrom there")
    failure = refusal(reader(kube.kubeconfig(tmp_path / "config", user)).get, "version")
    assert failure.reason == "missing-library"
    assert "no-such-plugin of the kubeconfig is not there: Get it from there" in failure.says


def test_an_old_auth_provider_is_left_to_the_official_package(kube: Kube, tmp_path: Path) -> None:
    token = kube.files.oidc_token
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": token, "idp-issuer-url": "https://idp.test"}}}
    kubernetes = reader(kube.kubeconfig(tmp_path / "config", user))
    assert kubernetes.get("api/v1/namespaces")["kind"] == "NamespaceList"
    nothing = {"auth-provider": {"name": "azure", "config": {}}}
    failure = refusal(reader(kube.kubeconfig(tmp_path / "other", nothing)).get, "version")
    assert failure.reason == "unsupported"
    assert "auth-provider azure" in failure.says


def test_impersonation_is_sent(kube: Kube, tmp_path: Path) -> None:
    user = {"token": kube.files.admin_token, "as": "somebody"}
    failure = refusal(reader(kube.kubeconfig(tmp_path / "config", user)).get, "api/v1/nodes")
    assert failure.reason == "forbidden"
    assert "user somebody may not list nodes" in failure.says


def test_an_unknown_authority_is_a_tls_failure_and_verification_can_be_switched_off(kube: Kube, tmp_path: Path) -> None:
    user = {"token": kube.files.admin_token}
    strict = kube.files.kubeconfig(tmp_path / "strict", user, cluster={})
    assert refusal(reader(strict).get, "version").reason == "tls"
    loose = kube.files.kubeconfig(tmp_path / "loose", user, cluster={"insecure-skip-tls-verify": True})
    kubernetes = reader(loose)
    kubernetes.get("version")
    assert kubernetes.notes() == ("TLS verification is off for kubernetes (kubeconfig, cluster test)",)
    assert kubernetes.source("shop") == "kubernetes test/shop (TLS not verified)"


def test_the_certificate_may_be_for_another_name(kube: Kube, tmp_path: Path) -> None:
    user = {"token": kube.files.admin_token}
    trust = {"certificate-authority": str(kube.files.ca)}
    wrong = kube.files.kubeconfig(tmp_path / "wrong", user, cluster={**trust, "tls-server-name": "api.test"})
    assert refusal(reader(wrong).get, "version").reason == "tls"
    right = kube.files.kubeconfig(tmp_path / "right", user, cluster={**trust, "tls-server-name": "localhost"})
    reader(right).get("version")


def test_nothing_is_printed_and_the_heavy_package_is_not_imported(kube: Kube, tmp_path: Path) -> None:
    import subprocess

    user = {"token": kube.files.admin_token}
    loose = kube.files.kubeconfig(tmp_path / "loose", user, cluster={"insecure-skip-tls-verify": True})
    code = f"""
import sys
from opsctl.clients.kubernetes import KubernetesReader
from opsctl.config.endpoint import Endpoint
assert not ({{"httpx", "yaml", "ssl", "subprocess", "asyncio"}} & set(sys.modules)), "import alone must cost little"
reader = KubernetesReader(Endpoint(name="kubernetes", url={str(loose)!r}, setting="test"))
reader.list("api/v1/namespaces")
assert "kubernetes" not in sys.modules
reader.close()
"""
    run = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "path",
    [
        "api/v1/namespaces/default/secrets/x/log",
        "api/v1/namespaces/default/pods/x/log/y",
        "api/v1/namespaces/default/pods/x/exec",
        "api/v1/namespaces/default/pods/x/attach",
        "api/v1/namespaces/default/pods/x/portforward",
        "api/v1/namespaces/default/pods/x/proxy/shutdown",
        "api/v1/nodes/n/proxy/run",
        "api/v1/namespaces/default/pods/../secrets",
        "api/v1/namespaces/default/pods/x?watch=1",
        "api/v1/namespaces/default/pods/%2e%2e/secrets",
        "apis/rbac.authorization.k8s.io/v1/clusterroles",
        "apis/apps/v1/namespaces/default/deployments/x/scale",
        "metrics",
        "",
        "https://elsewhere.test/api/v1/pods",
        "api/v1/namespaces/default\r\nX: y/pods",
    ],
)
def test_only_listed_paths_can_be_read(path: str) -> None:
    assert refusal(reader("/nowhere").get, path).reason == "bad-query"


def test_only_listed_query_keys_can_be_sent() -> None:
    assert refusal(reader("/nowhere").list, "api/v1/pods", {"watch": "1"}).reason == "bad-query"
    log = "api/v1/namespaces/default/pods/x/log"
    assert refusal(reader("/nowhere").get, log, {"follow": "true"}).reason == "bad-query"


def test_the_type_has_no_call_that_changes_anything() -> None:
    public = {name for name in dir(KubernetesReader) if not name.startswith("_")}
    assert public == {"address", "can", "close", "context", "get", "list", "log", "namespace", "notes", "source"}
    files = sorted(Path(module.__file__).parent.glob("kube*.py"))
    text = "".join(path.read_text() for path in files if path.name != "kubernetes_write.py")  # the side that acts
    assert not re.findall(r"""["'](?:PUT|PATCH|DELETE|POST)["']""", text)


def test_logs_are_the_end_of_one_containers_output(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.deploy(namespace)
    name = kube.pods(namespace, lambda pods: "Running" in str(pods))[0]["metadata"]["name"]
    assert kube._node is not None
    logs = kube._node.kubelet.logs
    logs[namespace, name, "main", False] = [f"line {number} password=hunter2\x1b[2J" for number in range(500)]
    logs[namespace, name, "main", True] = ["last words"]
    kubernetes = reader(kube.admin)
    told = kubernetes.log(namespace, name, "main", lines=3, timestamps=False)
    assert [line.partition(" password")[0] for line in told.lines] == ["line 497", "line 498", "line 499"]
    assert told.cut
    assert not any("hunter2" in line or "\x1b" in line for line in told.lines)
    assert kubernetes.log(namespace, name, previous=True, since=60).lines[0].endswith("Z last words")
    asked = kube._node.kubelet.asked[-1]
    assert "previous=true" in asked
    assert "sinceSeconds=60" in asked
    assert "follow" not in asked
    short = kubernetes.log(namespace, name, max_bytes=1000)
    assert short.cut
    assert 10 < len(short.lines) < 40


def test_logs_that_are_not_to_be_had(kube: Kube) -> None:
    namespace = kube.namespace()
    kube.deploy(namespace, behaviour="imagepull")
    name = kube.pods(namespace, lambda pods: "ImagePullBackOff" in str(pods))[0]["metadata"]["name"]
    kubernetes = reader(kube.admin)
    assert kube._node is not None
    words = f'container "main" in pod "{name}" is waiting to start: trying and failing to pull image'
    kube._node.kubelet.logs[namespace, name, "main", False] = words
    waiting = refusal(kubernetes.log, namespace, name)
    assert waiting.reason == "no-data"
    assert waiting.says == f'there is no such log of pods "{name}" ({words})'
    assert refusal(kubernetes.log, namespace, name, "other").reason == "no-data"
    assert refusal(kubernetes.log, namespace, "gone").reason == "not-found"
    denied = refusal(reader(kube.viewer).log, namespace, name)
    assert denied.reason == "forbidden"
    assert f'may not get log of pods "{name}" in namespace {namespace}' in denied.says
    assert 'resources ["pods/log"], verbs ["get"]' in denied.says


def test_of_secrets_only_metadata_is_taken(web_secret: Path) -> None:
    failure = refusal(reader(web_secret).get, "api/v1/namespaces/shop/secrets/keys")
    assert failure.reason == "unsupported"
    assert "hunter" not in failure.says


@pytest.fixture
def web_secret(tmp_path: Path) -> Any:
    """A server too old to give metadata alone: it sends the whole Secret."""
    from tests.servers.web import Web

    body = {"kind": "Secret", "metadata": {"name": "keys"}, "data": {"token": "aHVudGVy"}}
    web = Web({"/api/v1/namespaces/shop/secrets/keys": json.dumps(body)})
    config = {
        "contexts": [{"name": "test", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": web.url}}],
        "current-context": "test",
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    yield path
    assert "PartialObjectMetadata" in web.requests[0].headers["accept"]
    web.stop()
