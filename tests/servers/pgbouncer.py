"""A real PgBouncer in front of a test's Postgres, pooling by transaction."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.servers import process, programs, used
from tests.servers.postgres import Postgres

SETTINGS: dict[str, str | int] = {
    "pool_mode": "transaction",
    "default_pool_size": 5,
    "query_wait_timeout": 3,
    "max_client_conn": 100,
}


class Pgbouncer:
    """Every database of the Postgres behind it, by the same name."""

    def __init__(self, folder: Path, postgres: Postgres, settings: Mapping[str, str | int]) -> None:
        self.folder = folder
        self.postgres = postgres
        self.port = process.free_port()
        self._settings = {**SETTINGS, **settings}
        self._private: Path | None = None
        self._server: process.Server | None = None

    @property
    def server(self) -> process.Server:
        """The running process (``pause``, ``resume``, ``pid``)."""
        assert self._server is not None, "PgBouncer is stopped"
        return self._server

    @property
    def admin_dsn(self) -> str:
        """The console: ``SHOW POOLS`` and others; needs the simple protocol and autocommit."""
        return self.dsn("postgres", "pgbouncer")

    def dsn(self, role: str = "app", db: str = "") -> str:
        """The connection URL of ``role`` for database ``db`` (default: the first)."""
        return f"postgresql://{role}@{process.HOST}:{self.port}/{db or self.postgres.databases[0]}"

    def start(self) -> None:
        """Start it, ready when this returns."""
        program = programs.found("pgbouncer")
        user = programs.postgres_user()
        self._private = process.private_folder("pgbouncer", user)
        users = self._private / "users.txt"
        users.write_text('"app" ""\n"opsctl_read" ""\n"postgres" ""\n')
        settings = {
            **self._settings,
            "listen_addr": process.HOST,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": users,
            "admin_users": "postgres",
            "stats_users": "opsctl_read",
        }
        databases = [f"{db} = host={process.HOST} port={self.postgres.port}" for db in self.postgres.databases]
        lines = ["[databases]", *databases, "[pgbouncer]", *(f"{key} = {value}" for key, value in settings.items())]
        config = self._private / "pgbouncer.ini"
        config.write_text("\n".join(lines) + "\n")
        for file in (users, config):
            if user is not None:
                shutil.chown(file, user)
        log = self.folder / "pgbouncer.log"
        self._server = process.start("pgbouncer", [program.path, config], log, user=user)
        self._server.wait_ready(lambda: process.listens(self.port))
        used.note("pgbouncer", program.version)

    def stop(self) -> None:
        """Stop it and remove its files."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._private is not None:
            process.remove(self._private)


def start_pgbouncer(folder: Path, postgres: Postgres, settings: Mapping[str, str | int] | None = None) -> Pgbouncer:
    """A PgBouncer that is ready; ``settings`` as in its ini file."""
    folder.mkdir(parents=True, exist_ok=True)
    pgbouncer = Pgbouncer(folder, postgres, settings or {})
    pgbouncer.start()
    return pgbouncer
