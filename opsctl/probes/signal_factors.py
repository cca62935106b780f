"""A product taken apart: which factor made it grow. Cost = requests x calls x tokens x price (domain-checks.md R4)."""

from __future__ import annotations

import math

from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Evidence, Finding, Seen
from opsctl.probes.look import Look
from opsctl.probes.registry import Params, probe
from opsctl.probes.signal_past import usual_value
from opsctl.probes.signal_reading import evidence, read, shown, title, unknown
from opsctl.signals.model import Reading

FACTORS = {
    "volume": "signal.factor-volume",
    "calls": "signal.factor-calls",
    "size": "signal.factor-size",
    "price": "signal.factor-price",
}


class FactorsParams(Params, frozen=True, kw_only=True):
    """One signal per factor, "" for one that the service does not have. A factor is the story when it makes up more
    than ``share`` of the whole growth (by logarithms) and has grown more than ``above`` times."""

    volume: str = ""
    calls: str = ""
    size: str = ""
    price: str = ""
    above: float = 1.3
    share: float = 0.4

    def __post_init__(self) -> None:
        if not any((self.volume, self.calls, self.size, self.price)):
            raise ValueError("at least one factor is needed")
        if self.above <= 1 or not 0 < self.share <= 1:
            raise ValueError("above is more than 1, share between 0 and 1")


# What a model's cost is made of, by the names that profiles give these signals.
COST = FactorsParams(
    volume="cost_requests", calls="cost_calls_per_request", size="cost_tokens_per_call", price="cost_per_token"
)


@probe(
    "signal.factors",
    params=FactorsParams,
    emits={
        "signal.factor-volume": "There are more requests than usual, and that is most of the growth.",
        "signal.factor-calls": "Each request makes more calls than usual, and that is most of the growth.",
        "signal.factor-size": "Each call is larger than usual, and that is most of the growth.",
        "signal.factor-price": "Each unit costs more than usual, and that is most of the growth.",
    },
    asks="up to four signals, now and at the same hour of last week, yesterday, an hour ago",
    cost="up to sixteen queries",
    minimum="Prometheus; without it the profile's baselines",
)
def factors(look: Look, params: FactorsParams) -> Seen:
    """A finding per factor that is known; the largest growth is told with each, so that the story is in every one."""
    grown: dict[str, float] = {}
    told: dict[str, str] = {}
    seen: list[Evidence] = []
    findings: list[Finding] = []
    names = {factor: name for factor in FACTORS if (name := getattr(params, factor)) and name in look.profile.signals}
    if not names:
        says = f"{look.profile.service} defines none of the signals that its cost is made of"
        raise NotConfigured(says, setting=f"profile {look.profile.service}")
    for factor, name in names.items():
        reading = read(look, name)
        seen.append(evidence(look, reading))
        if reading.unknown is not None:
            findings.append(unknown(FACTORS[factor], reading.unknown.reason, reading.unknown.says))
            continue
        try:
            grown[factor], told[factor] = _growth(look, name, reading)
        except CouldNotLook as none:
            findings.append(unknown(FACTORS[factor], none.reason, none.says))
    whole = sum(max(0.0, math.log(times)) for times in grown.values())
    for factor, times in grown.items():
        part = max(0.0, math.log(times)) / whole if whole > 0 else 0.0
        holds = times > params.above and part > params.share
        growth = f", {part:.0%} of the growth" if times > 1 and whole > math.log(params.above) else ""
        findings.append(
            Finding(
                id=FACTORS[factor],
                state="breach" if holds else "ok",
                says=f"{told[factor]}{growth}",
                measured=times,
                threshold=params.above,
                unit="count",
                threshold_from="parameter above",
            )
        )
    return Seen(evidence=tuple(seen), findings=tuple(findings))


def _growth(look: Look, name: str, reading: Reading) -> tuple[float, str]:
    now = max(row.value for row in reading.rows)
    base, source = usual_value(look, name, reading)
    if base is None or base <= 0 or now <= 0:
        raise CouldNotLook("no-history" if base is None else "no-data", f"{title(look, name)}: {source or 'it is 0'}")
    text = f"{title(look, name)} {shown(reading, now)}, {source} {shown(reading, base)}: {now / base:.2f} times"
    return now / base, text
