"""What a healthcheck says: one check per system asked, one subject per service, one answer for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from opsctl.errors import Reason
from opsctl.model import Struct, VerdictWord
from opsctl.redact import printable, redact

SCHEMA = "opsctl.healthcheck/1"
EXIT: dict[VerdictWord, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
_WORST: dict[VerdictWord, int] = {"ok": 0, "unknown": 1, "warning": 2, "critical": 3}  # as a diagnosis decides

Kind = Literal["service", "monitoring", "url"]


class Check(Struct, frozen=True, kw_only=True):
    """One system that was asked. ``system``: its kind; ``setting``: who chose the address; ``seconds``: how long the
    look took; ``answered``: seconds of an HTTP answer."""

    name: str
    system: str
    state: VerdictWord
    says: str
    address: str = ""
    setting: str = ""
    reason: Reason | None = None
    seconds: float = 0.0
    answered: float | None = None


class Subject(Struct, frozen=True, kw_only=True):
    """A service, the monitoring, or one address. ``absent``: what its profile names and nothing says where it is."""

    name: str
    kind: Kind
    state: VerdictWord
    says: str
    checks: tuple[Check, ...] = ()
    absent: tuple[str, ...] = ()


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; ``exit`` is the process' exit code, ``deadline`` the seconds that were allowed."""

    schema: str = SCHEMA
    opsctl: str = ""
    context: str = ""
    state: VerdictWord
    exit: int
    says: str
    started_at: datetime
    seconds: float
    deadline: float
    subjects: tuple[Subject, ...] = ()
    notes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()  # since the last run, where those are remembered

    @property
    def bad(self) -> tuple[Subject, ...]:
        """Those that are not ok, the worst first."""
        found = [subject for subject in self.subjects if subject.state != "ok"]
        return tuple(sorted(found, key=lambda subject: -_WORST[subject.state]))


def worst(states: Iterable[VerdictWord]) -> VerdictWord:
    """Critical before warning before unknown before ok; nothing at all is unknown."""
    return max(states, key=_WORST.__getitem__, default="unknown")


def subject_of(name: str, kind: Kind, checks: Sequence[Check], absent: Sequence[str] = ()) -> Subject:
    """A subject from its checks, with its sentence."""
    state = worst(check.state for check in checks)
    bad = sorted((c for c in checks if c.state != "ok"), key=lambda check: -_WORST[check.state])
    if not checks:
        says = "nothing says where it or anything of it is"
    elif not bad:
        says = checks[0].says if kind == "url" else ", ".join(dict.fromkeys(check.name for check in checks))
    elif kind == "url":
        says = bad[0].says
    else:
        names = list(dict.fromkeys(check.name for check in bad))
        says = f"{', '.join(names)}" if len(names) <= 3 else f"{len(bad)} of {counted(len(checks), 'check')}"
        says += f"; {len(checks) - len(bad)} ok" if len(names) <= 3 and len(checks) > len(bad) else ""
    return Subject(name=name, kind=kind, state=state, says=says, checks=tuple(checks), absent=tuple(absent))


def verdict(subjects: Sequence[Subject]) -> tuple[VerdictWord, str]:
    """The state of all, and the one sentence that names what is bad (experience.md, Cron)."""
    state = worst(subject.state for subject in subjects)
    if not subjects:
        return state, "nothing was looked at"
    fine = sum(subject.state == "ok" for subject in subjects)
    if fine == len(subjects):
        checks = sum(len(subject.checks) for subject in subjects)
        asked = f" ({counted(checks, 'check')})" if checks > fine else ""
        return state, f"{_these(subjects)} ok{asked}"
    named = [
        (check, subject)
        for subject in sorted(subjects, key=lambda one: -_WORST[one.state])
        for check in subject.checks or (None,)
        if (check.state if check is not None else subject.state) == state
    ]
    check, subject = named[0]
    first = subject.name if check is None or subject.kind == "url" else f"{subject.name} {check.name}"
    parts = [f"{first}: {subject.says if check is None else check.says}"]
    if len(named) > 1:
        parts.append(f"{len(named) - 1} more {'is' if len(named) == 2 else 'are'} {state}")
    for other in ("warning", "unknown"):
        count = sum(c.state == other for s in subjects for c in s.checks) if other != state else 0
        if count:
            parts.append(f"{counted(count, 'check')} {other}")
    if fine:
        parts.append(f"{_these([s for s in subjects if s.state == 'ok'])} ok")
    return state, "; ".join(parts)


def _these(subjects: Sequence[Subject]) -> str:
    counts = {kind: sum(s.kind == kind for s in subjects) for kind in ("service", "url")}
    parts = [counted(counts["service"], "service")] if counts["service"] else []
    parts += ["monitoring"] if any(s.kind == "monitoring" for s in subjects) else []
    parts += [counted(counts["url"], "address", "addresses")] if counts["url"] else []
    return ", ".join(parts)


def counted(number: int, noun: str, several: str = "") -> str:
    """``1 check``, ``2 checks``."""
    return f"{number} {noun if number == 1 else several or noun + 's'}"


def tidy(text: str) -> str:
    """A sentence as it may be shown: on one line, without control characters and secrets, no page long."""
    plain = redact(printable(" ".join(text.split())))
    return plain if len(plain) <= 400 else plain[:399] + "…"
