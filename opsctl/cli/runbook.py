"""``opsctl runbook list|show|lint|test|run|new``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opsctl.cli import acting_options as given
from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Service, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.runbooks.lint import Problem

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def runbook() -> None:
    """List, show, check, test, run and start runbooks."""


@app.command("list")
def list_(ctx: typer.Context, output: Output = Format.text) -> Result:
    """All runbooks with their titles, the folder that wins for each name."""
    from opsctl.completion.cache import refresh
    from opsctl.runbooks.find import find
    from opsctl.runbooks.index import titles

    dirs = root_of(ctx).dirs()
    files = find(dirs)
    refresh("runbook", files)
    rows = [{"runbook": name, "title": title, "file": str(files[name])} for name, title in titles(dirs).items()]
    width = max((len(r["runbook"]) for r in rows), default=0)
    text = "\n".join(f"{r['runbook']:<{width}}  {r['title']}" for r in rows) or "No runbook found."
    return Result({"runbooks": rows}, text, output)


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUNBOOK", help="Its name, as in `opsctl runbook list`.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="The wiki page.")] = False,
    output: Output = Format.text,
) -> Result:
    """One runbook: meaning, impact, what it looks at, the causes it tells apart."""
    from opsctl.report.page import as_markdown, as_text
    from opsctl.report.style import Style
    from opsctl.runbooks.load import load

    loaded = load(name, root_of(ctx).dirs())
    if markdown:
        return Result(loaded.runbook, as_markdown(loaded.runbook), output)

    def text(style: Style) -> str:
        return as_text(loaded, style)

    return Result(loaded.runbook, text, output)


@app.command()
def lint(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[RUNBOOK]...", help="Default: all.")] = None,
    output: Output = Format.text,
) -> Result:
    """Check runbooks: unknown ids and parameters, causes that nothing can confirm, broken PromQL, dangling links."""
    from opsctl.runbooks.find import find
    from opsctl.runbooks.lint import lint_all

    dirs = root_of(ctx).dirs()
    problems = [*lint_all(dirs, names or ()), *_mitigations(dirs, names or ())]
    errors = sum(1 for p in problems if p.level == "error")
    checked = len(names or find(dirs))
    lines = [f"{p.level:<7} {p.place}: {p.says}" for p in problems]
    lines.append(f"{checked} runbooks checked, {errors} errors, {len(problems) - errors} warnings")
    data = {"checked": checked, "errors": errors, "problems": problems}
    return Result(data, "\n".join(lines), output, exit=78 if errors else 0)


def _mitigations(dirs: list[Path], names: Sequence[str]) -> list[Problem]:
    """What is wrong with the mitigations, of the runbooks that can be read at all.

    Those of the built-in set were checked when its index was made (generate.py).
    """
    from opsctl.config import index
    from opsctl.errors import ConfigError
    from opsctl.runbooks.find import find
    from opsctl.runbooks.load import load_file

    books = []
    for name, path in find(dirs).items():
        if (not names or name in names) and not index.checked("runbooks", path):
            try:
                books.append(load_file(path))
            except ConfigError:
                continue  # lint has told it
    if not any(book.runbook.mitigation for book in books):
        return []
    from opsctl.remediation.lint import lint_mitigation
    from opsctl.runbooks.lint import Problem
    from opsctl.services.find import list_profiles
    from opsctl.services.load import load_profile

    profiles = []
    for service in list_profiles(dirs):
        try:
            profiles.append(load_profile(service, dirs))
        except ConfigError:
            continue  # `opsctl service lint` tells it
    return [
        Problem(level="error", place=str(book.path), says=says)
        for book in books
        for says in lint_mitigation(book.runbook, profiles)
    ]


@app.command("test")
def check_cases(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[RUNBOOK]...", help="Default: all.")] = None,
    cases: Annotated[
        str | None, typer.Option("--cases", metavar="DIR", help="Where the cases lie, one folder per runbook.")
    ] = None,
    add: Annotated[
        str | None, typer.Option("--add", metavar="REPORT", help="Make a saved report (or `last`) into a case.")
    ] = None,
    first: Annotated[
        str, typer.Option("--first", metavar="CAUSE", help="With --add: the cause that must come first.")
    ] = "",
    never: Annotated[
        list[str] | None, typer.Option("--never", metavar="CAUSE", help="With --add: one that must not be confirmed.")
    ] = None,
    verdict: Annotated[
        str, typer.Option("--verdict", metavar="WORD", help="With --add: ok, warning, critical or unknown.")
    ] = "",
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="With --add: what happened.")] = "",
    output: Output = Format.text,
) -> Result:
    """Judge saved reports by today's runbooks: does each still name the cause that its case expects?

    Cases are YAML files with their report beside them, in `cases/RUNBOOK/` of the folder that holds the runbook.
    Exit 0: all went as expected; 2: one did not, or there is none.
    """
    from opsctl.cli.testing import Wanted, add_case, run_cases

    dirs = root_of(ctx).dirs()
    if add is not None:
        wanted = Wanted(add, first, tuple(never or ()), verdict, title, cases)
        return add_case(wanted, dirs, output.value)
    if first or never or verdict or title:
        from opsctl.errors import UsageError

        raise UsageError("--first, --never, --verdict and --title go with --add", remedy="Name the report: --add last.")
    return run_cases(names or (), cases, dirs, output.value)


@app.command()
def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUNBOOK", help="Its name, as in `opsctl runbook list`.")],
    service: Service = None,
    reason: given.Reason = "",
    ticket: given.Ticket = "",
) -> Result:
    """Go through a runbook on a terminal: diagnose, choose an action, agree to its plan, apply, verify, note.

    Each step shows the command that does the same by hand. Leave at any question; nothing is left half done.
    """
    from opsctl.cli.guided import run_guided
    from opsctl.runbooks.load import load

    root = root_of(ctx)
    return run_guided(root, load(name, root.dirs()), service, given.Consent(reason=reason, ticket=ticket))


@app.command()
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUNBOOK", help="a-z, 0-9 and -.")],
    origin: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="A runbook to copy, or an alert that it answers.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--dir", metavar="DIR", help="Where to write it; default ./runbooks or --runbooks.")
    ] = None,
    output: Output = Format.text,
) -> Result:
    """Start a runbook that passes the lint, with comments that say how to go on. Overwrites nothing."""
    import shlex

    from opsctl.config.places import shown
    from opsctl.runbooks.find import find
    from opsctl.runbooks.new import runbook_start, write_start

    root = root_of(ctx)
    dirs = root.dirs()
    text, notes = runbook_start(name, origin, dirs)
    hidden = find(dirs).get(name)
    chosen = folder or root.runbooks
    path = write_start(Path(chosen or "runbooks").expanduser(), name, text)
    if hidden is not None and hidden.resolve() != path.resolve():
        notes = (*notes, f"there is a runbook {name} already ({shown(hidden)}); the first folder that has it wins")
    start = f"opsctl --runbooks {shlex.quote(chosen)}" if chosen else "opsctl"
    following = [f"{start} runbook lint {name}", f"{start} diagnose {name} -s SERVICE"]
    lines = [f"Wrote {shown(path)}", "Next  " + following[0], *(f"      {line}" for line in following[1:])]
    return Result({"runbook": name, "file": str(path), "next": following}, "\n".join(lines), output, notes=notes)
