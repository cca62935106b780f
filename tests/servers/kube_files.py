"""Certificates, tokens and kubeconfig files for the test's control plane, by openssl."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ADMIN_TOKEN = "test-admin-token"
VIEWER_TOKEN = "test-viewer-token"


class Files:
    """Paths under one folder."""

    admin_token = ADMIN_TOKEN
    viewer_token = VIEWER_TOKEN

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self.server = server
        self.oidc_token = _oidc_token()
        self.ca = folder / "ca.crt"
        self.server_cert, self.server_key = folder / "server.crt", folder / "server.key"
        self.client_cert, self.client_key = folder / "client.crt", folder / "client.key"  # an administrator's
        self.service_account_key = folder / "sa.key"
        self.tokens = folder / "tokens.csv"
        self.admin = folder / "admin.kubeconfig"
        self.viewer = folder / "viewer.kubeconfig"

    def kubeconfig(
        self,
        path: Path,
        user: Mapping[str, Any],
        *,
        context: str = "test",
        namespace: str = "",
        server: str = "",
        cluster: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a kubeconfig of one context. ``cluster``: replaces the default ``certificate-authority``."""
        trust = {"certificate-authority": str(self.ca)} if cluster is None else dict(cluster)
        where = {"cluster": "test", "user": "someone"} | ({"namespace": namespace} if namespace else {})
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": "test", "cluster": {"server": server or self.server, **trust}}],
            "users": [{"name": "someone", "user": dict(user)}],
            "contexts": [{"name": context, "context": where}],
        }
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        return path


def _openssl(folder: Path, command: str) -> None:
    run = subprocess.run(
        ["openssl", *command.split()], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    if run.returncode != 0:
        raise RuntimeError(f"openssl {command} failed: {run.stderr}")


def _signed(folder: Path, name: str, subject: str, extensions: str) -> None:
    """A key NAME.key and a certificate NAME.crt of the CA."""
    (folder / f"{name}.ext").write_text(extensions)
    _openssl(folder, f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj {subject}")
    signing = "-CA ca.crt -CAkey ca.key -CAcreateserial -days 30"
    _openssl(folder, f"x509 -req -in {name}.csr {signing} -out {name}.crt -extfile {name}.ext")


def _oidc_token() -> str:
    """Looks like an identity provider's token that is good for ten years; the API server takes it as a plain token."""
    parts = ({"alg": "none"}, {"sub": "test", "exp": int(time.time()) + 10 * 365 * 86400})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def write_files(folder: Path, server: str) -> Files:
    """Make them all. ``server``: URL of the API server."""
    files = Files(folder, server)
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=test-ca")
    _signed(folder, "server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    _signed(folder, "client", "/O=system:masters/CN=test-client", "extendedKeyUsage=clientAuth\n")
    _openssl(folder, "genrsa -out sa.key 2048")
    lines = [
        f'{ADMIN_TOKEN},admin,1,"system:masters"',
        f"{VIEWER_TOKEN},viewer,2",
        f'{files.oidc_token},oidc-user,3,"system:masters"',
    ]
    files.tokens.write_text("\n".join(lines) + "\n")
    files.kubeconfig(files.admin, {"token": ADMIN_TOKEN})
    files.kubeconfig(files.viewer, {"token": VIEWER_TOKEN})
    return files
