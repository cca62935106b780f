"""``opsctl silence ack|renew``: say that somebody is on it, until the alert is clear."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import silence_options as given
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result
from opsctl.cli.silence_guards import Guards
from opsctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opsctl.cli.silence_where import Where
    from opsctl.report.style import Style
    from opsctl.silences.ack import Ack
    from opsctl.silences.renew import Renewed

_NO_EFFECT = 1


def ack(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="ALERT|FINGERPRINT|MATCHER...", help="An alert's name or fingerprint, or matchers."),
    ],
    for_: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long each step lasts.")] = "1h",
    longest: Annotated[str, typer.Option("--max", metavar="DURATION", help="When it ends at last.")] = "12h",
    comment: Annotated[str, typer.Option("-c", "--comment", metavar="TEXT", help="What you do about it.")] = "on it",
    ticket: given.Ticket = "",
    author: given.Author = None,
    allow: given.Allow = None,
    allow_count: given.AllowCount = None,
    zone: given.ZoneName = None,
    url: given.Url = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Acknowledge a firing alert: a silence while it fires.

    It is short; `opsctl silence renew`, run from cron, keeps it while the alert fires.

    Exit: 0 in force, 1 nothing of it fires, 77 refused by a guard.
    """
    from opsctl.cli.silence_where import author as who
    from opsctl.cli.silence_where import clean, opened, reasons
    from opsctl.durations import parse_duration
    from opsctl.silences import ack as acks
    from opsctl.silences.book import read
    from opsctl.silences.create import Wanted, create
    from opsctl.silences.firing import firing
    from opsctl.silences.matcher import parse_all
    from opsctl.silences.window import Window

    each, most = parse_duration(for_), parse_duration(longest)
    if each < 60 or each > most:
        raise UsageError("--for is at least 1m and at most --max", remedy="E.g. --for 1h --max 12h.")
    words = [clean(word, "a matcher") for word in words]
    admitted = reasons(allow or [])
    with opened(ctx, url, timeout=timeout, policy=policy, zone=zone) as where:
        book = read(where.members, where.timeout)
        fires = firing(where.members, () if acks.is_fingerprint(words) else parse_all(words), where.timeout)
        matchers = acks.aim(words, fires.alerts)
        before = acks.there(book, matchers)
        if before is not None:
            return _there(where, before, output)
        if not fires.hits(matchers):
            return Result(_data([]), "No firing alert is meant; nothing was changed.", output, exit=_NO_EFFECT)
        now = where.now.replace(microsecond=0)
        marked = f"{clean(comment, '--comment')} {acks.mark(each, now + timedelta(seconds=book.skew + most))}"
        if admitted:
            marked += " [allows " + ", ".join(f"{name}: {reason}" for name, reason in admitted.items()) + "]"
        window = Window(now, now + timedelta(seconds=round(each)), True)
        wanted = Wanted(matchers, window, who(author), marked, clean(ticket, "--ticket"))
        guards = Guards(where, wanted, allow or [], allow_count, seconds=most)  # it may live as long as that
        guards.firing = fires
        guards.check()
        made = create(where.members, wanted, where.timeout)

        def render(style: Style) -> str:
            from opsctl.cli.silence_made import as_text

            lines = as_text(where, wanted, made, fires, 0.0, style, "acknowledged")
            return "\n".join([*lines, f"      {where.command('renew')}     from cron, keeps it while it fires"])

        from opsctl.cli import silence_data

        data = {"schema": silence_data.SCHEMA, **silence_data.of_made(made, matchers, wanted.author, marked)}
        code = 3 if made.outcome == "unknown" else 1 if made.not_seen_on else 0
        return Result(data, render, output, exit=code)


def renew(
    ctx: typer.Context,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing unless something failed.")] = False,
    url: given.Url = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Keep acks whose alert still fires, end the others. For cron.

    Never beyond their maximum age, and never under another id.

    Exit: 0 done, 1 not seen on every member, 2 one failed, 3 not known.
    """
    from opsctl.cli.silence_where import opened
    from opsctl.silences.book import read
    from opsctl.silences.renew import renew as keep

    with opened(ctx, url, timeout=timeout, policy=policy, zone="UTC") as where:
        book = read(where.members, where.timeout)
        now = where.now + timedelta(seconds=book.skew)
        done = keep(where.members, book, now, where.policy.longest, where.timeout)
        code = _code(done)
        text = "\n".join(_line(where, one) for one in done) or "No alert is acknowledged."
        notes = tuple(f"{one.address} did not answer: {one.error.says}" for one in book.failed)
        return Result(_data(done), "" if quiet and code == 0 else text, output, exit=code, notes=notes)


def _there(where: Where, before: Ack, output: str) -> Result:
    from opsctl.cli import silence_data
    from opsctl.cli.silence_text import following, heading, told

    known = before.known
    lines = [
        f"acknowledged already  {known.id}  by {told(known.silence.created_by)}",
        f"  {heading(known, where.zone, where.now)}",
        *following([where.command(f"expire {known.short}")]),
    ]
    data = {"schema": silence_data.SCHEMA, "outcome": "found", **silence_data.of_known(known, where.now, None)}
    return Result(data, "\n".join(lines), output)


def _code(done: Sequence[Renewed]) -> int:
    outcomes = {one.change.outcome for one in done if one.change is not None}
    if outcomes & {"failed", "forked"}:
        return 2
    if "unknown" in outcomes:
        return 3
    return 1 if any(one.change is not None and one.change.not_seen_on for one in done) else 0


def _data(done: Sequence[Renewed]) -> dict[str, Any]:
    from opsctl.cli import silence_data

    rows = [
        {
            "id": one.renewal.ack.known.id,
            "what": one.renewal.what,
            "says": one.renewal.says,
            "outcome": "" if one.change is None else one.change.outcome,
            "ends_at": silence_data.time(one.renewal.end or one.renewal.ack.known.silence.ends_at),
            "last": silence_data.time(one.renewal.ack.last),
        }
        for one in done
    ]
    return {"schema": silence_data.SCHEMA, "acks": rows}


def _line(where: Where, one: Renewed) -> str:
    from opsctl.cli.silence_text import matchers, moment, told
    from opsctl.silences.matcher import of_silence

    known = one.renewal.ack.known
    what = {"extend": "extended", "end": "ended", "leave": "left"}[one.renewal.what]
    if one.change is not None and one.change.outcome not in ("extended", "expired"):
        what = f"FAILED to {one.renewal.what} ({told(one.change.says)})"
    end = one.renewal.end or known.silence.ends_at
    until = "" if one.renewal.what == "end" else f", until {moment(end, where.zone, where.now)}"
    return f"{known.short}  {what}: {matchers(of_silence(known.silence))}: {one.renewal.says}{until}"
