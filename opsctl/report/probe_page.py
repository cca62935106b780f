"""A probe as a page: what it asks, what it takes, what it may find, which runbooks use it. Made from the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from opsctl.probes.registry import Probe
    from opsctl.runbooks.model import ProbeUse

_WORDS = {"str": "text", "float": "number", "int": "integer", "bool": "yes or no"}


def first_paragraph(doc: str | None) -> str:
    """The first paragraph of a docstring, on one line, without code quotes of reST."""
    return " ".join((doc or "").strip().split("\n\n")[0].split()).replace("``", "`")


def parameters(probe: Probe) -> list[tuple[str, str, str]]:
    """(name, type in words, default or "required") of each parameter."""
    rows = []
    for field in msgspec.structs.fields(probe.params):
        if field.required:
            default = "required"
        else:
            value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            default = "none" if value is None or value in ("", (), {}) else _shown(value)
        rows.append((field.encode_name, kind_of(field.type), default))
    return rows


def _shown(value: Any) -> str:
    return ", ".join(str(v) for v in value) if isinstance(value, tuple | list) else str(value)


def kind_of(type_: Any) -> str:
    """A parameter's type in words."""
    args = [a for a in getattr(type_, "__args__", ()) if a is not type(None)]
    origin = getattr(type_, "__origin__", None)
    if origin in (tuple, list):
        return "list of " + kind_of(args[0])
    if origin is dict:
        return "mapping"
    if origin is not None and str(origin) == "typing.Literal":
        return " or ".join(str(a) for a in args)
    if args:
        names = [kind_of(a) for a in args]
        if set(names) <= {"text", "number", "integer"} and "text" in names and len(names) > 1:
            return "quantity"  # 50ms, 5%, or a number of base units
        return " or ".join(dict.fromkeys(names))
    name = getattr(type_, "__name__", str(type_))
    return _WORDS.get(name, name)


def facts(probe: Probe) -> list[tuple[str, str]]:
    """What a person who answers for the server wants to know, in order; what is empty is left out."""
    rows = [
        ("Asks", probe.asks),
        ("Privilege", probe.privilege or "none of its own"),
        ("Cost on the server", probe.cost),
        ("Minimum version", probe.minimum),
    ]
    return [(name, text) for name, text in rows if text]


def as_markdown(probe: Probe, uses: Mapping[str, Iterable[ProbeUse]]) -> str:
    """The wiki page. ``uses``: runbook -> its uses of this probe."""
    lines = [f"# {probe.id}", "", first_paragraph(probe.run.__doc__), ""]
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {_cell(text)} |" for name, text in facts(probe)), ""]
    lines += ["It reads only; no probe can write.", "", "## Findings", ""]
    lines += [f"- `{id}`: {meaning}" for id, meaning in probe.emits.items()]
    if probe.local:
        lines.append("- the runbook's own id, given as `finding`")
    lines += ["", "## Parameters", ""]
    rows = parameters(probe)
    if rows:
        about = first_paragraph(probe.params.__doc__)
        lines += [about, ""] if about else []
        lines += ["| parameter | type | default |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | {_cell(kind)} | {_cell(default)} |" for name, kind, default in rows]
    else:
        lines.append("None.")
    lines += ["", "## Used by", ""]
    used = [f"- [{name}](../{name}.md)" for name, items in uses.items() if any(True for _ in items)]
    lines += used or ["No runbook of the built-in set."]
    return "\n".join(lines) + "\n"


def as_text(probe: Probe, uses: Mapping[str, Iterable[ProbeUse]], width: int = 80) -> str:
    """For a terminal."""
    import textwrap

    def block(text: str, indent: str = "  ", hang: str = "      ") -> str:
        return textwrap.fill(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=hang,
            break_long_words=False,
            break_on_hyphens=False,
        )

    parts = [probe.id, block(first_paragraph(probe.run.__doc__), hang="  ")]
    parts.append("\n".join(block(f"{name}: {text}") for name, text in facts(probe)))
    found = [block(f"{id}: {meaning}") for id, meaning in probe.emits.items()]
    if probe.local:
        found.append("  the runbook's own id, given as finding")
    parts.append("Findings\n" + "\n".join(found))
    rows = [block(f"{name} ({kind}), default {default}") for name, kind, default in parameters(probe)]
    if rows:
        parts.append("Parameters\n" + block(first_paragraph(probe.params.__doc__), hang="  ") + "\n" + "\n".join(rows))
    used = [name for name, items in uses.items() if any(True for _ in items)]
    parts.append(block("Used by: " + (", ".join(used) or "no runbook here")))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
