"""The service profile: runbooks/services/NAME.yaml, checked while it is read.

Bindings of requirements.md parts A, A2 and F. ``assumed: true`` marks what the source documents do not give;
``note`` says in words what is assumed.
"""

from __future__ import annotations

from opsctl.model import Severity
from opsctl.signals.model import Band, Objective, Signal, Spec


class EndpointSpec(Spec, frozen=True, kw_only=True):
    """A default address. ``kind``: http, metrics, prometheus, alertmanager, postgres, pgbouncer, redis, kubernetes,
    kyrodb, kyrodb-http, rabbitmq, smtp, webhook. ``env``: the service's own variable (e.g. DATABASE_URL)."""

    kind: str
    url: str = ""
    env: str = ""
    expect: dict[str, str] = {}  # for a JSON health answer: field -> value
    options: dict[str, str] = {}
    assumed: bool = False
    note: str = ""
    row: str = ""


class Dependency(Spec, frozen=True, kw_only=True):
    """Something the service needs. ``endpoints``: names of the endpoints that reach it."""

    kind: str
    endpoints: tuple[str, ...] = ()
    title: str = ""
    assumed: bool = False
    note: str = ""
    row: str = ""


class LogFile(Spec, frozen=True, kw_only=True):
    """A log or data file on the service's host. ``format``: json, text, jsonl."""

    path: str
    format: str = "text"
    assumed: bool = False
    note: str = ""
    row: str = ""


class Workload(Spec, frozen=True, kw_only=True):
    """A Kubernetes workload of the service."""

    kind: str = "Deployment"
    name: str = ""
    selector: str = ""
    assumed: bool = False
    note: str = ""
    row: str = ""


class Kubernetes(Spec, frozen=True, kw_only=True):
    """Where the workloads are. ``namespace`` may be overridden by the context."""

    namespace: str = ""
    workloads: dict[str, Workload] = {}


class Adapter(Spec, frozen=True, kw_only=True):
    """How a unit is restarted, stopped or scaled. ``kind``: pm2, docker-compose, kubernetes, systemd, command.

    ``argv`` (command): restarts it, or does what stands for ``{verb}`` in it: restart, stop, start, status. ``status``
    exits with 0 when it runs and 3 when it does not, and may print ``pid=N``. ``foreground``: argv starts the program
    and stays, which is no restart. ``folder``: where relative paths begin. ``endpoint``: of the profile, tells when it
    is ready again. ``data``: folder whose disk must have room. ``user``: systemd's user manager.
    """

    kind: str
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
    assumed: bool = False
    note: str = ""
    row: str = ""


class EscalationStep(Spec, frozen=True, kw_only=True):
    """Who is called after how long, for which of the service's severity words ("" = all)."""

    after: str
    to: str
    severity: str = ""
    how: str = ""
    row: str = ""


class Category(Spec, frozen=True, kw_only=True):
    """An alert class of the service: channel and response time (THR-02..05)."""

    severity: Severity
    channel: str = ""
    respond_within: str = ""
    escalate: str = ""
    row: str = ""


class Symptom(Spec, frozen=True, kw_only=True):
    """What tells of a runbook's condition besides an objective: a log line, a health answer, rows of a database.

    ``log`` + ``pattern`` (a regular expression) or ``endpoint`` + ``path`` + ``field`` say where it shows; ``expect``
    is the field's healthy value; ``bands`` are its bounds (base units), counted over ``within``. A runbook binds
    probes to it.
    """

    id: str
    runbook: str
    title: str = ""
    log: str = ""
    pattern: str = ""
    endpoint: str = ""
    path: str = ""
    field: str = ""
    expect: str = ""
    signal: str = ""
    bands: tuple[Band, ...] = ()
    within: str = ""
    severity: str = ""
    assumed: bool = False
    note: str = ""
    row: str = ""


class Profile(Spec, frozen=True, kw_only=True):
    """One service: everything the runbooks need to know about it."""

    service: str
    title: str = ""
    owner: str = ""
    source: str = ""
    scrape_interval: str = "15s"
    window: str = "5m"
    direct_pause: str = "5s"  # between the two scrapes when there is no Prometheus
    prometheus_labels: dict[str, str] = {}  # matchers added to every signal, e.g. job: vritti
    alert_labels: dict[str, str] = {}  # labels that this service's alerts carry: what `silence create --service` mutes
    severities: dict[str, Severity] = {}
    endpoints: dict[str, EndpointSpec] = {}
    dependencies: dict[str, Dependency] = {}
    signals: dict[str, Signal] = {}
    objectives: tuple[Objective, ...] = ()
    symptoms: tuple[Symptom, ...] = ()
    logs: dict[str, LogFile] = {}
    files: dict[str, LogFile] = {}
    kubernetes: Kubernetes | None = None
    adapters: dict[str, Adapter] = {}
    settings: dict[str, str] = {}  # the service's own knobs: DB_CONNECTION_POOL_SIZE ...
    baselines: dict[str, tuple[float, float]] = {}  # signal -> healthy low, high (base units)
    capacity: dict[str, float] = {}
    cache: dict[str, str] = {}  # prefix -> TTL
    budgets: dict[str, str] = {}
    contacts: dict[str, str] = {}
    categories: dict[str, Category] = {}
    escalation: tuple[EscalationStep, ...] = ()
    dashboards: dict[str, str] = {}
    external: dict[str, str] = {}
    notes: tuple[str, ...] = ()  # settled contradictions, in words (C-nn)
