"""What fires now, as far as the guards of a silence need it: what it would mute, and how many alerts there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from opsctl.errors import Refused
from opsctl.silences.matcher import Matcher, matches_all
from opsctl.silences.members import Failed, Members
from opsctl.silences.preview import merged

if TYPE_CHECKING:
    from opsctl.clients.alertmanager import Alert

# 50,000 alerts took 4 s, and 40 s beside many new silences; only those that match 0.7 s (alert-tooling.md, own
# measurements). So all are asked for first, which is one request and tells the share, and not for long.
_ALL_WITHIN = 3.0


class Firing(NamedTuple):
    """``alerts``: all that fire, or (``complete`` False) only those that the matchers select."""

    alerts: list[Alert]
    complete: bool
    failed: tuple[Failed, ...] = ()

    def hits(self, matchers: Sequence[Matcher]) -> list[Alert]:
        """The alerts that such a silence would mute."""
        return [alert for alert in self.alerts if matches_all(matchers, alert.labels)]


def firing(members: Members, matchers: Sequence[Matcher], timeout: float = 10.0) -> Firing:
    """Ask all members; silenced and inhibited alerts count as firing.

    Raises Refused when nobody can say: without the answer the guards cannot judge.
    """
    given, failed = members.ask(lambda one: one.alerts((), min(timeout, _ALL_WITHIN)))
    if given:
        return Firing(merged(answer for _, answer in given), True, tuple(failed))
    filters = [matcher.text() for matcher in matchers]
    given, failed = members.ask(lambda one: one.alerts(filters, timeout)) if filters else ([], failed)
    if given:
        return Firing(merged(answer for _, answer in given), False, tuple(failed))
    raise Refused(
        f"refused: which alerts it would mute could not be read: {failed[0].error.says}",
        remedy="Give it more time with --timeout 60s.",
    )
