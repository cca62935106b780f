"""``opsctl silence list|show|export``: what is muted, by whom, until when. Changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result
from opsctl.errors import CannotWrite, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsctl.cli.silence_where import Where
    from opsctl.clients.alertmanager import Alert
    from opsctl.report.style import Style
    from opsctl.silences.book import Book, Known

UNSEEN = 3  # exit code when something could not be looked at


class _Fires(NamedTuple):
    """``alerts`` None: not known, and why."""

    alerts: list[Alert] | None
    says: tuple[str, ...] = ()

    def hits(self, known: Known) -> list[Alert] | None:
        """The firing alerts that a silence selects; None when they are not known."""
        from opsctl.silences.matcher import matches_all, of_silence

        if self.alerts is None:
            return None
        try:
            wanted = of_silence(known.silence)
            return [alert for alert in self.alerts if matches_all(wanted, alert.labels)]
        except ValueError:  # an expression that RE2 does not take here: the server's own word
            return [alert for alert in self.alerts if known.id in alert.status.silenced_by]


def list_(
    ctx: typer.Context,
    states: given.States = "active,pending",
    filters: given.Filters = None,
    mine: given.Mine = False,
    ending_within: given.EndingWithin = None,
    zone: given.ZoneName = None,
    url: given.Url = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """List silences: what each mutes now, its end, who and why.

    The one that ends first comes first.

    Exit: 0, or 3 when a member or the firing alerts could not be asked.
    """
    from opsctl.cli import silence_data
    from opsctl.cli.silence_where import author, opened
    from opsctl.durations import parse_duration
    from opsctl.silences.book import chosen, read
    from opsctl.silences.matcher import parse_all

    wanted = states_of(states)
    selecting = parse_all(filters or [])
    within = None if ending_within is None else timedelta(seconds=parse_duration(ending_within))
    with opened(ctx, url, timeout=timeout, zone=zone) as where:
        book = read(where.members, where.timeout)
        now = where.now + timedelta(seconds=book.skew)
        found = chosen(
            book,
            states=wanted,
            filters=selecting,
            author=author() if mine else "",
            ending_before=None if within is None else now + within,
        )
        fires = _firing(where, found)
        data = {
            "schema": silence_data.SCHEMA,
            "silences": [silence_data.of_known(one, now, _number(fires.hits(one))) for one in found],
            "firing": None if fires.alerts is None else len(fires.alerts),
            "skew": book.skew,
            "did_not_answer": silence_data.of_failed(book.failed),
        }

        def render(style: Style) -> str:
            return "\n".join(_table(where._replace(now=now), found, fires, states, style))

        unseen = book.failed or fires.says
        return Result(data, render, output, exit=UNSEEN if unseen else 0, notes=_notes(book, fires))


def show(
    ctx: typer.Context,
    names: given.Names,
    zone: given.ZoneName = None,
    url: given.Url = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Show one or more silences in full, ended ones included.

    Exit: 0, or 3 when a member or the firing alerts could not be asked.
    """
    from opsctl.cli import silence_data
    from opsctl.cli.silence_where import opened
    from opsctl.silences.book import named, read

    with opened(ctx, url, timeout=timeout, zone=zone) as where:
        book = read(where.members, where.timeout)
        now = where.now + timedelta(seconds=book.skew)
        found = named(book, names)
        fires = _firing(where, found)
        data = {
            "schema": silence_data.SCHEMA,
            "silences": [silence_data.of_known(one, now, _number(fires.hits(one))) for one in found],
            "did_not_answer": silence_data.of_failed(book.failed),
        }

        def render(style: Style) -> str:
            return "\n\n".join("\n".join(page(where._replace(now=now), one, fires.hits(one), style)) for one in found)

        unseen = book.failed or fires.says
        return Result(data, render, output, exit=UNSEEN if unseen else 0, notes=_notes(book, fires))


def export(
    ctx: typer.Context,
    states: given.States = "active,pending",
    filters: given.Filters = None,
    mine: given.Mine = False,
    file: Annotated[str | None, typer.Option("--output-file", metavar="FILE", help="Default: standard output.")] = None,
    url: given.Url = None,
    timeout: given.Timeout = "10s",
) -> Result:
    """Print silences as JSON, for import here or by amtool."""
    from opsctl.cli.silence_where import author, opened
    from opsctl.silences.book import chosen, read
    from opsctl.silences.matcher import parse_all
    from opsctl.silences.transfer import encode

    if file == "":
        raise CannotWrite("--output-file names no file", remedy="Give a file, or leave it out.")
    wanted, selecting = states_of(states), parse_all(filters or [])
    with opened(ctx, url, timeout=timeout) as where:
        book = read(where.members, where.timeout)
        found = chosen(book, states=wanted, filters=selecting, author=author() if mine else "")
        notes = _notes(book, _Fires([]))
        return Result({}, encode(found).decode(), "text", notes=notes, file=file or "")


