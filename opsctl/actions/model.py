"""What travels from an action's proposal to the ledger: targets, steps, what is left out, the plan, what came of it.

Frozen msgspec structs, written as JSON into plan files and into the ledger: no field may ever hold a secret.
Times are aware datetimes in UTC; durations seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from opsctl.model import Finding, Struct

PLAN_SCHEMA = "opsctl.plan/1"

Scalar = str | int | float | bool | None
DidState = Literal["acted", "unchanged", "skipped", "failed", "unknown"]
Effect = Literal["acted", "not-acted", "unknown"]
OutcomeWord = Literal[
    "fixed",  # the findings that called for it are ok
    "improved",  # measurably nearer to ok
    "no-effect",
    "worse",
    "verified",  # no runbook: the action's own check saw the effect
    "not-verified",  # could not be looked at, or the check did not see the effect in time
    "nothing-done",  # every step was skipped, or it was left before the first act
    "failed",  # a step failed; the steps before it acted
    "unknown",  # whether a step acted is not known
    "stopped",  # by the stop file or by a guard signal
    "interrupted",
    "undone",
]


class Target(Struct, frozen=True, kw_only=True):
    """What is acted on. ``id`` names it within the plan (``pid 4711``, ``deployment/api``).

    ``pin``: the identity that survives reuse (pid and backend_start; uid and resourceVersion): compared at apply.
    """

    id: str
    pin: dict[str, Scalar]
    says: str = ""  # who that is, in words


class Step(Struct, frozen=True, kw_only=True):
    """One act on one target. ``number`` is set by the planner, from 1."""

    target: Target
    why: str  # why this one was chosen
    calls: tuple[str, ...]  # what will be sent, as one would type it; secrets only as $NAME
    number: int = 0
    before: dict[str, Any] = {}  # state that apply, undo and settled need; plain JSON values
    shows: tuple[str, ...] = ()  # lines shown below it: a diff, a server's dry run


class Excluded(Struct, frozen=True, kw_only=True):
    """A candidate that is left alone. ``lift``: the flag that would admit it, "" where nothing does."""

    id: str
    says: str
    why: str
    lift: str = ""
    refused: bool = False  # never, as opposed to not now


class Check(Struct, frozen=True, kw_only=True):
    """A precondition. ``ok`` None: it could not be looked at, which refuses as False does."""

    id: str
    says: str  # with the number and what it is compared with
    ok: bool | None
    lift: str = ""  # the flag that admits it all the same


class Proposal(Struct, frozen=True, kw_only=True):
    """What an action would do, target by target; made by ``propose``, which is pure."""

    subject: str  # postgres danci@db1 as opsctl_act
    scope: str  # what only one remediation may touch at a time: postgres danci@db1:5432
    steps: tuple[Step, ...]
    of: int  # the live total that the steps are part of
    unit: str  # sessions, pods, keys: in the plural
    impact: str  # what users will see
    undo: str = ""  # how it is undone, in words; "" = cannot be undone
    lost: str = ""  # why it cannot be undone, in words
    excluded: tuple[Excluded, ...] = ()
    checks: tuple[Check, ...] = ()
    confirm: str = ""  # the name to type on a terminal where it cannot be undone
    notes: tuple[str, ...] = ()


class Limit(Struct, frozen=True, kw_only=True):
    """Caps: at most so many targets and such a share (0-1) of the live total; one target is always allowed."""

    targets: int = 5
    share: float = 0.25


class Pace(Struct, frozen=True, kw_only=True):
    """How steps are applied: the first alone, then ``batch`` at a time with ``pause`` seconds in between."""

    batch: int = 5
    pause: float = 2.0


class Verification(Struct, frozen=True, kw_only=True):
    """How it is told whether it helped. ``findings``: ids that must become ok; ``before``: what they were."""

    findings: tuple[str, ...] = ()
    before: tuple[Finding, ...] = ()
    deadline: float = 60.0
    every: float = 2.0


class Plan(Struct, frozen=True, kw_only=True):
    """A proposal that may be applied: caps held, pinned, with an end. ``hash`` covers everything else in it."""

    schema: str = PLAN_SCHEMA
    opsctl: str
    action: str
    service: str
    context: str = ""
    runbook: str = ""  # "" for an operator's command
    cause: str = ""  # what it answers
    parameters: dict[str, Any] = {}  # of the action, as its Params decodes them
    given: dict[str, str] = {}  # parameters of the runbook that were given
    proposal: Proposal
    limit: Limit
    pace: Pace
    cap: int  # targets that the limit admits of this total
    guards: tuple[str, ...] = ()  # signals watched while it is applied
    verification: Verification = Verification()
    weight: int = 5
    created: datetime
    expires: datetime
    hash: str = ""


class Did(Struct, frozen=True, kw_only=True):
    """What came of one act. ``inverse``: what undo needs; None = this act cannot be undone.

    ``acted``: it took effect. ``unchanged``: it was so already. ``skipped``: the target has changed or gone.
    ``failed``: it did not take effect. ``unknown``: sent, and no answer tells.
    """

    state: DidState
    says: str
    inverse: dict[str, Any] | None = None
    after: dict[str, Any] = {}
    seconds: float = 0.0


class Verified(Struct, frozen=True, kw_only=True):
    """What an action's own look afterwards saw. ``ok`` None: it could not look."""

    ok: bool | None
    says: str


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a whole run."""

    run: str
    word: OutcomeWord
    says: str
    done: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()  # as they were at the end
    undoable: bool = False


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of an action's parameters: one field is one option of its command.

    Types: str, int, float, bool, tuple[str, ...] (an option that repeats), each possibly ``| None``. Durations and
    quantities are text, parsed by the action. A field's help is in the registry entry's ``help``.
    """
