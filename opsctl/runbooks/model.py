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
    mitigation: tuple[dict[str, Any], ...] = ()
    escalate: str = ""
    see_also: tuple[str, ...] = ()
    version: str = "1"
    updated: str = ""
    owner: str = ""
    review_every: str = ""
    rows: tuple[str, ...] = ()
