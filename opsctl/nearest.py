"""The nearest known name for a misspelt one, and the one way to say "there is no such name"."""

from __future__ import annotations

from collections.abc import Iterable

from opsctl.errors import UsageError

LONGEST = 64  # a name longer than this is shown cut, and never compared letter by letter
SHOWN = 12  # known names listed before "and N more"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name in ``names`` that ``name`` most likely means, or None when nothing is close.

    Case and the choice of ``-``, ``_`` or space do not count. Close means: at most one slip per three letters
    (insert, delete, replace, swap of neighbours), or a beginning or a whole part of exactly one known name.
    """
    wanted = _plain(name)
    known = sorted(set(names))
    if not wanted or len(wanted) > LONGEST:
        return None
    best: tuple[int, str] | None = None
    for candidate in known:
        plain = _plain(candidate)
        allowed = max(1, min(len(wanted), len(plain)) // 3)
        if abs(len(wanted) - len(plain)) > allowed:
            continue
        distance = _slips(wanted, plain)
        if distance <= allowed and distance < len(plain) and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
    if best is not None:
        return best[1]
    if len(wanted) >= 2:
        begun = [n for n in known if _plain(n).startswith(wanted)]
        if len(begun) == 1:
            return begun[0]
    if len(wanted) >= 3:
        held = [n for n in known if wanted in _plain(n).split("-") or _plain(n) in wanted.split("-")]
        if len(held) == 1:
            return held[0]
    return None


def suggestion(name: str, names: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest one, else the list of all: ``Did you mean vritti?``."""
    known = sorted(set(names))
    close = nearest(name, known)
    if close is not None:
        return f"Did you mean {close}?"
    if not known:
        return ""
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"Known: {', '.join(known[:SHOWN])}{more}."


def quoted(name: str) -> str:
    """A name somebody typed, safe to show: printable, cut at 64 characters, in double quotes."""
    text = "".join(c if c.isprintable() else "?" for c in name[: LONGEST + 1])
    return f'"{text[:LONGEST]}…"' if len(name) > LONGEST else f'"{text}"'


def unknown_name(kind: str, name: str, names: Iterable[str]) -> UsageError:
    """The error (exit 64) for a service, runbook, context ... that does not exist; ``kind`` in the singular."""
    known = set(names)
    remedy = suggestion(name, known) if known else f"No {kind} is defined."
    return UsageError(f"there is no {kind} {quoted(name)}", remedy=remedy)


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")


def _slips(a: str, b: str) -> int:
    """Edit distance where swapping two neighbours counts one (optimal string alignment)."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
