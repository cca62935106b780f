"""``opsctl action list|show``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, root_of
from opsctl.cli.result import Result

_COLUMN = 30  # a longer id has a line of its own, so that the titles have room

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def action() -> None:
    """List and show actions: what each sends, needs, may touch and undoes."""


@app.command("list")
def list_(output: Output = Format.text) -> Result:
    """All actions with what they do."""
    from opsctl.config.index import part

    found = part("actions") or about_actions()
    rows = [{"action": id, **about} for id, about in found.items()]
    return Result({"actions": rows}, lambda style: listed(found, style.width), output)


def listed(found: Mapping[str, Mapping[str, Any]], width: int) -> str:
    """A line per action, with a second one where its title or id is long; what nothing undoes says so."""
    import textwrap

    column = max((len(id) for id in found if len(id) <= _COLUMN), default=0) + 2
    lines = []
    for id, about in found.items():
        text = about["title"] + ("" if about["undo"] else " (no undo)")
        told = textwrap.wrap(text, max(30, width - column), break_on_hyphens=False)
        if len(id) > _COLUMN:
            lines.append(id)
        lines += [f"{'' if at or len(id) > _COLUMN else id:<{column}}{line}" for at, line in enumerate(told)]
    return "\n".join(lines)


def about_actions() -> dict[str, dict[str, Any]]:
    """Action id -> what the list says of it; loads every action."""
    from opsctl.actions.registry import all_actions

    return {
        id: {"title": each.title, "undo": each.undo is not None, "weight": each.weight}
        for id, each in all_actions().items()
    }


@app.command()
def show(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ACTION", help="Its id, as in `opsctl action list`.")],
    markdown: Annotated[bool, typer.Option("--markdown", help="The wiki page.")] = False,
    output: Output = Format.text,
) -> Result:
    """One action: what it sends, privilege, limits, pace, undo, and its parameters."""
    from opsctl.actions.registry import all_actions, get
    from opsctl.nearest import unknown_name
    from opsctl.remediation.action_page import as_markdown, as_text, facts, parameters
    from opsctl.report.style import Style

    found = get(id)
    if found is None:
        known = all_actions()
        named = [name for name in known if name.endswith(f".{id}")]  # as the runbooks' commands call it
        if len(named) != 1:
            raise unknown_name("action", id, list(known))
        found = known[named[0]]
    uses = uses_of(root_of(ctx).dirs()).get(found.id, {})
    data = {
        "action": found.id,
        "title": found.title,
        **{name.lower().replace(" ", "_"): text for name, text in facts(found)},
        "parameters": [{"option": o, "type": t, "default": d, "help": h} for o, t, d, h in parameters(found)],
        "used_by": uses,
    }
    if markdown:
        return Result(data, as_markdown(found, uses), output)

    def text(style: Style) -> str:
        return as_text(found, uses, style.width)

    return Result(data, text, output)


def uses_of(dirs: list[Path]) -> dict[str, dict[str, list[str]]]:
    """Action id -> runbook -> the names of its commands. A runbook that cannot be read uses none."""
    from opsctl.errors import ConfigError
    from opsctl.report.page import mitigation_name
    from opsctl.runbooks.find import find
    from opsctl.runbooks.load import load_file

    uses: dict[str, dict[str, list[str]]] = {}
    for name, path in find(dirs).items():
        try:
            book = load_file(path).runbook
        except ConfigError:
            continue
        for mitigation in book.mitigation:
            uses.setdefault(mitigation.action, {}).setdefault(name, []).append(mitigation_name(mitigation))
    return uses
