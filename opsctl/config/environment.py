"""The names that the ecosystem's own tools read from the environment. They work without any file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from opsctl.config.places import home_dir, shown

URLS = {
    "prometheus": "PROMETHEUS_URL",
    "alertmanager": "ALERTMANAGER_URL",
    "postgres": "DATABASE_URL",
    "redis": "REDIS_URL",
    "kubernetes": "KUBECONFIG",
}
# libpq's own; each alone says which server or database is meant. PGUSER, PGPASSWORD and the like only fill in.
LIBPQ = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGPORT")
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Chosen(NamedTuple):
    """An address and the setting that chose it."""

    url: str
    setting: str

    def __repr__(self) -> str:
        return f"Chosen(…, by {self.setting})"


def from_environment(name: str, environ: Mapping[str, str], own: str = "") -> Chosen | None:
    """The address that the environment gives for an endpoint; ``own``: the service's own variable, asked first.

    A Postgres address of ``PG*`` is "": libpq reads those itself. An empty variable counts as not set.
    """
    for variable in (own, URLS.get(name, "")):
        if variable and environ.get(variable, "").strip():
            return Chosen(environ[variable].strip(), f"env {variable}")
    if name == "postgres":
        for variable in LIBPQ:
            if environ.get(variable, ""):
                return Chosen("", f"env {variable}")
    return None


def kubernetes_default(environ: Mapping[str, str]) -> Chosen | None:
    """What kubectl falls back to: ``~/.kube/config`` if it is there, else the pod's own service account."""
    home = home_dir(environ)
    if home is not None and (usual := home / ".kube" / "config").is_file():
        return Chosen(str(usual), f"{shown(usual)} (default)")
    if environ.get("KUBERNETES_SERVICE_HOST") and os.access(SERVICE_ACCOUNT, os.R_OK):
        return Chosen("", "service account of this pod")
    return None
