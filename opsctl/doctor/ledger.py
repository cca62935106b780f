"""The ledger, without which nothing is changed: its file or the team's Postgres, and the stop file. Nothing is written.

What keeps the ledger is out of reach here, as all that writes; a test holds names and versions of the two together.
"""

from __future__ import annotations

import os
import shlex
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.config.places import shown, state_dir
from opsctl.doctor.model import Checks, Place, Remedy
from opsctl.doctor.site import Site
from opsctl.errors import CouldNotLook, OpsctlError
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.config.settings import Settings

FILE = "ledger.sqlite3"
STOP = "STOP"
SCHEMA = "opsctl"
TABLES = ("entries", "leases", "runs", "versions")
VERSION = 1  # of the schema that this opsctl writes
_READ = 400  # bytes of a stop file that are shown
_NOTHING = "nothing can be changed, because nothing is done without a record"


def local(settings: Settings | None, environ: Mapping[str, str]) -> Place:
    """What this host tells: a stop file, and the ledger's file unless the team's Postgres keeps it."""
    checks = Checks("ledger")
    try:
        folder = state_dir(environ)
    except OpsctlError:
        return Place(name="ledger", kind="ledger")  # the host's own check of the folder says it
    stops = [folder / STOP]
    if settings is not None and (named := settings.stop_file()) is not None:
        stops.append(named)
    _stopped(stops, checks)
    if settings is None or not _is_elsewhere(settings, checks):
        _file(folder / FILE, checks)
    return Place(name="ledger", kind="ledger", address=shown(folder / FILE), checks=checks.made())


def site(settings: Settings) -> Site | None:
    """The team's Postgres as something to examine; None where a file keeps the ledger, or its setting is broken."""
    from opsctl.config.state import named, state_of

    one = next(named(settings), None)
    if one is None:
        return None
    try:
        return Site("ledger", "ledger in Postgres", state_of(settings))
    except CouldNotLook as failure:
        return Site("ledger", "ledger in Postgres", None, failure)
    except OpsctlError:
        return None  # told by ``local``


def examine(site: Site, checks: Checks, until: float) -> None:
    """The team's Postgres: its tables, this role's rights to them, their version. Raises CouldNotLook."""
    from opsctl.clients.postgres import PostgresReader

    assert site.endpoint is not None
    reader = PostgresReader(site.endpoint)
    checks.address = reader.address
    try:
        try:
            facts = reader.open(_left(until))
        except CouldNotLook as failure:
            if failure.reason != "unsupported":
                raise
            checks.ok("reachable", f"not looked at: {failure.says}")  # the ledger itself works behind a pooler
            return
        checks.ok("reachable", f"role {facts.role} is in database {facts.database}")
        (row,) = reader.rows("get_ledger", timeout=_left(until))
        version = VERSION
        if row["versions"]:
            (told,) = reader.rows("get_ledger_version", timeout=_left(until), schema=SCHEMA)
            version = told["version"]
        _judge(row, version, facts.role, reader.address, checks)
    finally:
        reader.close()


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _judge(row: Mapping[str, Any], version: int, role: str, address: str, checks: Checks) -> None:
    from opsctl.doctor.remedies import identifier, psql

    how = f"As a superuser, in psql ({psql(address)})"
    name = identifier(role)
    if row["standby"]:
        says = f"this server is a standby: {_NOTHING}"
        checks.breach("writable", says, Remedy(how="Give the primary's address as state"))
    elif row["encoding"] != "UTF8":
        says = f"this database keeps text as {printable(str(row['encoding']))}, and the ledger needs UTF8: {_NOTHING}"
        checks.breach("writable", says, Remedy(how="Name a database that keeps text as UTF8 as state"))
    elif row["may_use"] is None:
        if row["may_make"]:
            checks.ok("writable", "there is no ledger yet; the first change makes it")
        else:
            says = f"there is no ledger yet, and {role} may not make it: {_NOTHING}"
            run = f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {name};"
            checks.breach("writable", says, Remedy(how=how, run=run))
    elif not row["may_use"] or row["writable"] < row["tables"] or (row["tables"] < len(TABLES) and not row["may_add"]):
        says = f"{role} may not write to the ledger's tables in schema {SCHEMA}: {_NOTHING}"
        run = f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {name};\n"
        run += f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {name};"
        checks.breach("writable", says, Remedy(how=how, run=run))
    else:
        checks.ok("writable", f"{role} may write to the ledger's tables")
    if row["versions"]:
        _version(version, checks)


