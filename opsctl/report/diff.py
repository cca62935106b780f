"""Two reports compared: only what differs. ``before`` and ``after`` as they were given; the texts are in diff_text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from opsctl.durations import format_quantity
from opsctl.model import CauseResult, CauseStatus, Change, Finding, Report, Severity, State, Struct, VerdictWord
from opsctl.runbooks import causes as judging

OBJECTIVES = ("signal.objective-broken", "signal.target-missed")


class Side(Struct, frozen=True, kw_only=True):
    """One of the two reports, in short."""

    runbook: str
    service: str
    verdict: VerdictWord
    severity: Severity | None = None
    says: str = ""
    at: datetime  # the time that was looked at
    name: str = ""
    replayed: bool = False


class Number(Struct, frozen=True, kw_only=True):
    """The headline number then and now, base units."""

    signal: str
    title: str = ""  # how the reports call it, where they do
    unit: str = ""
    before: float | None = None
    after: float | None = None
    before_objective: float | None = None
    after_objective: float | None = None
    broken_since: datetime | None = None  # in the later report, or else in the earlier


class CauseMove(Struct, frozen=True, kw_only=True):
    """A cause whose status or rank differs. ``rank``: place among the confirmed and possible ones, 0 = none."""

    cause: str
    says: str = ""
    before: CauseStatus | None = None  # None: that report does not know the cause
    after: CauseStatus | None = None
    before_rank: int = 0
    after_rank: int = 0
    because: tuple[str, ...] = ()  # findings that differ, of those that bear on it


class Flip(Struct, frozen=True, kw_only=True):
    """A finding whose state differs. ``None``: that report does not hold it."""

    id: str
    before: State | None = None
    after: State | None = None
    before_says: str = ""
    after_says: str = ""


class Difference(Struct, frozen=True, kw_only=True):
    """Everything that differs between two reports, in the order in which it matters."""

    before: Side
    after: Side
    seconds: float  # from the one to the other
    number: Number | None = None
    causes: tuple[CauseMove, ...] = ()
    findings: tuple[Flip, ...] = ()
    unseen: tuple[str, ...] = ()  # could be looked at then, and not now
    seen_again: tuple[str, ...] = ()  # could not be looked at then, and can be now
    changes: tuple[Change, ...] = ()  # what changed on the systems between the two
    notes: tuple[str, ...] = ()  # why they may not be comparable

    @property
    def same(self) -> bool:
        """Whether nothing differs but the time."""
        told = (self.causes, self.findings, self.unseen, self.seen_again, self.changes)
        return self.before.verdict == self.after.verdict and self.number is None and not any(told)


def difference(before: Report, after: Report, *, names: tuple[str, str] = ("", "")) -> Difference:
    """What differs from ``before`` to ``after``."""
    one, two = _side(before, names[0]), _side(after, names[1])
    flips = tuple(_flips(before, after))
    return Difference(
        before=one,
        after=two,
        seconds=round((two.at - one.at).total_seconds(), 3),
        number=_number(before, after),
        causes=tuple(_moves(before, after, {flip.id for flip in flips})),
        findings=tuple(f for f in flips if f.id not in OBJECTIVES),
        unseen=_only(after, before),
        seen_again=_only(before, after),
        changes=_between(before, after, one.at, two.at),
        notes=tuple(_notes(before, after)),
    )


def _side(report: Report, name: str) -> Side:
    return Side(
        runbook=report.runbook,
        service=report.service,
        verdict=report.verdict,
        severity=report.severity,
        says=report.says,
        at=report.at or report.started_at,
        name=name,
        replayed=report.replayed_from is not None,
    )


def _number(before: Report, after: Report) -> Number | None:
    """The number that decided the worse of the two; in the other report it stands among its evidence."""
    shown = before.measured if after.measured is None or before.verdict != "ok" else after.measured
    if shown is None:
        return None
    then, now = _value(before, shown.signal), _value(after, shown.signal)
    objectives = _objective(before, shown.signal), _objective(after, shown.signal)
    if then == now and objectives[0] == objectives[1]:
        return None
    broken = after.measured or before.measured
    return Number(
        signal=shown.signal,
        title=_title(before) or _title(after),
        unit=shown.unit,
        before=then,
        after=now,
        before_objective=objectives[0],
        after_objective=objectives[1],
        broken_since=broken.since if broken is not None else None,
    )


def _title(report: Report) -> str:
    """What stands before the number in the report's sentence."""
    shown = report.measured
    if shown is None:
        return ""
    number = format_quantity(shown.value, shown.unit, beside=shown.objective, at_least=shown.at_least)
    title, found, _ = report.says.removeprefix(f"{report.service}: ").partition(f" {number}")
    return title if found and len(title) <= 60 else ""


