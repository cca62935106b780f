"""Read a YAML file as a typed struct; every mistake names file, line, key and what is allowed (exit 78)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from opsctl.config import yamlcache
from opsctl.config.places import shown
from opsctl.errors import ConfigError

if TYPE_CHECKING:
    from opsctl.config.faults import Fault
    from opsctl.config.yamltext import Document

LIMIT = 2**20  # bytes; the largest profile has some 40 kB

T = TypeVar("T")


def read_struct(path: Path, type: type[T], *, what: str = "file", cached: bool = True) -> T:
    """The file as a ``type``. ``what`` names the kind of file in errors: ``runbook``, ``service profile``.

    Raises ConfigError (78): not there, a folder, not readable, too large, not text, not YAML, duplicate or unknown
    keys (with the nearest known one), wrong types, values that are not allowed.
    """
    text, info = None, None
    data: Any = yamlcache.MISSING
    if cached:
        info = stat_file(path, what)
        data = yamlcache.recall(path, info)
    if data is yamlcache.MISSING:
        text, info = read_text(path, what)
        document = parse_text(text, path)
        data = document.data
        if cached and info.st_mode & 0o004:  # what not everybody may read may hold secrets
            yamlcache.keep(path, info, data)
    try:
        return msgspec.convert(data, type)
    except msgspec.ValidationError as error:
        if text is None:  # from the cache: read again for the lines
            text, _ = read_text(path, what)
        raise wrong(parse_text(text, path), type, path, str(error)) from None


def load_yaml(path: Path, what: str = "file") -> tuple[Document, os.stat_result]:
    """The file as plain data with lines, never cached; and its stat of the moment it was read. Raises ConfigError."""
    text, info = read_text(path, what)
    return parse_text(text, path), info


def load_document(path: Path, what: str = "file") -> Document:
    """The file as plain data with lines, from the cache where it can be; for files without secrets.

    Raises ConfigError.
    """
    info = stat_file(path, what)
    kept = recall_document(path, info)
    if kept is not None:
        return kept
    document, info = load_yaml(path, what)
    if info.st_mode & 0o004:  # what not everybody may read may hold secrets
        keep_document(path, info, document)
    return document


def recall_document(path: Path, info: os.stat_result) -> Document | None:
    """A document from the cache; None for one that is not there, or does not look like one."""
    from opsctl.config.yamltext import Document

    kept = yamlcache.recall(path, info, "document")
    try:
        return Document(kept["data"], {tuple(keys): int(line) for keys, line in kept["lines"]})
    except (TypeError, KeyError, ValueError):
        return None


def keep_document(path: Path, info: os.stat_result, document: Document) -> None:
    """Put a document into the cache."""
    lines = [(list(keys), line) for keys, line in document.lines.items()]
    yamlcache.keep(path, info, {"data": document.data, "lines": lines}, "document")


def parse_text(text: str, path: Path) -> Document:
    """YAML text of a file as plain data with lines. Raises ConfigError."""
    from opsctl.config.yamltext import parse

    return parse(text, shown(path))


def read_text(path: Path, what: str = "file") -> tuple[str, os.stat_result]:
    """A text file of at most 1 MiB, and its stat. Raises ConfigError."""
    stat_file(path, what)  # before opening: a named pipe would wait for somebody to write to it
    try:
        with Path(path).open("rb") as file:
            info = os.fstat(file.fileno())
            body = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, what) from None
    if len(body) > LIMIT:
        raise ConfigError(f"this {what} is larger than {LIMIT // 2**20} MiB", place=shown(path))
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"this {what} is not UTF-8 text", place=f"{shown(path)}:{line}") from None
    return text, info


def check(document: Document, type: type[Any]) -> list[Fault]:
    """Every fault of a document against a type, in the order of the lines; none when it can be read."""
    from opsctl.config.faults import faults

    return sorted(faults(document.data, type), key=lambda fault: document.line(fault.path))


def wrong(document: Document, type: type[Any], path: Path, otherwise: str) -> ConfigError:
    """The error for a document that is not a ``type``: its first fault, and how many more there are."""
    from opsctl.config.faults import dotted

    if document.data is None:
        return ConfigError("the file is empty", place=shown(path))
    found = check(document, type)
    if not found:
        return ConfigError(otherwise, place=shown(path))
    first = found[0]
    key = f"{dotted(first.path)}: " if first.path else ""
    more = f" ({len(found) - 1} more mistake{'s' if len(found) > 2 else ''} below)" if len(found) > 1 else ""
    place = f"{shown(path)}:{document.line(first.path)}"
    return ConfigError(f"{key}{first.says}{more}", place=place, remedy=first.remedy)


def unreadable(path: Path, error: Exception, what: str) -> ConfigError:
    """The error for a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return ConfigError(f"there is no such {what}", place=shown(path))
    if isinstance(error, PermissionError):
        return ConfigError(f"this {what} may not be read", place=shown(path), remedy="Check its owner and mode.")
    if isinstance(error, IsADirectoryError):
        return ConfigError(f"this is a folder, not a {what}", place=shown(path))
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(f"this {what} cannot be read: {reason}", place=shown(path))


def stat_file(path: Path, what: str) -> os.stat_result:
    """The stat of a regular file. Raises ConfigError for anything else."""
    try:
        info = os.stat(path)  # noqa: PTH116 - for str paths too
    except (OSError, ValueError) as error:
        raise unreadable(path, error, what) from None
    if stat.S_ISDIR(info.st_mode):
        raise ConfigError(f"this is a folder, not a {what}", place=shown(path))
    if not stat.S_ISREG(info.st_mode):
        raise ConfigError(f"this is a pipe or device, not a {what}", place=shown(path))
    return info