def _version(found: int, checks: Checks) -> None:
    if found > VERSION:
        says = f"this ledger was made by a newer opsctl (its schema is {found}, this one knows {VERSION}): {_NOTHING}"
        checks.breach("version", says, Remedy(how="Use that opsctl here too"))
    elif found < VERSION:
        checks.ok("version", f"its schema is {found}; the next change brings it to {VERSION}")
    else:
        checks.ok("version", f"its schema is {found}, the newest that this opsctl knows")


def _is_elsewhere(settings: Settings, checks: Checks) -> bool:
    """Whether a setting names the team's Postgres; a broken one is told."""
    from opsctl.config.state import named, state_of

    one = next(named(settings), None)
    if one is None:
        return False
    try:
        state_of(settings)
    except CouldNotLook:
        pass  # told where that Postgres is examined
    except OpsctlError as error:
        remedy = Remedy(how=error.remedy) if error.remedy else None
        checks.breach("writable", f"{error.place}: {error.says}: {_NOTHING}", remedy)
    return True


def _stopped(files: list[Path], checks: Checks) -> None:
    """A stop file, or one that cannot be seen, which counts as there."""
    there = False
    for path in files:
        try:
            with path.open("rb") as file:
                text = file.read(_READ)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except IsADirectoryError:
            text = b""
        except OSError as error:
            there = True
            says = f"the stop file {shown(path)} could not be looked at ({error.strerror or error}), so it counts"
            checks.breach("stopped", f"{says}: nothing is changed from here")
            continue
        there = True
        reason = " ".join(redact(printable(text.decode("utf-8", "replace"))).split())
        says = f"the stop file {shown(path)} is there{f' ({reason})' if reason else ''}: nothing is changed from here"
        how = "When whoever put it there agrees, in a shell"
        kind = "rmdir" if path.is_dir() else "rm"
        checks.breach("stopped", says, Remedy(how=how, run=f"{kind} {shlex.quote(str(path))}"))
    if not there:
        checks.ok("stopped", "no stop file is there")


def _file(path: Path, checks: Checks) -> None:
    """The ledger's file: whether this user can write it, that nobody else reads it, its version."""
    if not path.exists():
        there = path.parent
        while not there.exists() and there != there.parent:
            there = there.parent
        if os.access(there, os.W_OK | os.X_OK):
            checks.ok("writable", f"there is no ledger yet; the first change makes it ({shown(path)})")
        else:
            says = f"there is no ledger yet, and {shown(there)} cannot be written by this user: {_NOTHING}"
            checks.breach("writable", says, Remedy(how="In a shell, as its owner", run=_mine(there)))
        return
    shut = [one for one in (path, path.parent) if not os.access(one, os.W_OK)]  # SQLite writes beside it, too
    if shut:
        says = f"{shown(shut[0])} cannot be written by this user: {_NOTHING}"
        checks.breach("writable", says, Remedy(how="In a shell, as its owner", run=_mine(shut[0])))
    else:
        checks.ok("writable", f"what is done is recorded in {shown(path)}")
    mode = path.stat().st_mode
    if stat.S_ISREG(mode) and mode & 0o077:
        says = f"{shown(path)} tells what was done and where, and others can read it (mode {mode & 0o777:03o})"
        checks.breach("private", says, Remedy(how="In a shell", run=f"chmod 600 {shlex.quote(str(path))}"))
    import sqlite3

    try:
        _version(_read_version(path), checks)
    except sqlite3.Error as error:
        broken = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))
        if broken:
            says = f"{shown(path)} is damaged, or is no ledger: {_NOTHING}"
            run = f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.damaged')}"
            checks.breach("version", says, Remedy(how="Keep it aside, and a new one is begun; in a shell", run=run))
        else:
            checks.unknown("version", f"{shown(path)} could not be read ({error})", "bad-answer")


def _read_version(path: Path) -> int:
    """The version of the schema; 0 for none yet. Nothing is made beside the file, as SQLite would for a reader."""
    import sqlite3
    from contextlib import closing

    log = path.with_name(f"{path.name}-wal")
    quiet = "" if log.exists() and log.stat().st_size else "&immutable=1"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{quiet}", uri=True, timeout=2.0)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'versions'").fetchone():
            return 0
        return int(connection.execute("SELECT COALESCE(MAX(version), 0) FROM versions").fetchone()[0])


def _mine(path: Path) -> str:
    return f"sudo chown {os.geteuid()} {shlex.quote(str(path))} && chmod u+rwx {shlex.quote(str(path))}"
