"""A run's row, made from its entries: the one place that says what an entry means for the state of its run."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from opsctl.ledger.model import NewRun, Run
from opsctl.ledger.moments import moment_of

COLUMNS = (
    "id", "actor", "host", "command", "reason", "ticket", "service", "context", "runbook", "action", "scope",
    "plan_hash", "begun", "changed", "state", "word", "says",
)  # fmt: skip
SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs"  # noqa: S608 - names of this module
STATEFUL = ("begun", "resumed", "undo-intent", "outcome")  # kinds after which a run's state is another


class Now(NamedTuple):
    """What entries make of a run's state."""

    state: str
    word: str
    says: str


class _Outcome(msgspec.Struct):
    word: str = ""
    says: str = ""


def after(kind: str, body: str | bytes) -> Now:
    """The state that an entry of one of the STATEFUL kinds leaves. Raises msgspec.MsgspecError for a broken body."""
    if kind != "outcome":
        return Now("running", "", "")
    found = msgspec.json.decode(body, type=_Outcome)
    return Now("undone" if found.word == "undone" else "done", found.word, found.says)


def row_of(id: str, new: NewRun, at: str) -> tuple[str, ...]:
    """The row of a run that begins, in the order of COLUMNS."""
    given = {name: getattr(new, name) for name in NewRun.__struct_fields__ if name != "plan"}
    made = {**given, "id": id, "begun": at, "changed": at, "state": "running", "word": "", "says": ""}
    return tuple(made[name] for name in COLUMNS)


def run_of(row: tuple[Any, ...]) -> Run:
    """The run of such a row."""
    found = dict(zip(COLUMNS, row, strict=True))
    return Run(**{**found, "begun": moment_of(found["begun"]), "changed": moment_of(found["changed"])})
