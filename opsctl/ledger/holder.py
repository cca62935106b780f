"""Who holds a lease, beyond host name and process id: whether that very process still lives can be told here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SYSTEM = os.uname().sysname


def marker(pid: int | None = None) -> str:
    """This machine's run, its process id space and the process' start: ``BOOT SPACE PID START``.

    "" where the system tells none of it; such a lease ends by its time alone.
    """
    pid = os.getpid() if pid is None else pid
    where, started = _where(), _started(pid)
    return f"{where} {pid} {started}" if where and started else ""


def is_gone(held: str) -> bool:
    """Whether the process that made this marker has ended for certain: it ran here, and its id is free or reused."""
    where, _, rest = held.rpartition(" ")
    where, _, pid = where.rpartition(" ")
    if not where or where != _where() or not pid.isdigit():
        return False  # another machine, container or boot: nothing is known of its processes
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass  # it belongs to somebody else, but there is one
    started = _started(int(pid))
    return started != "" and started != rest


def _where() -> str:
    if _SYSTEM == "Linux":
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return f"{os.uname().nodename}/{boot} {Path('/proc/self/ns/pid').readlink().name}".replace(" ", "/")
        except OSError:
            return ""
    return f"{os.uname().nodename}/{_SYSTEM}" if _SYSTEM == "Darwin" else ""


def _started(pid: int) -> str:
    """When the process began, in the system's own count; "ended" for one that is only waited for; "" not known."""
    if _SYSTEM == "Linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return ""
        fields = stat[stat.rfind(b")") + 2 :].split()  # the name in parentheses may hold anything
        return "ended" if fields[0] in (b"Z", b"X") else fields[19].decode()
    try:
        asked = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "_".join(told.stdout.split())
