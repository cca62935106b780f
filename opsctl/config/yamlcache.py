"""YAML already read, kept as msgpack: 100 runbooks load in milliseconds, and the YAML library is not even imported.

A file in the cache is only used when it is the user's own, nobody else can write it, and path, times, size and inode
of the source are the ones it was made from. Anything else about it is ignored, never an error. What may hold a secret
is not put here; callers see to that.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import zlib
from pathlib import Path
from typing import Any

import msgspec

from opsctl.config.places import cache_dir
from opsctl.errors import ConfigError

VERSION = 2  # of the rules in yamltext.py; a change there must change it
SETTLED = 2.0  # seconds a source must have been unchanged: two edits in one clock tick look the same
MISSING = object()


class _Entry(msgspec.Struct, array_like=True):
    version: int
    path: str
    stamp: tuple[int, int, int, int, int]
    data: Any


def recall(path: Path, source: os.stat_result, kind: str = "data") -> Any:
    """What was kept of a source, or MISSING. ``kind``: what of it, ``data`` or ``document``."""
    try:
        descriptor = os.open(_file(path, kind), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
                return MISSING
            entry = msgspec.msgpack.decode(file.read(), type=_Entry)
    except (OSError, ConfigError, msgspec.MsgspecError, ValueError, RecursionError):
        return MISSING
    if (entry.version, entry.path, entry.stamp) != (VERSION, _name(path), _stamp(source)):
        return MISSING
    return entry.data


def keep(path: Path, source: os.stat_result, data: Any, kind: str = "data") -> None:
    """Keep plain data made of a source. Failing is not an error: there is just no cache."""
    if time.time() - max(source.st_mtime, source.st_ctime) < SETTLED:
        return
    try:
        file = _file(path, kind)
    except ConfigError:
        return
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        body = msgspec.msgpack.encode(_Entry(VERSION, _name(path), _stamp(source), data))
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = file.parent.stat()
        if folder.st_uid != os.geteuid() or folder.st_mode & 0o022:
            return
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(body)
        draft.replace(file)
    except (OSError, OverflowError, ValueError, TypeError):
        with contextlib.suppress(OSError):
            draft.unlink()


def _stamp(source: os.stat_result) -> tuple[int, int, int, int, int]:
    return (source.st_mtime_ns, source.st_ctime_ns, source.st_size, source.st_ino, source.st_dev)


def _name(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() asks the disk for every part


def _file(path: Path, kind: str) -> Path:
    mark = zlib.crc32(_name(path).encode("utf-8", "surrogateescape"))
    return cache_dir() / "yaml" / f"{mark:08x}-{path.stem[:40]}.{kind}"
