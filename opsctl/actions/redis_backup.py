"""A small prefix kept in a file before it is removed, and put back from it: DUMP, and RESTORE that replaces nothing.

The file holds the users' data: mode 0600, never overwritten. One JSON object a line, values in Base64 (any bytes).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opsctl.errors import BadData, CannotWrite

if TYPE_CHECKING:
    from opsctl.clients.redis_write import Kept

SCHEMA = "opsctl.redis-backup/1"
MOST = 1000  # keys
_LARGEST = 256 * 2**20


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    schema: str
    run_id: str
    database: int
    prefix: str
    keys: int
    sha256: str  # of the lines that follow


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    key: bytes
    value: bytes
    ends: int


def place(name: str) -> Path:
    """Where the file is to be: an absolute path."""
    return Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100 - a link in it stays as it is named


def why_not(path: Path) -> str:
    """Why a backup cannot be written there; "" when it can."""
    if path.exists() or path.is_symlink():
        return f"{path} is there already"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return "" if os.access(path.parent, os.W_OK) else f"{path.parent} may not be written"


def write(path: Path, kept: Iterable[Kept], *, run_id: str, database: int, prefix: str) -> None:
    """Write the file durably; keys of an attempt that was cut off stay in it. Raises CannotWrite."""
    whole = {one.key: one for one in kept}
    if path.exists():
        try:
            whole = {**{one.key: one for one in read(path, run_id=run_id, database=database, prefix=prefix)}, **whole}
        except BadData as other:
            raise CannotWrite(f"{path} is there already ({other.says})", remedy="Name another file.") from None
    lines = [msgspec.json.encode(_Line(key=one.key, value=one.value, ends=one.ends)) for one in whole.values()]
    rest = b"".join(line + b"\n" for line in lines)
    head = _Head(schema=SCHEMA, run_id=run_id, database=database, prefix=prefix, keys=len(lines), sha256=_digest(rest))
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(head) + b"\n" + rest)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise CannotWrite(f"{path}: {error.strerror or error}", remedy="Name another file with --backup.") from None


def read(path: Path, *, run_id: str, database: int, prefix: str) -> list[Kept]:
    """The keys of a backup. Raises BadData when it is away, not as it was written, or of something else."""
    from opsctl.clients.redis_write import Kept

    try:
        if path.stat().st_size > _LARGEST:
            raise BadData(f"{path} is too large to be a backup of opsctl")
        body = path.read_bytes()
    except OSError as error:
        raise BadData(f"the backup {path} cannot be read: {error.strerror or error}") from None
    first, _, rest = body.partition(b"\n")
    try:
        head = msgspec.json.decode(first, type=_Head)
    except msgspec.MsgspecError:
        raise BadData(f"{path} is no backup of opsctl") from None
    if head.schema != SCHEMA:
        raise BadData(f"{path} is no backup that this opsctl reads")
    if _digest(rest) != head.sha256:
        raise BadData(f"the backup {path} is not as it was written")
    if (head.run_id, head.database, head.prefix) != (run_id, database, prefix):
        raise BadData(f"the backup {path} is of another prefix, database or run of the server")
    found = [msgspec.json.decode(line, type=_Line) for line in rest.splitlines()]
    return [Kept(one.key, one.value, one.ends) for one in found]


def _digest(body: bytes) -> str:
    import hashlib

    return hashlib.sha256(body).hexdigest()
