"""YAML text to plain data, strictly, with the line of every key.

Stricter and plainer than a YAML library's own loader: values are read by YAML 1.2's core rules, so that ``on``, ``yes``
and ``2026-11-21`` stay text; duplicate keys, tags and merge keys are refused; aliases cannot blow up.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from opsctl.errors import ConfigError

DEPTH = 40  # levels of nesting
NODES = 100_000  # values after aliases are written out

Path = tuple[str | int, ...]

_NUMERIC = frozenset("0123456789+-.")
# Patterns are compiled when a file is read: most are in the cache.
_INT = r"[-+]?(?:0|[1-9][0-9]{0,299})"  # 0600 and 0170… stay text: nobody agrees on what they are
_BASED = r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}"
_FLOAT = r"[-+]?(?:(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+]?[0-9]+)?|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+)"
_INFINITE = float("inf")
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".inf": _INFINITE, ".Inf": _INFINITE, ".INF": _INFINITE,
    "+.inf": _INFINITE, "-.inf": -_INFINITE, "-.Inf": -_INFINITE,
    ".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan"),
}  # fmt: skip


class Document(NamedTuple):
    """Plain data (dict, list, str, int, float, bool, None) and the line (from 1) of every key and list item."""

    data: Any
    lines: dict[Path, int]

    def __repr__(self) -> str:
        return f"Document({len(self.lines)} keys)"  # the values may be secrets

    def line(self, path: Path) -> int:
        """The line of a path, or of its nearest known parent."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str, place: str) -> Document:
    """Read YAML text. Raises ConfigError with ``place:line``; never shows values, which may be secrets."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        return _Reader(loader, place, yaml).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ConfigError(*_syntax(text, line, error.problem or "it does not parse"), place=f"{place}:{line}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError("a control character is not allowed in YAML", place=f"{place}:{line}") from None
    finally:
        loader.dispose()


def _syntax(text: str, line: int, problem: str) -> tuple[str]:
    lines = text.splitlines()
    row = lines[line - 1] if 0 < line <= len(lines) else ""
    indent = row[: len(row) - len(row.lstrip())]
    if "\t" in indent:
        return ("not valid YAML: a tab indents this line, where YAML wants spaces",)
    if "mapping values are not allowed" in problem:
        problem = 'a second ": " on the line, or a wrong indent; put text that holds ": " in quotes'
    return (f"not valid YAML: {problem}",)


class _Reader:
    """Builds plain data from parser events; composing nodes and resolving tags would take twice the time."""

    def __init__(self, loader: Any, place: str, yaml: Any) -> None:
        self.next = loader.get_event
        self.place = place
        self.scalar, self.alias = yaml.ScalarEvent, yaml.AliasEvent
        self.mapping, self.sequence = yaml.MappingStartEvent, yaml.SequenceStartEvent
        self.mapping_end, self.sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
        self.stream_end = yaml.StreamEndEvent
        self.lines: dict[Path, int] = {}
        self.anchors: dict[str, tuple[Any, int]] = {}  # value and the number of values in it
        self.nodes = 0

    def document(self) -> Document:
        self.next()  # the stream starts
        event = self.next()
        if isinstance(event, self.stream_end):
            return Document(None, {})
        data = self.value(self.next(), (), 0)
        self.next()  # the document ends
        event = self.next()
        if not isinstance(event, self.stream_end):
            raise self.refuse(event, "a second document starts here, and only one is read", "Remove the --- line.")
        return Document(data, self.lines)

    def refuse(self, event: Any, says: str, remedy: str = "") -> ConfigError:
        return ConfigError(says, place=f"{self.place}:{event.start_mark.line + 1}", remedy=remedy)

    def value(self, event: Any, path: Path, depth: int) -> Any:
        kind = type(event)
        if kind is self.alias:
            if event.anchor not in self.anchors:
                raise self.refuse(event, "an alias (*) names an anchor (&) that is not defined before it")
            data, count = self.anchors[event.anchor]
            self.count(event, count)
            return data
        if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:str"):
            raise self.refuse(event, "YAML tags (!) are not read here", "Write the plain value.")
        before = self.nodes
        self.count(event, 1)
        if kind is self.scalar:
            data = self.plain(event)
        elif depth >= DEPTH:
            raise self.refuse(event, f"nested more than {DEPTH} levels deep")
        elif kind is self.mapping:
            data = self.members(path, depth)
        else:
            data = self.items(path, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (data, self.nodes - before)
        return data

    def count(self, event: Any, more: int) -> None:
        self.nodes += more
        if self.nodes > NODES:
            raise self.refuse(event, f"more than {NODES} values once aliases (*) are written out")

    def members(self, path: Path, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        event = self.next()
        while type(event) is not self.mapping_end:
            if type(event) is not self.scalar:
                raise self.refuse(event, "a key must be plain text")
            key = event.value
            where = (*path, key)
            if key in data:
                first = self.lines[where]
                raise self.refuse(event, f"the key {_name(key)} is given twice, first in line {first}", "Keep one.")
            if key == "<<" and event.implicit[0]:
                raise self.refuse(event, "merge keys (<<) are not read here", "Write the keys out.")
            if not key:
                raise self.refuse(event, "a key is empty")
            self.lines[where] = event.start_mark.line + 1
            data[key] = self.value(self.next(), where, depth + 1)
            event = self.next()
        return data

    def items(self, path: Path, depth: int) -> list[Any]:
        data: list[Any] = []
        event = self.next()
        while type(event) is not self.sequence_end:
            where = (*path, len(data))
            self.lines[where] = event.start_mark.line + 1
            data.append(self.value(event, where, depth + 1))
            event = self.next()
        return data

    def plain(self, event: Any) -> Any:
        text: str = event.value
        if not event.implicit[0] or event.tag is not None:
            return text  # quoted, a block, or marked as text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMERIC:
            return text
        if re.fullmatch(_INT, text):
            return int(text)
        if re.fullmatch(_BASED, text):
            return int(text, 0)
        if re.fullmatch(_FLOAT, text) and (number := float(text)) not in (_INFINITE, -_INFINITE):
            return number
        return text


def _name(key: str) -> str:
    from opsctl.nearest import quoted

    return quoted(key)
