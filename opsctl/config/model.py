"""opsctl.yaml as types: contexts, addresses, HTTP access. The JSON Schema for editors is made from ``ConfigFile``.

A secret's field comes in four forms, of which one may be given: ``password`` (literal, only in a file nobody else can
read), ``password_env``, ``password_file``, ``password_command`` (an argument list, run without a shell).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from opsctl.config.addresses import http_url, state_url
from opsctl.model import Severity

FORMS = ("", "_env", "_file", "_command")
SECRETS = ("password", "credentials", "client_secret", "api_key")

Argv = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, description="Program and arguments; no shell.")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@:/-]*$", max_length=128)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything in opsctl.yaml: a misspelt key is an error, and no value shows in a traceback."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def _at_most_one(self, *names: str) -> list[str]:
        given = [name for name in names if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other")
        return given

    def _forms(self, field: str) -> list[str]:
        """The forms given of a secret; at most one is allowed."""
        return self._at_most_one(*(field + form for form in FORMS))


class BasicAuth(Part, frozen=True, kw_only=True):
    """HTTP basic authentication."""

    username: str = ""
    username_env: str = ""
    username_file: str = ""
    username_command: Argv | None = None
    password: str = ""
    password_env: str = ""
    password_file: str = ""
    password_command: Argv | None = None

    def __post_init__(self) -> None:
        self._forms("username")
        self._forms("password")


class Authorization(Part, frozen=True, kw_only=True):
    """The Authorization header: ``type`` and credentials."""

    type: str = "Bearer"
    credentials: str = ""
    credentials_env: str = ""
    credentials_file: str = ""
    credentials_command: Argv | None = None

    def __post_init__(self) -> None:
        if self.type.strip().lower() == "basic":
            raise ValueError("the type Basic is written as basic_auth")
        if not self._forms("credentials"):
            raise ValueError("credentials, credentials_file, credentials_env or credentials_command is missing")


class OAuth2Access(Part, frozen=True, kw_only=True):
    """OAuth 2.0 client credentials."""

    client_id: str
    client_secret: str = ""
    client_secret_env: str = ""
    client_secret_file: str = ""
    client_secret_command: Argv | None = None
    token_url: str
    scopes: tuple[str, ...] = ()
    endpoint_params: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not self._forms("client_secret"):
            raise ValueError("client_secret_file, client_secret_env, client_secret_command or client_secret is missing")
        http_url("token_url", self.token_url)


class Tls(Part, frozen=True, kw_only=True):
    """TLS. Certificates are verified unless ``insecure_skip_verify`` says otherwise, and then every report says so."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False

    def __post_init__(self) -> None:
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together")


class Header(Part, frozen=True, kw_only=True):
    """One more request header, for instance a tenant's name: plain values, secret ones, ones read from files."""

    values: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(value.isascii() and value.isprintable() for value in (*self.values, *self.secrets)):
            raise ValueError("a header's value must be printable ASCII on one line")


# What the client or another key of http_config sets itself.
RESERVED = frozenset({
    "authorization", "connection", "content-encoding", "content-length", "content-type", "host", "te", "trailer",
    "proxy-authorization", "transfer-encoding", "upgrade", "accept-encoding",
})  # fmt: skip


class HttpConfig(Part, frozen=True, kw_only=True):
    """Prometheus' http_config. ``follow_redirects`` and ``enable_http2`` are read for the sake of existing files and
    change nothing: redirects are followed within one origin, over HTTP/1.1."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    oauth2: OAuth2Access | None = None
    tls_config: Tls = Tls()
    proxy_url: str = ""
    http_headers: dict[str, Header] = {}
    follow_redirects: bool = True
    enable_http2: bool = True

    def __post_init__(self) -> None:
        self._at_most_one("basic_auth", "authorization", "oauth2")
        if self.proxy_url:
            http_url("proxy_url", self.proxy_url)
        for name in self.http_headers:
            if name.lower() in RESERVED or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"http_headers may not set {name!r}"[:120])


class Address(Part, frozen=True, kw_only=True):
    """Where one system is and how to get in. ``password`` is put into a Postgres or Redis address, ``api_key`` is
    KyroDB's; ``kubeconfig``, ``context`` and ``namespace`` are Kubernetes'."""

    url: str = ""
    url_env: str = ""
    url_file: str = ""
    url_command: Argv | None = None
    http_config: HttpConfig | None = None
    http_config_file: str = ""
    password: str = ""
    password_env: str = ""
    password_file: str = ""
    password_command: Argv | None = None
    api_key: str = ""
    api_key_env: str = ""
    api_key_file: str = ""
    api_key_command: Argv | None = None
    tls: bool | None = None
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    options: dict[str, str] = {}

    def __post_init__(self) -> None:
        for field in ("url", "password", "api_key"):
            self._forms(field)
        self._at_most_one("http_config", "http_config_file")
        if self.kubeconfig and self._forms("url"):
            raise ValueError("url and kubeconfig exclude each other")


class KubernetesAddress(Part, frozen=True, kw_only=True):
    """Which cluster, as kubectl names it."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


