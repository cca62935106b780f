"""What the doctor says: places, checks made there, and for each problem the remedy ready to be pasted."""

from __future__ import annotations

import threading
from typing import Literal

from opsctl.errors import CouldNotLook, Reason
from opsctl.model import State, Struct
from opsctl.redact import printable, redact

SCHEMA = "opsctl.doctor/1"

Need = Literal["objective", "optional"]


class Remedy(Struct, frozen=True, kw_only=True):
    """``how``: where and as whom, in words; ``run``: the text to paste, verbatim ("" when there is none to paste)."""

    how: str
    run: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ``breach``: it is a problem; ``unknown``: it could not be told (``reason``).

    ``need``: whether an objective of a runbook, or only an optional part of the look, is missing because of it.
    """

    id: str
    state: State
    says: str
    need: Need = "optional"
    reason: Reason | None = None
    remedy: Remedy | None = None


class Place(Struct, frozen=True, kw_only=True):
    """One system that was examined, or this host. ``setting``: who chose the address. ``seconds``: how long it took."""

    name: str
    kind: str
    address: str = ""
    setting: str = ""
    services: tuple[str, ...] = ()
    version: str = ""
    seconds: float = 0.0
    checks: tuple[Check, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether the system answered."""
        return not any(check.id.endswith(".reachable") and check.state != "ok" for check in self.checks)


class Examination(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """All places. ``exit``: 0 fine, 1 something optional is missing, 2 something an objective needs, 3 cannot tell."""

    schema: str = SCHEMA
    opsctl: str = ""
    context: str = ""
    services: tuple[str, ...] = ()
    exit: int = 0
    says: str
    seconds: float = 0.0
    places: tuple[Place, ...] = ()
    absent: tuple[str, ...] = ()  # systems that are nowhere configured, one sentence each


class Checks:
    """The checks of one place while they are made. ``id`` gets the place's system in front. Safe between threads."""

    def __init__(self, system: str, *, needed: bool = False) -> None:
        self.system = system
        self.needed = needed
        self.address = ""
        self.version = ""
        self._made: list[Check] = []
        self._lock = threading.Lock()

    def ok(self, id: str, says: str) -> None:
        """Looked at, and fine."""
        self._add(id, "ok", says)

    def breach(self, id: str, says: str, remedy: Remedy | None = None, *, need: Need = "optional") -> None:
        """A problem."""
        self._add(id, "breach", says, remedy=remedy, need=need)

    def unknown(self, id: str, says: str, reason: Reason) -> None:
        """It could not be told."""
        self._add(id, "unknown", says, reason=reason)

    def lost(self, failure: CouldNotLook, remedy: Remedy | None = None) -> None:
        """The system cannot be reached: as bad as what is needed of it."""
        need: Need = "objective" if self.needed else "optional"
        self._add("reachable", "breach", failure.says, remedy=remedy, need=need, reason=failure.reason)

    def failed(self, id: str, failure: CouldNotLook) -> None:
        """A check of a system that is there had no answer."""
        self.unknown(id, failure.says, failure.reason)

    def made(self) -> tuple[Check, ...]:
        """What was found so far."""
        with self._lock:
            return tuple(self._made)

    def _add(
        self,
        id: str,
        state: State,
        says: str,
        *,
        need: Need = "optional",
        reason: Reason | None = None,
        remedy: Remedy | None = None,
    ) -> None:
        text = redact(printable(" ".join(says.split())))
        check = Check(
            id=f"{self.system}.{id}", state=state, says=text, need=need, reason=reason, remedy=remedy
        )  # a remedy names what we know ourselves; its words are made safe where they come from a server
        with self._lock:
            self._made.append(check)


def verdict(places: tuple[Place, ...]) -> tuple[int, str]:
    """Exit code and sentence: what an objective needs, else what could not be told, else what is optional."""
    checks = [check for place in places for check in place.checks]
    broken = [check for check in checks if check.state == "breach"]
    needed = [check for check in broken if check.need == "objective"]
    blind = [check for check in checks if check.state == "unknown"]
    fine = len(checks) - len(broken) - len(blind)
    if needed:
        says = f"{_count(len(needed), 'problem')} of what objectives need"
        says += f", {len(broken) - len(needed)} of other parts" if len(broken) > len(needed) else ""
    elif broken:
        says = f"{_count(len(broken), 'problem')}, none of what an objective needs"
    else:
        says = "everything that was looked at is fine" if not blind else "no problem was found"
    if blind:
        says += f"; {_count(len(blind), 'check')} could not be made"
    code = 2 if needed else 3 if blind else 1 if broken else 0
    return code, f"{says}; {_count(fine, 'check')} fine" if code else f"{says} ({_count(fine, 'check')})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
