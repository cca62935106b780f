"""Credential plug-ins of a kubeconfig (``exec``: aws, gke-gcloud-auth-plugin, kubelogin …).

Run by ourselves: the official package gives them our terminal, has no deadline, and when one fails it logs a line
and goes on without credentials.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from opsctl.clients.kubeconfig import Entry
from opsctl.clients.typed import ready
from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    import subprocess

_CLUSTER_KEYS = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")


class Credential(NamedTuple):
    """What a plug-in gave: a token, or a certificate with its key in PEM, or both."""

    token: str
    certificate: str
    key: str


class _Status(msgspec.Struct):
    token: str = ""
    certificate: str = msgspec.field(name="clientCertificateData", default="")
    key: str = msgspec.field(name="clientKeyData", default="")


class _Answer(msgspec.Struct):
    apiVersion: str  # noqa: N815 - the API's name
    kind: str
    status: _Status | None = None


class Plugin:
    """Runs one at a time; ``close`` ends the one that runs."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(self, user: Entry, cluster: Entry, timeout: float) -> Credential:
        """Ask the plug-in of ``user`` for credentials, at most ``timeout`` seconds. Raises CouldNotLook."""
        spec: Mapping[str, Any] = user.body["exec"]
        command, version = str(spec.get("command") or ""), str(spec.get("apiVersion") or "")
        if not command or not version:
            raise CouldNotLook("bad-answer", "exec of the kubeconfig's user needs command and apiVersion")
        if spec.get("interactiveMode") == "Always":
            raise CouldNotLook("unsupported", f"the credential plug-in {command} wants a terminal (interactiveMode)")
        environ = {**os.environ, **{str(item["name"]): str(item["value"]) for item in spec.get("env") or ()}}
        environ["KUBERNETES_EXEC_INFO"] = msgspec.json.encode(_info(spec, cluster, version)).decode()
        path = self._find(command, spec, user.folder, environ)
        argv = [path, *(str(each) for each in spec.get("args") or ())]
        code, out, err = self._ask(argv, environ, user.folder, timeout, command)
        if code != 0:
            words = redact(printable(" ".join(err.decode(errors="replace").split())))[-200:]
            says = f"the credential plug-in {command} ended with code {code}" + (f": {words}" if words else "")
            raise CouldNotLook("unauthorized", says)
        return _credential(command, version, out)

    def close(self) -> None:
        """End a plug-in that still runs."""
        import signal

        running = self._running
        if running is not None and running.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)

    def _find(self, command: str, spec: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> str:
        import shutil

        # A path is relative to the kubeconfig, a bare name is looked up on PATH: kubectl's rule.
        named = str(folder / command) if os.sep in command else command
        path = shutil.which(named, path=environ.get("PATH"))
        if path is None:
            hint = printable(" ".join(str(spec.get("installHint") or "").split()))[:200]
            says = f"the credential plug-in {command} of the kubeconfig is not there" + (f": {hint}" if hint else "")
            raise CouldNotLook("missing-library", says)
        return path

    def _ask(
        self, argv: list[str], environ: Mapping[str, str], folder: Path, timeout: float, command: str
    ) -> tuple[int, bytes, bytes]:
        import subprocess

        pipe = subprocess.PIPE
        with self._lock:
            try:
                self._running = running = subprocess.Popen(  # noqa: S603 - what the user's kubeconfig names
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=pipe,
                    stderr=pipe,
                    env=dict(environ),
                    cwd=folder,
                    start_new_session=True,
                )
            except OSError as error:
                says = f"the credential plug-in {command} cannot be run: {error.strerror}"
                raise CouldNotLook("unauthorized", says) from None
            try:
                out, err = running.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                self.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.communicate(timeout=1)
                says = f"the credential plug-in {command} gave nothing within {timeout:.3g} s"
                raise CouldNotLook("timeout", says) from None
            finally:
                self._running = None
        return running.returncode, out, err


def _info(spec: Mapping[str, Any], cluster: Entry, version: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"interactive": False}
    if spec.get("provideClusterInfo"):
        asked["cluster"] = {key: cluster.body[key] for key in _CLUSTER_KEYS if key in cluster.body}
        for extension in cluster.body.get("extensions") or ():
            if extension.get("name") == "client.authentication.k8s.io/exec":
                asked["cluster"]["config"] = extension.get("extension")
    return {"apiVersion": version, "kind": "ExecCredential", "spec": asked}


def _credential(command: str, version: str, out: bytes) -> Credential:
    try:
        answer = msgspec.json.decode(out, type=ready(_Answer))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CouldNotLook("bad-answer", f"the credential plug-in {command} did not print an ExecCredential") from None
    if answer.apiVersion != version:
        says = f"the credential plug-in {command} speaks {printable(answer.apiVersion)}, the kubeconfig wants {version}"
        raise CouldNotLook("bad-answer", says)
    status = answer.status
    if status is None or not (status.token or (status.certificate and status.key)):
        raise CouldNotLook("unauthorized", f"the credential plug-in {command} gave neither token nor certificate")
    return Credential(status.token, status.certificate, status.key)
