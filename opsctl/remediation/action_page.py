"""An action as a page: what it sends, what it needs, its limits, what undoes it. Made from the registry."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl.durations import format_duration
from opsctl.report.probe_page import kind_of

if TYPE_CHECKING:
    from opsctl.actions.registry import Action

_REACH = {1: "nobody notices", 3: "some requests take longer", 5: "some requests fail", 7: "a part is down briefly"}


def reach(action: Action) -> str:
    """``weight`` in words."""
    known = [text for weight, text in sorted(_REACH.items()) if weight <= action.weight]
    return "an outage while it lasts" if action.weight >= 9 else known[-1] if known else _REACH[1]


def parameters(action: Action) -> list[tuple[str, str, str, str]]:
    """(option, type in words, default or "required" or "none", help) of each parameter."""
    rows = []
    for field in msgspec.structs.fields(action.params):
        if field.required:
            default = "required"
        else:
            value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            default = _default(value)
        rows.append((f"--{field.name.replace('_', '-')}", kind_of(field.type), default, action.help[field.name]))
    return rows


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None or value in ("", (), {}) else str(value)


def facts(action: Action) -> list[tuple[str, str]]:
    """What a person who answers for the server wants to know, in order."""
    return [
        ("Sends", action.asks),
        ("Privilege", action.privilege),
        ("What users may see", reach(action)),
        ("Limit", _limit(action)),
        *([("Pace", _pace(action))] if action.limit.targets > 1 else []),
        ("Undo", "`opsctl ledger undo RUN`" if action.undo is not None else "none: what it did stays done"),
        ("Again on the same target", _again(action)),
        ("A plan is good for", format_duration(action.expires)),
    ]


def _limit(action: Action) -> str:
    targets, share = action.limit.targets, action.limit.share
    if targets == 1:
        return "one target"
    if share >= 1:
        return f"{targets} targets"
    return f"{targets} targets, and no more than {share:.0%} of those there are; one is always allowed"


def _pace(action: Action) -> str:
    batch, pause = action.pace.batch, action.pace.pause
    rest = f", {format_duration(pause)} in between" if pause else ""
    return f"one at a time{rest}" if batch == 1 else f"the first alone, then {batch} at a time{rest}"


def _again(action: Action) -> str:
    return f"after {format_duration(action.cooldown)}, or with --again" if action.cooldown else "at once"


def as_markdown(action: Action, uses: Mapping[str, Sequence[str]]) -> str:
    """The wiki page. ``uses``: runbook -> the names of its commands that use this action."""
    lines = [f"# {action.id}", "", _one(action.title), ""]
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {_cell(text)} |" for name, text in facts(action)), ""]
    lines += ["## Parameters", ""]
    rows = parameters(action)
    if rows:
        lines += ["| option | type | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [f"| `{o}` | {_cell(kind)} | {_cell(default)} | {_cell(help)} |" for o, kind, default, help in rows]
    else:
        lines.append("None.")
    lines += ["", "## Used by", ""]
    used = [f"- [{book}](../{book}.md): `opsctl remediate {book} {n}`" for book, names in uses.items() for n in names]
    return "\n".join([*lines, *(used or ["No runbook of the built-in set."])]) + "\n"


def as_text(action: Action, uses: Mapping[str, Sequence[str]], width: int = 80) -> str:
    """For a terminal."""

    def block(text: str) -> str:
        return textwrap.fill(
            text,
            width,
            initial_indent="  ",
            subsequent_indent="      ",
            break_long_words=False,
            break_on_hyphens=False,
        )

    parts = [action.id, block(_one(action.title))]
    parts.append("\n".join(block(f"{name}: {_one(text)}") for name, text in facts(action)))
    rows = [
        block(f"{_option(o, kind, default)}: {_repeats(kind, help)}") for o, kind, default, help in parameters(action)
    ]
    if rows:
        parts.append("Parameters\n" + "\n".join(rows))
    used = [f"opsctl remediate {book} {name}" for book, names in uses.items() for name in names]
    parts.append("Used by\n" + ("\n".join(f"  {one}" for one in used) or "  no runbook here"))
    return "\n\n".join(parts) + "\n"


def _option(option: str, kind: str, default: str) -> str:
    """An option as it is typed, with what a reader must know before its help: ``--older-than text, default 10m``."""
    typed = option if kind == "yes or no" else f"{option} {kind.removeprefix('list of ')}"
    return typed if default in ("none", "no") else f"{typed}, {'' if default == 'required' else 'default '}{default}"


def _repeats(kind: str, help: str) -> str:
    text = _one(help)
    return f"{text} May be repeated." if kind.startswith("list of ") and "repeated" not in text else text


def _one(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one(text).replace("|", "\\|")
