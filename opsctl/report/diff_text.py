"""The difference of two reports as one would write it by hand: what was, what is, what happened in between."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime

from opsctl.durations import format_quantity
from opsctl.model import Change, VerdictWord
from opsctl.report.diff import CauseMove, Difference, Flip, Number, Side
from opsctl.report.style import Style
from opsctl.report.unseen import place

_MOST = 12  # findings told one by one
_ORDINAL = {1: "first", 2: "second", 3: "third"}


def render(found: Difference, style: Style) -> str:
    """For a terminal; ends with a newline."""
    parts = [
        _head(found, style),
        _section("What happened in between", _changes(found.changes), style),
        _section("Causes", _causes(found), style),
        _section("Findings", _findings(found), style),
        _section("Could not be looked at then, and can be now", found.seen_again, style),
        _section("Could be looked at then, and cannot be now", found.unseen, style),
        "\n".join(line for text in found.notes for line in _fill(f"Note  {text}", style, "", "      ")),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(found: Difference, style: Style) -> str:
    one, two = found.before, found.after
    words = _word(one, style), _word(two, style)
    verdict = f"{words[0]} -> {words[1]}" if words[0] != words[1] else f"still {words[1]}"
    if found.same:
        verdict = f"{words[1]}, nothing else differs"
    subject = two.service if one.service == two.service else f"{one.service}, then {two.service}"
    about = two.runbook if one.runbook == two.runbook else f"{one.runbook}, then {two.runbook}"
    lines = [f"{style.paint(f'{subject}, {about}', 'bold')}: {verdict}"]
    lines += _fill(_when(found), style, "  ", "  ")
    if found.number is not None:
        lines += _fill(_number(found.number, two.verdict), style, "  ", "    ")
    return "\n".join(lines)


def _word(side: Side, style: Style) -> str:
    return style.verdict(side.verdict) + (f" {side.severity}" if side.severity is not None else "")


def _when(found: Difference) -> str:
    one, two = found.before, found.after
    if one.at == two.at:
        return f"both of {_clock(one.at, full=True)}" + (", the second is a replay" if two.replayed else "")
    day = one.at.astimezone(UTC).date() == two.at.astimezone(UTC).date()
    order = "later" if found.seconds > 0 else "earlier"
    long = format_quantity(float(round(abs(found.seconds))), "s")
    return f"from {_clock(one.at, full=True)} to {_clock(two.at, full=not day)}, {long} {order}"


def _number(number: Number, word: VerdictWord) -> str:
    one = format_quantity(number.before, number.unit, beside=number.after) if number.before is not None else "not known"
    two = format_quantity(number.after, number.unit, beside=number.before) if number.after is not None else "not known"
    name = number.title or number.signal
    text = f"{name} {one} -> {two}" if one != two else f"{name} {one}"
    before, after = number.before_objective, number.after_objective
    bound = after if after is not None else before
    if before is not None and after is not None and before != after:
        text += f"; objective {format_quantity(before, number.unit)}, now {format_quantity(after, number.unit)}"
    elif bound is not None:
        text += f"; objective {format_quantity(bound, number.unit)}"
    if word in ("warning", "critical") and number.broken_since is not None:
        text += f", broken since {_clock(number.broken_since)}"
    return text


def _changes(changes: Iterable[Change]) -> list[str]:
    lines = []
    for change in changes:
        what = change.subject
        if change.system not in ("kubernetes", "service"):
            what = f"{change.system} {place(change.subject)}"
        lines.append(f"{_clock(change.at)}  {what}: {change.says}")
    return lines


def _causes(found: Difference) -> list[str]:
    """The causes that count: those that something speaks for in one of the two, the ones that went first."""
    told = [m for m in found.causes if m.before_rank or m.after_rank]
    told.sort(key=lambda m: (bool(m.after_rank), m.before_rank, m.after_rank))
    lines = [_cause(move, found.after.verdict) for move in told]
    blind = [m.cause for m in found.causes if m not in told and m.after == "not-measured"]
    clear = [m.cause for m in found.causes if m not in told and m.before == "not-measured" and m.after == "refuted"]
    if blind:
        lines.append(f"no longer measured: {', '.join(blind)}")
    if clear:
        lines.append(f"measured now, and refuted: {', '.join(clear)}")
    return lines


def _cause(move: CauseMove, word: VerdictWord) -> str:
    was = f"{move.before} ({_place(move.before_rank)})" if move.before_rank else _status(move.before)
    if not move.after_rank:
        gone = {"refuted": "refuted now", "not-measured": "can no longer be measured", None: "is no longer looked for"}
        text = f"{move.cause} is gone: it was {was}, {gone.get(move.after, 'not confirmed now')}"
    elif not move.before_rank:
        text = f"{move.cause} is new: {move.after} ({_place(move.after_rank)}), it was {was}"
    elif move.before != move.after and word == "ok":
        text = f"{move.cause}: no longer confirmed, since the objective is met; something still speaks for it"
    elif move.before != move.after:
        text = f"{move.cause}: {was} -> {move.after} ({_place(move.after_rank)})"
    else:
        text = f"{move.cause}: now {_place(move.after_rank)}, it was {_place(move.before_rank)}"
    return text


def _place(rank: int) -> str:
    return _ORDINAL.get(rank, f"number {rank}")


def _status(status: str | None) -> str:
    return {"refuted": "refuted", "not-measured": "not measured", None: "not looked for"}.get(status, str(status))


def _findings(found: Difference) -> list[str]:
    """What began to hold first, then what ended; what merely cannot be told now stands under its own heading."""
    order = {"breach": 0, "ok": 1, "unknown": 2, None: 3}
    told = [f for f in found.findings if not (f.after == "unknown" and f.before == "ok")]
    told = [f for f in told if not (f.before == "unknown" and f.after == "ok")]
    told.sort(key=lambda f: order[f.after])
    lines = [_finding(flip) for flip in told[:_MOST]]
    if len(told) > _MOST:
        lines.append(f"and {len(told) - _MOST} more (-o json)")
    return lines


def _finding(flip: Flip) -> str:
    now = flip.after_says.rstrip(".")
    then = flip.before_says.rstrip(".")
    if flip.after == "breach":
        return f"{flip.id} holds now: {now}" + (f" (then: {then})" if flip.before == "ok" and then else "")
    if flip.after == "ok":
        return f"{flip.id} no longer holds: {now}" + (f" (then: {then})" if then else "")
    if flip.after == "unknown":
        return f"{flip.id} cannot be told now: {now} (then: {then})"
    return f"{flip.id} is no longer looked for (then: {then})"


def _section(title: str, lines: Iterable[str], style: Style) -> str:
    body = [line for text in lines for line in _fill(text.rstrip("."), style, "    ", "      ")]
    return "\n".join([style.paint(title, "bold"), *body]) if body else ""


def _fill(text: str, style: Style, indent: str, hang: str) -> list[str]:
    return textwrap.wrap(
        text, style.width, initial_indent=indent, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
    )


def _clock(moment: datetime, *, full: bool = False) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if full else f"{moment.astimezone(UTC):%H:%M} UTC"
