"""How many targets one plan may touch: absolutely, and of the live total. Pure (domain-checks 1.2, point 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from opsctl.actions.model import Excluded, Limit, Step
from opsctl.durations import parse_quantity
from opsctl.errors import UsageError
from opsctl.runbooks.model import LimitSpec


def limit_of(
    own: Limit, tightened: LimitSpec | None = None, max_targets: int | None = None, max_share: float | None = None
) -> Limit:
    """The action's limit, tightened by the runbook (never loosened), raised only where the user names the number.

    ``max_targets`` alone stands for both limits; with ``max_share`` (0-1) beside it the share holds too. ``max_share``
    alone can only tighten. Raises UsageError for numbers that admit nothing.
    """
    if max_targets is not None and max_targets < 1:
        raise UsageError(f"--max-targets {max_targets} admits no target", remedy="Name at least 1.")
    if max_share is not None and not 0 < max_share <= 1:
        raise UsageError(f"a share of {max_share:g} admits no target", remedy="Name a share above 0 and up to 1.")
    if max_targets is not None:
        return Limit(targets=max_targets, share=1.0 if max_share is None else max_share)
    targets, share = own.targets, own.share
    if tightened is not None:
        if tightened.targets is not None:
            targets = min(targets, tightened.targets)
        if tightened.share is not None:
            share = min(share, parse_quantity(tightened.share, "ratio"))
    return Limit(targets=targets, share=share if max_share is None else min(share, max_share))


def cap_of(limit: Limit, of: int) -> int:
    """Targets that the limit admits of a live total; at least one. A share of 1 is no limit, whatever the total."""
    if limit.share >= 1:
        return max(1, limit.targets)
    return max(1, min(limit.targets, math.floor(limit.share * of + 1e-9)))


def held(steps: Sequence[Step], limit: Limit, of: int, unit: str) -> tuple[tuple[Step, ...], tuple[Excluded, ...]]:
    """The steps within the limit, numbered from 1, and those beyond it with the flag that would admit them."""
    cap = cap_of(limit, of)
    within = tuple(msgspec.structs.replace(step, number=number) for number, step in enumerate(steps[:cap], 1))
    beyond = tuple(
        Excluded(
            id=step.target.id,
            says=step.target.says,
            why=f"beyond the limit of {cap} of {of} {unit} ({limit.targets} and {limit.share:.0%})",
            lift=f"--max-targets {len(steps)}",
        )
        for step in steps[cap:]
    )
    return within, beyond
