"""What `opsctl service check` says: each signal and objective of a profile held against what is really there."""

from __future__ import annotations

from typing import Literal

from opsctl.model import Struct

SCHEMA = "opsctl.service-check/1"

# ok: measured now · idle: declared, nothing counted yet · suspect: measured, but something about it misleads
# missing: it has no series · stale: it had some · unknown: it could not be looked at
SignalState = Literal["ok", "idle", "suspect", "missing", "stale", "unknown"]


class Facts(Struct, frozen=True, kw_only=True):
    """One metric as it is there. ``series``: those that the matchers take; ``all_series``: of that name at all.

    ``age``: seconds since the newest sample (None: not known, as of a scrape); ``edges``: finite bucket edges, raw.
    """

    metric: str
    series: int = 0
    all_series: int = 0
    age: float | None = None
    labels: frozenset[str] = frozenset()
    type: str = ""
    edges: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    failing: tuple[str, ...] = ()  # matchers that no series passes, with the values that there are


class Likely(Struct, frozen=True, kw_only=True):
    """What a missing metric is probably called. ``score`` 0-1."""

    metric: str
    score: float
    why: str


class Lost(Struct, frozen=True, kw_only=True):
    """A metric that is not there, and its most likely names, best first."""

    metric: str
    likely: tuple[Likely, ...] = ()


class SignalCheck(Struct, frozen=True, kw_only=True):
    """One signal. ``problems``: sentences; ``source``: prometheus, page, or "" when neither has it."""

    signal: str
    state: SignalState
    metrics: tuple[str, ...] = ()
    series: int = 0
    age: float | None = None
    source: str = ""
    assumed: bool = False
    problems: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()


class ObjectiveCheck(Struct, frozen=True, kw_only=True):
    """Whether an objective can be judged now. ``judged`` None: could not be told."""

    objective: str
    runbook: str
    signal: str
    judged: bool | None
    says: str = ""


class Checked(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """The whole answer. ``fix``: shell lines that rename what is probably called otherwise; ``labels``: YAML."""

    schema: str = SCHEMA
    service: str
    context: str = ""
    exit: int
    says: str
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    signals: tuple[SignalCheck, ...] = ()
    objectives: tuple[ObjectiveCheck, ...] = ()
    fix: str = ""
    labels: str = ""
