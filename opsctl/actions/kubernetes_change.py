"""One change to one object: rehearsed by a server-side dry run, sent against the very object that was planned."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from opsctl.actions.hands import Hands
from opsctl.actions.model import Check, Did, DidState, Scalar
from opsctl.clients.kubernetes_write import KubernetesWriter, NotWritten, PatchKind
from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_json import part, text

TRIES = 3  # of a change that met a new status of the same spec: each refused one changed nothing
_STATES: dict[str, DidState] = {"conflict": "skipped", "gone": "skipped", "unknown": "unknown"}
Pins = Callable[[Mapping[str, Any]], Mapping[str, Scalar]]


class Change(NamedTuple):
    """A patch of the object at ``path``. ``body`` makes it from the object as it is now."""

    path: str
    kind: PatchKind
    body: Callable[[Mapping[str, Any]], Any]
    to: str = ""  # where it is sent, when not to ``path``: the scale of the object


def version_of(obj: Mapping[str, Any]) -> str:
    """An object's resourceVersion."""
    return text(part(obj, "metadata"), "resourceVersion")


def rehearse(send: Callable[[], object]) -> Check:
    """A server-side dry run as a precondition: what the server would refuse later is refused now."""
    try:
        send()
    except NotWritten as refused:
        return Check(id="dry-run", says=refused.says, ok=False)
    except CouldNotLook as failure:
        return Check(id="dry-run", says=f"the dry run came to no answer: {failure.says}", ok=None)
    return Check(id="dry-run", says="the API server accepts it as a dry run, which changed nothing", ok=True)


def rehearsed(writer: Callable[[], KubernetesWriter], change: Change, seen: Mapping[str, Any]) -> Check:
    """``rehearse`` of a patch against the object as it was seen, or as it is when its status has moved on."""

    def ask() -> None:
        now = seen
        for attempt in range(1, TRIES + 1):
            try:
                writer().patch(change.to or change.path, change.body(now), change.kind, dry_run=True)
                return
            except NotWritten as refused:
                if refused.word != "conflict" or attempt == TRIES:
                    raise
                now = writer().get(change.path)

    return rehearse(ask)


def send(
    hands: Hands,
    change: Change,
    pin: Mapping[str, Scalar],
    pins: Pins,
    done: Callable[[Mapping[str, Any], Mapping[str, Any]], Did],
) -> Did:
    """Send it if the object is still the one of ``pin``; ``done(before, after)`` makes the Did of what was done.

    The body carries the resourceVersion just read, so that nothing can come in between. Raises CouldNotLook only
    before anything was sent.
    """
    started = time.monotonic()
    writer = hands.writers.kubernetes()
    for attempt in range(1, TRIES + 1):
        try:
            now = writer.get(change.path)
        except CouldNotLook as failure:
            if failure.reason == "not-found":
                return Did(state="skipped", says=f"gone meanwhile: {failure.says}")
            raise
        moved = difference(pin, pins(now))
        if moved:
            return Did(state="skipped", says=f"changed meanwhile: {moved}")
        try:
            after = writer.patch(change.to or change.path, change.body(now), change.kind)
        except NotWritten as refused:
            if refused.word == "conflict" and attempt < TRIES:
                continue
            return not_done(refused, time.monotonic() - started)
        did = done(now, after)
        return Did(
            state=did.state,
            says=did.says,
            inverse=did.inverse,
            after=did.after,
            seconds=round(time.monotonic() - started, 3),
        )
    raise AssertionError("unreachable: the last try returns")


def not_done(refused: NotWritten, seconds: float = 0.0) -> Did:
    """What a refusal means for a step."""
    return Did(state=_STATES.get(refused.word, "failed"), says=refused.says, seconds=round(seconds, 3))


def difference(pin: Mapping[str, Scalar], now: Mapping[str, Scalar]) -> str:
    """What of the pin is otherwise now, "" for nothing: ``generation 3, now 4``."""
    if pin.get("uid") != now.get("uid"):
        return "it is another object of the same name"
    moved = [f"{key} {value}, now {now.get(key)}" for key, value in pin.items() if now.get(key) != value]
    return "; ".join(moved)


def read(hands: Hands, path: str) -> dict[str, Any] | None:
    """An object as it is, None when there is none. Raises CouldNotLook for every other failure."""
    try:
        return hands.writers.kubernetes().get(path)
    except CouldNotLook as failure:
        if failure.reason == "not-found":
            return None
        raise
