"""The registry of probes: id, parameters, findings each may emit. Modules are loaded by system, on demand."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from opsctl.model import Seen
    from opsctl.probes.look import Look

# system -> module: a diagnosis imports only the systems its runbook names.
MODULES = {
    "signal": "opsctl.probes.signal",
    "prometheus": "opsctl.probes.prometheus",
    "alertmanager": "opsctl.probes.alertmanager",
    "metrics": "opsctl.probes.metrics",
    "http": "opsctl.probes.http",
    "symptom": "opsctl.probes.symptom",
    "log": "opsctl.probes.log",
    "postgres": "opsctl.probes.postgres",
    "pgbouncer": "opsctl.probes.pgbouncer",
    "redis": "opsctl.probes.redis",
    "kubernetes": "opsctl.probes.kubernetes",
    "kyrodb": "opsctl.probes.kyrodb",
}


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a probe's parameters; unknown keys are refused when the runbook loads."""


class NoParams(Params, frozen=True, kw_only=True):
    """For probes without parameters."""


P = TypeVar("P", bound=Params)


class Probe(NamedTuple):
    """A registered probe. ``emits``: finding id -> what it means when it holds.

    ``local``: the probe also emits the id given in its parameter ``finding`` (a runbook's own, prefix ``local.``).
    ``changes``: what it reports is also asked for beside every runbook ("What changed"); it then needs no parameters.
    """

    id: str
    run: Callable[[Look, Any], Seen]
    params: type[Params]
    emits: Mapping[str, str]
    local: bool
    asks: str  # what it asks the server
    privilege: str
    cost: str
    minimum: str
    changes: bool = False


_probes: dict[str, Probe] = {}


def probe(
    id: str,
    *,
    emits: Mapping[str, str] | None = None,
    params: type[P],
    local: bool = False,
    asks: str,
    privilege: str = "",
    cost: str = "one query",
    minimum: str = "",
    changes: bool = False,
) -> Callable[[Callable[[Look, P], Seen]], Callable[[Look, P], Seen]]:
    """Register a function as probe ``system.noun``. The function raises CouldNotLook or returns Seen."""

    def register(run: Callable[[Look, P], Seen]) -> Callable[[Look, P], Seen]:
        if id in _probes:
            raise ValueError(f"probe {id} is registered twice")
        _probes[id] = Probe(id, run, params, dict(emits or {}), local, asks, privilege, cost, minimum, changes)
        return run

    return register


def get(id: str) -> Probe | None:
    """The probe of that id, loading its system's module; None if there is none."""
    system = id.partition(".")[0]
    if id not in _probes and system in MODULES:
        importlib.import_module(MODULES[system])
    return _probes.get(id)


def change_probes(system: str) -> list[Probe]:
    """The probes of one system that tell what changed, in the order they are registered (loads its module)."""
    if system in MODULES:
        importlib.import_module(MODULES[system])
    return [found for id, found in _probes.items() if found.changes and id.partition(".")[0] == system]


def all_probes() -> dict[str, Probe]:
    """Every probe (loads all modules, not their drivers)."""
    for module in MODULES.values():
        importlib.import_module(module)
    return dict(sorted(_probes.items()))
