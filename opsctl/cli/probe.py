"""``opsctl probe list|show``."""

from __future__ import annotations

from typing import Annotated

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, Root, root_of
from opsctl.cli.result import Result

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def probe() -> None:
    """List and show probes: what each asks, finds, costs and needs."""


@app.command("list")
def list_(output: Output = Format.text) -> Result:
    """All probes with what they ask."""
    from opsctl.runbooks.index import probes

    rows = [{"probe": id, "asks": about["asks"], "findings": about["finds"]} for id, about in probes().items()]
    width = max(len(row["probe"]) for row in rows)
    return Result({"probes": rows}, "\n".join(f"{row['probe']:<{width}}  {row['asks']}" for row in rows), output)


@app.command()
def show(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="PROBE", help="Its id, as in `opsctl probe list`.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="The wiki page.")] = False,
    output: Output = Format.text,
) -> Result:
    """One probe: what it asks, what it may find, privilege, cost and minimum version."""
    from opsctl.nearest import unknown_name
    from opsctl.probes.registry import get
    from opsctl.report.probe_page import as_markdown, as_text, facts, first_paragraph, parameters
    from opsctl.report.style import Style
    from opsctl.runbooks.index import probes
    from opsctl.runbooks.pages import uses_of

    found = get(id)
    if found is None:
        raise unknown_name("probe", id, list(probes()))
    root: Root = root_of(ctx)
    uses = uses_of(root.dirs(), id)
    data = {
        "probe": id,
        "says": first_paragraph(found.run.__doc__),
        **{name.lower().replace(" ", "_"): text for name, text in facts(found)},
        "findings": dict(found.emits),
        "parameters": [{"name": n, "type": t, "default": d} for n, t, d in parameters(found)],
        "used_by": list(uses),
    }
    if markdown:
        return Result(data, as_markdown(found, uses), output)

    def text(style: Style) -> str:
        return as_text(found, uses, style.width)

    return Result(data, text, output)