class UnitAdapter(Part, frozen=True, kw_only=True):
    """How a unit is restarted in this environment; takes the place of the profile's adapter of that name.

    ``kind``: pm2, docker-compose, kubernetes, systemd or command. ``argv`` (command): restarts the unit, or does what
    stands for {verb} in it: restart, stop, start, status. ``status`` exits with 0 when the unit runs and 3 when it does
    not, and may print pid=N. ``endpoint``: tells when it is ready again. ``data``: folder whose disk must have room.
    """

    kind: Literal["pm2", "docker-compose", "kubernetes", "systemd", "command"]
    unit: str = ""
    argv: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    foreground: bool = False
    user: bool = False
    folder: str = ""
    endpoint: str = ""
    data: str = ""
    env_file: str = ""

    def __post_init__(self) -> None:
        if self.kind == "command" and not self.argv:
            raise ValueError("an adapter of kind command needs argv")
        if self.kind != "command" and not self.unit:
            raise ValueError(f"an adapter of kind {self.kind} needs unit")
        if self.unit.startswith("-"):
            raise ValueError("the name of a unit cannot begin with -")


class ServiceSpec(Part, frozen=True, kw_only=True):
    """What a context says differently about one service than its profile does."""

    endpoints: dict[Name, str | Address] = {}
    window: str = ""
    for_: str = msgspec.field(name="for", default="")
    scrape_interval: str = ""
    direct_pause: str = ""
    labels: dict[str, str] = {}
    severities: dict[str, Severity] = {}
    logs: dict[Name, str] = {}  # where this environment keeps a log of the profile
    baselines: dict[Name, tuple[float, float]] = {}  # signal -> healthy low, high (base units)
    capacity: dict[Name, float] = {}
    adapters: dict[Name, UnitAdapter] = {}  # how this environment restarts its units

    def __post_init__(self) -> None:
        for key in ("window", "for_", "scrape_interval", "direct_pause"):
            if text := getattr(self, key):
                _check_duration(key.rstrip("_"), text)


class StateAddress(Part, frozen=True, kw_only=True):
    """The team's Postgres that keeps the ledger. ``password`` is put into the address."""

    url: str = ""
    url_env: str = ""
    url_file: str = ""
    url_command: Argv | None = None
    password: str = ""
    password_env: str = ""
    password_file: str = ""
    password_command: Argv | None = None

    def __post_init__(self) -> None:
        if not self._forms("url"):
            raise ValueError("url, url_env, url_file or url_command is missing")
        self._forms("password")
        if self.url:
            state_url("url", self.url)


State = Annotated[
    str | StateAddress | None,
    msgspec.Meta(
        description="postgresql://… of the team's ledger; OPSCTL_STATE wins. Without it: a file in the state folder."
    ),
]


class ContextSpec(Part, frozen=True, kw_only=True):
    """One context: where the systems of one environment are."""

    prometheus: str | Address | None = None
    alertmanager: str | Address | None = None
    postgres: str | Address | None = None
    redis: str | Address | None = None
    kubernetes: KubernetesAddress | None = None
    state: State = None  # where this environment's ledger is, instead of the file's
    services: dict[Name, ServiceSpec] = {}

    def __post_init__(self) -> None:
        if isinstance(self.state, str):
            state_url("state", self.state)


class ConfigFile(Part, frozen=True, kw_only=True):
    """The whole of opsctl.yaml."""

    current_context: str = msgspec.field(name="current-context", default="")
    stop_file: str = ""  # while this file is there, nobody's opsctl changes anything
    state: State = None  # where the ledger is
    contexts: dict[Name, ContextSpec] = {}

    def __post_init__(self) -> None:
        if isinstance(self.state, str):
            state_url("state", self.state)


def _check_duration(key: str, text: str) -> None:
    from opsctl.durations import BadValue, parse_duration

    try:
        seconds = parse_duration(text)
    except BadValue as error:
        raise ValueError(f"{key}: {error.sentence()}") from None
    if seconds <= 0 and key != "for":
        raise ValueError(f"{key} must be longer than 0s")
