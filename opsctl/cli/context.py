"""``opsctl context list|use|show``: where opsctl looks, and who said so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsctl.cli.app import NearestGroup
from opsctl.cli.options import Format, Output, root_of
from opsctl.cli.result import Result

if TYPE_CHECKING:
    from opsctl.config.contexts import Choice, Config
    from opsctl.config.values import ShownValue
    from opsctl.report.style import Style

app = typer.Typer(cls=NearestGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Name = Annotated[str, typer.Argument(metavar="CONTEXT", help="Its name, as in `opsctl context list`.")]
MaybeName = Annotated[str | None, typer.Argument(metavar="[CONTEXT]", help="Default: the one in use.")]


@app.callback()
def context() -> None:
    """Choose where opsctl looks, and ask where each value came from."""


@app.command("list")
def list_(ctx: typer.Context, output: Output = Format.text) -> Result:
    """All contexts of the configuration file in use; * marks the one in use."""
    from opsctl.config.contexts import Choice, candidates, choose
    from opsctl.config.places import shown
    from opsctl.errors import OpsctlError

    config = _load(ctx)
    notes: tuple[str, ...] = ()
    try:
        choice = choose(config, root_of(ctx).context, os.environ)
    except OpsctlError as error:  # the list is what one needs to put that right
        choice, notes = Choice("", ""), (error.sentence(),)
    rows = _rows(config, choice)
    path = shown(config.source.path) if config.source is not None else ""
    data = {"config": path, "current": choice.name, "current_source": choice.setting, "contexts": rows}
    if config.source is None:
        places = ", ".join(shown(p) for p in candidates(os.environ))
        text = "No configuration file" + ("." if config.setting else f" (looked for {places}).")
        return Result(data, f"{text} The environment's own names work without one.", output, notes=notes)
    if not rows:
        return Result(data, f"{path} holds no contexts.", output, notes=notes)

    def render(style: Style) -> str:
        width = max(len(row["name"]) for row in rows)
        lines = []
        for row in rows:
            mark = "*" if row["current"] else " "
            name = style.paint(f"{row['name']:<{width}}", "bold") if row["current"] else f"{row['name']:<{width}}"
            what = "; ".join(filter(None, (", ".join(row["endpoints"]), _services(row["services"]))))
            chosen = f"  (chosen by {choice.setting})" if row["current"] and choice.setting != row["source"] else ""
            lines.append(f"{mark} {name}  {row['source']}  {what}{chosen}".rstrip())
        return "\n".join(lines)

    return Result(data, render, output, notes=notes)


@app.command()
def use(ctx: typer.Context, name: Name, output: Output = Format.text) -> Result:
    """Make a context the current one: edits the one line `current-context` and nothing else of the file.

    A file that may not be written, or is not yours, is left alone; the choice is then kept in the state folder.
    """
    from opsctl.config.contexts import use as choose_for_good
    from opsctl.config.places import shown

    config = _load(ctx)
    written = choose_for_good(config, name, os.environ)
    notes: tuple[str, ...] = ()
    variable = os.environ.get("OPSCTL_CONTEXT", "")
    if variable and variable != name:
        notes = (f"OPSCTL_CONTEXT={variable} is set and wins as long as it is",)
    data = {"context": name, "written": shown(written)}
    return Result(data, f"Now using {name} (written to {shown(written)}).", output, notes=notes)


@app.command()
def show(
    ctx: typer.Context,
    name: MaybeName = None,
    sources: Annotated[
        bool, typer.Option("--sources", help="Say where each value came from, and what it hides.")
    ] = False,
    output: Output = Format.text,
) -> Result:
    """The effective values of a context: flag over environment over file. Secrets are shown as references only."""
    from opsctl.config.settings import load_settings
    from opsctl.config.values import values

    root = root_of(ctx)
    _load(ctx)
    settings = load_settings(root.config, name if name is not None else root.context, {}, os.environ)
    rows = values(settings, root.runbooks)
    data = {"context": settings.context, "values": rows, "notes": settings.notes()}
    text = "\n".join(_lines(rows, sources=sources))
    return Result(data, text, output, notes=settings.notes())


def _load(ctx: typer.Context) -> Config:
    from opsctl.completion.cache import refresh
    from opsctl.config.contexts import load_config

    config = load_config(root_of(ctx).config, os.environ)
    refresh("context", config.file.contexts)
    return config


def _rows(config: Config, choice: Choice) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, spec in config.file.contexts.items():
        rows.append(
            {
                "name": name,
                "current": name == choice.name,
                "source": config.source.place(("contexts", name)) if config.source is not None else "",
                "endpoints": [e for e in spec.__struct_fields__ if e not in ("services", "state") and getattr(spec, e)],
                "services": sorted(spec.services),
            }
        )
    return rows


def _services(names: list[str]) -> str:
    if not names:
        return ""
    return f"service {names[0]}" if len(names) == 1 else f"services {', '.join(names)}"


def _lines(rows: list[ShownValue], *, sources: bool) -> list[str]:
    """One line a value: key, value, and with ``sources`` who gave it and who lost."""
    if not rows:
        return ["Nothing is configured."]
    keys = max(len(row.key) for row in rows)
    wide = min(max(len(row.value) for row in rows), 48)
    lines = []
    for row in rows:
        line = f"{row.key:<{keys}}  {row.value}"
        if sources:
            hides = f", hides {', '.join(row.hides)}" if row.hides else ""
            unused = f", not used: {row.unused}" if row.unused else ""
            line = f"{row.key:<{keys}}  {row.value:<{wide}}  {row.source}{hides}{unused}"
        lines.append(line.rstrip())
    return lines
