"""A run as a story, in the order of time: what was planned, who did what and why, what came of it, what is open."""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.cli.ledger_text import stamp, told, word_of
from opsctl.durations import format_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opsctl.ledger.model import Entry, Run
    from opsctl.ledger.standing import Standing
    from opsctl.report.style import Style

_COLUMN = 22  # where the text begins: the time, and what it is about
_DID = {
    "acted": "done",
    "unchanged": "was so already",
    "skipped": "skipped",
    "failed": "FAILED",
    "unknown": "NOT KNOWN",
}
_UNDID = {**_DID, "acted": "undone"}
_EFFECT = {"acted": "it took effect", "not-acted": "it did not take effect", "unknown": "NOT KNOWN"}


class _Target(msgspec.Struct, frozen=True):
    id: str = ""
    says: str = ""


class _Step(msgspec.Struct, frozen=True):
    target: _Target = _Target()
    why: str = ""
    number: int = 0
    calls: tuple[str, ...] = ()


class _Proposal(msgspec.Struct, frozen=True):
    subject: str = ""
    steps: tuple[_Step, ...] = ()
    of: int = 0
    unit: str = ""
    impact: str = ""
    undo: str = ""
    lost: str = ""
    excluded: tuple[Any, ...] = ()


class _Plan(msgspec.Struct, frozen=True):
    cause: str = ""
    proposal: _Proposal = _Proposal()


def story(run: Run, entries: Sequence[Entry], stands: Standing, style: Style) -> list[str]:
    """All lines of ``opsctl ledger show``."""
    plan = _plan(entries)
    word, look = word_of(run, crashed=stands.crashed)
    lines = [f"{style.paint(word, 'bold', look)}  {run.action} on {told(plan.proposal.subject or run.scope)}"]
    lines += _head(run, plan, style)
    lines.append("")
    day = ""
    names = {step.number: step.target.id for step in plan.proposal.steps}
    for entry in entries:
        if not day or f"{entry.at:%Y-%m-%d}" != day:
            day = f"{entry.at:%Y-%m-%d}"
            if entry is not entries[0]:
                lines.append(f"  {day}")
        for label, text in _told(entry, names, plan):
            lines += _line(entry.at if label else None, label, text, style)
    open_ = list(_open(run, stands))
    return [*lines, "", *open_] if open_ else lines


def _head(run: Run, plan: _Plan, style: Style) -> list[str]:
    proposal = plan.proposal
    rows = [
        ("run", f"{run.id}, {stamp(run.begun)} UTC"),
        ("by", f"{told(run.actor)} on {told(run.host)}"),
        ("why", "; ".join(filter(None, (told(run.reason), told(run.ticket))))),
        ("for", ": ".join(filter(None, (run.runbook, told(plan.cause)))) if run.runbook else ""),
        ("service", " in ".join(filter(None, (run.service, run.context)))),
        ("command", told(run.command)),
    ]
    if proposal.steps:
        left = f", {len(proposal.excluded)} left alone" if proposal.excluded else ""
        rows.append(
            ("planned", f"{len(proposal.steps)} of {proposal.of} {proposal.unit}{left}; hash {run.plan_hash[:12]}")
        )
        rows.append(("impact", told(proposal.impact)))
        rows.append(("undo", told(proposal.undo) or f"none: {told(proposal.lost)}"))
    return [line for label, text in rows if text for line in _wrap(f"      {label:<9}", text, 15, style)]


