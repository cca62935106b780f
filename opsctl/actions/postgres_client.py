"""A session as the actions see it, and why one would be left alone (PG-13). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from opsctl.actions.model import Excluded, Params
from opsctl.durations import format_quantity, parse_quantity
from opsctl.redact import printable, redact

CLIENT = "client backend"
OURS = "opsctl"  # application names of opsctl's own sessions begin with it
# Tools whose sessions look idle or long and must not be disturbed: dumps, backups, replication, failover, schedulers.
PROTECTED = ("pg_dump", "pg_restore", "pg_basebackup", "pg_receivewal", "pg_rewind", "pgbackrest", "barman", "wal-g",
             "patroni", "repmgr", "pg_cron", "debezium")  # fmt: skip
POOLERS = ("pgbouncer", "pgcat", "odyssey", "pgpool", "supavisor")
_LISTENS = re.compile(r"\s*(un)?listen\b", re.IGNORECASE)


class SessionParams(Params, frozen=True, kw_only=True):
    """What every action on sessions takes."""

    endpoint: str = "postgres"
    app: tuple[str, ...] = ()
    allow_app: tuple[str, ...] = ()
    allow_user: tuple[str, ...] = ()
    protect_app: tuple[str, ...] = ()
    protect_user: tuple[str, ...] = ()

    durations: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self.durations:
            if parse_quantity(getattr(self, name), "s") < 0:
                raise ValueError(f"{name} must not be negative")

    def seconds(self, name: str) -> float:
        """A duration in seconds."""
        value: str | float = getattr(self, name)
        return parse_quantity(value, "s")


HELP = {
    "endpoint": "Which Postgres of the service is meant.",
    "app": "Only sessions of this application; may be repeated.",
    "allow_app": "Sessions of this protected application, too; may be repeated.",
    "allow_user": "Sessions of this protected role, too; may be repeated.",
    "protect_app": "Leave this application's sessions alone; may be repeated.",
    "protect_user": "Leave this role's sessions alone; may be repeated.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One row of ``get_session_targets``. Times are text in UTC, to the microsecond: they are compared as they are."""

    pid: int
    own: bool
    kind: str  # backend_type; "" where this role may not see it
    helper: bool  # a parallel worker
    state: str
    wait: str
    role: str
    superuser: bool
    replication: bool
    database: str
    application: str
    address: str
    port: int
    backend_start: str
    state_change: str | None
    xact_start: str | None
    query_start: str | None
    state_seconds: float | None
    xact_seconds: float | None
    query_seconds: float | None
    wrote: bool
    advisory: bool
    member: bool  # the acting role has this role's privileges
    query: str

    @property
    def id(self) -> str:
        """How plans name it."""
        return f"pid {self.pid}"

    @property
    def app(self) -> str:
        """Its application, or its role where it gives no name."""
        return shown(self.application) or shown(self.role)

    @property
    def says(self) -> str:
        """Who it is and what it does, in words."""
        doing = self.state or self.kind
        age = f" {length(self.state_seconds)}" if self.state_seconds is not None else ""
        query = f"    last: {shown(self.query, 60)}" if self.query else ""
        return f"{self.app}  {shown(self.role)}@{self.address}  {doing}{age}{query}"

    @property
    def ours(self) -> bool:
        """Whether opsctl opened it."""
        return self.own or self.application.startswith(OURS)


