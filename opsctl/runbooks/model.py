"""The runbook: one YAML file of known headings (design.md, "Runbooks"). No expression language."""

from __future__ import annotations

from typing import Any

import msgspec

from opsctl.signals.model import Spec


class AlertRef(Spec, frozen=True, kw_only=True):
    """An alert this runbook answers; ``service`` narrows it."""

    alertname: str
    service: str = ""


class Parameter(Spec, frozen=True, kw_only=True):
    """A value the user may set: becomes an option ``--name`` of the runbook's command."""

    name: str
    help: str
    type: str = "text"  # text, number, integer, duration, ratio
    default: str | float | int | None = None


class ProbeUse(Spec, frozen=True, kw_only=True):
    """One use of a probe. ``with`` values may be ``{param: NAME}``. ``needs``: dependencies the service declares."""

    probe: str
    with_: dict[str, Any] = msgspec.field(name="with", default_factory=dict)
    needs: str | tuple[str, ...] = ()


class OkFinding(Spec, frozen=True, kw_only=True):
    """``{ok: ID}``: the finding being ok (its condition does not hold)."""

    ok: str


class CauseSpec(Spec, frozen=True, kw_only=True):
    """A hypothesis. A breach of a ``confirms`` id is for it; of a ``refutes`` id, or an ok of ``{ok: id}``, against."""

    cause: str
    says: str
    confirms: tuple[str, ...]
    refutes: tuple[str | OkFinding, ...] = ()
    try_: tuple[str, ...] = msgspec.field(name="try", default=())  # runbook names
    advice: str = ""
    needs: str | tuple[str, ...] = ()
    services: tuple[str, ...] = ()  # () = all


class LimitSpec(Spec, frozen=True, kw_only=True):
    """Tightens an action's own limit, never loosens it: so many targets, such a share of the live total."""

    targets: int | None = None
    share: str | float | None = None


class VerifySpec(Spec, frozen=True, kw_only=True):
    """The findings that must become ok, within ``deadline``; () = those of ``when`` that were broken."""

    findings: tuple[str, ...] = ()
    deadline: str = "60s"


class Mitigation(Spec, frozen=True, kw_only=True):
    """One action that answers causes of this runbook. Its command is ``name``, else the action's part after the dot.

    ``causes``: cause names it answers; ``when``: finding ids, one of which must be broken; () = any broken finding of
    those causes. ``with`` values may be ``{param: NAME}``. ``guards``: signals watched while it is applied.
    """

    action: str
    name: str = ""
    causes: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    with_: dict[str, Any] = msgspec.field(name="with", default_factory=dict)
    limit: LimitSpec = LimitSpec()
    guards: tuple[str, ...] = ()
    verify: VerifySpec = VerifySpec()
    needs: str | tuple[str, ...] = ()
    services: tuple[str, ...] = ()  # () = all
    says: str = ""  # why one would, in one sentence

    @property
    def command(self) -> str:
        """What its command is called."""
        return self.name or self.action.partition(".")[2] or self.action


class Runbook(Spec, frozen=True, kw_only=True):
    """One runbook. ``decides``: finding ids that decide the verdict besides the objectives and symptoms."""

    runbook: str
    title: str
    alerts: tuple[AlertRef, ...] = ()
    meaning: str
    impact: str
    parameters: tuple[Parameter, ...] = ()
    decides: tuple[str, ...] = ()
    diagnosis: tuple[ProbeUse, ...]
    causes: tuple[CauseSpec, ...]
    mitigation: tuple[Mitigation, ...] = ()
    escalate: str = ""
    see_also: tuple[str, ...] = ()
    version: str = "1"
    updated: str = ""
    owner: str = ""
    review_every: str = ""
    rows: tuple[str, ...] = ()
