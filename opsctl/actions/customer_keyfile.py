"""The file that a new key's text goes into: made before the key is, readable by its owner alone, written at once."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

State = Literal["absent", "empty", "full", "foreign"]
_LONGEST = 4096


def state_of(path: Path) -> State:
    """``empty``: ours, and no key is in it yet; ``foreign``: not a plain file of this user that nobody else reads."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "foreign"
    if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
        return "foreign"
    return "full" if info.st_size else "empty"


def hindrance(path: Path) -> str:
    """Why a key cannot be put there, in one sentence; "" when it can."""
    state = state_of(path)
    if state == "full":
        return f"{path} is there already and is not written over"
    if state == "foreign":
        return f"{path} is no plain file of this user with mode 0600"
    if state == "absent" and not (path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)):
        return f"{path.parent} is no folder that can be written"
    return ""


def reserve(path: Path) -> None:
    """Make it, empty and durable: that it cannot be written is known before there is a key. Raises OSError."""
    if state_of(path) == "empty":
        return
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    _sync(path.parent)


def write(path: Path, key: str) -> None:
    """Put the key into the reserved file; durable when this returns. Raises OSError, and then it is empty again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            os.fchmod(descriptor, 0o600)
            data = key.encode() + b"\n"
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, 0)
            raise
    finally:
        os.close(descriptor)


def read(path: str) -> str:
    """A key from a file, or from stdin by /dev/stdin. Raises OSError, ValueError (never showing what it holds)."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - /dev/stdin, too
        text = file.read(_LONGEST + 1)
    key = text.strip()
    if not key or len(text) > _LONGEST or any(sign.isspace() for sign in key) or not key.isascii():
        raise ValueError(f"{path} does not hold one key")
    return key


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