def _value(report: Report, signal: str) -> float | None:
    if report.measured is not None and report.measured.signal == signal:
        return report.measured.value
    for item in report.evidence:
        for value in item.values:
            if value.name == signal and isinstance(value.value, float | int) and not isinstance(value.value, bool):
                return float(value.value)
    return None


def _objective(report: Report, signal: str) -> float | None:
    if report.measured is not None and report.measured.signal == signal:
        return report.measured.objective
    with_it = {e.id for e in report.evidence for value in e.values if value.name == signal}
    told = (f for f in report.findings if f.id in OBJECTIVES and with_it & set(f.evidence) and f.threshold is not None)
    return next((f.threshold for f in told if f.measured == _value(report, signal)), None)


def _moves(before: Report, after: Report, flipped: set[str]) -> Iterable[CauseMove]:
    then, now = _places(before), _places(after)
    for name in dict.fromkeys([*then, *now]):
        (rank_then, one), (rank_now, two) = then.get(name, (0, None)), now.get(name, (0, None))
        status = (one.status if one else None, two.status if two else None)
        if status[0] == status[1] and rank_then == rank_now:
            continue
        told = two or one
        bears = [id for c in (one, two) if c is not None for id in (*c.confirmed, *c.refuted, *c.not_measured)]
        yield CauseMove(
            cause=name,
            says=told.says if told is not None else "",
            before=status[0],
            after=status[1],
            before_rank=rank_then,
            after_rank=rank_now,
            because=tuple(id for id in dict.fromkeys(bears) if id in flipped),
        )


def _places(report: Report) -> dict[str, tuple[int, CauseResult]]:
    """Cause -> its rank among those that something speaks for, and its result."""
    found: dict[str, tuple[int, CauseResult]] = {}
    rank = 0
    for cause in report.causes:
        likely = cause.status in ("confirmed", "possible")
        rank += likely
        found[cause.cause] = (rank if likely else 0, cause)
    return found


def _flips(before: Report, after: Report) -> Iterable[Flip]:
    """Findings by id; one that only one of two runbooks looks for flips only when it holds."""
    states = judging.states(before.findings), judging.states(after.findings)
    for id in dict.fromkeys([*states[0], *states[1]]):
        one, two = states[0].get(id), states[1].get(id)
        if one == two or ((one is None or two is None) and "breach" not in (one, two)):
            continue
        yield Flip(
            id=id,
            before=one,
            after=two,
            before_says=_says(before.findings, id, one),
            after_says=_says(after.findings, id, two),
        )


def _says(findings: Iterable[Finding], id: str, state: State | None) -> str:
    return next((f.says for f in findings if f.id == id and f.state == state), "")


def _only(here: Report, there: Report) -> tuple[str, ...]:
    """What could not be looked at in one report only, told by probe: the words differ by address and seconds."""
    known = {item.probe for item in there.unknown}
    return tuple(dict.fromkeys(item.says for item in here.unknown if item.probe not in known))


def _between(before: Report, after: Report, start: datetime, end: datetime) -> tuple[Change, ...]:
    """Changes between the two looks, in the order in which they happened."""
    first, last = min(start, end), max(start, end)
    unique = {(c.at, c.system, c.subject, c.says): c for c in (*before.changes, *after.changes) if first < c.at <= last}
    return tuple(sorted(unique.values(), key=lambda c: c.at))


def _notes(before: Report, after: Report) -> Iterable[str]:
    if before.service != after.service:
        yield f"The reports are about two services, {before.service} and {after.service}"
    if before.runbook != after.runbook:
        yield f"The reports are of two runbooks, {before.runbook} and {after.runbook}"
    elif before.runbook_digest != after.runbook_digest:
        yield (
            f"The runbook changed between the two ({before.runbook_digest or 'not known'}, then "
            f"{after.runbook_digest or 'not known'}): a difference may be its doing"
        )
    if before.context != after.context:
        yield f"The contexts differ: {before.context or 'none'}, then {after.context or 'none'}"
    differing = [
        f"{key} {before.parameters.get(key, 'not set')}, then {after.parameters.get(key, 'not set')}"
        for key in dict.fromkeys([*before.parameters, *after.parameters])
        if before.parameters.get(key) != after.parameters.get(key)
    ]
    if differing and before.runbook == after.runbook:
        yield f"Parameters differ: {'; '.join(differing)}"
