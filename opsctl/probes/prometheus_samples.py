"""How old the service's newest sample in Prometheus is, by Prometheus' own clock (B-13: not its value tells)."""

from __future__ import annotations

from datetime import UTC, datetime

from opsctl.clients.prometheus import PrometheusReader
from opsctl.durations import format_duration, format_quantity, parse_duration
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.monitoring import asked, fresh_for, last_time, limit, newest, seen_at, weighed
from opsctl.probes.prometheus_service import own_metrics, selector, targets_of
from opsctl.probes.registry import NoParams, probe

STALE = "prometheus.stale"
_MOST_NAMES = 6


@probe(
    "prometheus.samples",
    emits={STALE: "The newest sample of the service's own metrics is older than two scrape intervals, or is gone."},
    params=NoParams,
    asks="the newest timestamp of the metrics that the profile reads; if there is none, of the time looked through",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="one request and one or two queries",
    minimum="any Prometheus-compatible API",
)
def samples(look: Look, params: NoParams) -> Seen:
    """Also for a past time. Series that ended are told with their end; series that never were are unknown."""
    reader = look.readers.prometheus()
    names = own_metrics(look)[:_MOST_NAMES]
    if not names:
        says = f"{look.profile.service} defines no signal on a metric of its own"
        raise NotConfigured(says, setting=f"profile {look.profile.service}")
    chosen = [selector(look, "", f'__name__=~"{name}(_count)?"') for name in names]
    expr = f"time() - {newest([f'timestamp({one})' for one in chosen])}"
    series = asked(look, lambda seconds: reader.query(expr, at=look.at, timeout=seconds)).series
    bound = fresh_for(look, _interval(reader, look))
    source = f"prometheus {reader.address}"
    if series:
        age = series[0].value
        old = age > bound
        shown = format_quantity(max(0.0, age), "s", beside=bound)
        finding = Finding(
            id=STALE,
            state="breach" if old else "ok",
            says=f"the newest sample of {look.profile.service} is {shown} old, bound {format_quantity(bound, 's')}",
            measured=age,
            threshold=bound,
            unit="s",
            since=datetime.fromtimestamp(series[0].time - age, UTC) if old else None,
        )
        values = (Value(name="sample_age", value=age, unit="s"),)
        return Seen(evidence=(seen_at(source, reader.setting, expr, values),), findings=weighed(look, finding))
    last = last_time(reader, chosen, look)
    if last is None:
        looked = f"now and in the {format_duration(look.since)} before"
        says = f"Prometheus has no sample of {look.profile.service}'s own metrics, {looked} ({', '.join(names[:3])}…)"
        raise CouldNotLook("no-data", says, address=source, setting=reader.setting)
    age = max(0.0, look.now - last.timestamp())
    finding = Finding(
        id=STALE,
        state="breach",
        says=f"the series of {look.profile.service} ended: the last sample is of {last:%H:%M:%S} UTC, "
        f"{format_quantity(float(round(age)), 's')} ago, bound {format_quantity(bound, 's')}",
        measured=age,
        threshold=bound,
        unit="s",
        since=last,
    )
    values = (Value(name="last_sample", value=f"{last:%Y-%m-%d %H:%M:%S} UTC"),)
    return Seen(evidence=(seen_at(source, reader.setting, expr, values),), findings=weighed(look, finding))


def _interval(reader: PrometheusReader, look: Look) -> float:
    """Seconds between two scrapes as Prometheus has it configured, which may be longer than the profile thinks."""
    try:
        texts = [target.interval for target in targets_of(look, reader.targets(limit(look))) if target.interval]
        return max((parse_duration(text) for text in texts), default=0.0)
    except (CouldNotLook, ValueError):
        return 0.0
