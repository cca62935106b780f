"""What a run's entries say: step by step, what is known to have been done, undone, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from opsctl.actions.model import Did, Outcome, Plan, Step
from opsctl.errors import BadData
from opsctl.remediation.digest import from_data

if TYPE_CHECKING:
    from opsctl.ledger.model import Entry, Ledger, Run

Left = Literal["to-do", "open", "over"]
Undone = Literal["no", "open", "yes", "failed"]


class StepState(NamedTuple):
    """``left``: to-do, open (an intent without result), or over. ``did``: what came of it, by its result or by a look.

    ``undone``: whether its inverse was applied; open: begun, and not known how it ended.
    """

    step: Step
    left: Left = "to-do"
    did: Did | None = None
    undone: Undone = "no"


class Recorded(NamedTuple):
    """``outcome``: the newest; None while none was reached. ``undoing``: an undo was begun."""

    run: Run
    plan: Plan
    steps: dict[int, StepState]
    outcome: Outcome | None
    undoing: bool

    @property
    def dids(self) -> dict[int, Did]:
        """What came of each step that is over."""
        return {number: s.did for number, s in self.steps.items() if s.did is not None and s.left == "over"}

    @property
    def open(self) -> tuple[StepState, ...]:
        """Steps of which the record ends with the intent."""
        return tuple(s for s in self.steps.values() if s.left == "open")

    @property
    def doubtful(self) -> tuple[StepState, ...]:
        """Those, and steps of which the record itself says that it is not known whether they acted."""
        return tuple(s for s in self.steps.values() if s.left == "open" or (s.did and s.did.state == "unknown"))

    @property
    def to_do(self) -> tuple[Step, ...]:
        """Steps that have not acted: not begun, or known to have failed."""
        return tuple(
            s.step for s in self.steps.values() if s.left == "to-do" or (s.did is not None and s.did.state == "failed")
        )


def read(ledger: Ledger, id: str) -> Recorded:
    """The run of that id, or a unique beginning of it. Raises UsageError; BadData for a plan nobody can read."""
    run = ledger.run(id)
    try:
        plan = from_data(ledger.plan(run.id))
    except msgspec.ValidationError as error:
        raise BadData(f"the plan of run {run.id} cannot be read: {error}", place=ledger.where) from None
    return of(run, plan, ledger.entries(run.id))


def of(run: Run, plan: Plan, entries: list[Entry]) -> Recorded:
    """What the entries (oldest first) say. Pure."""
    steps = {step.number: StepState(step) for step in plan.proposal.steps}
    outcome: Outcome | None = None
    undoing = False
    for entry in entries:
        if entry.kind == "outcome":
            outcome = msgspec.convert(entry.body, Outcome)
        elif entry.kind == "resumed":
            outcome = None
        state = steps.get(entry.step)
        if state is None:
            continue
        undoing = undoing or entry.kind.startswith("undo")
        steps[entry.step] = _after(state, entry.kind, entry.body)
        if entry.kind in ("intent", "undo-intent"):
            outcome = None
    return Recorded(run, plan, steps, outcome, undoing)


def _after(state: StepState, kind: str, body: Mapping[str, Any]) -> StepState:
    if kind == "intent":
        return state._replace(left="open", did=None)
    if kind == "result":
        return state._replace(left="over", did=msgspec.convert(body, Did))
    if kind == "settled":
        return _settled(state, body)
    if kind == "undo-intent":
        return state._replace(undone="open")
    if kind == "undo-result":
        did = msgspec.convert(body, Did)
        return state._replace(undone="yes" if did.state in ("acted", "unchanged") else "failed")
    return state


def _settled(state: StepState, body: Mapping[str, Any]) -> StepState:
    """A later look: at the act, or with ``undo`` at its inverse."""
    effect, says = body.get("effect"), str(body.get("says", ""))
    if body.get("undo"):
        return state._replace(undone={"acted": "yes", "not-acted": "failed"}.get(str(effect), "open"))  # type: ignore[arg-type]
    if effect == "acted":
        return state._replace(left="over", did=Did(state="acted", says=says, inverse=inverse_of(state.step)))
    if effect == "not-acted":
        return state._replace(left="to-do", did=None)
    return state._replace(left="over", did=Did(state="unknown", says=says))


def inverse_of(step: Step) -> dict[str, Any] | None:
    """The inverse that the action knew before it acted: by convention ``step.before["inverse"]``."""
    known = step.before.get("inverse")
    return known if isinstance(known, dict) else None