def states_of(text: str) -> tuple[str, ...]:
    """``active,pending`` as a tuple. Raises UsageError for a state there is not."""
    from opsctl.nearest import unknown_name
    from opsctl.silences.book import STATES

    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for one in found:
        if one not in STATES:
            raise unknown_name("state", one, STATES)
    if not found:
        raise UsageError("--state names no state", remedy=f"Give some of {', '.join(STATES)}.")
    return found


def page(where: Where, known: Known, hits: Sequence[Alert] | None, style: Style) -> list[str]:
    """One silence in full."""
    from opsctl.cli import silence_text as text
    from opsctl.silences.matcher import of_silence

    one = known.silence
    length = text.length(one.starts_at, one.ends_at)
    when, _, moment = text.heading(known, where.zone, where.now).partition(" ")

    def row(label: str, said: str) -> str:
        return text.row(label, said, style)

    state = style.paint(known.state, "bold", {"active": "green", "pending": "yellow"}.get(known.state, "dim"))
    lines = [
        f"{state}  {one.id}",
        row(when, moment),
    ]
    lines.append(row("mutes", text.matchers(of_silence(one))))
    if hits is not None and known.state != "expired":
        lines.append(row("now", text.muted_now(hits, None)))
    lines.append(row("from", f"{text.span(one.starts_at, one.ends_at, where.zone, where.now)}, {length}"))
    lines.append(row("by", text.told(one.created_by) or "(nobody is named)"))
    lines.append(row("comment", text.told(one.comment) or "(none)"))
    lines += [row(text.told(key)[:8], text.told(value)) for key, value in one.annotations.items()]
    if known.lacking:
        lines.append(row("note", f"not on {', '.join(known.lacking)}: alerts may still be sent from there"))
    return [*lines, *text.following(_next(where, known))]


def _next(where: Where, known: Known) -> list[str]:
    from opsctl.silences.change import again

    if known.state == "expired":
        return [where.command(again(known).removeprefix("opsctl silence "))]
    return [where.command(f"extend {known.short} +1h"), where.command(f"expire {known.short}")]


def _firing(where: Where, found: Sequence[Known]) -> _Fires:
    """All firing alerts, when there is a silence that they could be compared with."""
    from opsctl.silences.preview import merged

    if not any(one.state != "expired" for one in found):
        return _Fires([])
    given_, failed = where.members.ask(lambda one: one.alerts((), where.timeout))
    says = tuple(f"{one.address} did not tell what fires: {one.error.says}" for one in failed)
    return _Fires(merged(answer for _, answer in given_) if given_ else None, says)


def _number(hits: Sequence[Alert] | None) -> int | None:
    return None if hits is None else len(hits)


def _notes(book: Book, fires: _Fires) -> tuple[str, ...]:
    asked = tuple(f"{one.address} did not tell its silences: {one.error.says}" for one in book.failed)
    skew: tuple[str, ...] = ()
    if book.skew:
        from opsctl.durations import format_duration

        way = "ahead of" if book.skew > 0 else "behind"
        skew = (f"Alertmanager's clock is {format_duration(abs(book.skew))} {way} this one; times are the server's",)
    return (*asked, *fires.says, *skew)


def _table(where: Where, found: Sequence[Known], fires: _Fires, states: str, style: Style) -> list[str]:
    from opsctl.cli import silence_text as text
    from opsctl.silences.matcher import of_silence

    if not found:
        return [f"No silence is {' or '.join(states_of(states))}."]
    counts: dict[str, int] = {}
    for one in found:
        counts[one.state] = counts.get(one.state, 0) + 1
    total = "" if fires.alerts is None else f"; {text.count(len(fires.alerts), 'alert')} firing"
    lines = [", ".join(f"{number} {state}" for state, number in counts.items()) + total]
    for one in found:
        state = style.paint(f"{one.state:<9}", {"active": "green", "pending": "yellow"}.get(one.state, "dim"))
        lines.append(f"{one.short}  {state}{text.heading(one, where.zone, where.now)}")
        lines.append(text.row("", f"{text.matchers(of_silence(one.silence))}", style, indent=9, column=9))
        lines.append(text.row("", _effect(one, fires.hits(one)), style, indent=9, column=9))
        by = text.told(one.silence.created_by) or "nobody named"
        lines.append(text.row("", f"{by}: {text.told(one.silence.comment)}", style, indent=9, column=9))
        if one.lacking:
            lines.append(text.row("", f"not on {', '.join(one.lacking)}", style, indent=9, column=9))
    return lines


def _effect(known: Known, hits: Sequence[Alert] | None) -> str:
    from opsctl.cli import silence_text as text

    if known.state == "expired":
        return "mutes nothing any more"
    word = "mutes" if known.state == "active" else "would mute"
    if hits is None:
        return f"what it {word} is not known"
    if not hits:
        return f"{word} nothing that fires now"
    return f"{word} {text.count(len(hits), 'alert')}: {text.names(alert.labels.get('alertname', '') for alert in hits)}"
