"""What is wrong with a runbook's mitigation: names nobody knows, limits that loosen, guards that cannot be watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from opsctl.actions import registry
from opsctl.durations import BadValue, parse_duration, parse_quantity
from opsctl.errors import OpsctlError
from opsctl.nearest import nearest
from opsctl.remediation.guards import Bounds, bounds_of
from opsctl.report.page import mitigation_name
from opsctl.runbooks.chosen import concerns
from opsctl.runbooks.load import bind, parameters_of
from opsctl.runbooks.model import Mitigation, Runbook

if TYPE_CHECKING:
    from opsctl.actions.registry import Action
    from opsctl.services.model import Profile

# Parameters by these names admit what an action leaves alone by itself: that is the user's to say, not a runbook's.
LIFTS = ("allow_", "accept_", "force", "even_", "anyway")


def lint_mitigation(runbook: Runbook, profiles: Sequence[Profile]) -> list[str]:
    """The problems, a sentence each. ``profiles``: all services; () leaves out what depends on them.

    Loads the modules of the actions named, and the probes'.
    """
    found: list[str] = []
    known = emitted_by(runbook)
    names: set[str] = set()
    for mitigation in runbook.mitigation:
        name = mitigation_name(mitigation)
        if name in names:
            found.append(f"mitigation {name} is there twice; give one of them another name")
        names.add(name)
        found += [f"mitigation {name}: {says}" for says in _one(mitigation, runbook, known, profiles)]
    return found


def emitted_by(runbook: Runbook) -> set[str]:
    """The finding ids that the runbook's probes may emit; probes that cannot be bound emit nothing."""
    from opsctl.probes import registry as probes

    found: set[str] = set()
    try:
        defaults = parameters_of(runbook, {})
    except OpsctlError:
        defaults = {parameter.name: parameter.default for parameter in runbook.parameters}
    for use in runbook.diagnosis:
        probe = probes.get(use.probe)
        if probe is None:
            continue
        found |= set(probe.emits)
        if probe.local:
            try:
                found.add(getattr(bind(use, defaults, ""), "finding", ""))
            except OpsctlError:
                continue
    return found - {""}


def _one(mitigation: Mitigation, runbook: Runbook, known: set[str], profiles: Sequence[Profile]) -> Iterator[str]:
    action = registry.get(mitigation.action)
    if action is None:
        yield f"there is no action {mitigation.action!r}{_near(mitigation.action, registry.all_actions())}"
    else:
        yield from _parameters(mitigation, action, runbook)
        yield from _limits(mitigation, action)
    causes = [cause.cause for cause in runbook.causes]
    for cause in mitigation.causes:
        if cause not in causes:
            yield f"there is no cause {cause!r} here{_near(cause, causes)}"
    for what, ids in (("when", mitigation.when), ("verify", mitigation.verify.findings)):
        for id in ids:
            if id not in known:
                yield f"{what}: no probe here emits {id!r}{_near(id, known)}"
    try:
        if parse_duration(mitigation.verify.deadline) <= 0:
            yield "verify: the deadline must be longer than 0s"
    except BadValue as error:
        yield f"verify: {error.says}"
    if profiles:
        yield from _services(mitigation, profiles)


def _parameters(mitigation: Mitigation, action: Action, runbook: Runbook) -> Iterator[str]:
    fields = {field.name: field.type for field in msgspec.structs.fields(action.params)}
    declared = {parameter.name: parameter.default for parameter in runbook.parameters}
    for key, given in mitigation.with_.items():
        if key not in fields:
            yield f"{action.id} has no parameter {key!r}{_near(key, fields)}"
            continue
        if key.startswith(LIFTS):
            yield f"{key} lifts a guard of {action.id}: a runbook may tighten, never loosen"
        value: object = given
        if isinstance(given, dict) and set(given) == {"param"}:
            name = str(given["param"])
            if name not in declared:
                yield f"{key} names the unknown parameter {name!r}{_near(name, declared)}"
                continue
            value = declared[name]
            if value is None:
                continue
        try:
            msgspec.convert(value, fields[key], strict=False)
        except msgspec.ValidationError as error:
            yield f"{key}: {error}"


def _limits(mitigation: Mitigation, action: Action) -> Iterator[str]:
    limit, own = mitigation.limit, action.limit
    if limit.targets is not None:
        if limit.targets < 1:
            yield f"limit: {limit.targets} targets admit nothing"
        elif limit.targets > own.targets:
            yield f"limit: {limit.targets} targets loosen the action's own limit of {own.targets}"
    if limit.share is not None:
        try:
            share = parse_quantity(limit.share, "ratio")
        except BadValue as error:
            yield f"limit: {error.says}"
            return
        if not 0 < share <= 1:
            yield f"limit: a share of {limit.share} is none"
        elif share > own.share:
            yield f"limit: a share of {share:.0%} loosens the action's own limit of {own.share:.0%}"


def _services(mitigation: Mitigation, profiles: Sequence[Profile]) -> Iterator[str]:
    names = [profile.service for profile in profiles]
    for service in mitigation.services:
        if service not in names:
            yield f"there is no service {service!r}{_near(service, names)}"
    concerned = [
        p for p in profiles if p.service in (mitigation.services or names) and concerns(p, mitigation.needs)
    ]  # fmt: skip
    for signal in mitigation.guards:
        defining = [p for p in concerned if signal in p.signals]
        if not defining:
            signals = {name for profile in concerned for name in profile.signals}
            yield f"guards: no service it is for defines the signal {signal!r}{_near(signal, signals)}"
        elif all(bounds_of(signal, p) == Bounds() for p in defining):
            yield f"guards: {signal} has no objective and no healthy range, so that nothing tells when it is broken"


def _near(name: str, names: Iterable[str]) -> str:
    close = nearest(name, names)
    return f"; did you mean {close!r}?" if close else ""
