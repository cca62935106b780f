"""Judge and rank a runbook's causes by its findings. Pure.

Each discriminating check is one finding id. A breach of a ``confirms`` id speaks for the cause; a breach of a
``refutes`` id, or an ok of ``{ok: id}``, against it. Where no confirming id is in breach, each of them that was
measured ok speaks against it too: what was looked for was not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opsctl.model import CauseResult, CauseStatus, Finding, State
from opsctl.runbooks.model import CauseSpec, OkFinding

_ORDER: dict[CauseStatus, int] = {"confirmed": 0, "possible": 1, "not-measured": 2, "refuted": 3}


def states(findings: Iterable[Finding]) -> dict[str, State]:
    """One state per finding id: breach if any says so, else unknown if any does, else ok."""
    rank = {"ok": 0, "unknown": 1, "breach": 2}
    result: dict[str, State] = {}
    for finding in findings:
        if finding.id not in result or rank[finding.state] > rank[result[finding.id]]:
            result[finding.id] = finding.state
    return result


def judge(spec: CauseSpec, known: Mapping[str, State], evidence: Mapping[str, tuple[str, ...]]) -> CauseResult | None:
    """One cause held against the findings; None when the service has nothing to check it by."""
    confirms = [id for id in spec.confirms if id in known]
    refutes = [r for r in spec.refutes if (r.ok if isinstance(r, OkFinding) else r) in known]
    if not confirms:
        return None
    confirmed = [id for id in confirms if known[id] == "breach"]
    refuted = [
        (r.ok if isinstance(r, OkFinding) else r)
        for r in refutes
        if (known[r.ok] == "ok" if isinstance(r, OkFinding) else known[r] == "breach")
    ]
    if not confirmed:
        refuted = [id for id in confirms if known[id] == "ok"] + [id for id in refuted if id not in confirms]
    ids = list(dict.fromkeys(confirms + [(r.ok if isinstance(r, OkFinding) else r) for r in refutes]))
    not_measured = [id for id in ids if known[id] == "unknown"]
    score = len(confirmed) - len(refuted)
    status: CauseStatus
    if confirmed and score > 0:
        status = "confirmed"
    elif confirmed:
        status = "possible"
    elif refuted:
        status = "refuted"
    else:
        status = "not-measured"
    used = confirmed or refuted
    return CauseResult(
        cause=spec.cause,
        says=spec.says,
        status=status,
        score=score,
        confirmed=tuple(confirmed),
        refuted=tuple(refuted),
        not_measured=tuple(not_measured),
        checks=len(ids),
        measured=len(ids) - len(not_measured),
        evidence=tuple(dict.fromkeys(e for id in used for e in evidence.get(id, ()))),
    )


def rank(results: Iterable[CauseResult]) -> tuple[CauseResult, ...]:
    """Confirmed first, by confirmed minus refuted, then by the share that confirms; ties keep the runbook's order."""
    return tuple(
        sorted(
            results,
            key=lambda c: (_ORDER[c.status], -c.score, -(len(c.confirmed) / c.checks if c.checks else 0.0)),
        )
    )
