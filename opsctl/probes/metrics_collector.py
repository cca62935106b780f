"""Does the service still collect: its page answers, but do the numbers on it move (B-13)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from opsctl.durations import format_quantity, parse_duration
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Finding, Seen, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.metrics_clock import service_clock
from opsctl.probes.monitoring import fresh_for, limit, seen_at, weighed
from opsctl.probes.prometheus_service import own_metrics
from opsctl.probes.quantities import Quantities
from opsctl.probes.registry import probe
from opsctl.probes.signal_reading import declared, median, read
from opsctl.signals.exposition import Page
from opsctl.signals.growth import Scrapes

STOPPED = "metrics.stopped"
_ENDINGS = ("", "_count", "_sum")
_ENOUGH = 20.0  # requests that ought to have come between the two scrapes
_BUSY = 0.5  # of the usual CPU: a service without traffic uses less
_POINTS = 600
_CPU = "process_cpu_seconds_total"


class CollectorParams(Quantities, frozen=True, kw_only=True):
    """``collected``: a signal with the age of the last collection; ``traffic``: requests a second. ``within``: how old
    a collection may be, 0 = two scrape intervals."""

    durations = ("within",)
    collected: str = "collection_age"
    traffic: str = "request_rate"
    within: str | float = 0.0


class Told(NamedTuple):
    """One way of telling: ``stopped`` None when it cannot be told this way."""

    stopped: bool | None
    says: str


@probe(
    "metrics.collector",
    emits={STOPPED: "The metrics page answers, but its collector no longer writes to it."},
    params=CollectorParams,
    asks="two scrapes of the metrics page, shared with direct signals; the usual traffic from Prometheus",
    privilege="none, or what the page asks for",
    cost="two scrapes, two range queries",
)
def collector(look: Look, params: CollectorParams) -> Seen:
    """By the age of the last collection or the samples' own times; else by numbers that stand still under traffic."""
    reader = look.readers.http("metrics")
    present_only(look, reader.address, reader.setting)
    bound = params.number("within") or fresh_for(look)
    ahead = _ahead(look)
    ways = [_by_age(look, params.collected, bound, ahead)]
    if ways[0].stopped is None:
        scrapes = look.signals.pages()
        ways += [_by_times(look, scrapes, bound, ahead), _by_movement(look, scrapes, params.traffic)]
    decided = next((w for w in ways if w.stopped), None) or next((w for w in ways if w.stopped is not None), None)
    values = tuple(
        Value(name=name, value={True: "stopped", False: "collects", None: "cannot be told"}[way.stopped], note=way.says)
        for name, way in zip(("last collection", "times of samples", "movement"), ways, strict=False)
    )
    evidence = seen_at(f"scrape {reader.address}", reader.setting, f"GET {reader.address}", values, subject="collector")
    if decided is None:
        says = "; ".join(way.says for way in ways if way.says)
        finding = Finding(id=STOPPED, state="unknown", reason="too-few", says=f"whether metrics are collected: {says}")
    else:
        finding = Finding(id=STOPPED, state="breach" if decided.stopped else "ok", says=decided.says)
    return Seen(evidence=(evidence,), findings=weighed(look, finding))


def _ahead(look: Look) -> float:
    """Seconds that the service's clock is ahead of this one: its times are held against its own clock, whose being
    wrong is another finding. 0 where it does not tell."""
    try:
        return service_clock(look).ahead
    except CouldNotLook:
        return 0.0


def _by_age(look: Look, name: str, bound: float, ahead: float) -> Told:
    """The service's own word for its last collection."""
    try:
        reading = read(look, name)
    except NotConfigured as absent:
        return Told(None, absent.says)
    if reading.unknown is not None:
        return Told(None, reading.unknown.says)
    age = max(row.value for row in reading.rows) + ahead
    says = f"the last collection is {format_quantity(max(0.0, age), 's', beside=bound)} old"
    return Told(age > bound, f"{says}, bound {format_quantity(bound, 's')}")


def _by_times(look: Look, scrapes: Scrapes, bound: float, ahead: float) -> Told:
    """The samples' own times, where the page writes them."""
    page = scrapes.second
    stamps = [page.seconds(stamp) for name in _names(look) for _, _, stamp in page.samples(name) if stamp]
    newest = max((stamp for stamp in stamps if stamp is not None), default=None)
    if newest is None:
        return Told(None, "")
    age = page.time + ahead - newest
    says = f"the newest sample on the page is {format_quantity(max(0.0, age), 's', beside=bound)} old by its own time"
    return Told(age > bound, f"{says}, bound {format_quantity(bound, 's')}")


def _by_movement(look: Look, scrapes: Scrapes, traffic: str) -> Told:
    """Own numbers that all stand still although there must have been requests, by usual traffic and by the CPU."""
    moved, still = 0, 0
    for name in _names(look):
        before = dict(_values(scrapes.first, name))
        for key, value in _values(scrapes.second, name):
            moved += before.get(key) != value
            still += before.get(key) == value
    span = f"in {scrapes.elapsed:.0f} s"
    if moved:
        return Told(False, f"{moved} of {moved + still} own samples on the page moved {span}")
    if not still:
        return Told(None, "the page holds none of the service's own metrics")
    stood = f"all {still} own samples on the page stood still {span}"
    usual = _usual(look, traffic)
    if usual is None:
        return Told(None, f"{stood}; how much traffic there usually is is not known")
    expected = usual * scrapes.elapsed
    if expected < _ENOUGH:
        return Told(None, f"{stood}; with {usual:.1f} requests a second as usual that may be")
    cpu, cpu_usual = _cpu(scrapes), _usual(look, "cpu_cores")
    if cpu is None or not cpu_usual:
        return Told(None, f"{stood}, where about {expected:.0f} requests are usual; no CPU time tells whether it works")
    busy = cpu >= _BUSY * cpu_usual
    used = f"the process uses {cpu:.2g} CPU cores, usually {cpu_usual:.2g}"
    if busy:
        return Told(True, f"{stood}, where about {expected:.0f} requests are usual, and {used}")
    return Told(False, f"{stood}, and {used}: there is no traffic to count")


def _names(look: Look) -> list[str]:
    return [name + end for name in own_metrics(look) for end in _ENDINGS]


def _values(page: Page, name: str) -> Iterable[tuple[bytes, float]]:
    return ((raw, value) for raw, value, _ in page.samples(name) if value == value)


def _cpu(scrapes: Scrapes) -> float | None:
    grown = [growth for _, growth in scrapes.growth(_CPU)]
    return math.fsum(grown) / scrapes.elapsed if grown and scrapes.elapsed > 0 else None


def _usual(look: Look, name: str) -> float | None:
    """The median of a signal over the time looked through, without the time in which it stood still."""
    try:
        signal = declared(look, name)
    except NotConfigured:
        return None
    history = look.signals.history(
        name,
        signal,
        start=look.now - look.since,
        end=look.now,
        step=max(parse_duration(look.profile.scrape_interval), look.since / _POINTS),
        timeout=limit(look),
        deadline=look.deadline,
    )
    moving = [point.value for point in history.points if point.value > 0]
    return median(moving) if moving else None
