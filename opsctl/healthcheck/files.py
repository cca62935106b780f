"""Files of a healthcheck: written whole or not at all, one lock per check. A folder of no use costs a note."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from opsctl.errors import OpsctlError


def folder() -> Path:
    """Where locks and memories are. Raises OSError when it cannot be made."""
    from opsctl.config.places import state_dir

    try:
        path = state_dir() / "healthcheck"
    except OpsctlError as error:
        raise OSError(error.says) from None
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def key_of(words: list[str]) -> str:
    """A short name for a check: the same words give the same one, from run to run."""
    import zlib

    return f"{zlib.crc32(chr(0).join(words).encode('utf-8', 'surrogateescape')):08x}"


def replace(path: Path, body: bytes, mode: int) -> None:
    """The file with that content, at once for whoever reads it: written beside, then renamed. Raises OSError."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fchmod(file.fileno(), mode)  # whatever the umask of cron is
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


class Held(NamedTuple):
    """Whether the lock was had; else who has it. ``failed``: why there could be no lock at all."""

    mine: bool
    by: str = ""
    failed: str = ""


@contextlib.contextmanager
def lock(key: str) -> Iterator[Held]:
    """Held until the block ends or the process does, however it ends. Never waits."""
    import fcntl

    try:
        path = folder() / f"{key}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        yield Held(True, failed=f"no lock could be made: {error.strerror or error}")
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield Held(False, by=os.read(descriptor, 100).decode("utf-8", "replace").strip())
            return
        except OSError as error:  # a network file system without locks
            yield Held(True, failed=f"no lock could be had: {error.strerror or error}")
            return
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"pid {os.getpid()}".encode())
        yield Held(True)
    finally:
        os.close(descriptor)
