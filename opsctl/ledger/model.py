"""The ledger's entries and its interface; SQLite and Postgres behave alike (one test suite runs over both).

Entries are only ever added, and each holds the hash of the one before: what a run did is what its entries say. The
tables of runs are made from them, so that lists are fast; ``verify`` compares both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from opsctl.model import Struct

EntryKind = Literal[
    "begun",  # body: the NewRun, the Plan in it as ``plan``; the run's first entry
    "intent",  # step: about to act; body: the Step
    "result",  # step: what came of it; body: the Did
    "settled",  # step: found out later by a look (resume); body: {effect, says}, and undo true for a look at its undo
    "guard",  # a guard signal was broken while applying; body: {signal, says, action: pause|stop}
    "verified",  # body: {says, findings, ok}
    "outcome",  # body: the Outcome; the run's last entry, unless it is resumed or undone
    "resumed",  # somebody goes on; body: {actor, host}
    "undo-intent",  # step: about to undo; body: the inverse
    "undo-result",  # step: body: the Did
    "note",  # body: {text}, and {actor, host} where somebody added it by hand
    "unlocked",  # a lease changed hands; body: {lease, scope, holder, why}; of the run under it, else of none
]
RunState = Literal["running", "done", "undone"]  # running without a live lease: crashed, `ledger resume` goes on


class NewRun(Struct, frozen=True, kw_only=True):
    """Who begins what. ``plan``: the Plan as plain JSON values."""

    actor: str
    host: str
    command: str
    reason: str = ""
    ticket: str = ""
    service: str
    context: str = ""
    runbook: str = ""
    action: str
    scope: str
    plan_hash: str
    plan: dict[str, Any]


class Run(Struct, frozen=True, kw_only=True):
    """One run as lists show it."""

    id: str  # ULID: sorts by time
    actor: str
    host: str
    command: str
    reason: str = ""
    ticket: str = ""
    service: str
    context: str = ""
    runbook: str = ""
    action: str
    scope: str
    plan_hash: str
    begun: datetime
    changed: datetime  # of the newest entry
    state: RunState
    word: str = ""  # the Outcome's
    says: str = ""


class Entry(Struct, frozen=True, kw_only=True):
    """One line of the record. ``hash`` = sha256 over ``previous`` and everything else here (chain.py).

    The ledger adds to a body: ``redacted`` true where something in it looked like a secret and was masked, ``clock``
    (what the clock said) where that was before the newest entry's time.
    """

    number: int  # over all runs, from 1, without a gap
    run: str
    at: datetime
    kind: EntryKind
    step: int = 0  # 0: of the whole run
    body: dict[str, Any]
    previous: str
    hash: str


class Lease(Struct, frozen=True, kw_only=True):
    """The lock on a scope. It ends by itself ``until`` unless it is renewed; a dead holder's one can be taken over."""

    id: str
    scope: str
    actor: str
    host: str
    pid: int
    command: str
    since: datetime
    until: datetime


class Checked(Struct, frozen=True, kw_only=True):
    """What ``verify`` found: ``broken`` are sentences, each naming the entry; () = the record is whole."""

    entries: int
    runs: int
    broken: tuple[str, ...] = ()
    head: str = ""  # hash of the newest entry: keep it elsewhere, and a truncated record shows


class Ledger(Protocol):
    """What the engine needs of either database. Times come from the process' clock, never go back within the ledger.

    Every method may raise CannotWrite (disk full, read-only, file broken), Unavailable (Postgres gone).
    """

    where: str  # for people: the file, or the address without credentials

    def begin(self, new: NewRun) -> Run:
        """Durably record the run with its ``begun`` entry."""
        ...

    def append(self, run: str, kind: EntryKind, body: Mapping[str, Any], step: int = 0) -> Entry:
        """Add an entry; it is durable when this returns."""
        ...

    def run(self, id: str) -> Run:
        """The run of that id, or of a unique part of its beginning. Raises UsageError."""
        ...

    def entries(self, run: str) -> list[Entry]:
        """All entries of a run, oldest first."""
        ...

    def runs(
        self, *, service: str = "", action: str = "", actor: str = "", since: datetime | None = None, limit: int = 50
    ) -> list[Run]:
        """Newest first."""
        ...

    def plan(self, run: str) -> dict[str, Any]:
        """The run's plan as it was recorded."""
        ...

    def last_act(self, action: str, targets: Sequence[str], scope: str) -> dict[str, datetime]:
        """Target id -> when this action last acted on it (result "acted" or "unknown", or an intent without result)."""
        ...

    def lease(self, scope: str, *, actor: str, host: str, command: str, seconds: float = 60.0) -> Lease:
        """Take the lock. Raises TryLater with holder, since, command, and how to force it."""
        ...

    def renew(self, lease: Lease, seconds: float = 60.0) -> Lease:
        """Hold it longer. Raises Refused when somebody has taken it away."""
        ...

    def release(self, lease: Lease) -> None:
        """Give it back; one that is no longer ours is left alone."""
        ...

    def leases(self) -> list[Lease]:
        """Those in force."""
        ...

    def force_unlock(self, id: str, *, actor: str = "", host: str = "") -> Lease:
        """Take a lease away by its id; returns what it was. Raises UsageError when there is none.

        ``actor`` and ``host``: who does, for the record.
        """
        ...

    def export(self, since: datetime | None = None) -> Iterator[bytes]:
        """Every entry from then on, oldest first, one line of JSON each."""
        ...

    def verify(self, head: str = "") -> Checked:
        """Recompute every hash, and compare runs with their entries. Reads in pages: memory does not grow.

        ``head``: a hash that was noted earlier (or 12 digits of it), which must still be among the entries.
        """
        ...

    def close(self) -> None:
        """Never raises."""
        ...
