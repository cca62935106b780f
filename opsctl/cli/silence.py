"""``opsctl silence``: mute alerts on purpose, for a while, and never more than was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli import silence_ack, silence_change, silence_import, silence_look, silence_schedule
from opsctl.cli import silence_options as given
from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output
from opsctl.cli.result import Result
from opsctl.cli.silence_guards import Guards
from opsctl.errors import Refused, Unavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opsctl.cli.silence_where import Where
    from opsctl.report.style import Style
    from opsctl.silences.create import Made, Wanted
    from opsctl.silences.firing import Firing
    from opsctl.silences.guard import Refusal

_NOT_MADE = "Nothing was changed. To make it: the same command without --preview."

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def silence() -> None:
    """Mute alerts for a while: guarded, once, and shown before and after."""


@app.command()
def create(
    ctx: typer.Context,
    words: given.Matchers = None,
    for_: given.For = None,
    until: given.Until = None,
    start: given.Start = None,
    zone: given.ZoneName = None,
    comment: given.Comment = "",
    ticket: given.Ticket = "",
    author: given.Author = None,
    service: given.ServiceName = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show what it reaches first, then ask.")] = False,
    allow: given.Allow = None,
    allow_count: given.AllowCount = None,
    yes: given.Yes = False,
    url: given.Url = None,
    prometheus_url: given.PrometheusUrl = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Make a silence, unless the same one is there already.

    Guards refuse what would mute too much, and say what lifts them.

    Exit: 0 in force on every member, 1 not everywhere or shorter than asked, 2 not taken, 3 not known, 77 refused.
    """
    from opsctl.cli.silence_where import opened

    with opened(
        ctx, url, timeout=timeout, policy=policy, zone=zone, service=service, prometheus=prometheus_url
    ) as where:
        wanted = _wanted(where, words or [], for_, until, start, comment, ticket, author, allow or [])
        guards = Guards(where, wanted, allow or [], allow_count)
        shown: tuple[str, ...] = ()
        if preview:
            data, lines = _previewed(where, wanted)
            if against := guards.against():
                return _would_be_refused(data, lines, against, output)
            asked = not yes and _asks(output)
            if asked and not _answered(lines):
                return Result({**data, "created": None}, "Nothing was changed.", output)
            if not asked and not yes:
                return Result({**data, "created": None}, "\n".join([*lines, "", _NOT_MADE]), output)
            shown = tuple(lines) if yes else ()
        return _created(where, wanted, guards, shown, output)


@app.command("preview")
def preview_(
    ctx: typer.Context,
    words: given.Matchers = None,
    for_: given.For = "1h",
    until: given.Until = None,
    start: given.Start = None,
    zone: given.ZoneName = None,
    service: given.ServiceName = None,
    allow: given.Allow = None,
    allow_count: given.AllowCount = None,
    url: given.Url = None,
    prometheus_url: given.PrometheusUrl = None,
    policy: given.PolicyFile = None,
    timeout: given.Timeout = "10s",
    output: Output = Format.text,
) -> Result:
    """Show what a silence would reach. Changes nothing.

    Alerts that fire now, rules that could, firings of the last 7 days, what stays audible.

    Exit: 0 it would be taken, 77 a guard would refuse it.
    """
    from opsctl.cli.silence_where import opened

    length = None if until and for_ == "1h" else for_
    with opened(
        ctx, url, timeout=timeout, policy=policy, zone=zone, service=service, prometheus=prometheus_url
    ) as where:
        wanted = _wanted(where, words or [], length, until, start, "preview", "preview", None, allow or [])
        data, lines = _previewed(where, wanted)
        against = [one for one in Guards(where, wanted, allow or [], allow_count).against() if one.rule[:6] != "ticket"]
        if against:
            return _would_be_refused(data, lines, against, output)
        return Result(data, "\n".join(lines), output)


app.command("list")(silence_look.list_)
app.command()(silence_look.show)
app.command()(silence_change.extend)
app.command()(silence_change.expire)
app.command()(silence_ack.ack)
app.command()(silence_ack.renew)
app.command("export")(silence_look.export)
app.add_typer(silence_schedule.app, name="schedule")
app.command("import")(silence_import.import_)


