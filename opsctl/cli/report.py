"""``opsctl report list|show|diff``: reports that were saved."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Root, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.model import Report
    from opsctl.report.read import Kept
    from opsctl.report.store import Row
    from opsctl.report.style import Style

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

_WHICH = "A saved report's name, a file, or `last`."


class Shape(StrEnum):
    """Formats of a report."""

    text = "text"
    json = "json"
    markdown = "markdown"
    html = "html"


Which = Annotated[str, typer.Argument(metavar="REPORT", help=_WHICH)]
Shaped = Annotated[
    Shape, typer.Option("-o", "--output", help="text for people, json for machines, markdown for a ticket, html.")
]


@app.callback()
def report() -> None:
    """List, show and compare the reports that were saved."""


@app.command("list")
def list_(
    service: Annotated[str | None, typer.Option("-s", "--service", metavar="NAME", help="Only about it.")] = None,
    runbook: Annotated[str | None, typer.Option("--runbook", metavar="NAME", help="Only of it.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DURATION", help="Only the last, e.g. 2h or 7d; or a time.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="NUMBER", help="At most so many.")] = 20,
    output: Output = Format.text,
) -> Result:
    """The saved reports, newest first: time, verdict, what it says, and the name to show it by."""
    from opsctl.config.places import shown
    from opsctl.report.store import folder_of_reports, rows

    folder = folder_of_reports()
    begin = None if since is None else _begin(since)
    found: list[Row] = []
    more = False
    for row in rows(folder):
        if begin is not None and row.started_at is not None and row.started_at.timestamp() < begin:
            break  # they come newest first
        if (service and row.service != service) or (runbook and row.runbook != runbook):
            continue
        if len(found) == limit:
            more = True
            break
        found.append(row)
    place = shown(folder)
    wanted = any((service, runbook, since))
    none = f"No saved report in {place}{' fits' if wanted else ''}. `opsctl diagnose` saves one each time."

    def text(style: Style) -> str:
        if not found:
            return none
        lines = [line for row in found for line in _lines(row, style)]
        return "\n".join([*lines, *(["There are more; --limit shows them."] if more else [])])

    return Result({"folder": place, "reports": found, "more": more}, text, output)


@app.command()
def show(ctx: typer.Context, which: Which, output: Shaped = Shape.text) -> Result:
    """A saved report again, in any format."""
    from opsctl.report.read import read_report
    from opsctl.report.store import folder_of_reports

    kept = read_report(which, folder_of_reports())
    notes = (*kept.notes, *_runbook_of_today(kept.report, root_of(ctx)))
    return Result(kept.report, _renderer(kept, output), output.value, exit=0 if kept.whole else 65, notes=notes)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=_WHICH)],
    after: Annotated[str, typer.Argument(metavar="[AFTER]", help=f"{_WHICH} Default: last.")] = "last",
    output: Output = Format.text,
) -> Result:
    """What differs between two reports: verdict, number, causes, findings, and what changed in between."""
    from opsctl.report.diff import difference
    from opsctl.report.read import read_report
    from opsctl.report.store import folder_of_reports

    folder = folder_of_reports()
    one, two = read_report(before, folder), read_report(after, folder)
    notes = dict.fromkeys((*one.notes, *two.notes))
    if one.path == two.path:
        notes[f"{two.path.stem} is compared with itself"] = None
    found = difference(one.report, two.report, names=(one.path.stem, two.path.stem))

    def text(style: Style) -> str:
        from opsctl.report.diff_text import render

        return render(found, style)

    return Result(found, text, output, exit=0 if one.whole and two.whole else 65, notes=tuple(notes))


def _renderer(kept: Kept, output: Shape) -> Callable[[Style], str]:
    def text(style: Style) -> str:
        if output is Shape.markdown:
            from opsctl.report.as_markdown import render as markdown

            return markdown(kept.report)
        if output is Shape.html:
            from opsctl.report.as_html import render as html

            return html(kept.report)
        from opsctl.report.as_text import render

        return render(kept.report, style)

    return text


def _runbook_of_today(report: Report, root: Root) -> tuple[str, ...]:
    """Whether the runbook is still the one that judged, and how today's would be asked."""
    import hashlib

    from opsctl.runbooks.find import find

    path = find(root.dirs()).get(report.runbook)
    if path is None:
        return (f"the runbook {report.runbook} does not exist here any more: the report cannot be replayed",)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError:
        return ()
    if digest == report.runbook_digest:
        return ()
    return (
        f"{report.runbook} has changed since ({report.runbook_digest or 'not known'} then, {digest} now); "
        f"what it would say today: opsctl diagnose {report.runbook} --replay REPORT",
    )


def _begin(since: str) -> float:
    """The moment that ``--since`` means: so long ago, or a time. Raises UsageError."""
    import time

    from opsctl.durations import parse_duration, parse_time
    from opsctl.errors import UsageError

    now = time.time()
    try:
        return now - parse_duration(since)
    except UsageError:
        return parse_time(since, now)


def _lines(row: Row, style: Style) -> list[str]:
    """One report: its headline, and below it the name."""
    import textwrap

    if row.problem:
        return [f"cannot be read: {row.problem}", f"    {row.name}"]
    word = f"{(row.verdict or '').upper():<8}"
    says = row.says.removeprefix(f"{row.service}: ")
    rest = style.width - 8 - 6 - 1
    line = textwrap.shorten(f"{row.service} {row.runbook}: {says}", rest, placeholder=" ...")
    painted = style.verdict(row.verdict or "unknown") + word[len(row.verdict or "") :]
    return [f"{painted} {row.severity or '':<4} {line}", f"    {row.name}"]
