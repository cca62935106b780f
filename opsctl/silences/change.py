"""Changing silences that are there: a later end under the same id, or an end now. Then a look at every member."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from opsctl.errors import CouldNotLook, Interrupted, Refused, UsageError
from opsctl.silences.book import Known
from opsctl.silences.create import ACTIVE
from opsctl.silences.matcher import of_silence
from opsctl.silences.members import Members

if TYPE_CHECKING:
    from opsctl.clients.alertmanager_write import AlertmanagerWriter, Draft
    from opsctl.silences.policy import Policy

_SEEN_WITHIN = 3.0
_PAUSE = 0.2

Outcome = Literal["extended", "expired", "unchanged", "forked", "failed", "unknown"]


class Changed(NamedTuple):
    """``unchanged``: it was so already. ``forked``: the server ended this one and made another instead, ``id``.

    ``unknown``: whether it happened could not be read. ``end``: the one that was wanted. ``not_seen_on``: members that
    do not show the change yet.
    """

    outcome: Outcome
    known: Known
    id: str
    end: datetime
    not_seen_on: tuple[str, ...] = ()
    says: str = ""


def later_end(known: Known, *, now: datetime, plus: float | None, until: datetime | None, policy: Policy) -> datetime:
    """The end that an extension means: so many seconds after its present end, or a moment. Pure.

    Raises Refused for a silence that has ended and for one that would go beyond the policy's longest (counted from now
    or from its start), UsageError for an end that is not later.
    """
    from opsctl.durations import format_duration

    one = known.silence
    if known.state not in ACTIVE:
        raise Refused(
            f"refused: silence {known.short} ended at {one.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, "
            "and an ended one cannot be extended",
            remedy=f"Make a new one: {again(known)}",
        )
    end = until if until is not None else one.ends_at + timedelta(seconds=plus or 0.0)
    if end <= one.ends_at:
        raise UsageError(
            f"silence {known.short} lasts until {one.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC already",
            remedy=f"To end it sooner: opsctl silence expire {known.short}",
        )
    seconds = (end - max(now, one.starts_at)).total_seconds()
    if seconds > policy.longest:
        raise Refused(
            f"refused: silence {known.short} would last {format_duration(-(-seconds // 60) * 60)} from now, "
            f"the policy's longest is {format_duration(policy.longest)}",
            remedy="Extend it by less, and again when that is not enough.",
        )
    return end.astimezone(UTC)


def again(known: Known) -> str:
    """The command that makes such a silence anew."""
    import shlex

    from opsctl.durations import format_duration
    from opsctl.redact import printable

    one = known.silence
    words = " ".join(shlex.quote(printable(matcher.text())) for matcher in of_silence(one))
    length = format_duration(max(60, round((one.ends_at - one.starts_at).total_seconds() / 60) * 60))
    return f"opsctl silence create {words} --for {length} --comment {shlex.quote(printable(one.comment))}"


def extend(members: Members, wanted: Sequence[tuple[Known, datetime]], timeout: float = 10.0) -> list[Changed]:
    """Give each silence its later end, one after the other; a failure does not stop the rest. Raises Interrupted."""
    ends = {known.id: end for known, end in wanted}

    def one(known: Known) -> Changed:
        end = ends[known.id]
        draft = draft_of(known, end)
        return _write(members, known, lambda member: member.post(draft, timeout), end, "extended")

    def done(known: Known | None, change: Changed) -> bool:
        return known is not None and known.state in ACTIVE and abs(known.silence.ends_at - change.end) < _SECOND

    return _each([known for known, _ in wanted], one, members, done, timeout, "extended")


def expire(members: Members, wanted: Sequence[Known], timeout: float = 10.0) -> list[Changed]:
    """End each silence now, one after the other; a failure does not stop the rest. Raises Interrupted."""

    def one(known: Known) -> Changed:
        now = datetime.now(UTC)
        if known.state not in ACTIVE:
            return Changed("unchanged", known, known.id, known.silence.ends_at, says="it had ended already")

        def end(member: AlertmanagerWriter) -> str:
            member.expire(known.id, timeout)
            return known.id

        return _write(members, known, end, now, "expired")

    def done(known: Known | None, change: Changed) -> bool:
        return known is not None and known.state not in ACTIVE

    return _each(wanted, one, members, done, timeout, "expired")


_SECOND = timedelta(seconds=1)


def draft_of(known: Known, end: datetime) -> Draft:
    """The silence with another end. Matchers in their order and the same start keep its id (alert-tooling.md 2)."""
    from opsctl.clients.alertmanager_write import Draft

    one = known.silence
    return Draft(
        id=one.id,
        matchers=of_silence(one),
        starts_at=one.starts_at.astimezone(UTC),
        ends_at=end,
        created_by=one.created_by,
        comment=one.comment,
        annotations=one.annotations,
    )


def _write(
    members: Members, known: Known, send: Callable[[AlertmanagerWriter], str], end: datetime, outcome: Outcome
) -> Changed:
    """Send the change to the first member that has the silence and takes it; sent twice it is the same change."""
    error: CouldNotLook | None = None
    for member in members.all:
        if member.address in known.lacking:
            continue
        try:
            id = send(member)
        except CouldNotLook as failed:
            error = failed
            if failed.reason in ("bad-query", "unauthorized", "forbidden"):
                break
            continue
        if id != known.id:
            says = f"it ended meanwhile; the server made {id} instead, which is in force"
            return Changed("forked", known, id, end, says=says)
        return Changed(outcome, known, id, end)
    return Changed("failed", known, known.id, end, says=error.says if error else "no member has it")


def _each(
    wanted: Sequence[Known],
    one: Callable[[Known], Changed],
    members: Members,
    done: Callable[[Known | None, Changed], bool],
    timeout: float,
    good: Outcome,
) -> list[Changed]:
    changes: list[Changed] = []
    try:
        changes.extend(one(known) for known in wanted)
        return _verified(changes, members, done, timeout, good)
    except KeyboardInterrupt:
        raise _interrupted(wanted, changes, good) from None


def _verified(
    changes: list[Changed],
    members: Members,
    done: Callable[[Known | None, Changed], bool],
    timeout: float,
    good: Outcome,
) -> list[Changed]:
    """What every member shows of the changes, for as long as one does not show them, three seconds at most."""
    sent = [change for change in changes if change.outcome in ("extended", "expired", "failed")]
    if not sent:
        return changes
    ends = time.monotonic() + _SEEN_WITHIN
    while True:
        views: dict[str, dict[str, Known]] = {}
        given, failed = members.ask(lambda member: member.silences(timeout))
        for member, there in given:
            views[member.address] = {s.id: Known(s) for s in there}
        checked = [_checked(change, views, [f.address for f in failed], done, good) for change in changes]
        if all(not change.not_seen_on for change in checked) or time.monotonic() >= ends:
            return checked
        time.sleep(_PAUSE)


def _checked(
    change: Changed,
    views: dict[str, dict[str, Known]],
    failed: Sequence[str],
    done: Callable[[Known | None, Changed], bool],
    good: Outcome,
) -> Changed:
    if change.outcome not in ("extended", "expired", "failed"):
        return change
    having = [address for address, view in views.items() if done(view.get(change.id), change)]
    if change.outcome == "failed":
        return change if not having else change._replace(outcome=good, says="")  # only the answer was lost
    if not having:
        says = "it was taken, but no member shows it" if views else "it was taken, but could not be read back"
        return change._replace(outcome="unknown", says=says, not_seen_on=())
    return change._replace(not_seen_on=(*(a for a in views if a not in having), *failed))


def _interrupted(wanted: Sequence[Known], changes: Iterable[Changed], word: str) -> Interrupted:
    done = [change.known.short for change in changes if change.outcome not in ("failed", "unchanged")]
    says = f"interrupted; {len(done)} of {len(wanted)} silences were {word}"
    if done:
        says += f" ({', '.join(done[:10])}{' ...' if len(done) > 10 else ''})"
    left = [known.short for known in wanted if known.short not in done]
    if left:
        says += f", of {left[0]} it is not known"
    return Interrupted(says, remedy="Look with: opsctl silence list --state active,pending,expired")