def _told(entry: Entry, names: dict[int, str], plan: _Plan) -> Iterable[tuple[str, str]]:
    """(label, text) of an entry's lines; a line without a label belongs to the one above."""
    body = entry.body
    name = told(names.get(entry.step, ""))
    step = f"step {entry.step}"
    took = body.get("seconds")
    seconds = f", {format_quantity(float(took), 's')}" if isinstance(took, int | float) and took >= 0 else ""
    says = told(str(body.get("says", "")))
    if entry.kind == "begun":
        yield "begun", f"{len(plan.proposal.steps)} {'step' if len(plan.proposal.steps) == 1 else 'steps'} to do"
    elif entry.kind == "intent":
        found = _convert(body, _Step, _Step())
        names[entry.step] = found.target.id
        yield step, told(": ".join(filter(None, (found.target.id, found.target.says, found.why))))
        for call in found.calls[:3]:
            yield "", told(call)
    elif entry.kind in ("result", "undo-result"):
        words = _DID if entry.kind == "result" else _UNDID
        state = str(body.get("state", ""))
        label = step if entry.kind == "result" else f"undo {entry.step}"
        yield label, f"{words.get(state, told(state))}{seconds}: {name}: {says}"
    elif entry.kind == "settled":
        effect = str(body.get("effect", ""))
        label = f"undo {entry.step}" if body.get("undo") is True else step
        yield label, f"looked again: {_EFFECT.get(effect, told(effect))}: {name}: {says}"
    elif entry.kind == "undo-intent":
        yield f"undo {entry.step}", f"{name}: begun"
    else:
        yield from _of_run(entry, says)
    if "clock" in body:
        yield "", f"the clock of this machine said {told(str(body['clock']))}: it had gone back"


def _of_run(entry: Entry, says: str) -> Iterable[tuple[str, str]]:
    """Entries about the run as a whole."""
    body = {key: told(value) if isinstance(value, str) else value for key, value in entry.body.items()}
    if entry.kind == "guard":
        yield "guard", f"{body.get('signal', '')}: {says}; {_action(body.get('action'))}"
    elif entry.kind == "verified":
        yield "verified", f"{says or _ok(body.get('ok'))}"
    elif entry.kind == "outcome":
        yield "outcome", f"{str(body.get('word', '')).replace('-', ' ').upper()}: {says}"
    elif entry.kind == "resumed":
        yield "resumed", f"by {body.get('actor', '')} on {body.get('host', '')}"
    elif entry.kind == "unlocked":
        holder = body.get("holder")
        named = f"{holder.get('actor')} on {holder.get('host')}" if isinstance(holder, dict) else "its holder"
        by = f" by {body['by']}" if body.get("by") else ""
        yield "unlocked", told(f"the lock of {named} was ended{by}: {body.get('why', '')}")
    else:
        by = f" ({body['actor']})" if body.get("actor") else ""
        yield entry.kind, f"{body.get('text', says)}{by}"


def _open(run: Run, stands: Standing) -> Iterable[str]:
    """What is not known, what can be done next."""
    resume = f"opsctl ledger resume {run.id}"
    if stands.lease is not None:
        lease = stands.lease
        yield f"{told(lease.actor)} on {told(lease.host)} (process {lease.pid}) works on it now."
        return
    for step in stands.open:
        yield f"Step {step} was begun and nothing tells whether it took effect: {resume}"
    for step in stands.open_undos:
        yield f"The undo of step {step} was begun and nothing tells whether it took effect: opsctl ledger undo {run.id}"
    if stands.crashed and not (stands.open or stands.open_undos):
        yield f"It was left before its end, between two steps: {resume}"


def undoable(entries: Sequence[Entry]) -> bool:
    """Whether the newest outcome says that there is something to undo."""
    outcomes = [entry for entry in entries if entry.kind == "outcome"]
    return bool(outcomes) and outcomes[-1].body.get("undoable") is True


def _action(action: object) -> str:
    return {"pause": "paused", "stop": "stopped"}.get(str(action), "")


def _ok(ok: object) -> str:
    return "the effect was seen" if ok else "it could not be looked at" if ok is None else "the effect was not seen"


def _plan(entries: Sequence[Entry]) -> _Plan:
    begun = next((entry for entry in entries if entry.kind == "begun"), None)
    return _Plan() if begun is None else _convert(begun.body.get("plan"), _Plan, _Plan())


def _convert(value: object, type: Any, default: Any) -> Any:
    """The value as that type; what another version wrote otherwise is left out of the story."""
    try:
        return msgspec.convert(value, type)
    except msgspec.ValidationError:
        return default


def _line(at: datetime | None, label: str, text: str, style: Style) -> list[str]:
    head = f"{at:%H:%M:%S}  {label:<{_COLUMN - 10}}" if at is not None else " " * _COLUMN
    return _wrap(head, text, _COLUMN, style)


def _wrap(head: str, text: str, indent: int, style: Style) -> list[str]:
    lines = textwrap.wrap(
        text, style.width, initial_indent=head, subsequent_indent=" " * indent, break_long_words=False
    )
    return lines or [head.rstrip()]
