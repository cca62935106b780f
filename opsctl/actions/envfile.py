"""Files of KEY=VALUE lines as services read them: change single values and leave every other byte as it is.

Text is handled as bytes in latin-1, so that any encoding, a byte order mark and CRLF survive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from opsctl.errors import CouldNotLook
from opsctl.redact import printable, redact

MOST = 2**20  # bytes of an env file
MASK = "[redacted]"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(
    r"(?P<head>[ \t]*(?:export[ \t]+)?)(?P<key>[A-Za-z_][A-Za-z0-9_.]*)(?P<sign>[ \t]*=[ \t]*)(?P<rest>.*)", re.S
)
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_SECRET = re.compile(
    r"(?i)pass(word|wd|phrase)?(_|$)|pwd|secret|(^|_)token(_|$)|credential|private|(^|_)salt|signing|webhook_url|(^|_)dsn"
    r"|(^|_)(api|access|admin|auth|encryption)?_?key(s)?(_|$)|(^|_)auth(_|$)|(database|redis|postgres|mongo|amqp|broker)_ur[il]"
)


class Entry(NamedTuple):
    """One definition: the lines ``first`` to ``last`` (from 0), its parts, the value without its quotes."""

    key: str
    value: str
    first: int
    last: int
    head: str
    sign: str
    quote: str  # "", ' or "
    tail: str  # what follows the value: blanks, a comment, the line's end


def is_secret(key: str, value: str = "") -> bool:
    """Whether a value may not be shown: by the key's name, or because the value itself looks like a secret."""
    return bool(_SECRET.search(key)) or redact(value) != value


def parse(text: str) -> list[Entry]:
    """Every definition, in order. Comments and lines that are none are left out."""
    lines = _lines(text)
    found: list[Entry] = []
    at = 0
    while at < len(lines):
        match = _LINE.fullmatch(lines[at])
        if match is None or lines[at].lstrip(" \t\xef\xbb\xbf").startswith("#"):
            at += 1
            continue
        first, rest = at, match["rest"]
        quote = rest[:1] if rest[:1] in ("'", '"') else ""
        if quote:
            end = _closing(rest, quote)
            while end < 0 and at + 1 < len(lines):
                at += 1
                rest += lines[at]
                end = _closing(rest, quote)
            if end < 0:  # never closed: what begins so is a plain value of its own line
                at, rest, quote = first, match["rest"], ""
        if quote:
            value, tail = rest[1:end], rest[end + 1 :]
            value = re.sub(r"\\(.)", r"\1", value) if quote == '"' else value
        else:
            value, tail = _plain(rest)
        head = match["head"]
        found.append(Entry(match["key"], value, first, at, head, match["sign"], quote, tail))
        at += 1
    return found


def value_of(text: str, key: str) -> str | None:
    """The value in force: of several definitions the last. None: not there."""
    return next((entry.value for entry in reversed(parse(text)) if entry.key == key), None)


def edited(text: str, changes: Mapping[str, str]) -> str:
    """The text with these values. A key that is there keeps its place, quotes and comment; another goes to the end."""
    for key, value in changes.items():
        if not NAME.fullmatch(key) or any(sign in value for sign in "\r\n\0"):
            raise ValueError(f"{key} cannot be written on one line of an env file")
        entry = next((e for e in reversed(parse(text)) if e.key == key), None)
        lines = _lines(text)
        if entry is None:
            newline = "\r\n" if "\r\n" in text else "\n"
            if text and not text.endswith(("\n", "\r")):
                text += newline
            text += f"{key}={quoted(value, '')}{newline}"
        else:
            whole = f"{entry.head}{key}{entry.sign}{quoted(value, entry.quote)}{entry.tail}"
            text = "".join([*lines[: entry.first], whole, *lines[entry.last + 1 :]])
        if value_of(text, key) != value:
            raise ValueError(f"{key} cannot be written so that it reads back as it is")
    return text


def quoted(value: str, quote: str) -> str:
    """The value in its former quotes where they can hold it, else in some that can."""
    if not quote and value and _PLAIN.fullmatch(value):
        return value
    if not quote and not value:
        return ""
    if quote != '"' and "'" not in value:
        return f"'{value}'"
    if quote == '"' and not re.search(r"[\\$`\"]", value):
        return f'"{value}"'
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'([\\$`"])', r"\\\1", value) + '"'


def read(path: str | Path) -> bytes:
    """The file's bytes. Raises CouldNotLook when it cannot be read or is no such file."""
    place = Path(path)
    try:
        if not place.is_file():
            raise CouldNotLook("not-found", f"{place} is not a file", address=str(place))
        with place.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        reason = "forbidden" if isinstance(error, PermissionError) else "not-found"
        raise CouldNotLook(reason, f"{place} cannot be read: {error.strerror}", address=str(place)) from None  # type: ignore[arg-type]
    if len(data) > MOST:
        raise CouldNotLook("too-large", f"{place} is larger than 1 MiB", address=str(place))
    return data


def text_of(data: bytes) -> str:
    """Bytes as text that comes back as the same bytes."""
    return data.decode("latin-1")


def variables(path: str | Path) -> dict[str, str]:
    """The variables of a file, as a process would get them. Raises CouldNotLook."""
    values = {entry.key: entry.value for entry in parse(text_of(read(path)))}
    return {key: _utf8(value) for key, value in values.items() if "\0" not in value}


def displayed(key: str, value: str | None, *, secret: bool = False) -> str:
    """A value for people: never one that is, or looks like, a secret. ``value`` as parse gives it."""
    if value is None:
        return "not set"
    value = _utf8(value)
    if secret or is_secret(key, value):
        return MASK if value else '""'
    return f'"{printable(value)[:120]}"'


def _utf8(value: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value


def _lines(text: str) -> list[str]:
    """With their ends; only \\n ends a line, a \\r before it belongs to the end."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _closing(rest: str, quote: str) -> int:
    """Where the quote closes, -1 where it does not; in double quotes a backslash escapes."""
    at = 1
    while at < len(rest):
        if rest[at] == "\\" and quote == '"':
            at += 2
            continue
        if rest[at] == quote:
            return at
        at += 1
    return -1


def _plain(rest: str) -> tuple[str, str]:
    """A value without quotes, and what follows it: a comment begins with a blank and #."""
    end = re.search(r"[ \t]+#.*|[ \t]*\r?\n?$", rest, re.S)
    if rest.startswith("#"):
        return "", rest
    at = end.start() if end is not None else len(rest)
    return rest[:at], rest[at:]
