"""From an action and what is seen now to a plan: pinned, within its limits, with an end and a hash. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from opsctl import __version__
from opsctl.actions.model import Params, Plan, Proposal, Verification
from opsctl.durations import parse_duration
from opsctl.errors import ConfigError, CouldNotLook, UsageError
from opsctl.model import Finding, Report
from opsctl.remediation.candidates import Candidate, broken_of, candidates
from opsctl.remediation.candidates import held as held_against
from opsctl.remediation.digest import sealed
from opsctl.remediation.failed import NothingToDo, ended_by
from opsctl.remediation.limits import cap_of, held, limit_of
from opsctl.runbooks.model import Mitigation

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.registry import Action

__all__ = ["Candidate", "bound", "candidates", "make_plan", "nothing_to_do", "proposed"]


def make_plan(
    action: Action,
    params: Mapping[str, Any] | Params,
    hands: Hands,
    *,
    mitigation: Mitigation | None = None,
    runbook: str = "",
    report: Report | None = None,
    parameters: Mapping[str, object] | None = None,
    given: Mapping[str, str] | None = None,
    max_targets: int | None = None,
    max_share: float | None = None,
    verify_for: float | None = None,
) -> Plan:
    """Look, propose, hold the limits, pin, and seal. ``hands.now`` is when the plan is made.

    ``params``: the action's own parameters as the user gave them, over what the ``mitigation`` binds. ``parameters``:
    the runbook's with their defaults, for ``{param: NAME}``; ``given``: those that the user chose; both default to
    what the report says. ``verify_for``: seconds until it is given up to look whether it helped. A plan without steps
    is returned too, with what is left out and why; ``apply`` refuses it.

    Raises UsageError for a bad parameter or limit, ConfigError for what the runbook binds wrongly or no address,
    Refused where the server does not let us look, Unavailable where it does not answer.
    """
    runbook = runbook or (report.runbook if report is not None else "")
    values: Mapping[str, object] = parameters or (report.parameters if report is not None else {})
    chosen = (
        {n: str(values[n]) for n in report.chosen if n in values} if given is None and report is not None else given
    )
    typed = bound(action, params, mitigation, values, runbook)
    proposal = proposed(action, typed, hands)
    limit = limit_of(action.limit, mitigation.limit if mitigation is not None else None, max_targets, max_share)
    steps, beyond = held(proposal.steps, limit, proposal.of, proposal.unit)
    candidate = (
        held_against(mitigation, report, hands.profile) if mitigation is not None and report is not None else None
    )
    return sealed(
        Plan(
            opsctl=__version__,
            action=action.id,
            service=hands.profile.service,
            context=hands.settings.context,
            runbook=runbook,
            cause=candidate.cause if candidate is not None else "",
            parameters=msgspec.to_builtins(typed),
            given=dict(chosen or {}),
            proposal=msgspec.structs.replace(proposal, steps=steps, excluded=(*proposal.excluded, *beyond)),
            limit=limit,
            pace=action.pace,
            cap=cap_of(limit, proposal.of),
            guards=mitigation.guards if mitigation is not None else (),
            verification=verification_of(None if action.prepares else mitigation, report, candidate, verify_for),
            weight=action.weight,
            created=hands.moment,
            expires=hands.moment + timedelta(seconds=action.expires),
        )
    )


def bound(
    action: Action,
    params: Mapping[str, Any] | Params,
    mitigation: Mitigation | None = None,
    parameters: Mapping[str, object] | None = None,
    runbook: str = "",
) -> Params:
    """The action's typed parameters: its defaults, what the mitigation binds, what the user gave. See ``make_plan``."""
    fixed = _of_runbook(mitigation, parameters or {}, runbook) if mitigation is not None else {}
    own = {k: v for k, v in _as_mapping(params).items() if v is not None}
    try:
        msgspec.convert({**fixed, **own}, action.params, strict=False)
    except msgspec.ValidationError as error:
        try:
            msgspec.convert(own, action.params, strict=False)
        except msgspec.ValidationError:
            raise UsageError(f"{action.id}: {error}", remedy=f"See opsctl action show {action.id}.") from error
        raise ConfigError(f"mitigation {action.id}: {error}", place=f"runbook {runbook}") from error
    return msgspec.convert({**fixed, **own}, action.params, strict=False)


def proposed(action: Action, params: Params, hands: Hands) -> Proposal:
    """Look and propose. Raises Refused, Unavailable or ConfigError where it could not be looked."""
    try:
        seen = action.observe(hands, params)
    except CouldNotLook as failure:
        raise ended_by(failure, "the plan") from None
    return action.propose(seen, params)


def nothing_to_do(plan: Plan) -> NothingToDo:
    """The error (exit 1) of a plan without steps, saying what was left out."""
    proposal = plan.proposal
    left = len(proposal.excluded)
    why = "; ".join(dict.fromkeys(one.why for one in proposal.excluded[:3])) or "; ".join(proposal.notes[:1])
    says = f"there is nothing to do on {proposal.subject}: no target is left of {proposal.of} {proposal.unit}"
    lifts = list(dict.fromkeys(one.lift for one in proposal.excluded if one.lift))
    return NothingToDo(
        f"{says} ({left} left out: {why})" if left else f"{says}{f' ({why})' if why else ''}",
        remedy=f"Lifted with {', '.join(lifts[:3])}." if lifts else "",
    )


def verification_of(
    mitigation: Mitigation | None, report: Report | None, candidate: Candidate | None, verify_for: float | None
) -> Verification:
    """Which findings must become ok, what they were, and until when it is looked."""
    plain = Verification()
    deadline = verify_for
    if mitigation is None:
        return plain if deadline is None else msgspec.structs.replace(plain, deadline=deadline)
    if deadline is None:
        deadline = parse_duration(mitigation.verify.deadline)
    ids = mitigation.verify.findings or (candidate.broken if candidate is not None else ())
    if not ids and report is not None:
        ids = broken_of(report, mitigation.when) or broken_of(report, report.decides) or _deciding(report)
    before = tuple(f for f in (report.findings if report is not None else ()) if f.id in ids)
    return Verification(
        findings=tuple(dict.fromkeys(ids)), before=before, deadline=deadline, every=min(2.0, max(0.1, deadline / 10))
    )


def _deciding(report: Report) -> tuple[str, ...]:
    """The broken findings that have a severity: those of objectives and symptoms."""
    broken: list[Finding] = [f for f in report.findings if f.state == "breach" and f.severity is not None]
    return tuple(dict.fromkeys(f.id for f in broken))


def _as_mapping(params: Mapping[str, Any] | Params) -> Mapping[str, Any]:
    return msgspec.structs.asdict(params) if isinstance(params, Params) else params


def _of_runbook(mitigation: Mitigation, parameters: Mapping[str, object], runbook: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in mitigation.with_.items():
        if isinstance(value, dict) and set(value) == {"param"}:
            name = str(value["param"])
            if name not in parameters:
                says = f"mitigation {mitigation.action}: {key} names the unknown parameter {name!r}"
                raise ConfigError(says, place=f"runbook {runbook}")
            if parameters[name] is not None:
                values[key] = parameters[name]
        else:
            values[key] = value
    return values
