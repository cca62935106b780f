"""Which of a runbook's probes concern a service, with their parameters bound; and which tell what changed beside it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from opsctl.errors import NotConfigured
from opsctl.model import Seen
from opsctl.probes.registry import Params, Probe, change_probes, get
from opsctl.runbooks.load import Loaded, bind, needs_of
from opsctl.runbooks.model import ProbeUse
from opsctl.services.model import Profile

if TYPE_CHECKING:
    from opsctl.probes.look import Look

# The systems that are asked what changed. Those of the first list for every service; the others where the service
# depends on them. A probe there that is registered with ``changes=True`` takes part.
ALWAYS = ("signal", "prometheus", "alertmanager")
BY_DEPENDENCY = ("kubernetes", "postgres", "redis", "kyrodb")


class Plan(NamedTuple):
    """One probe use, ready to run. ``beside``: asked only for what changed; it finds nothing and decides nothing."""

    use: ProbeUse
    probe: Probe
    params: Params
    beside: bool = False


def plan(loaded: Loaded, profile: Profile, parameters: Mapping[str, object]) -> list[Plan]:
    """The probe uses that concern this service, then those that only tell what changed.

    Raises ConfigError for an unknown probe or parameter.
    """
    plans: list[Plan] = []
    for use in loaded.runbook.diagnosis:
        if not concerns(profile, use.needs):
            continue
        params = bind(use, parameters, str(loaded.path))
        probe = get(use.probe)
        assert probe is not None  # bind has looked it up
        plans.append(Plan(use, probe, params))
    used = {_asked(item) for item in plans}
    return [*plans, *(item for item in change_plan(profile) if _asked(item) not in used)]


def change_plan(profile: Profile, *, silent: bool = True) -> list[Plan]:
    """The probes that tell what changed on the systems that the service depends on, one use per endpoint.

    ``silent``: a system that nothing says how to reach is passed over; else its probe raises NotConfigured.
    """
    plans: list[Plan] = []
    for system in (*ALWAYS, *BY_DEPENDENCY):
        if system not in ALWAYS and not concerns(profile, system):
            continue
        for probe in change_probes(system):
            for given in _endpoints(profile, system) if "endpoint" in probe.params.__struct_fields__ else ({},):
                use = ProbeUse(probe=probe.id, with_=dict(given))
                params = bind(use, {}, "")
                plans.append(Plan(use, _only_changes(probe, silent), params, beside=True))
    return plans


def _endpoints(profile: Profile, system: str) -> Iterable[Mapping[str, str]]:
    """Every endpoint of that kind, as a parameter; the probe's own default where the profile names none."""
    named = [
        name
        for dependency in profile.dependencies.values()
        for name in dependency.endpoints
        if name in profile.endpoints and profile.endpoints[name].kind == system
    ]
    return [{"endpoint": name} for name in dict.fromkeys(named)] or [{}]


def _asked(item: Plan) -> tuple[str, str]:
    return item.probe.id, str(getattr(item.params, "endpoint", ""))


def _only_changes(probe: Probe, silent: bool) -> Probe:
    """The same probe without its findings.

    It looks at now even where a diagnosis looks at the past: what runs now has kept when it began, and what began
    after that past is left out with the other later changes.
    """

    def run(look: Look, params: Params) -> Seen:
        try:
            seen = probe.run(_now(look), params)
        except NotConfigured:
            if silent:
                return Seen()
            raise
        return Seen(evidence=seen.evidence, changes=seen.changes)

    return probe._replace(run=run, emits={}, local=False)


def _now(look: Look) -> Look:
    if look.at is None:
        return look
    now = time.time()
    return dataclasses.replace(look, at=None, now=now, since=look.since + max(0.0, now - look.now))


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
