"""Ending one session or one statement: the statement that acts compares the pin; then a look at what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opsctl.actions import sql
from opsctl.actions.model import Did, Target, Verified
from opsctl.actions.postgres_client import Client
from opsctl.actions.postgres_session import FALLBACK, another_server, give_back, reader_of, writer_of
from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook, NotConfigured

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Effect, Plan, Step
    from opsctl.clients.postgres import PostgresReader

GONE_SECONDS = 3.0  # a session that was told to end gets so long
_EVERY = 0.05
STATEMENTS = {
    "do_terminate_session": ("pid", "backend_start", "state", "state_change"),
    "do_terminate_blocker": ("pid", "backend_start", "xact_start"),
    "do_cancel_query": ("pid", "backend_start", "query_start"),
}
_FUNCTION = {"do_cancel_query": "pg_cancel_backend"}


def target(client: Client, statement: str) -> Target:
    """The session with the identity that this statement compares."""
    pin = {name: getattr(client, name) for name in STATEMENTS[statement]}
    return Target(id=client.id, pin=pin, says=client.says)


def call(client: Client, statement: str) -> str:
    """What is sent, as one would type it."""
    parts = [f"{name} = {_literal(getattr(client, name))}" for name in STATEMENTS[statement]]
    if statement == "do_cancel_query":
        parts.insert(2, "state = 'active'")
    function = _FUNCTION.get(statement, "pg_terminate_backend")
    return f"SELECT {function}(pid) FROM pg_stat_activity WHERE {' AND '.join(parts)}"  # noqa: S608 - only shown


def end(hands: Hands, step: Step, statement: str) -> Did:
    """Send it once, then see whether the session (or its statement) is gone. Raises CouldNotLook before sending."""
    from opsctl.clients.postgres_write import NotActed, Unclear

    writer = writer_of(hands, step.before["endpoint"])
    try:
        if wrong := another_server(writer, step.before):
            return Did(state="skipped", says=wrong)
        begun = time.monotonic()
        try:
            rows = writer.act(sql.load(statement), step.target.pin)
        except NotActed as refused:
            return Did(state="failed", says=_refused(refused.failure, writer.open().role))
        except Unclear as unclear:
            effect = settled(hands, step, statement)
            says = {"acted": "it is gone", "not-acted": "it is still there", "unknown": "nothing tells"}[effect]
            state = {"acted": "acted", "not-acted": "failed", "unknown": "unknown"}[effect]
            return Did(state=state, says=f"{unclear.failure.says}; {says}")  # type: ignore[arg-type]
        if not rows:
            return Did(state="skipped", says=_changed(writer, step, statement))
        while True:
            seconds = time.monotonic() - begun
            if not still(writer, step, statement):
                what = "cancelled" if statement == "do_cancel_query" else "gone"
                return Did(state="acted", says=f"{what} after {format_quantity(seconds, 's')}", seconds=seconds)
            if seconds > GONE_SECONDS:
                says = f"the signal was sent; after {format_quantity(seconds, 's')} it is still there"
                return Did(state="unknown", says=says, seconds=seconds)
            time.sleep(_EVERY)
    except CouldNotLook as failure:
        if not writer.is_open:  # the connection broke after the act
            return Did(state="unknown", says=f"the signal was sent, then {failure.says}")
        raise
    finally:
        give_back(hands)


def still(reader: PostgresReader, step: Step, statement: str) -> bool:
    """Whether the target is still what it was: the session is there; for a cancel, its statement still runs."""
    pin = step.target.pin
    rows = reader.rows("get_session_now", {"pid": pin["pid"], "backend_start": pin["backend_start"]})
    if statement != "do_cancel_query":
        return bool(rows)
    return bool(rows) and rows[0]["state"] == "active" and rows[0]["query_start"] == pin["query_start"]


def settled(hands: Hands, step: Step, statement: str) -> Effect:
    """After a crash: a session that is gone counts as ended by us."""
    try:
        reader = looker(hands, step.before["endpoint"])
        return "not-acted" if still(reader, step, statement) else "acted"
    except CouldNotLook:
        return "unknown"


def verify(hands: Hands, plan: Plan, done: tuple[int, ...], statement: str) -> Verified:
    """Whether those that were acted on are gone, and how many slots are free now."""
    steps = [step for step in plan.proposal.steps if step.number in done]
    if not steps:
        return Verified(ok=None, says="nothing was done")
    try:
        reader = looker(hands, steps[0].before["endpoint"])
        left = [step.target.id for step in steps if still(reader, step, statement)]
        (room,) = reader.rows("get_capacity")
    except CouldNotLook as failure:
        return Verified(ok=None, says=failure.says)
    free = f"{max(0, room['slots'] - room['used'])} of {room['slots']} slots are free"
    if left:
        return Verified(ok=False, says=f"{', '.join(left)} still there; {free}")
    what = "statements" if statement == "do_cancel_query" else "sessions"
    return Verified(ok=True, says=f"{len(steps)} {what} gone; {free}")


def looker(hands: Hands, endpoint: str) -> PostgresReader:
    """The acting session where it is open, else a reading one: never two while slots are scarce."""
    for name in (endpoint, FALLBACK):
        try:
            writer = hands.writers.postgres(name)
        except NotConfigured:
            continue
        if writer.is_open:
            return writer
    return reader_of(hands, endpoint)


def _changed(reader: PostgresReader, step: Step, statement: str) -> str:
    pin = step.target.pin
    rows = reader.rows("get_session_now", {"pid": pin["pid"], "backend_start": pin["backend_start"]})
    if not rows:
        return "changed meanwhile: that session has ended"
    if statement == "do_terminate_blocker":
        return "changed meanwhile: that transaction has ended, or nobody waits for it any more"
    doing = rows[0]["state"] or "hidden from this role"
    if statement == "do_cancel_query":
        return f"changed meanwhile: that statement has ended ({doing} now)"
    return f"changed meanwhile: it has worked since it was seen ({doing} now)"


def _refused(failure: CouldNotLook, role: str) -> str:
    if failure.reason == "forbidden":
        return f"{failure.says}; as a superuser: GRANT pg_signal_backend TO {role}"
    return failure.says


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
