"""A real kube-apiserver on a real etcd, for Threads; no controller and no kubelet: kube_writer writes as they would.

The programs are looked for on PATH, in $OPSCTL_KUBE_BIN, in $KUBEBUILDER_ASSETS and in the cache that the repository's
own build of them fills.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from opsctl.lab.files import NAMESPACE
from opsctl.lab.identity import HOST
from opsctl.lab.servers import NotStarted, Server, answers_http, find, version_of

HOW = "set OPSCTL_KUBE_BIN to a folder with kube-apiserver and etcd, or run .ci/build-kube in opsctl's repository"
API_PATIENCE = 90.0
VIEWER = "opsctl-look"


class Programs(NamedTuple):
    """Where the two programs are."""

    apiserver: str
    etcd: str
    version: str


def _folders() -> list[Path]:
    named = [Path(os.environ[name]) for name in ("OPSCTL_KUBE_BIN", "KUBEBUILDER_ASSETS") if os.environ.get(name)]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opsctl-test"
    return [*named, *sorted(cache.glob("kube-*"), reverse=True)]


def programs() -> Programs | str:
    """The programs, or the sentence that says what is missing."""
    folders = os.pathsep.join(str(folder) for folder in _folders())
    apiserver = shutil.which("kube-apiserver", path=folders) or find("kube-apiserver")
    if apiserver is None:
        return f"no kube-apiserver here: {HOW}"
    etcd = shutil.which("etcd", path=str(Path(apiserver).parent)) or shutil.which("etcd", path=folders) or find("etcd")
    if etcd is None:
        return "no program etcd on PATH: install etcd (Debian: etcd-server)"
    if shutil.which("openssl") is None:
        return "no program openssl on PATH, which makes the API server's certificate"
    version = version_of([apiserver, "--version"])
    return Programs(apiserver, etcd, version) if version else f"{apiserver} does not run; {HOW}"


class Access(NamedTuple):
    """How one user reaches the API server."""

    url: str
    token: str
    certificate: Path

    @property
    def key(self) -> Path:
        """The certificate's key."""
        return self.certificate.with_suffix(".key")

    def tls(self) -> ssl.SSLContext:
        """Trusts this server's certificate and nothing else."""
        return ssl.create_default_context(cafile=str(self.certificate))


class Cluster:
    """The two servers, their files and the two users: one who writes, and one who may only look."""

    def __init__(self, found: Programs, folder: Path, logs: Path, ports: tuple[int, int, int]) -> None:
        self._found, self._folder, self._logs = found, folder, logs
        self._port, self._etcd_port, self._peer_port = ports
        self.url = f"https://{HOST}:{self._port}"
        certificate = folder / "server.crt"
        self.writer = Access(self.url, secrets.token_hex(16), certificate)
        self.looker = Access(self.url, secrets.token_hex(16), certificate)

    def prepare(self) -> None:
        """Certificate, key and tokens. Raises NotStarted."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout", "server.key"]
        command += ["-out", "server.crt", "-subj", "/CN=opsctl-lab", "-addext", f"subjectAltName=IP:{HOST}"]
        run = subprocess.run(  # noqa: S603
            command, cwd=self._folder, capture_output=True, text=True, timeout=30, check=False
        )
        if run.returncode:
            raise NotStarted(f"openssl: {run.stderr.strip().splitlines()[-1:]}")
        lines = [f'{self.writer.token},lab,1,"system:masters"', f"{self.looker.token},{VIEWER},2"]
        (self._folder / "tokens.csv").write_text("\n".join(lines) + "\n")

    def etcd(self) -> Server:
        """The store; it keeps nothing that matters, so it need not wait for the disk."""
        store, peer = f"http://{HOST}:{self._etcd_port}", f"http://{HOST}:{self._peer_port}"
        flags = ["--data-dir", str(self._folder / "etcd"), "--unsafe-no-fsync", "--log-level=warn"]
        flags += ["--listen-client-urls", store, "--advertise-client-urls", store, "--listen-peer-urls", peer]
        flags += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
        return Server([self._found.etcd, *flags], self._logs / "etcd.log", answers_http(self._etcd_port, "/health"))

    def apiserver(self) -> Server:
        """The API server."""
        files = self._folder
        flags = {
            "etcd-servers": f"http://{HOST}:{self._etcd_port}",
            "bind-address": HOST,
            "advertise-address": HOST,
            "secure-port": self._port,
            "tls-cert-file": files / "server.crt",
            "tls-private-key-file": files / "server.key",
            "token-auth-file": files / "tokens.csv",
            "authorization-mode": "RBAC",
            "service-account-key-file": files / "server.key",
            "service-account-signing-key-file": files / "server.key",
            "service-account-issuer": "https://opsctl.lab",
            "service-cluster-ip-range": "10.99.0.0/24",
            "endpoint-reconciler-type": "none",
            "storage-media-type": "application/json",  # for kube_age
            "disable-admission-plugins": "ServiceAccount",  # nobody makes a namespace's service account here
            # For metrics.k8s.io, which the API server asks as a proxy.
            "requestheader-client-ca-file": files / "server.crt",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": files / "server.crt",
            "proxy-client-key-file": files / "server.key",
            "shutdown-delay-duration": "0s",
        }
        old = ["--insecure-port=0"] if _older(self._found.version, 1, 24) else []
        argv = [self._found.apiserver, *(f"--{name}={value}" for name, value in flags.items()), *old]
        return Server(argv, self._logs / "kube-apiserver.log", self._ready())

    def _ready(self) -> Callable[[], bool]:
        def check() -> bool:
            if not self.writer.certificate.exists():
                return False
            link = http.client.HTTPSConnection(HOST, self._port, timeout=2.0, context=self.writer.tls())
            try:
                link.request("GET", "/readyz", headers={"Authorization": f"Bearer {self.writer.token}"})
                return link.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False
            finally:
                link.close()

        return check

    def kubeconfig(self, path: Path) -> None:
        """The kubeconfig of the user who may only look."""
        cluster = {"server": self.url, "certificate-authority": str(self.looker.certificate)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": VIEWER, "user": {"token": self.looker.token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": VIEWER, "namespace": NAMESPACE}}],
        }
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(json.dumps(config, indent=1) + "\n")


def _older(version: str, *bound: int) -> bool:
    numbers = [int(part) for part in version.lstrip("v").split(".")[:2] if part.isdigit()]
    return tuple(numbers) < bound
