"""Do the clocks of the service, of Prometheus and of this machine agree: samples and alerts are told apart by time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from opsctl.durations import format_quantity
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Finding, Seen, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.monitoring import limit, seen_at, weighed
from opsctl.probes.quantities import Quantities
from opsctl.probes.registry import probe

SKEW = "metrics.clock-skew"
_SECOND = 0.5  # a Date header is cut to whole seconds: half of one later is the best guess


class ClockParams(Quantities, frozen=True, kw_only=True):
    """``above``: a difference of clocks longer than this is a skew."""

    durations = ("above",)
    above: str | float = "10s"


class Clock(NamedTuple):
    """How far a clock is ahead of this machine's (seconds), give or take ``error``."""

    name: str
    ahead: float
    error: float


@probe(
    "metrics.clock",
    emits={SKEW: "The clocks of the service and of its monitoring differ: samples and alerts carry wrong times."},
    params=ClockParams,
    asks="the Date header of the metrics page and of Alertmanager, and Prometheus' own time",
    privilege="none, or what they ask for",
    cost="three requests",
)
def clock(look: Look, params: ClockParams) -> Seen:
    """The service's clock against the others, else against this machine's. Raises CouldNotLook without a time."""
    reader = look.readers.http("metrics")
    present_only(look, reader.address, reader.setting)
    bound = params.number("above")
    service = service_clock(look)
    others: list[Clock] = []
    failures: list[Value] = []
    for ask in (_prometheus, _alertmanager):
        try:
            others.append(ask(look))
        except NotConfigured:
            continue
        except CouldNotLook as failed:
            failures.append(Value(name="not seen", value=failed.says))
    clocks = [service, *others]
    values = tuple(
        Value(
            name=f"{each.name} clock", value=round(each.ahead, 3), unit="s", note=f"± {each.error:.1f} s, against here"
        )
        for each in clocks
    )
    evidence = seen_at(
        f"scrape {reader.address}", reader.setting, "Date header", (*values, *failures), subject="clocks"
    )
    return Seen(evidence=(evidence,), findings=weighed(look, judge(clocks, bound)))


def service_clock(look: Look) -> Clock:
    """The service's clock, by the Date header of its metrics endpoint. Raises CouldNotLook."""
    reader = look.readers.http("metrics")
    return _by_date(look.profile.service, lambda: reader.head(timeout=limit(look), accept=None).date)


def judge(clocks: list[Clock], bound: float) -> Finding:
    """The widest difference between two of the clocks; with one alone, against this machine's. Pure."""
    here = Clock("this machine", 0.0, 0.0)
    pool = clocks if len(clocks) > 1 else [*clocks, here]
    low, high = min(pool, key=lambda c: c.ahead), max(pool, key=lambda c: c.ahead)
    apart = high.ahead - low.ahead
    sure = apart - low.error - high.error > bound
    shown = format_quantity(apart, "s", beside=bound)
    limit_ = format_quantity(bound, "s")
    if sure:
        says = f"the clock of {high.name} is {shown} ahead of that of {low.name}, bound {limit_}"
    else:
        says = f"the clocks of {', '.join(c.name for c in pool)} differ by {shown} at most, bound {limit_}"
    if not sure and all(abs(c.ahead) - c.error > bound for c in clocks):
        says += f"; this machine's own differs from them by {format_quantity(abs(clocks[0].ahead), 's')}"
    return Finding(
        id=SKEW, state="breach" if sure else "ok", says=says, measured=apart, threshold=bound, unit="s",
        threshold_from="parameter above",
    )  # fmt: skip


def _by_date(name: str, ask: Callable[[], datetime | None]) -> Clock:
    before = time.time()
    date = ask()
    after = time.time()
    if date is None:
        raise CouldNotLook("no-data", f"{name} sends no Date header: its clock is not known")
    half = (after - before) / 2
    return Clock(name, date.timestamp() + _SECOND - (before + half), half + _SECOND)


def _prometheus(look: Look) -> Clock:
    reader = look.readers.prometheus()
    before = time.time()
    series = reader.query("time()", timeout=limit(look)).series
    after = time.time()
    if not series:
        raise CouldNotLook("no-data", "Prometheus does not tell its time")
    half = (after - before) / 2
    return Clock("Prometheus", series[0].value - (before + half), half)


def _alertmanager(look: Look) -> Clock:
    reader = look.readers.alertmanager()
    return _by_date("Alertmanager", lambda: reader.ready(limit(look)).date)
