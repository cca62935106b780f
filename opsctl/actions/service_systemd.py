"""Units of systemd, by ``systemctl show``: InvocationID changes with every start and names one run for good."""

from __future__ import annotations

import re

from opsctl.actions.model import Scalar
from opsctl.actions.service_units import Kind, Shell, Unit, Verb, Word
from opsctl.errors import CouldNotLook

_ASKED = ("Id", "LoadState", "ActiveState", "SubState", "MainPID", "InvocationID", "ActiveEnterTimestampMonotonic",
          "NRestarts", "Result", "TimeoutStopUSec")  # fmt: skip
_WORDS: dict[str, Word] = {
    "active": "running", "reloading": "changing", "activating": "changing", "deactivating": "changing",
    "inactive": "stopped", "failed": "failed",
}  # fmt: skip
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def _systemctl(shell: Shell, *words: str) -> tuple[str, ...]:
    return ("systemctl", *(("--user",) if shell.adapter.user else ()), *words)


def units(shell: Shell) -> tuple[Unit, ...]:
    """The one unit of the adapter. Raises CouldNotLook("not-found") for a unit that is not loaded."""
    name = shell.adapter.unit
    argv = _systemctl(shell, "show", "--no-pager", f"--property={','.join(_ASKED)}", "--", name)
    ran = shell.look(argv)
    if ran.code != 0:
        raise shell.failed(ran)
    told = dict(line.split("=", 1) for line in ran.out.splitlines() if "=" in line)
    if told.get("LoadState") != "loaded":
        says = f"systemd knows no unit {name} ({told.get('LoadState', 'no answer')})"
        raise CouldNotLook("not-found", says, address=name)
    state = told.get("ActiveState", "")
    pid = int(told["MainPID"]) if told.get("MainPID", "").isdigit() else 0
    since = told.get("ActiveEnterTimestampMonotonic", "")
    said = f"{state} ({told.get('SubState', '')})" + (f", pid {pid}" if pid else "")
    if told.get("Result", "success") != "success":
        said += f", last result {told['Result']}"
    if told.get("NRestarts", "0") not in ("", "0"):
        said += f", restarted {told['NRestarts']} times by systemd"
    pin: dict[str, Scalar] = {"state": state, "invocation": told.get("InvocationID", ""), "pid": pid, "since": since}
    return (
        Unit(
            id=f"systemd {told.get('Id') or name}",
            key=name,
            word=_WORDS.get(state, "unknown"),
            says=said,
            pin=pin,
            pid=pid,
            grace=_span(told.get("TimeoutStopUSec", "")),
        ),
    )


def argv(shell: Shell, verb: Verb, key: str) -> tuple[str, ...]:
    """``systemctl restart UNIT``; it waits until the job is done."""
    return _systemctl(shell, "--no-ask-password", verb, "--", key)


def _span(text: str) -> float | None:
    """A time span as systemctl prints it (``1min 30s``) in seconds; infinity is longer than any."""
    if text == "infinity":
        return float("inf")
    found = re.findall(r"([0-9.]+)(us|ms|min|s|h|d|w)", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in found) if found else None


KIND = Kind(units, argv)
