"""The registry of actions. Modules are loaded by system, on demand, as probes are."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opsctl.actions.model import Limit, Pace

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.model import Did, Effect, Params, Plan, Proposal, Step, Verified

MODULES = {
    "postgres": "opsctl.actions.postgres",
    "pgbouncer": "opsctl.actions.pgbouncer",
    "redis": "opsctl.actions.redis",
    "kubernetes": "opsctl.actions.kubernetes",
    "service": "opsctl.actions.service",
    "kyrodb": "opsctl.actions.kyrodb",
    "alertmanager": "opsctl.actions.alertmanager",
    "customer": "opsctl.actions.customer",
    "budget": "opsctl.actions.budget",
    "firewall": "opsctl.actions.firewall",
}


class Action(NamedTuple):
    """A registered action.

    ``observe(hands, params)`` reads what is needed, with the readers only; raises CouldNotLook.
    ``propose(seen, params)`` is pure: from what was observed to a Proposal. No steps = nothing to do (why: ``excluded``
    and ``notes``).
    ``apply(hands, step)`` acts on one target, at most once, checking its pin in the same statement or request where the
    server can; it never raises for what the server does (Did says it), and CouldNotLook only before anything was sent.
    ``settled(hands, step)`` looks, after a crash, whether the step took effect.
    ``undo(hands, step, inverse)`` puts back what ``apply`` returned as inverse; None = cannot be undone.
    ``verify(hands, plan, done)`` looks whether the acts in ``done`` (step numbers) had their effect.
    ``weight``: 1 nobody notices … 5 some requests fail … 9 an outage; smaller ones are proposed first.
    ``cooldown``: seconds before the same action may hit the same target again. ``expires``: seconds a plan is good for.
    ``help``: a sentence per parameter. ``prepares``: a later act (a restart) brings its effect, so that
    ``verify`` alone tells whether it is done, and no finding of a diagnosis.
    """

    id: str
    title: str
    params: type[Params]
    observe: Callable[[Hands, Any], Any]
    propose: Callable[[Any, Any], Proposal]
    apply: Callable[[Hands, Step], Did]
    settled: Callable[[Hands, Step], Effect]
    undo: Callable[[Hands, Step, Mapping[str, Any]], Did] | None
    verify: Callable[[Hands, Plan, tuple[int, ...]], Verified]
    help: Mapping[str, str]
    weight: int
    asks: str  # what it sends, as one would type it
    privilege: str  # what its role needs
    limit: Limit = Limit()
    pace: Pace = Pace()
    cooldown: float = 600.0
    expires: float = 300.0
    prepares: bool = False


_actions: dict[str, Action] = {}


def register(action: Action) -> Action:
    """Make it known. Raises ValueError for an id that is taken or a parameter without help."""
    if action.id in _actions:
        raise ValueError(f"action {action.id} is registered twice")
    missing = set(action.params.__struct_fields__) ^ set(action.help)
    if missing:
        raise ValueError(f"action {action.id}: help and parameters differ in {', '.join(sorted(missing))}")
    _actions[action.id] = action
    return action


def get(id: str) -> Action | None:
    """The action of that id, loading its system's module; None if there is none."""
    system = id.partition(".")[0]
    if id not in _actions and system in MODULES:
        importlib.import_module(MODULES[system])
    return _actions.get(id)


def all_actions() -> dict[str, Action]:
    """Every action (loads all modules, not their drivers)."""
    for module in MODULES.values():
        importlib.import_module(module)
    return dict(sorted(_actions.items()))