def _wanted(
    where: Where,
    words: Sequence[str],
    length: str | None,
    until: str | None,
    start: str | None,
    comment: str,
    ticket: str,
    author: str | None,
    allow: Sequence[str],
) -> Wanted:
    """The silence that the command line means. Raises UsageError."""
    from opsctl.cli.silence_where import author as who
    from opsctl.cli.silence_where import clean, labels_of, reasons
    from opsctl.silences.create import Wanted
    from opsctl.silences.matcher import Matcher, parse_all
    from opsctl.silences.window import window

    if not words and where.profile is None:
        raise UsageError(
            "what is to be silenced?", remedy="Give matchers, e.g. service=orchestrator, or --service NAME."
        )
    own = tuple(Matcher(name=k, value=v) for k, v in labels_of(where.profile).items()) if where.profile else ()
    matchers = (*own, *(one for one in parse_all([clean(word, "a matcher") for word in words]) if one not in own))
    said = clean(comment, "--comment")
    if not said:
        raise UsageError("a silence needs a reason", remedy="Give it with --comment.")
    if admitted := reasons(allow):
        said += " [allows " + ", ".join(f"{name}: {reason}" for name, reason in admitted.items()) + "]"
    when = window(start=start, length=length, until=until, now=where.now.timestamp(), zone=where.zone)
    return Wanted(matchers, when, who(author), said, clean(ticket, "--ticket"), until=until is not None)


def _previewed(where: Where, wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    from opsctl.cli import silence_data, silence_text
    from opsctl.clients.prometheus import PrometheusReader
    from opsctl.silences.preview import gather

    prometheus = None if where.prometheus is None else PrometheusReader(where.prometheus)
    seen, failed = gather(wanted.matchers, where.members, prometheus, where.timeout)
    if prometheus is not None:
        prometheus.close()
    start, end = wanted.window.start, wanted.window.end
    lines = silence_text.preview(seen, wanted.matchers, start, end, where.zone, where.now, wanted.author)
    lines += [f"did not answer      {one.address}: {one.error.says}" for one in failed]
    data = {
        "schema": silence_data.SCHEMA,
        "matchers": list(wanted.matchers),
        "starts_at": silence_data.time(start),
        "ends_at": silence_data.time(end),
        **silence_data.of_preview(seen),
        "did_not_answer": silence_data.of_failed(failed),
    }
    return data, lines


def _would_be_refused(data: dict[str, Any], lines: list[str], against: Sequence[Refusal], output: str) -> Result:
    from opsctl.cli.silence_text import told

    says = [f"refused: {told(one.says)}" for one in against]
    return Result(
        {**data, "refused": [one._asdict() for one in against]}, "\n".join([*lines, *says]), output, exit=Refused.code
    )


def _asks(output: str) -> bool:
    """Whether there is a terminal where somebody can answer."""
    import sys

    return output == "text" and sys.stdin.isatty() and sys.stderr.isatty()


def _answered(lines: Sequence[str]) -> bool:
    """Show the preview and ask."""
    from opsctl.cli.output import note

    for line in lines:
        note(line)
    return typer.confirm("Make this silence?", default=False, err=True)


def _created(where: Where, wanted: Wanted, guards: Guards, shown: Sequence[str], output: str) -> Result:
    from opsctl.cli import silence_data
    from opsctl.silences.create import comment_of, create

    try:
        made = create(where.members, wanted, where.timeout, check=guards.check)
    except Unavailable:
        guards.check_form()  # what is refused anyway is told even when nobody can be asked
        raise
    data = {
        "schema": silence_data.SCHEMA,
        **silence_data.of_made(made, wanted.matchers, wanted.author, comment_of(wanted)),
        "mutes": None if guards.firing is None else len(guards.firing.hits(wanted.matchers)),
        "firing": len(guards.firing.alerts) if guards.firing is not None and guards.firing.complete else None,
    }
    return Result(data, _made_text(where, wanted, made, guards.firing, shown), output, exit=_exit(made, wanted))


def _short_by(made: Made, wanted: Wanted) -> float:
    """Seconds by which a silence that was there ends before the wanted one would."""
    if made.outcome != "found":
        return 0.0
    if wanted.until:
        return (wanted.window.end - made.end).total_seconds()
    return wanted.window.seconds - (made.end - made.start).total_seconds()


def _exit(made: Made, wanted: Wanted) -> int:
    if made.outcome == "unknown":
        return 3
    return 1 if made.not_seen_on or made.says or _short_by(made, wanted) > 60 else 0


def _made_text(
    where: Where, wanted: Wanted, made: Made, firing: Firing | None, shown: Sequence[str]
) -> Callable[[Style], str]:
    def render(style: Style) -> str:
        from opsctl.cli.silence_made import as_text

        return "\n".join([*shown, *as_text(where, wanted, made, firing, _short_by(made, wanted), style)])

    return render
