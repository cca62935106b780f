"""An action's parameters as options of a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

if TYPE_CHECKING:
    from opsctl.actions.registry import Action

_METAVAR = {str: "TEXT", int: "N", float: "NUMBER"}


def flag(name: str) -> str:
    """``older_than`` as ``--older-than``."""
    return "--" + name.replace("_", "-")


def add_flags(action: Action, add: Callable[[str, Any, Any], None]) -> None:
    """One option per parameter, all optional: the runbook may give what the user does not."""
    for field in msgspec.structs.fields(action.params):
        kind = _kind(field.type)
        help = " ".join(action.help[field.name].split())
        key = f"act_{field.name}"
        if kind is bool:
            turned_on = field.default is True
            names = flag(field.name) if not turned_on else "--no-" + field.name.replace("_", "-")
            add(key, Annotated[bool, typer.Option(names, help=help)], False)
        elif kind is tuple:
            repeated = "may be repeated" in help
            option = typer.Option(
                flag(field.name), metavar="TEXT", help=help if repeated else f"{help} May be repeated."
            )
            add(key, Annotated[list[str] | None, option], None)
        else:
            shown = "" if field.required or field.default in (None, "") else f" [default: {field.default}]"
            option = typer.Option(flag(field.name), metavar=_METAVAR[kind], help=help + shown)
            add(key, Annotated[kind | None, option], None)


def values_of(action: Action, told: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that were given, by name."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(action.params):
        value = told[f"act_{field.name}"]
        if value is None or value is False or value == []:
            continue
        values[field.name] = (field.default is not True) if value is True else value
    return values


def _kind(type_: Any) -> Any:
    """str, int, float, bool or tuple; ``X | None`` counts as X."""
    if type_ in (str, int, float, bool):
        return type_
    if getattr(type_, "__origin__", None) is tuple:
        return tuple
    inner = [_kind(part) for part in getattr(type_, "__args__", ()) if part is not type(None)]
    return inner[0] if inner else str
