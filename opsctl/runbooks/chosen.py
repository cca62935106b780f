"""Which of a runbook's probes concern a service, with their parameters bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from opsctl.probes.registry import Params, Probe, get
from opsctl.runbooks.load import Loaded, bind, needs_of
from opsctl.runbooks.model import ProbeUse
from opsctl.services.model import Profile


class Plan(NamedTuple):
    """One probe use, ready to run."""

    use: ProbeUse
    probe: Probe
    params: Params


def plan(loaded: Loaded, profile: Profile, parameters: Mapping[str, object]) -> list[Plan]:
    """The probe uses that concern this service. Raises ConfigError for an unknown probe or parameter."""
    plans: list[Plan] = []
    for use in loaded.runbook.diagnosis:
        if not concerns(profile, use.needs):
            continue
        params = bind(use, parameters, str(loaded.path))
        probe = get(use.probe)
        assert probe is not None  # bind has looked it up
        plans.append(Plan(use, probe, params))
    return plans


def defines(profile: Profile, runbook: str) -> bool:
    """Whether the service's profile has anything that decides this runbook; if not, there is nothing to look at."""
    return any(o.runbook == runbook and o.kind == "alert" for o in profile.objectives) or any(
        s.runbook == runbook for s in profile.symptoms
    )


def concerns(profile: Profile, needs: str | tuple[str, ...]) -> bool:
    """Whether the service declares every dependency (by name or kind) that a probe or cause needs."""
    declared = set(profile.dependencies) | {d.kind for d in profile.dependencies.values()}
    return all(need in declared for need in needs_of(needs))


def emitted(item: Plan) -> tuple[str, ...]:
    """The finding ids that this use may emit."""
    ids = tuple(item.probe.emits)
    local = getattr(item.params, "finding", "") if item.probe.local else ""
    return (*ids, local) if local else ids
