"""What a fault of the lab is."""

from __future__ import annotations

from typing import NamedTuple

LATENCY = "high-latency"
ERRORS = "high-error-rate"
TIMEOUTS = "high-timeout-rate"
DOWN = "service-down"
QUERIES = "slow-queries"
CACHE = "low-cache-hit-rate"
RESOURCES = "resource-exhaustion"
STALE = "monitoring-stale"
STORM = "alert-storm"
POOL = "db-pool-exhaustion"
KYRODB = "kyrodb-down"
KEYS = "key-compromise"
BUDGET = "budget-exceeded"


class Remedy(NamedTuple):
    """What ends a fault without healing it: ``opsctl remediate RUNBOOK ACTION OPTIONS``, and the word that comes of it.

    ``targets``: ids (or their beginnings) that the plan must hold, and no others; () = not fixed beforehand.
    ``number``: how many targets, where their ids are not known beforehand. ``undo``: what it did can be taken back.
    ``planned_by``: further runbooks that plan the same action for the same targets. ``then``: what has to follow.
    """

    runbook: str
    action: str
    options: tuple[str, ...] = ()
    word: str = "fixed"
    targets: tuple[str, ...] = ()
    number: int = 0
    undo: bool = False
    planned_by: tuple[str, ...] = ()
    then: Remedy | None = None


class Fault(NamedTuple):
    """One fault. ``cause``: the id under which ``runbook`` should name it. ``needs``: parts that must be there.

    ``also``: further (runbook, cause) of the same service that should find it first while it is on.
    ``alone``: it disturbs the diagnosis of all services, or they its remedy. ``remedy``: an action that ends it.
    """

    id: str
    service: str
    runbook: str
    cause: str
    says: str
    needs: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    alone: bool = False
    remedy: Remedy | None = None

    @property
    def found_by(self) -> tuple[tuple[str, str], ...]:
        """Every (runbook, cause) that should name it."""
        return ((self.runbook, self.cause), *self.also)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that should find it."""
        return tuple(f"opsctl diagnose {runbook} -s {self.service}" for runbook, _ in self.found_by)
