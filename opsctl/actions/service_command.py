"""A unit that a program of its owner's restarts: the adapter says which arguments do what."""

from __future__ import annotations

import re

from opsctl.actions.model import Scalar
from opsctl.actions.service_units import Kind, Shell, Unit, Verb, Word
from opsctl.clients.command import shown, started
from opsctl.errors import NotConfigured

_PID = re.compile(r"(?i)\b(?:main)?pid[=: ]+([0-9]+)")
_WORDS: dict[int, Word] = {0: "running", 1: "failed", 2: "failed", 3: "stopped"}  # as init scripts answer `status`
VERB = "{verb}"


def _argv(shell: Shell, verb: str) -> tuple[str, ...]:
    adapter = shell.adapter
    own: dict[str, tuple[str, ...]] = {"stop": adapter.stop, "start": adapter.start, "status": adapter.status}
    if own.get(verb):
        return own[verb]
    if any(VERB in word for word in adapter.argv):
        return tuple(word.replace(VERB, verb) for word in adapter.argv)
    if verb == "restart" and not adapter.foreground:
        return adapter.argv
    return ()


def units(shell: Shell) -> tuple[Unit, ...]:
    """The one unit. Without a status command its state is unknown and only its name pins it."""
    adapter = shell.adapter
    name = adapter.unit or adapter.argv[0]
    asks = _argv(shell, "status")
    if not asks:
        return (Unit(f"command {name}", name, "unknown", "no status command: what it runs is not known", {}),)
    ran = shell.look(asks)
    if ran.code not in _WORDS:
        raise shell.failed(ran)
    word = _WORDS[ran.code]
    pin: dict[str, Scalar] = {"state": word}
    pid = 0
    if (told := _PID.search(ran.out)) and word == "running":
        pid = int(told[1])
        ticks = started(pid)
        if ticks is None:
            word = "stopped"
            pin = {"state": word}
        else:
            pin |= {"pid": pid, "started": ticks}
    says = {"running": "runs", "stopped": "is stopped", "failed": "is dead"}.get(word, word)
    return (Unit(f"command {name}", name, word, says + (f", pid {pid}" if pid else ""), pin, pid),)


def argv(shell: Shell, verb: Verb, key: str) -> tuple[str, ...]:
    """The call. Raises NotConfigured where the adapter has none for this verb."""
    found = _argv(shell, verb)
    if found:
        return found
    if shell.adapter.foreground:
        says = f"{shown(shell.adapter.argv)} starts {key} in the foreground, which is no {verb} (B-44)"
        remedy = "name its supervisor's unit as the adapter in the context"
        raise NotConfigured(f"{says}: {remedy}", setting="adapters")
    raise NotConfigured(f"the adapter of {key} has no command to {verb} it: set its {verb} in the context")


KIND = Kind(units, argv)
