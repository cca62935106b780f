"""What a file of schedules asks for and what is there: one list of steps. Asks, changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal, NamedTuple

from opsctl.durations import format_duration
from opsctl.errors import ConfigError, Refused
from opsctl.silences import schedule_mark as marks
from opsctl.silences.book import Book, Known
from opsctl.silences.create import ACTIVE, Wanted
from opsctl.silences.firing import Firing, firing
from opsctl.silences.guard import refusals
from opsctl.silences.members import Members
from opsctl.silences.policy import Policy
from opsctl.silences.schedule_file import Schedule, Schedules
from opsctl.silences.schedule_mark import Mark
from opsctl.silences.schedule_times import Occurrence, between

_MOST = 500  # windows of one schedule at a time
_TOO_LATE = timedelta(seconds=5)  # a window that ends so soon is over before the silence is made


class Step(NamedTuple):
    """``create``: it is missing. ``refused``: it is, and a guard forbids it. ``there``: it is as wanted, or somebody
    gave it another end. ``ended``: it is missing because somebody ended it. ``expire``: pending, no longer wanted.
    ``left``: no longer wanted, but in force or changed by hand.
    """

    what: Literal["create", "refused", "there", "ended", "expire", "left"]
    id: str
    start: datetime
    end: datetime
    says: str = ""
    known: Known | None = None
    schedule: Schedule | None = None
    wanted: Wanted | None = None

    @property
    def due(self) -> bool:
        """Whether there is something to do, or to decide."""
        return self.what in ("create", "refused", "expire")


def plan(
    schedules: Schedules,
    book: Book,
    now: datetime,
    ahead: timedelta,
    against: Callable[[Schedule, Wanted], str],
) -> list[Step]:
    """The steps, by start. ``now``: the server's time, aware. ``against``: why the guards refuse it, "" if they do not.

    Raises ConfigError for a schedule with hundreds of windows within ``ahead``.
    """
    own = [(mark, one) for one in book.all if (mark := marks.of(schedules.name, one.silence)) is not None]
    alive = sorted(((mark, one) for mark, one in own if one.state in ACTIVE), key=lambda pair: _age(pair[1]))
    ended = {mark.seal for mark, one in own if one.state not in ACTIVE and mark.cut_short(one.silence)}
    first: dict[str, Known] = {}
    for mark, one in alive:
        first.setdefault(mark.seal, one)
    steps: list[Step] = []
    for schedule in schedules.all:
        for at in _due(schedule, now, ahead):
            wanted, seal = marks.wanted(schedules.name, schedule, at), marks.seal_of(schedules.name, schedule, at)
            if seal in first:
                continue  # told below
            why = "" if seal in ended else against(schedule, wanted)
            what: Literal["create", "refused", "ended"] = "ended" if seal in ended else "refused" if why else "create"
            says = why or ("somebody ended it" if what == "ended" else at.says)
            steps.append(Step(what, schedule.id, at.start, at.end, says, None, schedule, wanted))
    by_id = {schedule.id: schedule for schedule in schedules.all}
    steps += [_judged(schedules.name, by_id.get(mark.id), mark, one, first[mark.seal]) for mark, one in alive]
    return sorted(steps, key=lambda step: (step.start, step.id, step.what))


def _age(one: Known) -> tuple[datetime, str]:
    """Of doubles the first is kept: the order in which `create` takes them back."""
    return one.silence.updated_at or one.silence.starts_at, one.id


def _due(schedule: Schedule, now: datetime, ahead: timedelta) -> list[Occurrence]:
    found = list(islice(between(schedule.times, now - schedule.times.length, now + ahead), _MOST + 1))
    if len(found) > _MOST:
        raise ConfigError(
            f"schedule {schedule.id} has more than {_MOST} windows within {format_duration(ahead.total_seconds())}",
            remedy="Take a smaller --ahead, or fewer and longer windows.",
        )
    return [one for one in found if one.end > now + _TOO_LATE]


def _judged(name: str, schedule: Schedule | None, mark: Mark, one: Known, first: Known) -> Step:
    """A silence of this file that is in force or to come."""
    stale = _stale(name, schedule, mark)
    if not stale and one.id != first.id:
        stale = f"a double of {first.short}"
    silence = one.silence
    start, end = silence.starts_at.astimezone(UTC), silence.ends_at.astimezone(UTC)
    if not stale:
        changed = abs(end - mark.end) >= timedelta(seconds=1)
        return Step("there", mark.id, start, end, "its end was changed by hand" if changed else "", one, schedule)
    if one.state == "pending" and mark.untouched(silence):
        return Step("expire", mark.id, start, end, stale, one, schedule)
    why = "it is in force" if one.state == "active" else "it was changed by hand"
    return Step("left", mark.id, start, end, f"{stale}, but {why}: `opsctl silence expire {one.short}`", one, schedule)


def _stale(name: str, schedule: Schedule | None, mark: Mark) -> str:
    """Why the window is not wanted, "" if it is."""
    if schedule is None:
        return "its schedule is no longer in the file"
    at = next(between(schedule.times, mark.start, mark.start + timedelta(seconds=1)), None)
    if at is None:
        return "its schedule has no such window any more"
    if at.end != mark.end:
        return "its schedule has another length now"
    return "" if marks.seal_of(name, schedule, at) == mark.seal else "its schedule has other matchers now"


class Guards:
    """The policy, asked for each missing window; what fires is read once."""

    def __init__(self, members: Members, policy: Policy, now: datetime, timeout: float = 10.0) -> None:
        self._members, self._policy, self._now, self._timeout = members, policy, now, timeout
        self._all: Firing | None = None

    def against(self, schedule: Schedule, wanted: Wanted) -> str:
        """Why the guards refuse it, "" if they do not."""
        try:
            fires = self._all or firing(self._members, wanted.matchers, self._timeout)
        except Refused as error:
            return error.says.removeprefix("refused: ")
        self._all = fires if fires.complete else None
        found = refusals(
            self._policy,
            wanted.matchers,
            seconds=(wanted.window.end - max(self._now, wanted.window.start)).total_seconds(),
            comment=schedule.comment,
            ticket=schedule.ticket,
            firing=[alert.labels for alert in fires.alerts],
            complete=fires.complete,
            allowed=schedule.allow,
            allow_count=schedule.allow_count,
        )
        said = " ".join(refusal.says for refusal in found)
        # Here the flags of `create` are keys of the schedule.
        for flag, key in (("--allow-count ", "allow_count: "), ("--allow ", "allow: "), ("with --", "as ")):
            said = said.replace(flag, key)
        return said
