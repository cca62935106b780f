"""Where a system is and how to get in: the one type that clients are built from."""

from __future__ import annotations

import msgspec


class HttpAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Resolved HTTP access (Prometheus' http_config): secrets are values here and never leave the client."""

    headers: tuple[tuple[str, str], ...] = ()  # e.g. Authorization, already resolved
    oauth2: OAuth2 | None = None
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    proxy_url: str = ""

    def __repr__(self) -> str:
        return "HttpAccess(…)"


class OAuth2(msgspec.Struct, frozen=True, kw_only=True):
    """OAuth 2.0 client credentials, as in Prometheus' http_config."""

    client_id: str
    client_secret: str
    token_url: str
    scopes: tuple[str, ...] = ()
    endpoint_params: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return "OAuth2(…)"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One system's address. ``setting``: who chose it (``env REDIS_URL``, ``opsctl.yaml:12``, ``profile vritti``).

    ``url`` is a URL for HTTP systems and Redis, a libpq connection string or URL for Postgres ("" = libpq's own
    PG* environment), ``host:port`` for KyroDB gRPC, a kubeconfig path ("" = default) for Kubernetes.
    ``options``: for Kubernetes ``context`` and ``namespace``; for KyroDB ``tls``, ``api_key``.
    """

    name: str
    url: str
    setting: str
    http: HttpAccess = HttpAccess()
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Endpoint({self.name}, from {self.setting})"
