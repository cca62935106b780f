"""What happens while a plan is applied, resumed or undone, as it happens: for a screen, a log, a test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple

from opsctl.actions.model import Did, Outcome, Step


class Began(NamedTuple):
    """The lease is held, the plan was looked at again and the run is in the ledger. ``steps``: how many remain."""

    run: str
    action: str
    scope: str
    actor: str
    host: str
    since: datetime
    steps: int
    what: Literal["apply", "resume", "undo"] = "apply"


class StepBegins(NamedTuple):
    """The intent is recorded; the act follows. ``of``: steps of this run."""

    step: Step
    of: int
    undo: bool = False


class StepDone(NamedTuple):
    """The act is over and recorded. A skipped step has no StepBegins."""

    step: Step
    did: Did
    undo: bool = False


class Told(NamedTuple):
    """One line of progress from inside an act."""

    text: str


class Paused(NamedTuple):
    """Nothing is done for so many seconds: between batches, or because a guard signal is broken."""

    seconds: float
    why: str


class GuardBroken(NamedTuple):
    """A guard signal is worse than it may be. ``action``: what follows."""

    signal: str
    says: str
    action: Literal["pause", "stop"]


class Warned(NamedTuple):
    """Something the operator must know that stops nothing."""

    text: str


class Verifying(NamedTuple):
    """It is looked whether it helped. ``left``: seconds until the deadline; ``says``: what the last look saw."""

    left: float
    says: str


class Ended(NamedTuple):
    """The last event. ``recorded`` False: the ledger does not hold the outcome."""

    outcome: Outcome
    recorded: bool = True


Event = Began | StepBegins | StepDone | Told | Paused | GuardBroken | Warned | Verifying | Ended
OnEvent = Callable[[Event], None]


def silent(event: Event) -> None:
    """Nobody looks."""


def shielded(on_event: OnEvent) -> OnEvent:
    """The same, but what fails to show something never breaks off a run: a closed pipe leaves nothing half done."""

    def tell(event: Event) -> None:
        try:
            on_event(event)
        except Exception:  # noqa: BLE001 - the ledger has it, and the outcome is returned
            return

    return tell
