"""Programs of this host, for adapters of services: an argument list, never a shell, never a pattern of process names.

A program gets the variables of an allow-list and no others, no input, and a session of its own, so that a Ctrl-C at
our terminal does not stop it half-way. Its output is bounded; what is too much is read and dropped.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from opsctl.errors import CouldNotLook, Reason
from opsctl.redact import printable, redact

# What supervisors need to find their own: nothing here is a secret of ours.
ALLOWED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM", "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME", "XDG_STATE_HOME", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG",
    "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "PM2_HOME", "SSH_AUTH_SOCK",
})  # fmt: skip
_MOST = 2**20  # bytes kept of each stream
_ENDING = 5.0  # seconds that a program gets between SIGTERM and SIGKILL
_DRAIN = 1.0  # seconds to wait for output after the end: what it started may hold the stream open


class Ran(NamedTuple):
    """How a program ended. ``code`` None: it was still at work when its time was over, and was told to end."""

    argv: tuple[str, ...]
    code: int | None
    out: str
    err: str
    seconds: float

    @property
    def words(self) -> str:
        """The line that says what went wrong, else its last: printable, without secrets, at most 200 characters."""
        lines = [line.strip() for line in printable(redact(self.err or self.out)).splitlines() if line.strip()]
        telling = [line for line in lines if re.search(r"(?i)error|fail|denied|cannot|not found|no such|unknown", line)]
        return (telling[:1] or lines[-1:] or [""])[0][:200]

    @property
    def denied(self) -> bool:
        """Whether it says that it may not."""
        return bool(re.search(r"(?i)permission denied|access denied|authentication (is )?required|not permitted|EACCES",
                              self.err + self.out))  # fmt: skip


def shown(argv: Sequence[str]) -> str:
    """The call as one would type it."""
    return shlex.join(argv)


def allowed(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a program gets."""
    return {name: value for name, value in environ.items() if name in ALLOWED or name.startswith("LC_")}


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    timeout: float,
    folder: str = "",
    more: Mapping[str, str] | None = None,
    whole: bool = True,
) -> Ran:
    """Run it in ``folder`` and wait. ``more``: variables beside those of the allow-list.

    ``whole``: at the deadline everything that it started ends with it; else only itself, for what restarts a service
    may have started the service. Raises CouldNotLook only when it could not be started: it has done nothing then.
    """
    program = find(argv[0], environ, folder)
    begun = time.monotonic()
    try:
        child = subprocess.Popen(  # noqa: S603 - an argument list of the profile or the configuration
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder or "/",
            env={**allowed(environ), **(more or {})},
            start_new_session=True,
        )
    except OSError as error:
        reason: Reason = "forbidden" if isinstance(error, PermissionError) else "not-found"
        says = f"{program} cannot be started in {folder or '/'}: {error.strerror}"
        raise CouldNotLook(reason, says, address=program) from None
    except ValueError:
        raise CouldNotLook("bad-query", f"{program} cannot be given these arguments", address=program) from None
    assert child.stdout is not None
    assert child.stderr is not None
    kept: tuple[bytearray, bytearray] = (bytearray(), bytearray())
    readers = [_reading(stream, into) for stream, into in zip((child.stdout, child.stderr), kept, strict=True)]
    try:
        code: int | None = child.wait(timeout)
    except subprocess.TimeoutExpired:
        code = None
        _end(child, whole)
    until = time.monotonic() + _DRAIN
    for reader in readers:
        reader.join(max(0.0, until - time.monotonic()))
    out, err = (bytes(into).decode("utf-8", "replace") for into in kept)
    return Ran(tuple(argv), code, out, err, time.monotonic() - begun)


def find(name: str, environ: Mapping[str, str], folder: str = "") -> str:
    """The program's absolute path: itself, below ``folder``, or on PATH. Raises CouldNotLook("not-found")."""
    if "/" in name:
        path = Path(folder, name) if folder else Path(name)
        if not path.is_absolute():
            says = f"{name} is relative, and the adapter names no folder"
            raise CouldNotLook("not-configured", says, address=name)
        return str(path)
    folders = [part for part in environ.get("PATH", "").split(os.pathsep) if part.startswith("/")]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise CouldNotLook("not-found", f"there is no program {name} on PATH here", address=name)
    return found


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (with its PID, that names it for good); None: it is gone."""
    try:
        # The name before it may hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if len(fields) < 20 or fields[0] in ("Z", "X") else int(fields[19])


def _reading(stream: IO[bytes], into: bytearray) -> threading.Thread:
    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), 65536):
                into.extend(data[: max(0, _MOST - len(into))])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _end(child: subprocess.Popen[bytes], whole: bool) -> None:
    """Tell it to end; it is our child, not reaped yet, so that its PID cannot be another's."""

    def tell(number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if whole:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)

    tell(signal.SIGTERM)
    try:
        child.wait(_ENDING)
    except subprocess.TimeoutExpired:
        tell(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_ENDING)
