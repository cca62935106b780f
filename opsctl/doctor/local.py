"""This host: Python, drivers, terminal, proxies, folders. Nothing here asks a server."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from opsctl.config.places import shown, state_dir
from opsctl.doctor.model import Checks, Place, Remedy
from opsctl.errors import OpsctlError
from opsctl.services.model import Profile

LEAST_SPACE = 100 * 2**20  # bytes: reports are small, but a full disk loses them in the incident
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def examine(environ: Mapping[str, str], profiles: Sequence[Profile]) -> Place:
    """Python, libraries, terminal, proxies and the state folder as one place."""
    checks = Checks("host")
    _python(checks)
    _postgres_driver(checks, _uses(profiles, "postgres", "pgbouncer"))
    _grpc(checks, _uses(profiles, "kyrodb"))
    _terminal(checks)
    _proxies(checks, environ)
    _state(checks, environ)
    return Place(name="this host", kind="host", address=platform.node(), checks=checks.made())


def _uses(profiles: Sequence[Profile], *kinds: str) -> list[str]:
    return [p.service for p in profiles if any(spec.kind in kinds for spec in p.endpoints.values())]


def _python(checks: Checks) -> None:
    checks.ok("python", f"Python {platform.python_version()} ({sys.executable})")


def implementation() -> str:
    """How psycopg speaks to libpq: binary, c or python. Raises ImportError."""
    from opsctl.clients.postgres_dsn import implementation as found

    return found()


def _postgres_driver(checks: Checks, services: Sequence[str]) -> None:
    if not services:
        return
    pip = f"{sys.executable} -m pip install 'psycopg[binary]'"
    forced = os.environ.get("PSYCOPG_IMPL", "")
    try:
        found = implementation()
    except ImportError as error:
        says = f"psycopg cannot be loaded, so Postgres cannot be looked at ({str(error).splitlines()[0][:200]})"
        how = "Unset PSYCOPG_IMPL" if forced else "In a shell, into opsctl's own environment"
        checks.breach("psycopg", says, Remedy(how=how, run="unset PSYCOPG_IMPL" if forced else pip))
        return
    if found == "python":
        says = "psycopg runs in pure Python: rows are read some 15 times slower, on the system's own libpq"
        how = "PSYCOPG_IMPL=python asks for that" if forced else "In a shell, into opsctl's own environment"
        checks.breach("psycopg", says, Remedy(how=how, run="unset PSYCOPG_IMPL" if forced else pip))
        return
    checks.ok("psycopg", f"psycopg is the {found} build")


def _grpc(checks: Checks, services: Sequence[str]) -> None:
    if not services:
        return
    if importlib.util.find_spec("grpc") is None:
        says = f"grpcio is not installed, so KyroDB of {', '.join(services)} cannot be asked"
        run = f"{sys.executable} -m pip install 'opsctl[kyrodb]'"
        checks.breach("grpc", says, Remedy(how="In a shell, into opsctl's own environment", run=run))
    else:
        checks.ok("grpc", "grpcio is installed")


def _terminal(checks: Checks) -> None:
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    if encoding == "utf8":
        checks.ok("terminal", "the terminal takes UTF-8")
    else:
        says = f"the terminal's encoding is {encoding}: plots are drawn with ASCII, other characters are replaced"
        checks.breach("terminal", says, Remedy(how="In this shell", run="export LC_ALL=C.UTF-8"))


def _proxies(checks: Checks, environ: Mapping[str, str]) -> None:
    """A proxy in the environment decides which way HTTP goes, and is easily forgotten."""
    from opsctl.redact import redact

    found = {name: redact(value) for name, value in environ.items() if name.lower() in _PROXIES and value}
    if any(name.lower() != "no_proxy" for name in found):
        pairs = ", ".join(f"{name}={value}" for name, value in sorted(found.items()))
        checks.ok("proxies", f"HTTP goes through proxies of the environment, except to this host: {pairs}")
    else:
        checks.ok("proxies", "no proxy is set in the environment")


def _state(checks: Checks, environ: Mapping[str, str]) -> None:
    """Reports are kept there: it must be possible to write, which is asked without writing."""
    try:
        folder = state_dir(environ)
    except OpsctlError as error:
        checks.breach("state", error.sentence())
        return
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        says = f"reports cannot be kept: {shown(there)} cannot be written by this user"
        checks.breach("state", says, Remedy(how="In a shell, as its owner", run=_mine(there)))
        return
    free = shutil.disk_usage(there).free
    if free < LEAST_SPACE:
        says = f"only {free / 2**20:.0f} MiB are free where reports are kept ({shown(folder)})"
        checks.breach("state", says, Remedy(how="See what takes the space", run=f"du -xsh {shown(there)}/* | sort -h"))
    else:
        checks.ok("state", f"reports are kept in {shown(folder)} ({free / 2**30:.1f} GiB free)")


def _mine(path: Path) -> str:
    import shlex

    return f"sudo chown {os.geteuid()} {shlex.quote(str(path))} && chmod u+rwx {shlex.quote(str(path))}"
