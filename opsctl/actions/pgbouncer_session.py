"""How the pgbouncer actions look: what the console shows, who it is, and what one command came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.actions.model import Check, Did, Params
from opsctl.actions.postgres_client import shown
from opsctl.clients.pgbouncer import DATABASE
from opsctl.errors import CouldNotLook

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.clients.pgbouncer import PgbouncerReader
    from opsctl.clients.pgbouncer_write import PgbouncerWriter

HELP = {"endpoint": "Which PgBouncer of the service is meant."}


class PoolerParams(Params, frozen=True, kw_only=True):
    """What every action on the pooler takes."""

    endpoint: str = "pgbouncer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What the console showed. Rows by column name: columns come and go between releases (2.2)."""

    address: str
    version: str
    config: Mapping[str, Mapping[str, Any]]  # key -> row of SHOW CONFIG
    databases: Mapping[str, Mapping[str, Any]]
    pools: tuple[Mapping[str, Any], ...]
    acting: str

    @property
    def subject(self) -> str:
        """For people."""
        return f"{self.address} as {self.acting or 'the default user'}"

    @property
    def scope(self) -> str:
        """What one remediation at a time may touch."""
        return f"pgbouncer {self.address.rpartition('@')[2]}"

    @property
    def print(self) -> str:
        """What its configuration is now, in few characters: it is pinned."""
        import hashlib

        parts = [f"{key}={row.get('value')}" for key, row in sorted(self.config.items())]
        parts += [f"{name}:{_steady(row)}" for name, row in sorted(self.databases.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _steady(row: Mapping[str, Any]) -> str:
    """What the configuration says of a database; not how many connections it has now."""
    return ",".join(f"{key}={value}" for key, value in sorted(row.items()) if key != "current_connections")


def observed(hands: Hands, endpoint: str) -> Console:
    """Ask the console. Raises CouldNotLook."""
    from opsctl.clients.postgres_write import role_of

    reader = hands.readers.pgbouncer(endpoint)
    return look(reader, role_of(hands.writers.endpoint(endpoint)))


def look(reader: PgbouncerReader, acting: str = "") -> Console:
    """What the console shows now. Raises CouldNotLook."""
    version = next((str(row.get("version") or "") for row in reader.show("VERSION")), "")
    config = {str(row.get("key")): row for row in reader.show("CONFIG")}
    databases = {str(row.get("name")): row for row in reader.show("DATABASES") if row.get("name") != DATABASE}
    pools = tuple(row for row in reader.show("POOLS") if row.get("database") != DATABASE)
    return Console(
        address=reader.address, version=version, config=config, databases=databases, pools=pools, acting=acting
    )


def may_control(seen: Console) -> Check:
    """Whether the acting user is one of ``admin_users``: the console shows that list to whoever may look."""
    row = seen.config.get("admin_users")
    listed = None if row is None else [name.strip() for name in str(row.get("value") or "").split(",")]
    if listed is None:
        return Check(id="may-control", says="SHOW CONFIG does not tell the admin_users", ok=None)
    ok = seen.acting in listed or "*" in listed
    says = f"{seen.acting} is one of admin_users" if ok else (
        f"{seen.acting or 'the acting user'} is not one of admin_users ({shown(', '.join(listed))}): add it in "
        "pgbouncer.ini and RELOAD, or name another user in the endpoint pgbouncer-act"
    )  # fmt: skip
    return Check(id="may-control", says=says, ok=ok)


def controlled(
    hands: Hands,
    kept: Mapping[str, Any],
    pin: Mapping[str, Any],
    send: Callable[[PgbouncerWriter], None],
    after: Callable[[Console, Console], Did],
) -> Did:
    """Compare the pin, send one command, look what came of it. Raises CouldNotLook before anything was sent."""
    from opsctl.clients.pgbouncer_write import NotDone

    writer = hands.writers.pgbouncer(kept["endpoint"])
    before = look(writer)
    if before.version != pin["version"] or before.print != pin["config"]:
        return Did(state="skipped", says="changed meanwhile: PgBouncer's configuration is not what it was")
    begun = time.monotonic()
    try:
        send(writer)
        did = after(before, look(writer))
    except NotDone as refused:
        return Did(state="unknown" if refused.sent else "failed", says=refused.failure.says)
    except CouldNotLook as failure:
        return Did(state="unknown", says=f"the command was sent, then {failure.says}")
    return did if did.seconds else _timed(did, time.monotonic() - begun)


def _timed(did: Did, seconds: float) -> Did:
    import msgspec

    return msgspec.structs.replace(did, seconds=seconds)


def pin(seen: Console) -> dict[str, Any]:
    """Which pooler, with which configuration."""
    return {"version": seen.version, "config": seen.print}


def whole(row: Mapping[str, Any], name: str) -> int:
    """A column as a number, 0 where it is missing."""
    try:
        return int(float(row.get(name) or 0))
    except (TypeError, ValueError):
        return 0
