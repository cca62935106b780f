"""When an action last acted on a target: what cool-downs go by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from opsctl.ledger.clean import identity, line
from opsctl.ledger.moments import moment_of

if TYPE_CHECKING:
    from opsctl.ledger.database import Work

_QUERY = """
SELECT e.run, e.step, e.kind, e.at, e.body FROM entries e JOIN runs r ON r.id = e.run
WHERE r.action = ? AND r.scope = ? AND e.kind IN ('intent', 'result', 'settled') ORDER BY e.number DESC"""


class _Target(msgspec.Struct):
    id: str


class _Step(msgspec.Struct):
    target: _Target


class _Word(msgspec.Struct):
    state: str = ""  # of a result
    effect: str = ""  # of a later look
    undo: bool = False  # it was a look at the undo


def last_act(work: Work, action: str, targets: Sequence[str], scope: str) -> dict[str, datetime]:
    """Target id -> when, for those that were acted on. What is not known counts as an act.

    Reads from the newest entry on, until every target is found.
    """
    wanted = {identity(target): target for target in targets}
    found: dict[str, datetime] = {}
    came: dict[tuple[str, int], str] = {}  # step -> time of the act that followed the next older intent, "" = none
    if not wanted:
        return found
    for page in work.pages(_QUERY, line(action), line(scope), size=500):
        for run, step, kind, at, body in page:
            key = (run, step)
            if kind == "intent":
                when = came.pop(key, at)
                target = wanted.get(msgspec.json.decode(body, type=_Step).target.id)
                if when and target is not None:
                    found.setdefault(target, moment_of(when))
            elif key not in came:
                word = msgspec.json.decode(body, type=_Word)
                if word.undo:
                    continue
                acted = word.state in ("acted", "unknown") or word.effect in ("acted", "unknown")
                came[key] = at if acted else ""
        if len(found) == len(wanted):
            break
    return found
