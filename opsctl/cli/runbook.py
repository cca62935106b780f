"""``opsctl runbook list|show|lint``."""

from __future__ import annotations

from typing import Annotated

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, root_of
from opsctl.cli.result import Result

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def runbook() -> None:
    """List, show and check runbooks."""


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
    problems = lint_all(dirs, names or ())
    errors = sum(1 for p in problems if p.level == "error")
    checked = len(names or find(dirs))
    lines = [f"{p.level:<7} {p.place}: {p.says}" for p in problems]
    lines.append(f"{checked} runbooks checked, {errors} errors, {len(problems) - errors} warnings")
    data = {"checked": checked, "errors": errors, "problems": problems}
    return Result(data, "\n".join(lines), output, exit=78 if errors else 0)
