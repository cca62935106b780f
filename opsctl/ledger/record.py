"""The ledger over either database: what ``opsctl.ledger.model.Ledger`` promises."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.errors import CannotWrite, UsageError
from opsctl.ledger import acts, checking, entries, leasing, ulid
from opsctl.ledger.clean import cleaned, line
from opsctl.ledger.model import Checked, Entry, EntryKind, Lease, NewRun, Run
from opsctl.ledger.moments import moment_of, text_of
from opsctl.ledger.projecting import SELECT, row_of, run_of
from opsctl.ledger.schema import ready

if TYPE_CHECKING:
    from opsctl.ledger.database import Database, Work


class Record:
    """``clock``: unix time of this process, replaced by tests."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.where = database.where
        self._database = database
        self._clock = clock
        try:
            ready(database)
        except BaseException:
            database.close()
            raise

    def begin(self, new: NewRun) -> Run:
        """Durably record the run with its ``begun`` entry."""
        plain = cleaned(msgspec.to_builtins(new))
        texts = {name: line(plain.get(name, "")) for name in NewRun.__struct_fields__ if name != "plan"}
        with self._write() as work:
            newest = work.rows("SELECT COALESCE(MAX(id), '') FROM runs")[0][0]
            now = self._clock()
            at = entries.moment(now, entries.last(work).at)
            id = ulid.new(moment_of(at).timestamp(), newest)
            row = row_of(id, NewRun(**texts, plan={}), at)
            work.change(f"INSERT INTO runs VALUES ({', '.join('?' * len(row))})", *row)  # noqa: S608 - only marks
            entries.add(work, id, "begun", {**plain, **texts}, 0, now)
        return run_of(row)

    def append(self, run: str, kind: EntryKind, body: Mapping[str, Any], step: int = 0) -> Entry:
        """Add an entry to the run of that full id; it is durable when this returns. Raises UsageError."""
        with self._write() as work:
            if not work.rows("SELECT 1 FROM runs WHERE id = ?", run):
                raise _no_run(run)
            return entries.add(work, run, kind, body, step, self._clock())

    def run(self, id: str) -> Run:
        """The run of that id, of a unique part of its beginning, or ``last``. Raises UsageError."""
        wanted = id.strip().upper()
        with self._read() as work:
            if wanted == "LAST":
                found = work.rows(f"{SELECT} ORDER BY id DESC LIMIT 1")
            else:
                found = work.rows(f"{SELECT} WHERE id >= ? AND id <= ? ORDER BY id LIMIT 2", wanted, wanted + "~")
            if not wanted or not found:
                raise _no_run(id)
            if len(found) > 1 and found[0][0] != wanted:
                says = f"several runs begin with {wanted}"
                raise UsageError(says, remedy="Give more of the id; see opsctl ledger list.")
            return run_of(found[0])

    def entries(self, run: str) -> list[Entry]:
        """All entries of a run, oldest first."""
        with self._read() as work:
            return [entries.entry_of(row) for row in work.rows(f"{entries.SELECT} WHERE run = ? ORDER BY number", run)]

    def runs(
        self, *, service: str = "", action: str = "", actor: str = "", since: datetime | None = None, limit: int = 50
    ) -> list[Run]:
        """Newest first."""
        given = {"service = ?": service, "action = ?": action, "actor = ?": actor}
        wanted = {clause: value for clause, value in given.items() if value}
        if since is not None:
            wanted["begun >= ?"] = text_of(since)
        where = f" WHERE {' AND '.join(wanted)}" if wanted else ""
        with self._read() as work:
            rows = work.rows(f"{SELECT}{where} ORDER BY id DESC LIMIT ?", *wanted.values(), max(0, limit))
            return [run_of(row) for row in rows]

    def plan(self, run: str) -> dict[str, Any]:
        """The run's plan as it was recorded. Raises UsageError."""
        with self._read() as work:
            found = work.rows("SELECT body FROM entries WHERE run = ? AND kind = 'begun' ORDER BY number LIMIT 1", run)
            if not found:
                raise _no_run(run)
            plan: dict[str, Any] = msgspec.json.decode(found[0][0]).get("plan", {})
            return plan

    def last_act(self, action: str, targets: Sequence[str], scope: str) -> dict[str, datetime]:
        """Target id -> when this action last acted on it (result "acted" or "unknown", or an intent without result)."""
        with self._read() as work:
            return acts.last_act(work, action, targets, scope)

    def lease(self, scope: str, *, actor: str, host: str, command: str, seconds: float = 60.0) -> Lease:
        """Take the lock. Raises TryLater with holder, since, command, and how to force it."""
        texts = {"actor": line(actor), "host": line(host), "command": line(command)}
        with self._write() as work:
            return leasing.take(work, line(scope), **texts, seconds=seconds, now=self._clock())

    def renew(self, lease: Lease, seconds: float = 60.0) -> Lease:
        """Hold it longer. Raises Refused when somebody has taken it away."""
        with self._write() as work:
            return leasing.renew(work, lease, seconds, self._clock())

    def release(self, lease: Lease) -> None:
        """Give it back; one that is no longer ours is left alone."""
        with self._write() as work:
            work.change("DELETE FROM leases WHERE id = ?", lease.id)

    def leases(self) -> list[Lease]:
        """Those in force."""
        with self._read() as work:
            return leasing.in_force(work, self._clock())

    def force_unlock(self, id: str, *, actor: str = "", host: str = "") -> Lease:
        """Take a lease away by its id; returns what it was. Raises UsageError when there is none."""
        with self._write() as work:
            return leasing.unlock(work, id, self._clock(), {"by": line(actor), "at": line(host)})

    def export(self, since: datetime | None = None) -> Iterator[bytes]:
        """Every entry from then on, oldest first, one line of JSON each."""
        with self._read() as work:
            yield from entries.lines(work, "" if since is None else text_of(since))

    def verify(self, head: str = "") -> Checked:
        """Recompute every hash, and compare runs with their entries. Reads in pages: memory does not grow."""
        complaints = self._database.check()
        with self._database.reading() as work:
            return checking.check(work, head, complaints)

    def close(self) -> None:
        """Never raises."""
        self._database.close()

    @contextmanager
    def _read(self) -> Iterator[Work]:
        """A snapshot."""
        with self._guarded(), self._database.reading() as work:
            yield work

    @contextmanager
    def _write(self) -> Iterator[Work]:
        """A transaction that is durable when it ends."""
        with self._guarded(), self._database.writing() as work:
            yield work

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """What somebody broke behind our back is told as that."""
        try:
            yield
        except (msgspec.MsgspecError, ValueError) as error:
            raise CannotWrite(
                f"an entry cannot be read ({error}): somebody changed it",
                place=self.where,
                remedy="See opsctl ledger verify.",
            ) from None


def _no_run(id: str) -> UsageError:
    return UsageError(f"there is no run {line(id)[:40] or 'without an id'}", remedy="See opsctl ledger list.")
