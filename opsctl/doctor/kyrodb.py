"""KyroDB over gRPC: the library, the channel, the credentials, the Health answer."""

from __future__ import annotations

import importlib.util
import sys
import time

from opsctl.clients.kyrodb import KyrodbAnswered, KyrodbReader
from opsctl.doctor import certificate
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook


def examine(site: Site, checks: Checks, until: float) -> None:
    """Raises CouldNotLook when it cannot be reached."""
    assert site.endpoint is not None
    reader = KyrodbReader(site.endpoint)
    checks.address = reader.address
    if importlib.util.find_spec("grpc") is None:
        checks.lost(
            CouldNotLook("missing-library", "KyroDB speaks gRPC, and grpcio is not installed"),
            Remedy(how="In a shell", run=f"{sys.executable} -m pip install 'opsctl[kyrodb]'"),
        )
        return
    host, _, port = reader.address.rpartition(":")
    try:
        certificate.addresses(host.strip("[]"), int(port), until)
        if site.endpoint.options.get("tls", "").lower() in ("1", "true", "yes", "on"):
            certificate.look(checks, host.strip("[]"), int(port), until, name=site.endpoint.http.server_name)
        health = reader.health(timeout=max(0.1, min(5.0, until - time.monotonic())))
    except KyrodbAnswered as answered:
        if answered.reason in ("unauthorized", "forbidden"):
            run = f"{{url: {reader.address}, api_key_file: {site.name}.key}}"
            service = site.services[0] if site.services else "SERVICE"
            how = f"In opsctl.yaml, under services.{service}.endpoints.{site.name} of the context"
            checks.lost(answered, Remedy(how=how, run=run))
            return
        raise
    finally:
        reader.close()
    checks.version = health.version
    checks.ok("reachable", f"answers Health in {health.seconds * 1000:.0f} ms: {health.status}")
