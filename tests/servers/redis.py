"""A real Redis that keeps nothing on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers import process, programs, used

SETTINGS: dict[str, str | int] = {"save": "", "appendonly": "no", "daemonize": "no"}


class Redis:
    """``url`` stays the same over ``stop`` and ``start``; the keys do not."""

    def __init__(self, folder: Path, settings: Mapping[str, str | int], password: str) -> None:
        self.folder = folder
        self.port = process.free_port()
        self.password = password
        self.settings = dict(settings)
        self._server: process.Server | None = None

    @property
    def server(self) -> process.Server:
        """The running process (``pause``, ``resume``, ``pid``)."""
        assert self._server is not None, "Redis is stopped"
        return self._server

    @property
    def url(self) -> str:
        """The URL, with the password if there is one."""
        secret = f":{quote(self.password)}@" if self.password else ""
        return f"redis://{secret}{process.HOST}:{self.port}/0"

    def start(self) -> None:
        """Start it, ready when this returns."""
        program = programs.found("redis")
        settings = {**SETTINGS, **self.settings, "port": self.port, "bind": process.HOST, "dir": self.folder}
        if int(program.version.split(".")[0]) >= 7:
            settings["enable-debug-command"] = "local"  # DEBUG POPULATE
        if self.password:
            settings["requirepass"] = self.password
        lines = [f'{key} "{value}"' if value == "" else f"{key} {value}" for key, value in settings.items()]
        config = self.folder / "redis.conf"
        config.write_text("\n".join(lines) + "\n")
        self._server = process.start("redis", [program.path, config], self.folder / "redis.log", cwd=self.folder)
        self._server.wait_ready(lambda: process.listens(self.port))
        used.note("redis", program.version)

    def stop(self) -> None:
        """Stop it."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def client(self) -> Any:
        """A redis-py client with every right, for setting up."""
        import redis

        return redis.Redis.from_url(self.url, socket_timeout=10)


def start_redis(folder: Path, settings: Mapping[str, str | int] | None = None, password: str = "") -> Redis:
    """A Redis that is ready; ``settings`` as in redis.conf."""
    folder.mkdir(parents=True, exist_ok=True)
    redis = Redis(folder, settings or {}, password)
    redis.start()
    return redis
