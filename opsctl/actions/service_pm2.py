"""Processes of pm2, by ``pm2 jlist``. A restart keeps the old environment unless it is told otherwise (B-16)."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.actions.service_units import Kind, Shell, Unit, Verb, Word
from opsctl.errors import CouldNotLook

_WORDS: dict[str, Word] = {
    "online": "running", "stopped": "stopped", "errored": "failed", "launching": "changing", "stopping": "changing",
    "waiting restart": "changing", "one-launch-status": "stopped",
}  # fmt: skip
_GRACE = 1.6  # seconds between SIGINT and SIGKILL where pm2 is not told otherwise


def units(shell: Shell) -> tuple[Unit, ...]:
    """One unit per process of that name. Raises CouldNotLook("not-found") when there is none."""
    name = shell.adapter.unit
    ran = shell.look(("pm2", "jlist"))
    if ran.code != 0:
        raise shell.failed(ran)
    found = [_unit(one) for one in _listed(ran.out) if one.get("name") == name]
    if not found:
        raise CouldNotLook("not-found", f"pm2 of this user runs no process {name}", address=name)
    return tuple(found)


def _listed(text: str) -> list[dict[str, Any]]:
    """The JSON list; pm2 prints warnings before it."""
    line = next((line for line in text.splitlines() if line.lstrip().startswith(("[{", "[]"))), "")
    try:
        return msgspec.json.decode(line, type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        raise CouldNotLook("bad-answer", "pm2 jlist answers with something else than its list", address="pm2") from None


def _unit(one: dict[str, Any]) -> Unit:
    env = one.get("pm2_env") or {}
    pid, number = int(one.get("pid") or 0), one.get("pm_id")
    state, restarts = str(env.get("status", "")), int(env.get("restart_time") or 0)
    kill = env.get("kill_timeout")
    return Unit(
        id=f"pm2 {one.get('name')} {number}",
        key=str(number),
        word=_WORDS.get(state, "unknown"),
        says=f"{state}" + (f", pid {pid}" if pid else "") + f", {restarts} restarts",
        pin={"pm_id": number, "pid": pid, "restarts": restarts, "since": int(env.get("pm_uptime") or 0)},
        pid=pid,
        grace=float(kill) / 1000 if isinstance(kill, int | float) else _GRACE,
    )


def argv(shell: Shell, verb: Verb, key: str) -> tuple[str, ...]:
    """By its number, one process alone; a restart takes the variables of our call."""
    return ("pm2", verb, key, *(("--update-env",) if verb == "restart" else ()))


KIND = Kind(units, argv, refreshes=True)
