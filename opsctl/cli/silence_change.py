"""``opsctl silence extend|expire``: change silences that are there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opsctl.cli.silence_where import Where
    from opsctl.report.style import Style
    from opsctl.silences.book import Book, Known
    from opsctl.silences.change import Changed

_GOOD = ("extended", "expired", "unchanged")


def extend(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="ID|MATCHER... [+DURATION]", help="Which, and by how much from its present end: +2h."),
    ],
    until: given.Until = None,
    zone: given.ZoneName = None,
    yes: given.Yes = False,
    url: given.Url = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Let silences last longer under the same id. Never shorter.

    +2h counts from the present end; --until names the new one.

    Exit: 0 done on every member, 1 not everywhere or under another id, 2 one failed, 3 not known, 77 refused.
    """
    from opsctl.cli.silence_where import opened
    from opsctl.silences.book import named, read
    from opsctl.silences.change import extend as send
    from opsctl.silences.change import later_end

    words, plus = _length(names, until)
    with opened(ctx, url, timeout=timeout, policy=policy, zone=zone) as where:
        book = read(where.members, where.timeout)
        now = where.now + timedelta(seconds=book.skew)
        end = _moment(until, now, where)
        found = named(book, words)
        wanted = [(one, later_end(one, now=now, plus=plus, until=end, policy=where.policy)) for one in found]
        if len(wanted) > 1 and not _confirmed(where, found, "Extend", yes):
            return _nothing(output)
        return _told(where, send(where.members, wanted, where.timeout), output)


def expire(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ID|MATCHER]...", help="Which. Four characters of an id are enough.")
    ] = None,
    filters: given.Filters = None,
    mine: given.Mine = False,
    soon: Annotated[
        str | None, typer.Option("--expired-soon", metavar="DURATION", help="Those that end within so long anyway.")
    ] = None,
    yes: given.Yes = False,
    zone: given.ZoneName = None,
    url: given.Url = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """End silences now; shows them and asks unless ids are given.

    A failure does not stop the rest.

    Exit: 0 all ended on every member, 1 not everywhere, 2 one failed, 3 not known.
    """
    from opsctl.cli.silence_where import opened
    from opsctl.silences.book import read
    from opsctl.silences.change import expire as send

    if not (names or filters or mine or soon):
        raise UsageError("which silences are to end?", remedy="Give ids, --matcher, --mine or --expired-soon 1h.")
    with opened(ctx, url, timeout=timeout, zone=zone) as where:
        book = read(where.members, where.timeout)
        found, exact = _selected(book, where, names or [], filters or [], mine, soon)
        if not found:
            return Result(_data([]), "No silence in force is one of these; nothing was changed.", output)
        if not exact and not _confirmed(where, found, "End", yes):
            return _nothing(output)
        return _told(where, send(where.members, found, where.timeout), output)


def _length(names: Sequence[str], until: str | None) -> tuple[list[str], float | None]:
    """The names, and by how many seconds to extend. Raises UsageError."""
    from opsctl.durations import parse_duration

    lengths = [word for word in names if word.startswith("+")]
    words = [word for word in names if not word.startswith("+")]
    if not words:
        raise UsageError("which silence?", remedy="Give its id: opsctl silence extend ID +2h.")
    if len(lengths) + (until is not None) != 1:
        raise UsageError("by how much, or until when?", remedy="Give either +2h or --until 23:00.")
    seconds = parse_duration(lengths[0][1:]) if lengths else None
    if seconds is not None and seconds < 1:
        raise UsageError(f"{lengths[0]} is not longer than a second")
    return words, seconds


def _moment(until: str | None, now: datetime, where: Where) -> datetime | None:
    from opsctl.silences.window import moment

    return None if until is None else moment(until, now.replace(microsecond=0), where.zone, what="--until")


def _selected(
    book: Book, where: Where, names: Sequence[str], filters: Sequence[str], mine: bool, soon: str | None
) -> tuple[tuple[Known, ...], bool]:
    """The silences meant, and whether every one was named by its id."""
    from opsctl.cli.silence_where import author
    from opsctl.durations import parse_duration
    from opsctl.silences.book import chosen, is_id, named
    from opsctl.silences.matcher import parse_all

    if names and (filters or mine or soon):
        raise UsageError("ids or matchers as words, and a choice by option", remedy="Give one of them.")
    if names:
        return named(book, names), all(is_id(word) for word in names)
    before = None if soon is None else where.now + timedelta(seconds=book.skew + parse_duration(soon))
    found = chosen(book, filters=parse_all(filters), author=author() if mine else "", ending_before=before)
    return found, False


def _confirmed(where: Where, found: Sequence[Known], verb: str, yes: bool) -> bool:
    """Show what is meant, and ask. Raises UsageError where nobody can be asked."""
    from opsctl.cli.output import note
    from opsctl.cli.silence_text import count, heading, matchers, told
    from opsctl.cli.silence_where import ask
    from opsctl.silences.matcher import of_silence

    if not yes:
        for one in found:
            note(f"{one.short}  {matchers(of_silence(one.silence))}")
            by = f"{told(one.silence.created_by)}: {told(one.silence.comment)}"
            note(f"          {heading(one, where.zone, where.now)}; {by[:120]}")
    return ask(f"{verb} {count(len(found), 'silence')}?", yes)


def _nothing(output: str) -> Result:
    return Result(_data([]), "Nothing was changed.", output)


def _data(changes: Sequence[Changed]) -> dict[str, Any]:
    from opsctl.cli import silence_data

    return {"schema": silence_data.SCHEMA, "changes": [silence_data.of_change(one) for one in changes]}


def _told(where: Where, changes: Sequence[Changed], output: str) -> Result:
    outcomes = {one.outcome for one in changes}
    partly = "forked" in outcomes or any(one.not_seen_on for one in changes)
    code = 2 if "failed" in outcomes else 3 if "unknown" in outcomes else 1 if partly else 0
    return Result(_data(changes), _lines(where, changes), output, exit=code)


def _lines(where: Where, changes: Sequence[Changed]) -> Callable[[Style], str]:
    def render(style: Style) -> str:
        return "\n".join(line for one in changes for line in change_text(where, one, style))

    return render


def change_text(where: Where, one: Changed, style: Style) -> list[str]:
    """What came of one change: outcome, id, matchers, and what is not as it should be."""
    from opsctl.cli import silence_text as text
    from opsctl.silences.matcher import of_silence

    word = {"unknown": "not known", "forked": "made anew"}.get(one.outcome, one.outcome)
    looks = "green" if one.outcome in _GOOD else "yellow" if one.outcome in ("unknown", "forked") else "red"
    old = one.known.silence
    lines = [f"{style.paint(f'{word:<9}', 'bold', looks)} {one.known.id}"]
    lines.append(text.row("mutes", text.matchers(of_silence(old)), style))
    if one.outcome == "extended":
        was = text.moment(old.ends_at, where.zone, where.now)
        lines.append(text.row("until", f"{text.moment(one.end, where.zone, where.now)}; was {was}", style))
    if one.says:
        lines.append(text.row("note", text.told(one.says), style))
    if one.not_seen_on:
        lines.append(text.row("note", f"not yet so on {', '.join(one.not_seen_on)}", style))
    return lines
