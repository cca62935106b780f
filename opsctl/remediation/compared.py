"""What findings were before and after, in one word: fixed, improved, no-effect, worse, not-verified. Pure.

A finding is nearer to ok when it is ok, or its distance from the mildest bound shrank by a tenth; farther when it
broke, or that distance grew by a tenth. What could not be looked at is never called fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from opsctl.durations import format_quantity
from opsctl.model import Finding

Word = Literal["fixed", "improved", "no-effect", "worse", "not-verified"]
NOTICED = 0.1  # a tenth of the distance is a change, less is noise


class Compared(NamedTuple):
    """``says``: one sentence with the numbers."""

    word: Word
    says: str


def compare(wanted: Sequence[str], before: Iterable[Finding], after: Iterable[Finding]) -> Compared:
    """The findings of the ids ``wanted``, each against the one it was."""
    old = _by_key(f for f in before if f.id in wanted)
    new = _by_key(f for f in after if f.id in wanted)
    missing = [id for id in wanted if not any(key[0] == id for key in new)]
    words = {key: _one(old.get(key), finding) for key, finding in new.items()}
    # what was broken and is not told any more, although its neighbours are
    lost = [
        key for key, finding in old.items() if key not in new and finding.state == "breach" and key[0] not in missing
    ]
    unknown = bool(missing or lost) or "unknown" in words.values()
    if new and all(finding.state == "ok" for finding in new.values()) and not unknown:
        return Compared("fixed", _says(old, new))
    if "worse" in words.values():
        return Compared("worse", _says(old, {k: f for k, f in new.items() if words[k] == "worse"}))
    if unknown:
        told = [f.says for k, f in new.items() if words[k] == "unknown"]
        told += [f"{id} was not looked at" for id in missing] + [f"{old[key].says}: not told any more" for key in lost]
        return Compared("not-verified", f"could not be told: {'; '.join(dict.fromkeys(told))}")
    better = any(word in ("ok", "better") and _broken(old.get(key)) for key, word in words.items())
    broken = {key: finding for key, finding in new.items() if finding.state == "breach"}
    return Compared("improved" if better else "no-effect", _says(old, broken))


def _one(old: Finding | None, new: Finding) -> Literal["ok", "better", "same", "worse", "unknown"]:
    if new.state == "unknown":
        return "unknown"
    if new.state == "ok":
        return "ok"
    if not _broken(old):
        # it was ok, and it broke; what was not told before cannot have become worse
        return "worse" if old is not None and old.state == "ok" else "same"
    assert old is not None
    was, now = _distance(old, old), _distance(new, old)
    if was is None or now is None:
        return "same"
    noticed = NOTICED * was if was > 0 else NOTICED * abs(_bound(old) or 1.0)
    if now <= was - noticed:
        return "better"
    return "worse" if now >= was + noticed else "same"


def _broken(finding: Finding | None) -> bool:
    return finding is not None and finding.state == "breach"


def _bound(finding: Finding) -> float | None:
    return finding.bounds[0].value if finding.bounds else finding.threshold


def _distance(finding: Finding, old: Finding) -> float | None:
    """How far beyond the mildest bound of the broken finding, in its direction; 0 within it."""
    bound, measured = _bound(old), finding.measured
    if bound is None or measured is None or old.measured is None:
        return None
    below = old.bounds[0].side == "below" if old.bounds else old.measured < bound
    return max(0.0, bound - measured if below else measured - bound)


def _by_key(findings: Iterable[Finding]) -> dict[tuple[str, str, str, int], Finding]:
    """By id, probe and objective; several of the same are told apart by their order."""
    found: dict[tuple[str, str, str, int], Finding] = {}
    for finding in findings:
        number = 0
        while (key := (finding.id, finding.probe, finding.threshold_from, number)) in found:
            number += 1
        found[key] = finding
    return found


def _says(
    old: dict[tuple[str, str, str, int], Finding], new: dict[tuple[str, str, str, int], Finding], shown: int = 3
) -> str:
    said = []
    for key, finding in new.items():
        was = old.get(key)
        text = finding.says
        if was is not None and was.measured is not None and was.measured != finding.measured:
            text += f" (before: {format_quantity(was.measured, was.unit or finding.unit)})"
        said.append(text)
    return "; ".join(dict.fromkeys(said[:shown]))
