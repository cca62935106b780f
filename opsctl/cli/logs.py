"""``opsctl logs errors|grep|tail``: a service's log, on this host or from its pods. Changes nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Service
from opsctl.cli.result import Result

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Name = Annotated[
    str | None, typer.Argument(metavar="LOG", help="Which log of the profile [default: app, or the only one]")
]
Since = Annotated[
    str, typer.Option("--since", metavar="DURATION|TIME", help="How far back to begin, e.g. 15m, or a time.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="The end, e.g. '20m ago'; default now.")]
Read = Annotated[
    str, typer.Option("--read", metavar="SIZE", help="Read at most so much of the window, the newest of it.")
]
Level = Annotated[str, typer.Option("--level", metavar="LEVEL", help="Only lines of this level or worse.")]


@app.callback()
def logs() -> None:
    """Errors by kind, lines that match, and the end of a service's log. Changes nothing."""


@app.command()
def errors(
    ctx: typer.Context,
    log: Name = None,
    service: Service = None,
    since: Since = "15m",
    until: Until = None,
    before: Annotated[
        str | None,
        typer.Option(
            "--before", metavar="DURATION", help="Compare with so long before the window [default: its length]."
        ),
    ] = None,
    level: Level = "error",
    number: Annotated[int, typer.Option("-n", "--number", metavar="N", min=1, help="Show so many kinds.")] = 20,
    read: Read = "32MiB",
    output: Output = Format.text,
) -> Result:
    """Kinds of error lines: those that are new first, then by frequency. With count, first sight and a sample."""
    from opsctl.cli.logs_count import errors_in, known_before, ranked
    from opsctl.cli.logs_open import Window, budget, could_be_read, opened, times
    from opsctl.cli.logs_text import errors_data, errors_text
    from opsctl.durations import format_duration, parse_duration

    _known_level(level)
    chosen, window, most = opened(ctx, service, log), times(since, until), budget(read)
    length = parse_duration(before) if before is not None else window.until - window.since
    lines = Window(chosen, window.since, window.until, most)
    with could_be_read(chosen):
        told = errors_in(lines, level)
        compared, words = 0, ""
        if told.kinds and length > 0:
            earlier = Window(chosen, window.since - length, window.since, most)
            known, compared = known_before(earlier, level)
            begin = earlier.start if earlier.start is not None and not earlier.complete else window.since - length
            words = format_duration(max(1, round(min(length, window.since - begin))))
        if compared:
            for kind in told.kinds:
                kind.new = kind.template not in known
    told.kinds = ranked(told.kinds)
    data = errors_data(chosen, lines, told, window, words if compared else "")
    return Result(data, errors_text(data, number), output, notes=lines.notes())


@app.command()
def grep(
    ctx: typer.Context,
    pattern: Annotated[
        str | None, typer.Argument(metavar="PATTERN", help="A regular expression (RE2), looked for in the whole line.")
    ] = None,
    log: Name = None,
    service: Service = None,
    since: Since = "1h",
    until: Until = None,
    level: Level = "",
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME=VALUE", help="Only lines with this field; != for all others. Repeats."),
    ] = None,
    ignore_case: Annotated[bool, typer.Option("-i", "--ignore-case", help="Upper and lower case alike.")] = False,
    context: Annotated[
        int, typer.Option("-C", "--context-lines", metavar="N", min=0, max=100, help="So many lines around each.")
    ] = 0,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="NAME", help="Count by this field and show no lines. Repeats: by both together."),
    ] = None,
    number: Annotated[
        int, typer.Option("-n", "--number", metavar="N", min=1, max=100_000, help="Show so many, the newest.")
    ] = 50,
    read: Read = "32MiB",
    output: Output = Format.text,
) -> Result:
    """Lines of a window that match, the newest, or counted by a field: --by client_host --by customer_id."""
    from opsctl.cli.logs_match import Matcher, counted, matching
    from opsctl.cli.logs_open import Window, budget, could_be_read, opened, times
    from opsctl.cli.logs_text import counted_data, counted_text, matches_data, matches_text

    if level:
        _known_level(level)
    wanted = Matcher(pattern or "", tuple(field or ()), level, ignore_case=ignore_case)
    chosen, window = opened(ctx, service, log), times(since, until)
    lines = Window(chosen, window.since, window.until, budget(read))
    with could_be_read(chosen):
        if by:
            frequent = counted(lines, wanted, by)
            data = counted_data(chosen, lines, frequent, window, number)
            return Result(data, counted_text(data), output, notes=lines.notes())
        found = matching(lines, wanted, number, context)
    data = matches_data(chosen, lines, found, window)
    return Result(data, matches_text(data, found), output, notes=lines.notes())


@app.command()
def tail(
    ctx: typer.Context,
    log: Name = None,
    service: Service = None,
    number: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=0, max=100_000, help="So many lines.")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is appended, through rotation, until Ctrl-C.")
    ] = False,
    level: Level = "",
    output: Output = Format.text,
) -> Result:
    """The last lines of a log, and what comes. As JSON, one object per line."""
    from opsctl.cli.logs_open import opened
    from opsctl.cli.logs_tail import tail as run

    if level:
        _known_level(level)
    run(opened(ctx, service, log), number, follow=follow, level=level, as_json=output == Format.json)
    return Result(None, "")


def _known_level(level: str) -> None:
    from opsctl.clients.logline import LEVELS
    from opsctl.nearest import unknown_name

    if level not in LEVELS:
        raise unknown_name("level", level, list(LEVELS))
