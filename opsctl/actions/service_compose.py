"""Containers of a docker compose service. Each is restarted by its id: what was recreated meanwhile is not touched."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.actions.service_units import KEEP, Kind, Shell, Unit, Verb, Word
from opsctl.clients.command import find
from opsctl.errors import CouldNotLook

_WORDS: dict[str, Word] = {
    "running": "running", "exited": "stopped", "created": "stopped", "dead": "failed", "paused": "stopped",
    "restarting": "changing", "removing": "changing",
}  # fmt: skip


def compose(shell: Shell) -> tuple[str, ...]:
    """``docker compose``, or the program of its own that it was before."""
    try:
        find("docker", shell.environ)
    except CouldNotLook:
        find("docker-compose", shell.environ)
        return ("docker-compose",)
    return ("docker", "compose")


def units(shell: Shell) -> tuple[Unit, ...]:
    """One unit per container of the service. Raises CouldNotLook("not-found") when there is none."""
    name = shell.adapter.unit
    ran = shell.look((*compose(shell), "ps", "--all", "--quiet", name))
    if ran.code != 0:
        raise shell.failed(ran)
    ids = ran.out.split()
    if not ids:
        where = shell.adapter.folder or "/"
        raise CouldNotLook("not-found", f"compose has no container of {name} (in {where})", address=name)
    asked = shell.look(("docker", "inspect", *ids))
    if asked.code != 0:
        raise shell.failed(asked)
    try:
        told = msgspec.json.decode(asked.out, type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        raise CouldNotLook("bad-answer", "docker inspect answers with something else", address="docker") from None
    return tuple(_unit(name, one) for one in told)


def _unit(service: str, one: dict[str, Any]) -> Unit:
    state = one.get("State") or {}
    status, pid = str(state.get("Status", "")), int(state.get("Pid") or 0)
    health = (state.get("Health") or {}).get("Status", "")
    ended = f", exit {state.get('ExitCode')}" if status == "exited" else ""
    killed = ", killed for memory" if state.get("OOMKilled") else ""
    config = one.get("Config") or {}
    grace = config.get("StopTimeout")
    return Unit(
        id=f"container {str(one.get('Name', '')).lstrip('/') or service}",
        key=str(one.get("Id", "")),
        word=_WORDS.get(status, "unknown"),
        says=status + (f" ({health})" if health else "") + (f", pid {pid}" if pid else "") + ended + killed,
        pin={"container": str(one.get("Id", "")), "started": str(state.get("StartedAt", "")), "pid": pid},
        pid=pid,
        grace=float(grace) if isinstance(grace, int | float) else KEEP,
    )


def argv(shell: Shell, verb: Verb, key: str) -> tuple[str, ...]:
    """By the container's id; it has thirty seconds to end by itself."""
    return ("docker", verb, *(() if verb == "start" else ("-t", f"{KEEP:.0f}")), key)


KIND = Kind(units, argv)
