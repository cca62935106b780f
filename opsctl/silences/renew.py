"""One round of keeping acks: those whose alert still fires get longer, those whose alert is clear end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from opsctl.silences.ack import Ack, Renewal, acks, due, long_enough
from opsctl.silences.book import Book, Known
from opsctl.silences.change import Changed, expire, extend
from opsctl.silences.matcher import of_silence
from opsctl.silences.members import Members


class Renewed(NamedTuple):
    """A renewal and what came of it (None: it was left as it is)."""

    renewal: Renewal
    change: Changed | None = None


def renew(members: Members, book: Book, now: datetime, longest: float, timeout: float = 10.0) -> list[Renewed]:
    """Extend or end every ack in force, as is due. ``longest``: seconds that the policy lets a silence last.

    An ack that can only be kept under another id is not kept. Raises Interrupted.
    """
    found = acks(book)
    fires = {ack.known.id: _fires(members, ack, timeout) for ack in found}
    clear = any(not firing for firing, _ in fires.values())
    settled = clear and not book.failed and _settled(members, now, timeout)
    renewals = [
        due(ack, fires=fires[ack.known.id][0], heard=settled and fires[ack.known.id][1], now=now, longest=longest)
        for ack in found
    ]
    longer = [(one.ack.known, one.end) for one in renewals if one.what == "extend" and one.end is not None]
    over = [one.ack.known for one in renewals if one.what == "end"]
    changes = [*extend(members, longer, timeout), *expire(members, over, timeout)]
    _take_back(members, changes, timeout)
    by_id = {change.known.id: change for change in changes}
    return [Renewed(one, by_id.get(one.ack.known.id)) for one in renewals]


def _fires(members: Members, ack: Ack, timeout: float) -> tuple[bool, bool]:
    """Whether an alert of it fires on any member, and whether all members could say."""
    filters = [matcher.text() for matcher in of_silence(ack.known.silence)]
    given, failed = members.ask(lambda one: one.alerts(filters, timeout))
    return any(alerts for _, alerts in given), not failed


def _settled(members: Members, now: datetime, timeout: float) -> bool:
    """Whether all members have run long enough to know what fires."""
    given, failed = members.ask(lambda one: one.status(timeout).started)
    return not failed and all(long_enough(started, now) for _, started in given)


def _take_back(members: Members, changes: Sequence[Changed], timeout: float) -> None:
    """A silence that the server made in place of an ack that ended meanwhile would be kept by nobody."""
    for change in changes:
        if change.outcome == "forked":
            import msgspec

            from opsctl.clients.alertmanager import SilenceStatus

            made = msgspec.structs.replace(change.known.silence, id=change.id, status=SilenceStatus(state="active"))
            expire(members, [Known(made)], timeout)
