"""One run on its way: each act between its intent and its result in the ledger, in batches, under watch."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opsctl.actions.hands import Stopped
from opsctl.actions.model import Did, OutcomeWord, Plan, Step
from opsctl.errors import CouldNotLook, OpsctlError
from opsctl.redact import printable, redact
from opsctl.remediation.events import OnEvent, StepBegins, StepDone, Told
from opsctl.remediation.holding import Holding, Lost
from opsctl.remediation.interrupts import Interrupts
from opsctl.remediation.stopping import stopped_by

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.registry import Action
    from opsctl.ledger.model import Ledger


class Halt(Exception):
    """Nothing more is done; what was done is recorded. ``word`` and ``says`` go into the outcome."""

    def __init__(self, word: OutcomeWord, says: str) -> None:
        super().__init__(says)
        self.word: OutcomeWord = word
        self.says = says


class Unrecorded(Exception):
    """An act came to ``did``, and the ledger could not be told."""

    def __init__(self, step: Step, did: Did, error: OpsctlError) -> None:
        super().__init__(error.says)
        self.step = step
        self.did = did
        self.error = error


@dataclasses.dataclass(slots=True, kw_only=True)
class Course:
    """What a run needs while it acts. ``hands``: with the run's id, the stop check and progress in it."""

    plan: Plan
    action: Action
    hands: Hands
    ledger: Ledger
    run: str
    holding: Holding
    interrupts: Interrupts
    stop_files: tuple[Path, ...]
    on_event: OnEvent
    dids: dict[int, Did] = dataclasses.field(default_factory=dict)  # step number -> what came of it
    open: Step | None = None  # between its intent and its result
    stopped: str = ""  # why an act broke off between two of its mutations

    def ready(self) -> None:
        """Whether the next act may begin. Raises Halt, or the ledger's error when the lease cannot be renewed."""
        if self.interrupts.pending:
            raise Halt("interrupted", f"{self.interrupts.pending} before the next step")
        if why := stopped_by(self.stop_files):
            raise Halt("stopped", why)
        try:
            self.holding.check()
        except Lost as lost:
            raise Halt("stopped", lost.says) from None

    def check_stop(self) -> None:
        """The same for an act that takes long, between two of its mutations; cheap. Raises Stopped."""
        if self.interrupts.pending:
            raise Stopped(f"{self.interrupts.pending} while it ran")
        if why := stopped_by(self.stop_files):
            raise Stopped(why)
        try:
            self.holding.seen()
        except Lost as lost:
            raise Stopped(lost.says) from None

    def act(self, step: Step, of: int) -> Did:
        """Intent, act, result. Raises the ledger's error while nothing is done yet, Unrecorded after the act."""
        return self._recorded(
            step, of, lambda: self.action.apply(self.hands, step), lambda: settle(self.action, self.hands, step), False
        )

    def undo(self, step: Step, inverse: dict[str, object], of: int) -> Did:
        """The same for the inverse of an act."""
        undo = self.action.undo
        assert undo is not None  # what has no undo is not planned
        return self._recorded(
            step,
            of,
            lambda: undo(self.hands, step, inverse),
            lambda: _turned(settle(self.action, self.hands, step)),
            True,
            inverse,
        )

    def skip(self, step: Step, why: str) -> None:
        """Record that a step is left out. Raises the ledger's error."""
        did = Did(state="skipped", says=_clean(why))
        self.ledger.append(self.run, "result", msgspec.to_builtins(did), step.number)
        self.dids[step.number] = did
        self.on_event(StepDone(step, did))

    def note(self, text: str) -> None:
        """A line in the ledger that nothing depends on."""
        with contextlib.suppress(OpsctlError):
            self.ledger.append(self.run, "note", {"text": _clean(text)})

    def _recorded(
        self,
        step: Step,
        of: int,
        call: Callable[[], Did],
        look: Callable[[], Did],
        undo: bool,
        inverse: dict[str, object] | None = None,
    ) -> Did:
        body = msgspec.to_builtins(step) if inverse is None else {"inverse": inverse}
        self.ledger.append(self.run, "undo-intent" if undo else "intent", body, step.number)
        self.open = step
        self.on_event(StepBegins(step, of, undo))
        began = time.monotonic()
        did = self._outcome_of(call, look)
        if not did.seconds:
            did = msgspec.structs.replace(did, seconds=round(time.monotonic() - began, 3))
        did = msgspec.structs.replace(did, says=_clean(did.says))
        self.dids[step.number] = did
        try:
            self.ledger.append(self.run, "undo-result" if undo else "result", msgspec.to_builtins(did), step.number)
        except OpsctlError as error:
            raise Unrecorded(step, did, error) from error
        self.open = None
        self.on_event(StepDone(step, did, undo))
        return did

    def _outcome_of(self, call: Callable[[], Did], look: Callable[[], Did]) -> Did:
        """What an act says came of it; where it says nothing, what a look says."""
        try:
            return call()
        except CouldNotLook as failure:
            return Did(state="failed", says=f"nothing was sent: {failure.says}")
        except Stopped as stopped:
            self.stopped = stopped.says
            did, why = look(), stopped.says
        except Exception as error:  # noqa: BLE001 - whatever happened, the ledger says what is known
            did, why = look(), f"{type(error).__name__}: {error}"
        return msgspec.structs.replace(did, says=f"{did.says}; {why}")


def settle(action: Action, hands: Hands, step: Step, says: str = "") -> Did:
    """Look whether a step took effect, after it gave no clear answer.

    The inverse of one that did is what ``step.before["inverse"]`` holds, where the action knew it in advance.
    """
    try:
        effect = action.settled(dataclasses.replace(hands, check_stop=_go_on), step)
    except CouldNotLook as failure:
        return Did(state="unknown", says=f"whether it took effect is not known: {failure.says}")
    except Exception as error:  # noqa: BLE001 - our own mistake must not hide that an act may have been done
        return Did(state="unknown", says=f"whether it took effect is not known ({type(error).__name__}: {error})")
    if effect == "acted":
        known = step.before.get("inverse")
        return Did(state="acted", says=says or "it took effect", inverse=known if isinstance(known, dict) else None)
    if effect == "not-acted":
        return Did(state="failed", says=says or "it did not take effect")
    return Did(state="unknown", says=says or "whether it took effect is not known")


def batches(steps: Sequence[Step], size: int) -> Iterator[Sequence[Step]]:
    """The first step alone, then ``size`` at a time."""
    if steps:
        yield steps[:1]
    for start in range(1, len(steps), max(1, size)):
        yield steps[start : start + max(1, size)]


def _turned(did: Did) -> Did:
    """A look at a step, read as what became of its undo."""
    if did.state == "acted":
        return Did(state="failed", says="it was not undone")
    if did.state == "failed":
        return Did(state="acted", says="it is undone")
    return did


def _go_on() -> None:
    """A look is never stopped."""


def _clean(text: str) -> str:
    return redact(printable(text))


def told(on_event: OnEvent) -> Callable[[str], None]:
    """Progress of an act as an event."""

    def tell(text: str) -> None:
        on_event(Told(_clean(text)))

    return tell
