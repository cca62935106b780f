"""A configuration file that was read: its types, its lines, and the rule on literal secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from opsctl.config.addresses import holds_password
from opsctl.config.faults import Path as Keys
from opsctl.config.faults import dotted
from opsctl.config.model import SECRETS
from opsctl.config.places import expanded, shown
from opsctl.config.yamlfile import keep_document, load_yaml, recall_document, stat_file, wrong
from opsctl.config.yamltext import Document
from opsctl.errors import ConfigError

T = TypeVar("T")

_SECRET_PARAMETER = re.compile(r"(?i)password|secret|token|assertion|api_?key")


class SourceFile(NamedTuple):
    """A file and the lines of its keys."""

    path: Path
    document: Document

    def place(self, keys: Keys) -> str:
        """``opsctl.yaml:12`` for a key path."""
        return f"{shown(self.path)}:{self.document.line(keys)}"

    def beside(self, name: str) -> str:
        """A path named in this file: relative to its folder, ``~`` is the user's home."""
        return str(self.path.absolute().parent / expanded(name))


def read_source(path: Path, type: type[T], what: str) -> tuple[SourceFile, T]:
    """Read a configuration file as ``type``. An empty file is one that sets nothing. One without secrets is cached.

    Raises ConfigError: whatever ``yamlfile`` refuses, and a literal secret in a file that others can read.
    """
    info = stat_file(path, what)
    document = recall_document(path, info)
    fresh = document is None
    if document is None:
        document, info = load_yaml(path, what)
    source = SourceFile(path, document)
    data = {} if document.data is None else document.data
    try:
        parsed = msgspec.convert(data, type)
    except msgspec.ValidationError as error:
        raise wrong(document, type, path, str(error)) from None
    secrets = next(literal_secrets(data), None)
    if secrets is not None and info.st_mode & 0o077:
        raise _exposed(source, secrets, info)
    if fresh and secrets is None:
        keep_document(path, info, document)
    return source, parsed


def literal_secrets(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """The key paths at which the data holds a secret itself instead of a reference to one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from literal_secrets(inner, (*keys, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from literal_secrets(inner, (*keys, index))
    elif isinstance(value, str) and value and (is_secret(keys) or holds_password(value)):
        yield keys


def is_secret(keys: Keys) -> bool:
    """Whether the key path is one that holds a secret, whatever its value looks like."""
    names = [key for key in keys if isinstance(key, str)]
    parent = names[-2] if len(names) > 1 else ""
    if parent == "endpoint_params":
        return bool(_SECRET_PARAMETER.search(names[-1]))
    if parent in ("endpoints", "labels", "severities", "services", "contexts", "logs", "baselines", "capacity"):
        return False  # a name that somebody chose
    return bool(names) and names[-1] in (*SECRETS, "secrets")


def _exposed(source: SourceFile, keys: Keys, info: os.stat_result) -> ConfigError:
    key = keys[-1]
    chmod = f"Run chmod 600 {shown(source.path)}"
    remedy = f"{chmod}, or keep it elsewhere: password_file, password_env, password_command, or url_env."
    if key in SECRETS:
        remedy = f"{chmod}, or keep it elsewhere: {key}_file, {key}_env or {key}_command."
    elif len(keys) > 1 and keys[-2] == "secrets":
        remedy = f"{chmod}, or keep it elsewhere: files."
    return ConfigError(
        f"{dotted(keys)} holds a secret, and others can read this file (mode {info.st_mode & 0o777:03o})",
        place=source.place(keys),
        remedy=remedy,
    )
