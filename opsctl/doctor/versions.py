"""Versions of servers against what the probes need and what they were tried with."""

from __future__ import annotations

import re
from typing import NamedTuple

from opsctl.doctor.model import Checks, Remedy

Version = tuple[int, ...]


class Range(NamedTuple):
    """``oldest``: what the probes need. ``newest``: the newest that opsctl was tried with."""

    product: str
    oldest: Version
    newest: Version


# Oldest: the probes' `minimum` and domain-checks 2; newest: what is known of the fields and columns they read.
RANGES = {
    "postgres": Range("Postgres", (14,), (18,)),
    "pgbouncer": Range("PgBouncer", (1, 12), (1, 25)),
    "redis": Range("Redis", (6, 2), (8,)),
    "prometheus": Range("Prometheus", (2, 14), (3,)),
    "alertmanager": Range("Alertmanager", (0, 25), (0, 32)),
    "kubernetes": Range(
        "Kubernetes", (1, 19), (1, 36)
    ),  # events.k8s.io/v1; older policy and autoscaling are tried, too
}


def number(text: str) -> Version:
    """``v2.53.1-rc.1`` as (2, 53, 1); () when no number is in it."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def judge(checks: Checks, system: str, text: str) -> None:
    """Say whether a server is too old for the probes, or newer than what they know."""
    checks.version = text
    known, found = RANGES[system], number(text)
    if not found:
        checks.unknown("version", f'its version "{text[:40]}" cannot be read', "bad-answer")
        return
    oldest, newest = (".".join(map(str, part)) for part in (known.oldest, known.newest))
    if found[: len(known.oldest)] < known.oldest:
        says = f"{known.product} {text} is too old: the probes need {oldest} or newer, and will answer unknown"
        checks.breach("version", says, Remedy(how=f"Upgrade it to {known.product} {oldest} or newer"))
    elif found[: len(known.newest)] > known.newest:
        says = f"{known.product} {text}; opsctl was tried with {oldest} to {newest}, newer ones should do as well"
        checks.ok("version", says)
    else:
        checks.ok("version", f"{known.product} {text} (the probes need {oldest} or newer)")
