"""What a signal, a band and an objective are, and what reading a signal gives.

Declared in a service profile, once; evaluated by Prometheus or by direct scrape (design.md, "Signals").
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsctl.errors import Reason
from opsctl.model import Point, Severity, Unknown


class Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything declared in YAML: a misspelt key is an error."""


class Selector(Spec, frozen=True, kw_only=True):
    """One counter with its own matchers, where a plain name is not enough."""

    metric: str
    where: dict[str, str] = {}


class Ratio(Spec, frozen=True, kw_only=True):
    """``of`` over ``over``: both counters, rated over the window before dividing. A missing ``of`` series counts 0."""

    of: str | Selector | tuple[str | Selector, ...]
    over: str | Selector | tuple[str | Selector, ...]


class Signal(Spec, frozen=True, kw_only=True):
    """A named number about a service. Exactly one of the kind keys is set.

    Kinds: ``quantile`` + ``histogram`` · ``mean`` (histogram base name: sum/count) · ``share_above`` + ``histogram``
    (share of requests slower than a bucket edge) · ``rate`` (counter, per second) · ``increase`` (counter, per window)
    · ``ratio`` · ``gauge`` · ``age`` (gauge holding a unix time: now - value) · ``promql``.
    ``where``: label matchers; a value starting with ``=~``, ``!~`` or ``!=`` is that matcher, else equality.
    ``by``: labels to keep. ``agg``: sum|max|min|avg over the series of a gauge/age (default max).
    ``unit``: unit of the raw metric: s, ms, us, ns, bytes, ratio, percent, usd, count, per_second, tokens ...;
    readings are converted to the base unit (s, bytes, ratio).
    """

    quantile: float | None = None
    histogram: str | None = None
    mean: str | None = None
    share_above: float | None = None
    rate: str | Selector | None = None
    increase: str | Selector | None = None
    ratio: Ratio | None = None
    gauge: str | Selector | None = None
    age: str | Selector | None = None
    promql: str | None = None

    where: dict[str, str] = {}
    by: tuple[str, ...] = ()
    agg: str = "max"
    unit: str = ""
    window: str = ""  # "" = the profile's window
    min_count: float | None = (
        None  # events in the window below which the value is "too-few" (default 100 for quantiles)
    )
    scale: float = 1.0  # e.g. 60 for per-minute figures
    title: str = ""
    assumed: bool = False
    note: str = ""  # what is assumed, in words
    row: str = ""  # requirement row id, e.g. VRI-08


class Band(Spec, frozen=True, kw_only=True):
    """Half-open: ``above`` < value <= ``up_to`` (or ``below`` > value >= ``down_to``), broken for at least ``for_``."""

    above: float | str | None = None  # "50ms", "5%", 0.05 (base unit)
    at_least: float | str | None = None  # value >= bound, where the source says so (for example 500 or more)
    up_to: float | str | None = None
    below: float | str | None = None
    down_to: float | str | None = None
    for_: str = msgspec.field(name="for", default="0s")
    severity: str = ""  # the service's own word
    alert: str = ""  # alert name in the service's rules


class Objective(Spec, frozen=True, kw_only=True):
    """A signal's bounds. ``runbook``: which diagnosis it decides. ``kind``: alert (decides) or target (shown)."""

    id: str
    runbook: str
    signal: str
    bands: tuple[Band, ...]
    kind: str = "alert"
    title: str = ""
    row: str = ""
    assumed: bool = False
    note: str = ""  # what is assumed, in words


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled value of a reading, in base units. ``count``: events behind it, if known."""

    labels: dict[str, str] = {}
    value: float
    at_least: bool = False
    count: float | None = None
    note: str = ""
    exceeds: bool = False  # with at_least: the true value is surely higher, not equal (a quantile above all buckets)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A signal's value(s) now, or why there is none. ``unit`` is the base unit."""

    signal: str
    unit: str
    rows: tuple[Row, ...] = ()
    unknown: Unknown | None = None
    source: str = ""  # "prometheus http://…" or "scrape http://…/metrics"
    setting: str = ""
    query: str = ""
    window: str = ""
    sampled_at: datetime | None = None
    direct: bool = False
    note: str = ""

    @property
    def value(self) -> float | None:
        """The single value, or the largest of several rows."""
        return max((r.value for r in self.rows), default=None)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A signal over time (largest row at each step), base units; or why there is none."""

    signal: str
    points: tuple[Point, ...] = ()
    step: float = 0.0
    unknown: Unknown | None = None
    query: str = ""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A value held against an objective's bands."""

    band: Band | None = None  # the band the value lies in now (None: within objective)
    bound: float | None = None  # its lower (or upper) edge in base units
    severity: Severity | None = None
    since: datetime | None = None
    pending: bool = False  # in a band, but not yet for its duration
    duration_known: bool = True
    value: float | None = None  # the row that was judged, base units
    at_least: bool = False
    labels: dict[str, str] = {}
    objective: float | None = None  # the mildest bound of the judged direction, base units
    longer: bool = False  # broken since before the history looked at begins
    worse: Band | None = None  # a worse band the value lies in, not yet for its duration
    worse_since: datetime | None = None
    reason: Reason | None = None  # why it cannot be judged
    says: str = ""
