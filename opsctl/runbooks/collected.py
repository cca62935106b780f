"""What the probes' answers and failures become: numbered evidence, findings, and what could not be looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Change, Evidence, Finding, ProbeRun, Seen, Struct, Unknown
from opsctl.redact import printable, redact
from opsctl.runbooks.chosen import Plan, emitted
from opsctl.runbooks.schedule import Done

S = TypeVar("S", bound=Struct)


class Collected(NamedTuple):
    """All answers of a diagnosis, in the runbook's order."""

    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    unknown: tuple[Unknown, ...]
    not_configured: tuple[Unknown, ...]
    runs: tuple[ProbeRun, ...]  # which probe, asked with what, gave which of it

    def cleaned(self) -> Collected:
        """All of it without secrets and control characters. Done once, when answers of servers are taken."""
        return Collected(
            tuple(clean(one) for one in self.evidence),
            tuple(clean(one) for one in self.findings),
            tuple(clean(one) for one in self.changes),
            tuple(clean(one) for one in self.unknown),
            tuple(clean(one) for one in self.not_configured),
            tuple(clean(one) for one in self.runs),
        )


def collect(
    plans: Sequence[Plan],
    answers: Sequence[Done[Seen]],
    total: float,
    where: Callable[[str], tuple[str, str]],
    parameters: Mapping[str, object],
) -> Collected:
    """The probes' answers and failures as evidence and findings, texts as they came: see ``Collected.cleaned``.

    ``total``: seconds the diagnosis was allowed. ``where``: an endpoint's address and setting, "" for what is not
    known. ``parameters``: the runbook's.
    """
    evidence: list[Evidence] = []
    findings: list[Finding] = []
    changes: list[Change] = []
    unknown: list[Unknown] = []
    absent: list[Unknown] = []
    runs: list[ProbeRun] = []
    for item, answer in zip(plans, answers, strict=True):
        seen = answer.value if answer.value is not None else _failed(item, answer, total, where)
        run = ProbeRun(probe=item.probe.id, with_=asked(item, parameters))
        if isinstance(answer.error, NotConfigured):
            absent.append(_unknown_of(item, answer.error))
            runs.append(msgspec.structs.replace(run, absent=absent[-1]))
            continue
        ids: list[str] = []
        told_before = len(findings)
        for raw in seen.evidence:
            number = f"e{len(evidence) + 1}"
            ids.append(number)
            evidence.append(
                msgspec.structs.replace(
                    raw, id=number, probe=item.probe.id, seconds=raw.seconds or round(answer.seconds, 3)
                )
            )
            if raw.unknown is not None:
                unknown.append(msgspec.structs.replace(raw.unknown, probe=item.probe.id))
        for told in seen.findings:
            own = told.evidence or tuple(ids)
            finding = msgspec.structs.replace(told, probe=item.probe.id, evidence=own)
            findings.append(finding)
            if finding.state == "unknown" and not any(e.unknown for e in seen.evidence):
                unknown.append(_unknown_in(finding, evidence))
        changes.extend(seen.changes)
        places = tuple(range(told_before, len(findings)))
        runs.append(msgspec.structs.replace(run, evidence=tuple(ids), findings=places))
    return Collected(tuple(evidence), tuple(findings), tuple(changes), _once(unknown), _once(absent), tuple(runs))


def asked(item: Plan, parameters: Mapping[str, object]) -> dict[str, Any]:
    """What a probe was asked with, as the runbook writes it, parameters in place of their names."""
    values: dict[str, Any] = {}
    for key, value in item.use.with_.items():
        chosen = parameters.get(str(value["param"])) if isinstance(value, dict) and set(value) == {"param"} else value
        if chosen is not None:
            values[key] = chosen
    return values


def _unknown_in(finding: Finding, evidence: Sequence[Evidence]) -> Unknown:
    """What could not be told although something answered: with where it was looked for."""
    source = next((e for e in evidence if e.id in finding.evidence), None)
    return Unknown(
        reason=finding.reason or "no-data",
        says=finding.says,
        probe=finding.probe,
        address=source.source if source is not None else "",
        setting=source.setting if source is not None else "",
    )


def _once(items: Sequence[Unknown]) -> tuple[Unknown, ...]:
    """The same failure of several probes is told once, under the first probe."""
    seen: dict[tuple[str, str], Unknown] = {}
    for item in items:
        seen.setdefault((item.reason, item.says), item)
    return tuple(seen.values())


def _failed(item: Plan, answer: Done[Seen], total: float, where: Callable[[str], tuple[str, str]]) -> Seen:
    """What a probe that gave no answer leaves behind: the reason, and each of its findings unknown."""
    subject = item.probe.id.partition(".")[0]
    address, setting = where(getattr(item.params, "endpoint", "") or subject)
    if isinstance(answer.error, CouldNotLook):
        failure = _unknown_of(item, answer.error)
    elif answer.error is not None:
        kind = type(answer.error).__name__
        failure = Unknown(
            reason="bug", says=f"{item.probe.id} failed inside opsctl ({kind}: {answer.error})", probe=item.probe.id
        )
    elif answer.started:
        failure = Unknown(
            reason="timeout",
            says=f"{item.probe.id} gave no answer within {answer.seconds:.0f} s",
            probe=item.probe.id,
            address=address,
            setting=setting,
        )
    else:
        failure = Unknown(
            reason="skipped",
            says=f"{item.probe.id} was not asked: the {total:.0f} s of this diagnosis were over",
            probe=item.probe.id,
            address=address,
            setting=setting,
        )
    return Seen(
        evidence=(
            Evidence(subject=subject, source=failure.address or subject, setting=failure.setting, unknown=failure),
        ),
        findings=tuple(
            Finding(id=id, state="unknown", says=failure.says, reason=failure.reason) for id in emitted(item)
        ),
    )


def _unknown_of(item: Plan, error: CouldNotLook) -> Unknown:
    return Unknown(
        reason=error.reason, says=error.says, probe=item.probe.id, address=error.address, setting=error.setting
    )


def clean(item: S) -> S:
    """A struct whose texts hold no secret and no control character: done once, when evidence is taken."""
    return msgspec.convert(_clean(msgspec.to_builtins(item, builtin_types=(datetime,))), type(item))


def _clean(value: object) -> object:
    if isinstance(value, str):
        return redact(printable(value))
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], float | int):
            return value
        return [_clean(v) for v in value]
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items()}
    return value
