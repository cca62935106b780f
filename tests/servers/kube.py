"""A real Kubernetes control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

The node and its kubelet are simulated (kube_node.py): pods are real objects, scheduled, rolled out, scaled and
limited by the real controllers; only their containers do not run. One control plane per test run, a namespace per test.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.servers import process, programs, used
from tests.servers.kube_files import Files, write_files
from tests.servers.kube_node import Node
from tests.servers.kube_objects import deployment, template

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
BUILD = Path(__file__).resolve().parents[2] / ".ci" / "build-kube"


class ApiError(RuntimeError):
    """The API server refused what a test asked of it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


def _cache() -> Path | None:
    """The folder that ``.ci/build-kube`` fills."""
    try:
        run = subprocess.run(["bash", BUILD, "--where"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    return Path(run.stdout.strip()) if run.returncode == 0 and run.stdout.strip() else None


def find_kube() -> programs.Program | programs.Missing:
    """kube-apiserver with its two companions beside it, and etcd; from the environment, PATH or the build's cache."""
    folders = [
        Path(os.environ[name]) for name in ("OPSCTL_TEST_KUBE_BIN", "KUBEBUILDER_ASSETS") if os.environ.get(name)
    ]
    on_path = programs.which("kube-apiserver")
    if on_path is not None:
        folders.append(on_path.parent)
    cache = _cache()
    if cache is not None:
        folders.append(cache)
    how = ".ci/build-kube  (Debian 12, 4 minutes)"
    for folder in folders:
        if all((folder / name).exists() for name in PROGRAMS):
            etcd = folder / "etcd" if (folder / "etcd").exists() else programs.which("etcd")
            if etcd is None:
                return programs.Missing(
                    "no etcd on this machine", "apt-get install --no-install-recommends etcd-server"
                )
            path = folder / "kube-apiserver"
            version = programs.version_of(path)
            return programs.Program(path, version) if version else programs.Missing(f"{path} does not run", how)
    return programs.Missing("no kube-apiserver with kube-controller-manager and kube-scheduler", how)


class Kube:
    """``url``: the API server. ``admin`` and ``viewer``: kubeconfig files; viewer has no rights at all.

    Both have one context, ``test``, whose namespace is ``default``. ``call`` acts as admin.
    """

    def __init__(self, folder: Path, *, controllers: bool = True) -> None:
        program = programs.found("kube")
        self._controllers = controllers
        self.folder = folder
        self.version = program.version
        self._bin = program.path.parent
        self._servers: list[process.Server] = []
        self._node: Node | None = None
        self._count = 0
        self.port = process.free_port()
        self.url = f"https://{process.HOST}:{self.port}"
        self.files: Files = write_files(folder, self.url)
        self.admin = self.files.admin
        self.viewer = self.files.viewer
        self._http = httpx.Client(
            base_url=self.url,
            verify=ssl.create_default_context(cafile=str(self.files.ca)),
            headers={"Authorization": f"Bearer {self.files.admin_token}"},
            trust_env=False,
            timeout=30,
        )

    def start(self) -> None:
        """Start everything; ready for Deployments when this returns (about 8 s), or for objects without controllers."""
        store = f"http://{process.HOST}:{process.free_port()}"
        peer = f"http://{process.HOST}:{process.free_port()}"
        etcd = self._bin / "etcd" if (self._bin / "etcd").exists() else programs.found("etcd").path
        flags = ["--data-dir", self.folder / "etcd", "--unsafe-no-fsync"]
        flags += ["--listen-client-urls", store, "--advertise-client-urls", store, "--listen-peer-urls", peer]
        flags += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        self._start("etcd", [etcd, *flags])
        api = self._start("kube-apiserver", [self._bin / "kube-apiserver", *self._api_flags(store)])
        api.wait_ready(lambda: self._ready(), timeout=120)
        if not self._controllers:
            used.note("kube", self.version, note="without controllers: a test writes what they would")
            return
        old = ["--port=0"] if self._older_than(1, 24) else []
        config = f"--kubeconfig={self.admin}"
        self._start(
            "kube-controller-manager",
            [
                self._bin / "kube-controller-manager",
                config,
                f"--bind-address={process.HOST}",
                f"--secure-port={process.free_port()}",
                "--leader-elect=false",
                f"--service-account-private-key-file={self.files.service_account_key}",
                f"--root-ca-file={self.files.ca}",
                "--node-monitor-period=500ms",
                "--node-monitor-grace-period=20s",
                "--horizontal-pod-autoscaler-sync-period=1s",
                "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
                "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
                *old,
            ],
        )
        self._start(
            "kube-scheduler",
            [
                self._bin / "kube-scheduler",
                config,
                f"--bind-address={process.HOST}",
                f"--secure-port={process.free_port()}",
                "--leader-elect=false",
                *old,
            ],
        )
        self._node = Node(self.url, self.files)
        self._node.start()
        self.wait("api/v1/nodes/node-1", lambda node: not node["spec"].get("taints"))
        used.note("kube", self.version, note="the node and its kubelet are simulated")

    def stop(self) -> None:
        """Stop node and controllers first, then the API server, then etcd."""
        if self._node is not None:
            self._node.stop()
            self._node = None
        for server in reversed(self._servers):
            server.stop(grace=2.0)  # the API server would drain for much longer; the data are thrown away
        self._servers.clear()
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, patch: str = "merge", **query: str) -> dict[str, Any]:
        """One request as admin; the answer's JSON. Raises ApiError. ``patch``: merge, strategic-merge or json."""
        headers = {"Content-Type": f"application/{patch}-patch+json" if method == "PATCH" else "application/json"}
        answer = self._http.request(method, f"/{path}", json=body, params=query, headers=headers)
        if answer.status_code >= 400:
            raise ApiError(answer.status_code, answer.text)
        return answer.json()  # type: ignore[no-any-return]

    def wait(self, path: str, holds: Callable[[dict[str, Any]], Any], timeout: float = 60.0) -> dict[str, Any]:
        """Read ``path`` until the object ``holds``; that object. Raises TimeoutError."""
        until = time.monotonic() + timeout
        seen: dict[str, Any] = {}
        while time.monotonic() < until:
            with contextlib.suppress(ApiError):
                seen = self.call("GET", path)
                if holds(seen):
                    return seen
            time.sleep(0.05)
        raise TimeoutError(f"{path} did not come to hold within {timeout:g} s: {seen.get('status', seen)}")

    def namespace(self, name: str = "shop") -> str:
        """A new namespace ``NAME-NUMBER``; nobody deletes it (that takes 10 s, and the data are thrown away)."""
        self._count += 1
        full = f"{name}-{self._count}"
        self.call("POST", "api/v1/namespaces", {"metadata": {"name": full}})
        return full

    def deploy(self, namespace: str, name: str = "api", *, replicas: int = 1, deadline: int = 600, **how: Any) -> str:
        """Create a Deployment, or change it; its path. ``how``: as of ``kube_objects.template``, and ``spec``."""
        spec = how.pop("spec", {})
        body = deployment(name, template(name, **how), replicas=replicas, deadline=deadline, **spec)
        path = f"apis/apps/v1/namespaces/{namespace}/deployments"
        try:
            self.call("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise
            self.call("PUT", f"{path}/{name}", body)
        return f"{path}/{name}"

    def rolled_out(self, path: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the Deployment at ``path`` has finished its rollout; the object."""

        def done(obj: dict[str, Any]) -> bool:
            status, wanted = obj.get("status", {}), obj["spec"]["replicas"]
            reasons = {each["type"]: each.get("reason") for each in status.get("conditions", ())}
            return bool(
                status.get("observedGeneration", 0) >= obj["metadata"]["generation"]
                and reasons.get("Progressing") == "NewReplicaSetAvailable"
                and [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")] == [wanted] * 3
            )

        return self.wait(path, done, timeout)

    def pods(self, namespace: str, holds: Callable[[list[dict[str, Any]]], Any], timeout: float = 60.0) -> list[Any]:
        """Wait until the pods of a namespace ``holds``; those pods."""
        seen = self.wait(f"api/v1/namespaces/{namespace}/pods", lambda found: holds(found["items"]), timeout)
        return list(seen["items"])

    def metrics_on(self) -> None:
        """Offer metrics.k8s.io as a metrics-server would (the pods' annotations give the numbers); takes 1-9 s."""
        assert self._node is not None
        self._node.metrics.register(self)
        self.wait("apis/metrics.k8s.io/v1beta1/pods", lambda _: True)

    def metrics_off(self) -> None:
        """Take metrics.k8s.io away again: 404, as on a cluster without metrics-server."""
        with contextlib.suppress(ApiError):
            self.call("DELETE", "apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                self.call("GET", "apis/metrics.k8s.io/v1beta1/pods")
            except ApiError as error:
                if error.status == 404:
                    return
            time.sleep(0.05)
        raise TimeoutError("metrics.k8s.io is still there")

    def kubeconfig(self, path: Path, user: Mapping[str, Any], **options: Any) -> Path:
        """Write a kubeconfig of one context for ``user`` (as in the file). Options: context, namespace, server."""
        return self.files.kubeconfig(path, user, **options)

    def _start(self, name: str, argv: list[Any]) -> process.Server:
        server = process.start(name, argv, self.folder / f"{name}.log", cwd=self.folder)
        self._servers.append(server)
        return server

    def _ready(self) -> bool:
        try:
            return self._http.get("/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _older_than(self, *version: int) -> bool:
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:2]) < version

    def _api_flags(self, store: str) -> list[str]:
        files = self.files
        flags = {
            "etcd-servers": store,
            "bind-address": process.HOST,
            "advertise-address": process.HOST,
            "secure-port": self.port,
            "tls-cert-file": files.server_cert,
            "tls-private-key-file": files.server_key,
            "client-ca-file": files.ca,
            "token-auth-file": files.tokens,
            "authorization-mode": "RBAC",
            "service-account-key-file": files.service_account_key,
            "service-account-signing-key-file": files.service_account_key,
            "service-account-issuer": "https://opsctl.test",
            "service-cluster-ip-range": "10.99.0.0/24",
            "endpoint-reconciler-type": "none",
            # Pods are accepted before their namespace's service account exists.
            "disable-admission-plugins": "ServiceAccount",
            # For logs, which the API server asks of the node's kubelet.
            "kubelet-client-certificate": files.client_cert,
            "kubelet-client-key": files.client_key,
            "kubelet-certificate-authority": files.ca,
            "kubelet-preferred-address-types": "InternalIP",
            # For metrics.k8s.io, which the API server asks as a proxy.
            "requestheader-client-ca-file": files.ca,
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": files.client_cert,
            "proxy-client-key-file": files.client_key,
        }
        if self._older_than(1, 24):
            flags["insecure-port"] = 0
        return [f"--{name}={value}" for name, value in flags.items()]


def start_kube(folder: Path, *, controllers: bool = True) -> Kube:
    """A control plane that is ready, its data under ``folder``. Stop it with ``stop``.

    Without ``controllers`` only the API server and its store run: nothing acts on the objects.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kube = Kube(folder, controllers=controllers)
    try:
        kube.start()
    except BaseException:
        kube.stop()
        raise
    return kube
