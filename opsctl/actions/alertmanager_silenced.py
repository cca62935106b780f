"""Making the silence of a step, finding it again, ending it, and whether it does what it should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsctl.actions.model import Did, Effect, Verified
from opsctl.errors import CouldNotLook, OpsctlError, Refused, Unavailable
from opsctl.redact import printable, redact
from opsctl.silences.matcher import Matcher, canonical, matches_all, of_silence

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Plan, Step
    from opsctl.silences.book import Book, Known
    from opsctl.silences.firing import Firing
    from opsctl.silences.members import Members

_PATIENCE = 15.0  # seconds for a request; a store in a storm is slow
_MORE = 3  # alerts that a group may have grown by since the plan, and half of what it was


@contextmanager
def _members(hands: Hands) -> Iterator[Members]:
    from opsctl.silences.members import Members

    members = Members(hands.writers.endpoint("alertmanager"))
    try:
        yield members
    finally:
        members.close()


def apply(hands: Hands, step: Step) -> Did:
    """Make the silence, unless it is there or would now mute more than was planned. One POST at most takes effect.

    Raises CouldNotLook before anything was sent.
    """
    from opsctl.actions.alertmanager_storm import against
    from opsctl.silences.create import Wanted, create
    from opsctl.silences.firing import firing
    from opsctl.silences.policy import find_policy, load_policy
    from opsctl.silences.window import Window

    matchers = _matchers(step.before["matchers"])
    with _members(hands) as members:
        try:
            now = firing(members, matchers, _PATIENCE)
        except Refused as refused:
            raise CouldNotLook("no-data", refused.says.removeprefix("refused: ")) from None
        why = _moved(step, now, matchers)
        if why:
            return Did(state="skipped", says=why)
        words = against(
            load_policy(find_policy(None)),
            matchers,
            seconds=float(step.before["seconds"]),
            comment=_marked(hands, step),
            firing=[alert.labels for alert in now.alerts],
            complete=now.complete,
            allow=step.before["allow"],
            allow_count=step.before["allow_count"],
        )
        if words:
            return Did(state="skipped", says="; ".join(one.says.partition(". ")[0] for one in words))
        begin = datetime.now(UTC).replace(microsecond=0)
        window = Window(begin, begin + timedelta(seconds=float(step.before["seconds"])), True)
        wanted = Wanted(matchers, window, hands.actor or "opsctl", _marked(hands, step))
        try:
            made = create(members, wanted, _PATIENCE, check=hands.check_stop)
        except Unavailable as error:
            raise CouldNotLook("refused", error.says) from None
        except CouldNotLook as error:
            return Did(state="failed", says=f"Alertmanager did not take it: {error.says}")
    if made.outcome == "unknown":
        return Did(state="unknown", says=f"whether the silence was made is not known: {made.says}")
    until = f"until {made.end:%H:%M:%S} UTC"
    if made.outcome == "found":
        return Did(state="unchanged", says=f"silence {made.id} was there already, {until}", after={"id": made.id})
    unseen = f"; not seen on {', '.join(made.not_seen_on)}" if made.not_seen_on else ""
    return Did(
        state="acted",
        says=f"silence {made.id}, {until}{unseen}{f'; {made.says}' if made.says else ''}",
        inverse={"id": made.id, "matchers": step.before["matchers"]},
        after={"id": made.id, "until": made.end.isoformat()},
    )


def _moved(step: Step, now: Firing, matchers: Sequence[Matcher]) -> str:
    """Why the silence would no longer be what was planned; "" when it is."""
    hits = now.hits(matchers)
    planned = set(step.before["covers"])
    new = [alert for alert in hits if (alert.fingerprint or "")[:16] not in planned]
    if not hits:
        return "none of its alerts fires any more"
    critical = [alert for alert in new if alert.labels.get("severity") == "critical"]
    if critical:
        return f"it would mute {len(critical)} critical alerts that were not in the plan"
    if len(new) > max(_MORE, len(planned) // 2):
        return f"it would mute {len(new)} alerts that were not in the plan, which has {len(planned)}"
    if any(alert.labels.get("alertname", "") == step.before["root"] for alert in hits):
        return f"it would mute {step.before['root']}, which must stay audible"
    return ""


def settled(hands: Hands, step: Step) -> Effect:
    """Whether the silence of this run and step is there, or was. Raises CouldNotLook."""
    with _members(hands) as members:
        book = _book(members)
        if _mine(hands, step.before["matchers"], book):
            return "acted"
        return "unknown" if book.failed else "not-acted"


def undo(hands: Hands, step: Step, inverse: Mapping[str, Any]) -> Did:
    """End the silence. One that has ended already is left as it is."""
    from opsctl.silences.change import expire

    with _members(hands) as members:
        book = _book(members)
        id = str(inverse.get("id", ""))
        found = [one for one in book.all if one.id == id] if id else _mine(hands, inverse["matchers"], book)
        if not found:
            return Did(state="unchanged", says=f"silence {id or 'of this run'} is not there any more")
        changed = expire(members, found, _PATIENCE)
    bad = [one for one in changed if one.outcome not in ("expired", "unchanged")]
    if bad:
        return Did(state="failed", says="; ".join(f"silence {one.id}: {one.says or one.outcome}" for one in bad))
    ids = ", ".join(one.id for one in changed)
    if all(one.outcome == "unchanged" for one in changed):
        return Did(state="unchanged", says=f"silence {ids} had ended already")
    return Did(state="acted", says=f"silence {ids} ended")


def verify(hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    """Each alert that was meant is silenced by the new silence, and the root is not muted. Raises CouldNotLook."""
    steps = [step for step in plan.proposal.steps if step.number in done]
    with _members(hands) as members:
        book = _book(members)
        given, failed = members.ask(lambda one: one.alerts((), _PATIENCE))
    if not given:
        raise failed[0].error
    missing = 0
    for step in steps:
        ids = {one.id for one in _mine(hands, step.before["matchers"], book)}
        matchers = _matchers(step.before["matchers"])
        for _, alerts in given:
            hits = [alert for alert in alerts if matches_all(matchers, alert.labels)]
            missing += sum(1 for alert in hits if not ids & set(alert.status.silenced_by))
    if missing:
        return Verified(ok=False, says=f"{missing} alerts that should be silenced are not yet")
    root = next((str(step.before["root"]) for step in steps if step.before["root"]), "")
    fires = [alert for _, alerts in given for alert in alerts if alert.labels.get("alertname") == root]
    heard = [a for a in fires if not (a.status.silenced_by or a.status.inhibited_by or a.status.muted_by)]
    if fires and not heard:
        return Verified(ok=False, says=f"{root} is muted, and nobody is told of it")
    says = f"{len(steps)} silences hold, {root} stays audible" if fires else f"{len(steps)} silences hold"
    return Verified(ok=True, says=says)


def _mine(hands: Hands, matchers: Sequence[Mapping[str, str]], book: Book) -> list[Known]:
    """The silences that this run made of these matchers; without a run's id, those in force."""
    wanted = canonical(_matchers(matchers))
    same = [one for one in book.all if canonical(of_silence(one.silence)) == wanted]
    if hands.run:
        return [one for one in same if _mark(hands) in one.silence.comment]
    return [one for one in same if one.state != "expired"]


def _book(members: Members) -> Book:
    from opsctl.silences.book import read

    try:
        return read(members, _PATIENCE)
    except OpsctlError as error:
        raise CouldNotLook("refused", error.says) from None


def _marked(hands: Hands, step: Step) -> str:
    """The plan's comment, with what was said when it was applied, and the run."""
    comment = str(step.before["comment"])
    if hands.reason and hands.reason not in comment:
        comment = f"{redact(printable(hands.reason))}: {comment}"
    return f"{comment} {_mark(hands)}" if hands.run else comment


def _mark(hands: Hands) -> str:
    """How a silence is found again after a crash: its comment names the run."""
    return f"[opsctl {hands.run}]"


def _matchers(given: Sequence[Mapping[str, str]]) -> tuple[Matcher, ...]:
    return tuple(Matcher(name=one["name"], value=one["value"]) for one in given)
