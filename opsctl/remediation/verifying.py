"""Whether it helped: the probes that found the trouble are asked again until they say gone, or the deadline passes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from opsctl.actions.model import OutcomeWord, Plan, Verified
from opsctl.errors import ConfigError, CouldNotLook, UsageError
from opsctl.model import Finding
from opsctl.remediation.compared import Compared, compare
from opsctl.remediation.events import OnEvent, Verifying
from opsctl.runbooks.load import Loaded, bind, parameters_of

if TYPE_CHECKING:
    from opsctl.actions.hands import Hands
    from opsctl.actions.registry import Action
    from opsctl.remediation.interrupts import Interrupts

LOOK = 30.0  # seconds one look may take
EACH = 10.0  # seconds one probe may take


class Verdict(NamedTuple):
    """``ok``: done and seen to be done; None where it could not be told."""

    word: OutcomeWord
    says: str
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool | None:
        """For the ledger."""
        return {"fixed": True, "verified": True, "not-verified": None}.get(self.word, False)


def verify(
    plan: Plan,
    action: Action,
    hands: Hands,
    done: tuple[int, ...],
    *,
    loaded: Loaded | None,
    interrupts: Interrupts,
    on_event: OnEvent,
) -> Verdict:
    """Look until it is fixed and the acts are seen to have had their effect, or the deadline passes. At least once.

    ``done``: the step numbers that acted. ``loaded``: the plan's runbook; without it, or where the plan names no
    findings, the action's own look decides alone.
    """
    wanted = plan.verification.findings
    reduced = reduced_to(loaded, plan, wanted) if loaded is not None and wanted else None
    end = time.monotonic() + plan.verification.deadline
    own = Verified(ok=None, says="")
    while True:
        if own.ok is not True:
            own = _own(action, hands, plan, done)
        if reduced is not None:
            findings = look(reduced, hands, plan.given, total=max(5.0, min(LOOK, end - time.monotonic())))
            verdict = joined(compare(wanted, plan.verification.before, findings), own, findings)
        elif wanted:
            verdict = Verdict("not-verified", f"the runbook {plan.runbook} is not at hand; {own.says}".rstrip("; "))
        else:
            verdict = Verdict("verified" if own.ok else "not-verified", own.says or "could not be looked at")
        left = end - time.monotonic()
        if verdict.ok or left <= 0 or interrupts.pending:
            return verdict
        on_event(Verifying(round(left, 1), verdict.says))
        interrupts.wait(min(plan.verification.every, left))


def joined(compared: Compared, own: Verified, findings: tuple[Finding, ...]) -> Verdict:
    """The probes' word, unless the action's own look says that its acts had no effect."""
    if compared.word == "fixed" and own.ok is False:
        return Verdict("not-verified", f"{own.says}; {compared.says}", findings)
    return Verdict(compared.word, compared.says, findings)


def reduced_to(loaded: Loaded, plan: Plan, wanted: tuple[str, ...]) -> Loaded:
    """The runbook with only those probes that may emit one of the findings, and no causes.

    Raises ConfigError for a runbook that no longer binds.
    """
    from opsctl.probes import registry

    parameters = parameters_of(loaded.runbook, plan.given)
    kept = []
    for use in loaded.runbook.diagnosis:
        probe = registry.get(use.probe)
        if probe is None:
            raise ConfigError(f"unknown probe {use.probe!r}", place=str(loaded.path))
        local = getattr(bind(use, parameters, str(loaded.path)), "finding", "") if probe.local else ""
        if any(id in probe.emits or id == local for id in wanted):
            kept.append(use)
    return loaded._replace(runbook=msgspec.structs.replace(loaded.runbook, diagnosis=tuple(kept), causes=()))


def look(reduced: Loaded, hands: Hands, given: Mapping[str, str], *, total: float) -> tuple[Finding, ...]:
    """The findings of a reduced runbook as they are now. What could not be looked at is an unknown finding."""
    from opsctl.durations import parse_duration
    from opsctl.runbooks.engine import Setting, diagnose

    setting = Setting(
        profile=hands.profile,
        readers=hands.readers,
        signals=hands.signals.fresh(),
        context=hands.settings.context,
        now=time.time(),
        total=total,
        each=min(total, max(EACH, parse_duration(hands.profile.direct_pause) + 5.0)),
        changes=False,
    )
    return diagnose(reduced, setting, parameters_of(reduced.runbook, given)).findings


def insist(loaded: Loaded | None, plan: Plan) -> None:
    """Raises ConfigError, before anything is done, where the runbook could not be asked afterwards."""
    if loaded is not None and plan.verification.findings:
        try:
            reduced_to(loaded, plan, plan.verification.findings)
        except UsageError as error:
            raise ConfigError(error.says, place=str(loaded.path)) from error


def _own(action: Action, hands: Hands, plan: Plan, done: tuple[int, ...]) -> Verified:
    try:
        return action.verify(hands, plan, done)
    except CouldNotLook as failure:
        return Verified(ok=None, says=f"could not be looked at: {failure.says}")
    except Exception as error:  # noqa: BLE001 - everything is done and recorded: a look that breaks says so
        return Verified(ok=None, says=f"could not be looked at ({type(error).__name__}: {error})")
