"""Put new bytes into a file in one step, with the old ones beside it: no reader ever sees half of it."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from opsctl.errors import CouldNotLook


class Place(NamedTuple):
    """A file as it is: resolved path, digest of its bytes, mode, owner, names."""

    path: str
    digest: str
    mode: int
    uid: int
    gid: int
    links: int


def digest(data: bytes) -> str:
    """sha256 in hex."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def place(path: str, data: bytes) -> Place:
    """What is known of the file that holds these bytes; a link is followed to what it names. Raises CouldNotLook."""
    try:
        real = Path(path).resolve(strict=True)
        info = real.stat()
    except (OSError, RuntimeError) as error:
        raise CouldNotLook("not-found", f"{path} cannot be looked at: {error}", address=path) from None
    return Place(str(real), digest(data), stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_nlink)


def hindrance(where: Place) -> str:
    """Why this user cannot replace the file and keep its owner and its names; "" when it can."""
    mine = os.geteuid()
    if where.links > 1:
        return f"{where.path} has {where.links} names: replacing it would part them"
    if mine not in (0, where.uid):
        return f"{where.path} belongs to user {where.uid}, not to the one who runs this ({mine}): run it as that one"
    if mine != 0 and where.gid not in (os.getegid(), *os.getgroups()):
        return f"{where.path} belongs to group {where.gid}, which this user is not in"
    if not os.access(Path(where.path).parent, os.W_OK | os.X_OK):
        return f"the folder of {where.path} cannot be written"
    return ""


def keep(path: str, data: bytes, moment: datetime) -> str:
    """A copy beside it, readable by its owner alone, under a name that no other copy has; returns its path.

    Raises OSError.
    """
    stem = f"{path}.opsctl-{moment:%Y%m%dT%H%M%SZ}"
    for number in range(1, 1000):
        name = stem if number == 1 else f"{stem}-{number}"
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            Path(name).unlink(missing_ok=True)  # a copy that is not whole is none
            raise
        _sync(Path(path).parent)
        return name
    raise FileExistsError(17, "a thousand copies of this second are there already", stem)


def replace(where: Place, data: bytes) -> None:
    """New bytes into the file, mode and owner kept; durable when this returns. Raises OSError; it is as it was then."""
    target = Path(where.path)
    draft = target.with_name(f".{target.name}.opsctl-{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if (where.uid, where.gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), where.uid, where.gid)
            os.fchmod(file.fileno(), where.mode)
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
