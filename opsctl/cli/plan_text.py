"""Plans, steps and outcomes as people read them (experience.md, "Plan, apply, verify")."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from opsctl.durations import format_duration
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opsctl.actions.model import Check, Did, Excluded, Outcome, Plan, Step
    from opsctl.report.style import Style

SHOWN = 40  # targets, and as many that are left out; the plan file holds all
MANY = 4  # targets that are left out for the same reason: named together
CALLS = 3  # calls shown per target
HASH = 8  # characters of a plan's hash that a person copies
_WORDS = {"acted": "done", "unchanged": "so already", "skipped": "skip", "failed": "FAILED", "unknown": "NOT KNOWN"}
_LOOKS = {"acted": "green", "unchanged": "green", "skipped": "yellow", "failed": "red", "unknown": "red"}
_OUTCOME = {
    "fixed": ("FIXED", "green"),
    "verified": ("DONE", "green"),
    "undone": ("UNDONE", "green"),
    "improved": ("IMPROVED", "yellow"),
    "no-effect": ("NO EFFECT", "yellow"),
    "not-verified": ("NOT VERIFIED", "yellow"),
    "nothing-done": ("NOTHING DONE", "yellow"),
    "worse": ("WORSE", "red"),
    "failed": ("FAILED", "red"),
    "unknown": ("NOT KNOWN", "red"),
    "stopped": ("STOPPED", "red"),
    "interrupted": ("INTERRUPTED", "red"),
}


def told(text: str) -> str:
    """Text that came from a server, on one line."""
    return " ".join(redact(printable(text)).split())


def short_action(plan: Plan) -> str:
    """``terminate-idle``: the action as its command names it."""
    return plan.action.partition(".")[2] or plan.action


def plan_lines(plan: Plan, style: Style) -> list[str]:
    """The whole plan: what would be done to what and why, what is left alone, its size, its end."""
    proposal = plan.proposal
    head = f"{style.paint('PLAN', 'bold')}  {short_action(plan)} on {told(proposal.subject)}"
    lines = [_spread(head, f"expires {plan.expires:%H:%M:%S} UTC", style)]
    if plan.cause:
        lines.append(f"      answers {told(plan.cause)} of {plan.runbook}")
    lines += _steps(proposal.steps, style)
    lines += _left_out(proposal.excluded, style)
    lines += ["", *_size(plan, style)]
    lines += _checks(proposal.checks, style)
    lines += _row("verify", _verify(plan), style)
    lines += _row("undo", told(proposal.undo) or f"none: {told(proposal.lost)}", style)
    if plan.guards:
        lines += _row("watched", f"{', '.join(plan.guards)}; a breach pauses, the second one stops", style)
    for note in proposal.notes:
        lines += _row("note", told(note), style)
    return lines


def _spread(left: str, right: str, style: Style) -> str:
    """Both on one line where they fit."""
    plain = len(left) - (len(style.paint("", "bold")) if style.colour else 0)
    gap = style.width - plain - len(right)
    return f"{left}{' ' * gap}{right}" if gap > 1 else f"{left}\n      {right}"


def _steps(steps: Sequence[Step], style: Style) -> list[str]:
    lines: list[str] = []
    width = min(34, max((len(step.target.id) for step in steps[:SHOWN]), default=0))
    for step in steps[:SHOWN]:
        says = told("; ".join(filter(None, (step.target.says, step.why))))
        lines += wrapped(f" {style.paint('do', 'bold', 'cyan')}     {told(step.target.id):<{width}}  ", says, 10, style)
        lines += [f"          {style.paint(told(call), 'dim')}" for call in step.calls[:CALLS]]
        if len(step.calls) > CALLS:
            lines.append(f"          and {len(step.calls) - CALLS} calls more")
        lines += [f"          {redact(printable(line))}" for line in step.shows]
    if len(steps) > SHOWN:
        lines.append(f"          and {len(steps) - SHOWN} more; -o json shows all")
    return lines


def _left_out(excluded: Sequence[Excluded], style: Style) -> list[str]:
    """Each with its reason; where many are left out for the same reason, it is told once."""
    lines: list[str] = []
    alike: dict[tuple[bool, str, str], list[Excluded]] = {}
    for one in sorted(excluded, key=lambda e: e.refused):
        alike.setdefault((one.refused, one.why, one.lift), []).append(one)
    alone = [group[0].id for group in alike.values() if len(group) < MANY]
    width = min(34, max(map(len, alone), default=0))
    for (refused, why, lift), group in list(alike.items())[:SHOWN]:
        word = style.paint("refuse" if refused else "skip", "yellow") + ("" if refused else "  ")
        tail = f"; lift with {lift}" if lift else ""
        if len(group) < MANY:
            for one in group:
                says = told(f"{one.says}; {one.why}" if one.says else one.why)
                lines += wrapped(f" {word} {told(one.id):<{width}}  ", says + tail, 10, style)
            continue
        lines += wrapped(f" {word} {len(group)} targets  ", told(why) + tail, 10, style)
        more = f", and {len(group) - SHOWN} more; -o json shows all" if len(group) > SHOWN else ""
        lines += wrapped(" " * 10, told(", ".join(one.id for one in group[:SHOWN])) + more, 10, style)
    if len(alike) > SHOWN:
        rest = sum(len(group) for group in list(alike.values())[SHOWN:])
        lines.append(f"          and {rest} more are left alone; -o json shows all")
    return lines


def _size(plan: Plan, style: Style) -> list[str]:
    proposal, limit = plan.proposal, plan.limit
    count = len(proposal.steps)
    share = f"{count / proposal.of:.0%}, " if proposal.of and count else ""
    bound = f"limit {limit.targets}" + (f" and {limit.share:.0%}" if limit.share < 1 else "")
    size = f"{count} of {proposal.of} {proposal.unit} ({share}{bound})"
    return [style.paint(size, "bold"), *_row("users see", told(proposal.impact), style)]


def _checks(checks: Iterable[Check], style: Style) -> list[str]:
    lines: list[str] = []
    for check in checks:
        word = "ok" if check.ok else style.paint("not known" if check.ok is None else "REFUSED", "bold", "red")
        lift = f"; lift with {check.lift}" if check.lift and not check.ok else ""
        lines += _row("check", f"{word}  {told(check.says)}{lift}", style)
    return lines


def _verify(plan: Plan) -> str:
    found = plan.verification.findings
    within = format_duration(plan.verification.deadline)
    return f"{', '.join(found)} ok within {within}" if found else f"its effect is looked for, up to {within}"


def _row(label: str, text: str, style: Style) -> list[str]:
    return wrapped(f" {label:<9} ", text, 11, style)


def wrapped(head: str, text: str, indent: int, style: Style) -> list[str]:
    """``head`` may hold colour codes, which take no room."""
    # Codes only make the first line wrap a little earlier.
    lines = textwrap.wrap(
        text, style.width, initial_indent=head, subsequent_indent=" " * indent, break_long_words=False
    )
    return lines or [head.rstrip()]


def step_line(step: Step, did: Did, style: Style) -> str:
    """``done  pid 4711  gone after 40 ms``."""
    word = style.paint(f"{_WORDS[did.state]:<10}", "bold", _LOOKS[did.state])
    return f" {word} {told(step.target.id)}  {told(did.says)}"


def outcome_line(outcome: Outcome, style: Style) -> str:
    """The last word: ``FIXED  free slots 0 -> 9``."""
    word, look = _OUTCOME[outcome.word]
    return f"{style.paint(word, 'bold', look)}  {told(outcome.says)}"
