"""From a kubeconfig's cluster and user to HTTP access: token, client certificate, password, credential plug-in.

Inline certificates become files that exist only in memory where the system allows it, because TLS wants paths.
Credential plug-ins (``exec``) are run here, with a deadline and without the terminal. The old ``auth-provider``
entries, which kubectl itself dropped in 1.26, are left to the official package.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.clients.kube_exec import Plugin
from opsctl.clients.kubeconfig import Entry, Selected
from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    import tempfile

AUTH_PROVIDER_SECONDS = 10.0


class Login(NamedTuple):
    """How to reach and enter a cluster. ``renewable``: a new login may help after a 401. ``notes``: for the report."""

    server: str
    http: HttpAccess
    renewable: bool
    notes: tuple[str, ...]


class Files:
    """Holds what must be a path for TLS; ``close`` removes it."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def hold(self, content: bytes) -> str:
        """A path with that content: memory on Linux, else a file that only this user can read."""
        if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
            descriptor = os.memfd_create("opsctl")
            self._descriptors.append(descriptor)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            return f"/proc/self/fd/{descriptor}"
        import tempfile

        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="opsctl-")
        descriptor, name = tempfile.mkstemp(dir=self._folder.name)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
        return name

    def close(self) -> None:
        """Remove them."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def log_in(selected: Selected, files: Files, plugin: Plugin, timeout: float) -> Login:
    """Credentials for a context. Runs a credential plug-in when the user has one.

    Raises CouldNotLook: "unauthorized" (plug-in or password file failed), "missing-library", "timeout", "tls",
    "unsupported", "bad-answer" (the file's values).
    """
    cluster, user = selected.cluster, selected.user
    server = str(cluster.body.get("server") or "").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise CouldNotLook("bad-answer", f"cluster {selected.cluster_name} of the kubeconfig has no http(s) server URL")
    notes = []
    insecure = cluster.body.get("insecure-skip-tls-verify") is True
    if insecure:
        notes.append(f"TLS verification is off for kubernetes (kubeconfig, cluster {selected.cluster_name})")
    if server.startswith("http://"):
        notes.append(f"kubernetes is asked without TLS ({server})")
    headers = _impersonation(user.body)
    cert, key = _pem(user, "client-certificate", files), _pem(user, "client-key", files)
    renewable = False
    token = _token(user)
    if token:
        renewable = bool(user.body.get("tokenFile"))
    elif user.body.get("username"):
        login = f"{user.body['username']}:{user.body.get('password') or ''}"
        headers.append(("Authorization", "Basic " + base64.b64encode(login.encode()).decode()))
    elif isinstance(user.body.get("exec"), Mapping):
        credential = plugin.run(user, cluster, timeout)
        renewable, token = True, credential.token
        if credential.certificate:
            cert, key = files.hold(credential.certificate.encode()), files.hold(credential.key.encode())
    elif isinstance(user.body.get("auth-provider"), Mapping):
        token = _from_official_package(selected, timeout)
    if token:
        headers.append(("Authorization", f"Bearer {token}"))
    access = HttpAccess(
        headers=tuple(headers),
        ca_file="" if insecure else _pem(cluster, "certificate-authority", files),
        cert_file=cert,
        key_file=key,
        server_name=str(cluster.body.get("tls-server-name") or ""),
        insecure_skip_verify=insecure,
        proxy_url=str(cluster.body.get("proxy-url") or ""),
    )
    return Login(server, access, renewable, tuple(notes))


def _token(user: Entry) -> str:
    """``tokenFile`` wins over ``token``, as in kubectl."""
    name = user.body.get("tokenFile")
    if name:
        try:
            token = (user.folder / str(name)).read_text().strip()
        except OSError as error:
            raise CouldNotLook("unauthorized", f"token file {name} cannot be read: {error.strerror}") from None
        if token:
            return _one_line(token)
    return _one_line(str(user.body.get("token") or ""))


def _one_line(token: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in token):
        raise CouldNotLook("unauthorized", "the token of the kubeconfig is not one line of text")
    return token


def _pem(entry: Entry, key: str, files: Files) -> str:
    """The path of a certificate or key given as KEY-data (inline, wins) or KEY (path); "" for neither."""
    inline = entry.body.get(f"{key}-data")
    if inline:
        try:
            return files.hold(base64.b64decode(str(inline), validate=True))
        except (binascii.Error, ValueError):
            raise CouldNotLook("tls", f"{key}-data of the kubeconfig is not base64") from None
    path = entry.body.get(key)
    return str(entry.folder / str(path)) if path else ""


def _impersonation(user: Mapping[str, Any]) -> list[tuple[str, str]]:
    groups = list(user.get("as-groups") or ())
    if len(groups) > 1 or user.get("as-user-extra"):
        says = "the kubeconfig's user impersonates with several as-groups or as-user-extra, which opsctl cannot send"
        raise CouldNotLook("unsupported", says)
    headers = [("Impersonate-User", str(user["as"]))] if user.get("as") else []
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", str(user["as-uid"])))
    return headers + [("Impersonate-Group", str(group)) for group in groups]


def _from_official_package(selected: Selected, timeout: float) -> str:
    """The token of an ``auth-provider`` (oidc, gcp). It may ask the provider; nothing is written back."""
    from opsctl.clients.deadline import Expired, within

    name = str(selected.user.body["auth-provider"].get("name") or "")

    def load() -> str:
        from kubernetes import client, config
        from kubernetes.config.config_exception import ConfigException

        load_config: Any = config.load_kube_config  # the package has no types
        configuration = client.Configuration()
        path = os.pathsep.join(str(file) for file in selected.files)
        try:
            load_config(path, selected.context, configuration, persist_config=False)
        except (ConfigException, KeyError, ValueError, OSError, ImportError) as error:
            says = f"auth-provider {name} of the kubeconfig gave no token ({type(error).__name__})"
            raise CouldNotLook("unauthorized", says) from None
        return str(configuration.api_key.get("BearerToken") or "").removeprefix("Bearer ")

    try:
        token = within(min(timeout, AUTH_PROVIDER_SECONDS), load)
    except Expired:
        raise CouldNotLook("timeout", f"auth-provider {name} of the kubeconfig gave no token in time") from None
    except ImportError:
        raise CouldNotLook("missing-library", "auth-provider needs: pip install kubernetes") from None
    if not token:
        says = f"auth-provider {name} of the kubeconfig gave no token; kubectl dropped these, use an exec plug-in"
        raise CouldNotLook("unsupported", says)
    return token
