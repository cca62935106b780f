"""Spending as somebody else counts it: the service's budget page, and the provider's own meter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opsctl.durations import format_quantity, parse_quantity
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_reading import evidence, read, unknown

_PATIENCE = 5.0
_HOUR = 3600.0


class MeterParams(Params, frozen=True, kw_only=True):
    """``endpoint``: the provider's meter; ``field`` (dots go down): what it billed in USD; ``signal``: what the service
    counted. Breach when the meter shows more than ``above`` times that and at least ``floor`` more."""

    endpoint: str = "provider-meter"
    field: str = "data.usage_daily"
    signal: str = "daily_cost"
    finding: str
    above: float = 1.5
    floor: float | str = "$1"

    def __post_init__(self) -> None:
        parse_quantity(self.floor, "usd")


@probe(
    "http.meter",
    params=MeterParams,
    local=True,
    asks="one GET of the provider's meter (OpenRouter: /api/v1/key), and one signal",
    privilege="the provider's API key, as the endpoint's header",
    cost="one HTTP request and one query",
)
def meter(look: Look, params: MeterParams) -> Seen:
    """What was billed against what was counted: counters in memory lose what other workers and restarts spent (R4)."""
    fields, seen = _asked(look, params.endpoint, "")
    billed = _number(fields, params.field)
    if billed is None:
        says = f"the answer of {seen.source} has no number {params.field}"
        return Seen(evidence=(seen,), findings=(unknown(params.finding, "bad-answer", says),))
    counted = read(look, params.signal)
    both = (seen, evidence(look, counted))
    if counted.unknown is not None:
        return Seen(evidence=both, findings=(unknown(params.finding, counted.unknown.reason, counted.unknown.says),))
    own = max(row.value for row in counted.rows)
    bound = max(own * params.above, own + parse_quantity(params.floor, "usd"))
    times = f", {billed / own:.1f} times as much" if own > 0 else ""
    found = Finding(
        id=params.finding,
        state="breach" if billed > bound else "ok",
        says=f"the provider billed {_usd(billed)}, the service counted {_usd(own)}{times if billed > bound else ''}",
        measured=billed,
        threshold=bound,
        unit="usd",
        threshold_from="parameter above",
    )
    return Seen(evidence=both, findings=(found,))


class BudgetParams(Params, frozen=True, kw_only=True):
    """``endpoint`` and ``path``: the budget page. ``pace``: the signal of USD per hour."""

    endpoint: str = "admin"
    path: str = "/budget"
    pace: str = "tier_cost_per_hour"


@probe(
    "http.budget",
    params=BudgetParams,
    emits={
        "http.budget-blocked": "The breaker keeps the premium tier shut: the day's limit is used up.",
    },
    asks="one GET of the service's budget page, and the signal of cost per hour",
    privilege="the service's admin key, as the endpoint's header",
    cost="one HTTP request and one query",
)
def budget(look: Look, params: BudgetParams) -> Seen:
    """The breaker and the time that is left. A breaker that is shut does what it is for (VRI-22): nobody is paged."""
    fields, seen = _asked(look, params.endpoint, params.path)
    cost, limit = _number(fields, "daily_cost_usd"), _number(fields, "limit_threshold_usd")
    blocked = fields.get("premium_tier_blocked") if isinstance(fields, dict) else None
    if cost is None or limit is None or not isinstance(blocked, bool):
        says = f"the answer of {seen.source} has no daily_cost_usd, limit_threshold_usd and premium_tier_blocked"
        raise CouldNotLook("bad-answer", says, address=seen.source)
    spent = f"{_usd(cost)} of {_usd(limit)}"
    reset = f"it opens again at 00:00 UTC, in {_until_midnight(look.now)}"
    open_ = f"{spent} are spent{_pace(look, params, cost, limit)}"
    found = Finding(
        id="http.budget-blocked",
        state="breach" if blocked else "ok",
        says=f"{spent} are spent: the premium tier is shut; {reset}" if blocked else open_,
        severity="sev3" if blocked else None,
        measured=cost,
        threshold=limit,
        unit="usd",
        threshold_from="the service's own limit",
    )
    return Seen(evidence=(seen,), findings=(found,))


def _pace(look: Look, params: BudgetParams, cost: float, limit: float) -> str:
    """When the limit is reached at the pace of now (R4, P-eta), for the end of a sentence."""
    try:
        pace = read(look, params.pace)
    except NotConfigured:
        return ""
    per_hour = sum(row.value for row in pace.rows) if pace.unknown is None else 0.0
    if per_hour <= 0:
        return ""
    left = format_quantity(float(round((limit - cost) / per_hour * _HOUR)), "s")
    return f"; at {_usd(per_hour)} an hour the rest lasts {left}"


def _asked(look: Look, endpoint: str, path: str) -> tuple[Any, Evidence]:
    if look.at is not None:
        raise CouldNotLook("no-history", "an HTTP answer only tells about now")
    reader = look.readers.http(endpoint)
    answer = reader.get(path, timeout=min(_PATIENCE, look.remaining()), max_bytes=2**20)
    fields = reader.decode(answer, dict[str, Any])
    inner = fields["data"] if isinstance(fields.get("data"), dict) else fields
    values = tuple(
        Value(name=name, value=value, unit="usd" if "usd" in name or "usage" in name else "")
        for name, value in inner.items()
        if isinstance(value, int | float | bool)
    )
    return fields, Evidence(
        subject=f"{look.profile.service} {endpoint}",
        source=f"http {reader.address}{path}",
        setting=reader.setting,
        query=f"GET {answer.url}",
        sampled_at=datetime.now(UTC),
        values=values,
    )


def _number(fields: Any, path: str) -> float | None:
    for step in path.split("."):
        fields = fields.get(step) if isinstance(fields, dict) else None
    return float(fields) if isinstance(fields, int | float) and not isinstance(fields, bool) else None


def _until_midnight(now: float) -> str:
    return format_quantity(float(round(86400 - now % 86400, -1)), "s")


def _usd(value: float) -> str:
    return format_quantity(value, "usd")
