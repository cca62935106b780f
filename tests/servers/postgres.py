"""A real Postgres: Debian's, else the newest on this machine, else the one of the embedded wheel.

Postgres refuses to run as root; then it runs as user postgres in a folder directly under the system's temporary folder.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers import process, programs, used

SUPERUSER = "postgres"
GUARDED_PASSWORD = "not-a-real-secret"  # role "guarded" alone must give a password

SETTINGS: dict[str, str | int] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": 40,
    "superuser_reserved_connections": 3,
    "shared_buffers": "32MB",
    "shared_preload_libraries": "pg_stat_statements",
    "track_io_timing": "on",
    "unix_socket_directories": "",
    "logging_collector": "off",
}
HBA = """\
host all guarded 127.0.0.1/32 scram-sha-256
host all all     127.0.0.1/32 trust
"""


class Postgres:
    """Roles: postgres (superuser), opsctl_read (pg_monitor), app (owns the databases), guarded (needs a password)."""

    def __init__(self, folder: Path, databases: Sequence[str]) -> None:
        self.folder = folder
        self.databases = tuple(databases)
        self.port = process.free_port()
        self.user = programs.postgres_user()
        self.data = process.private_folder("postgres", self.user) / "data"
        self.version = ""
        self._server: process.Server | None = None

    @property
    def server(self) -> process.Server:
        """The running postmaster (``pause``, ``resume``, ``pid``)."""
        assert self._server is not None, "Postgres is stopped"
        return self._server

    @property
    def superuser_dsn(self) -> str:
        """The connection URL of the superuser, first database."""
        return self.dsn(SUPERUSER)

    def dsn(self, role: str = "opsctl_read", db: str = "") -> str:
        """The connection URL of ``role`` for database ``db`` (default: the first)."""
        password = f":{quote(GUARDED_PASSWORD)}" if role == "guarded" else ""
        return f"postgresql://{role}{password}@{process.HOST}:{self.port}/{db or self.databases[0]}"

    def initialise(self, settings: Mapping[str, str | int]) -> None:
        """Make the data folder."""
        program = programs.found("postgres")
        argv: list[str | Path] = [program.path.parent / "initdb", "-D", self.data, "-U", SUPERUSER]
        argv += ["-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]
        run = subprocess.run(
            argv, capture_output=True, text=True, timeout=120, check=False, cwd="/", **process.as_user(self.user)
        )
        if run.returncode != 0:
            raise process.NotReady(f"initdb failed: {run.stderr}")
        lines = [f"{key} = '{value}'" for key, value in {**SETTINGS, **settings, "port": self.port}.items()]
        with (self.data / "postgresql.conf").open("a") as config:
            config.write("\n".join([*lines, f"listen_addresses = '{process.HOST}'", ""]))
        (self.data / "pg_hba.conf").write_text(HBA)

    def start(self) -> None:
        """Start it, ready for connections when this returns."""
        program = programs.found("postgres")
        argv: list[str | Path] = [program.path, "-D", self.data]
        log = self.folder / "postgres.log"
        self._server = process.start("postgres", argv, log, user=self.user, cwd=Path("/"), stop_with=signal.SIGINT)
        self._server.wait_ready(self._accepts)
        used.note("postgres", program.version)

    def stop(self) -> None:
        """Stop it (fast shutdown); the data stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """Stop it and remove the data."""
        self.stop()
        process.remove(self.data.parent)

    def restart(self, settings: Mapping[str, str | int] | None = None) -> None:
        """Stop and start, with more settings."""
        self.stop()
        with (self.data / "postgresql.conf").open("a") as config:
            config.write("".join(f"{key} = '{value}'\n" for key, value in (settings or {}).items()))
        self.start()

    def sql(self, *statements: str, role: str = SUPERUSER, db: str = "") -> list[tuple[Any, ...]]:
        """Run statements one by one in autocommit; the rows of the last one."""
        import psycopg

        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(self.dsn(role, db), autocommit=True, connect_timeout=10) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def _accepts(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.dsn(SUPERUSER, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def start_postgres(
    folder: Path, settings: Mapping[str, str | int] | None = None, databases: Sequence[str] = ("app", "danci")
) -> Postgres:
    """A Postgres with roles, databases and pg_stat_statements; ``settings`` as in postgresql.conf."""
    folder.mkdir(parents=True, exist_ok=True)
    postgres = Postgres(folder, databases)
    postgres.initialise(settings or {})
    try:
        postgres.start()
    except process.NotReady as failed:
        postgres.close()
        if "SSL is not supported by this build" in str(failed):
            missing = programs.Missing("the only Postgres here was built without TLS", programs.POSTGRES)
            programs.when_missing("postgres", missing)
        raise
    postgres.sql(
        "CREATE ROLE app LOGIN",
        "CREATE ROLE opsctl_read LOGIN",
        "GRANT pg_monitor TO opsctl_read",
        f"CREATE ROLE guarded LOGIN PASSWORD '{GUARDED_PASSWORD}'",
        "GRANT pg_monitor TO guarded",
        *(f'CREATE DATABASE "{name}" OWNER app' for name in databases),
        db="postgres",
    )
    preloaded = {**SETTINGS, **(settings or {})}["shared_preload_libraries"]
    if "pg_stat_statements" in str(preloaded):
        for name in databases:
            postgres.sql("CREATE EXTENSION pg_stat_statements", db=name)
    return postgres