def clients(rows: Iterable[Mapping[str, Any]]) -> tuple[Client, ...]:
    """The rows as they are used here."""
    return tuple(Client(**{**row, "query": row["query"] or ""}) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """What was observed of a server's sessions, and who would act on them."""

    clients: tuple[Client, ...]
    address: str  # database@host:port of the endpoint, whichever way it was read
    database: str
    started_at: float
    server_time: float
    sees_all: bool
    read_as: str
    acting: str  # the role that would act; "" = not known
    acting_exists: bool
    acting_superuser: bool
    acting_signals: bool  # pg_signal_backend
    protected_apps: tuple[str, ...] = ()
    protected_users: tuple[str, ...] = ()
    poolers: frozenset[tuple[int, int]] = frozenset()  # pid and client port, as the pooler says
    poolers_unknown: str = ""  # why the pooler could not be asked; "" = there is none, or it was asked
    slots: int = 0
    used: int = 0
    limits: tuple[Mapping[str, Any], ...] = ()
    edges: Mapping[int, frozenset[int]] | None = None
    waited: float = 0.0  # the longest wait for a lock, seconds
    pool: int = 0  # sessions that one instance of the application is configured to hold; 0 = not known
    prepared: tuple[Mapping[str, Any], ...] = ()

    @property
    def subject(self) -> str:
        """For people: where, and as whom."""
        return f"postgres {self.address} as {self.acting or 'the default role'}"

    @property
    def scope(self) -> str:
        """What one remediation at a time may touch."""
        return f"postgres {self.address}"

    @property
    def here(self) -> tuple[Client, ...]:
        """The client sessions of this database, opsctl's own left out."""
        return tuple(c for c in self.clients if c.kind == CLIENT and c.database == self.database and not c.ours)


def left_alone(seen: Sessions, client: Client, params: SessionParams, *, pooler_lift: str = "") -> Excluded | None:
    """Why this session must not, or shall not, be touched; None when it may be."""

    def never(why: str) -> Excluded:
        return Excluded(id=client.id, says=client.says, why=why, refused=True)

    def unless(why: str, lift: str) -> Excluded:
        return Excluded(id=client.id, says=client.says, why=why, lift=lift)

    if client.ours:
        return never("a session of opsctl")
    if client.helper:
        return never("a parallel worker: its leader decides")
    if client.kind == "walsender":
        return never("a walsender: a standby or a backup reads from it")
    if client.kind != CLIENT:
        return never(f"{client.kind or 'hidden from this role'}: not a client's session")
    if client.database != seen.database:
        return never(f"in database {shown(client.database)}, not {seen.database}")
    if client.superuser:
        return never(f"{shown(client.role)} is a superuser")
    if client.replication:
        return never(f"{shown(client.role)} is a replication role")
    if _LISTENS.match(client.query):
        return never("it listens for notifications")
    if client.advisory:
        return never("it holds an advisory lock, by which applications elect and take turns")
    if is_pooler(seen, client) and not (pooler_lift and getattr(params, "allow_pooler", False)):
        why = "a pooler's session: the pooler opens another one at once, and a client may be behind it"
        return unless(why, pooler_lift) if pooler_lift else never(why)
    if _named(client.application, (*PROTECTED, *seen.protected_apps, *params.protect_app)) and not _named(
        client.application, params.allow_app
    ):
        return unless("protected application", f"--allow-app {_word(client.application)}")
    if client.role in (*seen.protected_users, *params.protect_user) and client.role not in params.allow_user:
        return unless("protected role", f"--allow-user {_word(client.role)}")
    if params.app and client.application not in params.app:
        return unless("another application", f"--app {_word(client.application)}")
    if seen.acting_exists and not (seen.acting_superuser or seen.acting_signals or client.member):
        return unless(
            f"{seen.acting} may not end sessions of {shown(client.role)}: as a superuser, "
            f"GRANT pg_signal_backend TO {seen.acting}",
            "",
        )
    return None


def is_pooler(seen: Sessions, client: Client) -> bool:
    """Whether a pooler opened it: by what the pooler says, or by its name."""
    return (client.pid, client.port) in seen.poolers or _named(client.application, POOLERS)


def told(excluded: Sequence[Excluded], others: Collection[Client], why: str, lift: str) -> tuple[Excluded, ...]:
    """The exclusions, those of other databases counted, and ``others`` (left for one reason) in one line."""
    elsewhere = [one for one in excluded if one.why.startswith("in database ")]
    rest = [one for one in excluded if not one.why.startswith("in database ")]
    if len(elsewhere) > 3:
        by_why: dict[str, int] = {}
        for one in elsewhere:
            by_why[one.why] = by_why.get(one.why, 0) + 1
        elsewhere = [
            Excluded(id=f"{count} sessions", says=why.split(",")[0].removeprefix("in "), why=why, refused=True)
            for why, count in by_why.items()
        ]
    if others:
        number = "1 session" if len(others) == 1 else f"{len(others)} sessions"
        rest.append(Excluded(id=number, says=", ".join(sorted({c.app for c in others})[:5]), why=why, lift=lift))
    return (*rest, *elsewhere)


def shown(text: object, longest: int = 40) -> str:
    """Server text as one clean line without secrets."""
    line = " ".join(redact(printable(str(text or ""))).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def length(seconds: float | None) -> str:
    """Seconds as people read them."""
    return "" if seconds is None else format_quantity(max(0.0, seconds), "s")


def _named(application: str, names: Sequence[str]) -> bool:
    """Whether the application is one of these, or one of these with more behind it (``pg_dump: …``)."""
    given = application.lower()
    return any(name and (given == name.lower() or re.match(re.escape(name.lower()) + r"\b", given)) for name in names)


def _word(text: str) -> str:
    """As it is typed on a command line."""
    import shlex

    return shlex.quote(printable(text)) if text else "''"
