"""The lock on a scope: taken, held, given back, taken over from the dead, taken away by force.

Times are the database's own where it has a clock (hosts differ), else this machine's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsctl.errors import Refused, TryLater, UsageError
from opsctl.ledger.entries import add
from opsctl.ledger.holder import is_gone, marker
from opsctl.ledger.model import Lease
from opsctl.ledger.moments import moment_of, text_of

if TYPE_CHECKING:
    from opsctl.ledger.database import Row, Work

_SELECT = "SELECT id, scope, actor, host, pid, command, since, until, marker FROM leases"


def take(work: Work, scope: str, *, actor: str, host: str, command: str, seconds: float, now: float) -> Lease:
    """The lock. Raises TryLater while somebody else holds it.

    One that has run out, or whose holder's process is gone from this machine, is taken over, and the record says so.
    """
    at = _now(work, now)
    for row in work.rows(f"{_SELECT} WHERE scope = ?", scope):
        held = _lease(row)
        why = _free(row, at)
        if not why:
            raise TryLater(
                f"{held.scope} is locked by {held.actor} on {held.host} (process {held.pid}) since "
                f"{held.since:%H:%M:%S} UTC, for now until {held.until:%H:%M:%S}: {held.command}",
                remedy=f"Wait for it; if it is surely dead: opsctl ledger unlock {held.id}",
            )
        work.change("DELETE FROM leases WHERE id = ?", held.id)
        record(work, held, why, now, {"actor": actor, "host": host})
    lease = Lease(
        id=os.urandom(5).hex(),
        scope=scope,
        actor=actor,
        host=host,
        pid=os.getpid(),
        command=command,
        since=at,
        until=at + timedelta(seconds=seconds),
    )
    work.change(
        "INSERT INTO leases (id, scope, actor, host, pid, command, since, until, marker) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        lease.id, scope, actor, host, lease.pid, command, text_of(lease.since), text_of(lease.until), marker(),
    )  # fmt: skip
    return lease


def renew(work: Work, lease: Lease, seconds: float, now: float) -> Lease:
    """Hold it longer, also after it ran out, as long as nobody has taken it. Raises Refused."""
    until = _now(work, now) + timedelta(seconds=seconds)
    if work.change("UPDATE leases SET until = ? WHERE id = ?", text_of(until), lease.id) == 0:
        others = [_lease(row) for row in work.rows(f"{_SELECT} WHERE scope = ?", lease.scope)]
        by = f"; {others[0].actor} on {others[0].host} holds it now" if others else ""
        raise Refused(f"the lock on {lease.scope} was taken away{by}", remedy="Nothing more is done without it.")
    return Lease(**{name: getattr(lease, name) for name in Lease.__struct_fields__ if name != "until"}, until=until)


def in_force(work: Work, now: float) -> list[Lease]:
    """Leases that somebody holds, oldest first."""
    at = _now(work, now)
    return [_lease(row) for row in work.rows(f"{_SELECT} ORDER BY since, id") if not _free(row, at)]


def unlock(work: Work, id: str, now: float, who: dict[str, Any]) -> Lease:
    """Take away the lease of that id, or of a unique beginning of it. Raises UsageError."""
    found = [_lease(row) for row in work.rows(f"{_SELECT} ORDER BY since, id") if id and row[0].startswith(id)]
    if len(found) != 1:
        says = f"{len(found)} leases begin with {id}" if found else f"there is no lease {id}"
        raise UsageError(says, remedy="See opsctl ledger leases.")
    work.change("DELETE FROM leases WHERE id = ?", found[0].id)
    record(work, found[0], "taken away by force", now, who)
    return found[0]


def record(work: Work, lease: Lease, why: str, now: float, who: dict[str, Any]) -> None:
    """The entry of a lease that changed hands; with the run that was going on under it, if there was one."""
    runs = list(_running(work, lease.scope))
    body = {"lease": lease.id, "scope": lease.scope, "holder": _holder(lease), "why": why, **who}
    add(work, runs[0] if runs else "", "unlocked", body, 0, now)


def _running(work: Work, scope: str) -> Iterator[str]:
    for row in work.rows("SELECT id FROM runs WHERE scope = ? AND state = 'running' ORDER BY id DESC LIMIT 1", scope):
        yield str(row[0])


def _free(row: Row, at: datetime) -> str:
    """Why this lease holds nobody off any more; "" while it does."""
    if moment_of(row[7]) <= at:
        return f"it ran out at {moment_of(row[7]):%H:%M:%S} UTC"
    return f"its process {row[4]} is gone" if is_gone(row[8]) else ""


def _lease(row: Row) -> Lease:
    id, scope, actor, host, pid, command, since, until, _ = row
    return Lease(
        id=id,
        scope=scope,
        actor=actor,
        host=host,
        pid=pid,
        command=command,
        since=moment_of(since),
        until=moment_of(until),
    )


def _holder(lease: Lease) -> dict[str, Any]:
    return {
        "actor": lease.actor,
        "host": lease.host,
        "pid": lease.pid,
        "command": lease.command,
        "since": text_of(lease.since),
    }


def _now(work: Work, now: float) -> datetime:
    return work.now() or datetime.fromtimestamp(now, UTC)
