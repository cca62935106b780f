"""What changed in Prometheus and was seen by it: starts, configuration loads, rule groups, versions of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import pairwise

from opsctl.clients.prometheus import PrometheusReader
from opsctl.clients.prometheus_answers import RangeSeries, RuntimeInfo
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.model import Change, Evidence, Seen, Unknown, Value
from opsctl.probes.look import Look
from opsctl.probes.prometheus_service import selector
from opsctl.probes.registry import NoParams, probe

LOADED = "configuration loaded"
STARTED = "started"
_QUESTION = 5.0
_POINTS = 500
_TOGETHER = 2.0  # seconds: at its start a Prometheus loads its configuration too, which is one change
_LOADS = "prometheus_config_last_reload_success_timestamp_seconds"
_GROUPS = "sum by (rule_group) (prometheus_rule_group_rules)"
_VERSION = ("version", "revision", "commit", "image_tag")


@probe(
    "prometheus.changes",
    params=NoParams,
    asks="/api/v1/status/runtimeinfo; the histories of its own reloads and rule groups and of the service's build_info",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="one request and three range queries",
    minimum="Prometheus 2.14; reloads before the last one and rule groups only where it scrapes itself",
    changes=True,
)
def changes(look: Look, params: NoParams) -> Seen:
    """Finds nothing. Parts that cannot be looked at cost only themselves; raises CouldNotLook when all are gone."""
    reader = look.readers.prometheus()
    found: list[Change] = []
    evidence: list[Evidence] = []
    failures: list[CouldNotLook] = []

    def part(query: str, ask: Callable[[], Iterable[Change]]) -> None:
        told: tuple[Value, ...] = ()
        unknown: Unknown | None = None
        try:
            seen = list(ask())
            found.extend(seen)
            told = (Value(name="changes", value=len(seen), unit="count"),)
        except NotConfigured:
            return  # nothing says which series are the service's
        except CouldNotLook as failed:
            failures.append(failed)
            unknown = Unknown(reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting)
        evidence.append(_evidence(reader, query, told, unknown))

    def history(expr: str) -> Callable[[], tuple[RangeSeries, ...]]:
        step = max(look.signals.interval, look.since / _POINTS)
        return lambda: reader.query_range(
            expr, start=look.now - look.since, end=look.now, step=step, timeout=min(_QUESTION, look.remaining())
        )

    part("/api/v1/status/runtimeinfo", lambda: of_state(reader.runtimeinfo(_limit(look)), reader, look.moment))
    if failures and failures[0].reason not in ("not-found", "unsupported", "forbidden"):
        raise failures[0]  # it does not answer at all: asked once
    part(_LOADS, lambda: _loads(history(_LOADS)(), reader))
    part(_GROUPS, lambda: _groups(history(_GROUPS)(), reader))
    try:
        versions = _versions_query(look)
        part(versions, lambda: _versions(history(versions)(), reader, look))
    except NotConfigured:
        pass  # nothing says which series are the service's
    if len(failures) == len(evidence):
        raise failures[0]
    return Seen(evidence=tuple(evidence), changes=tuple(found))


def of_state(info: RuntimeInfo, reader: PrometheusReader, now: datetime) -> list[Change]:
    """Start and last configuration load up to ``now``; the engine keeps those of the time it looks at."""
    started, loaded = info.start_time, info.last_config_time
    found = []
    if started and started <= now:
        found.append(_change(reader, started, STARTED))
    if loaded and loaded <= now and not (started and (loaded - started).total_seconds() < _TOGETHER):
        found.append(_change(reader, loaded, LOADED))
    return found


def _loads(series: tuple[RangeSeries, ...], reader: PrometheusReader) -> list[Change]:
    """Every configuration load that its own metric still tells; the oldest one may be its start's."""
    if len(series) != 1:
        return []  # none, or several Prometheus: which is meant is not told
    times = sorted({point.value for point in series[0].points if point.value > 0})
    return [_change(reader, datetime.fromtimestamp(at, UTC), LOADED) for at in times[1:]]


def _groups(all_series: tuple[RangeSeries, ...], reader: PrometheusReader) -> list[Change]:
    """Rule groups that came, went or grew, as its own metric tells of them."""
    found = []
    series = [one for one in all_series if one.points]
    step = min((b.time - a.time for s in series for a, b in pairwise(s.points)), default=0.0)
    first = min((s.points[0].time for s in series), default=0.0)
    end = max((s.points[-1].time for s in series), default=0.0)
    for one in series:
        name = one.labels.get("rule_group", "").rpartition(";")[2] or "?"
        if step and one.points[0].time > first + 2 * step:
            count = f"{one.points[0].value:g}"
            found.append(_change(reader, _at(one.points[0].time), f"rule group {name} added, {count} rules"))
        for before, after in pairwise(one.points):
            if before.value != after.value:
                says = f"rule group {name}: {before.value:g} -> {after.value:g} rules"
                found.append(_change(reader, _at(after.time), says))
        if step and one.points[-1].time < end - 2 * step:
            found.append(_change(reader, _at(one.points[-1].time + step), f"rule group {name} removed"))
    return found


def _versions_query(look: Look) -> str:
    labels = ", ".join(("__name__", *_VERSION))
    chosen = selector(look, "", '__name__=~"(.+_)?build_info|up"', 'version!=""')
    return f"count by ({labels}) ({chosen})"


def _versions(series: tuple[RangeSeries, ...], reader: PrometheusReader, look: Look) -> list[Change]:
    """A version that begins to be seen while another one was seen before it."""
    found = []
    by_metric: dict[str, list[RangeSeries]] = {}
    for one in series:
        if one.points:
            by_metric.setdefault(one.labels.get("__name__", ""), []).append(one)
    for metric, versions in by_metric.items():
        versions.sort(key=lambda s: s.points[0].time)
        for before, after in pairwise(versions):
            if after.points[0].time > versions[0].points[0].time:
                says = f"version {_version(before)} -> {_version(after)} ({metric})"
                found.append(
                    Change(
                        at=_at(after.points[0].time),
                        system="service",
                        subject=look.profile.service,
                        says=says,
                        source=f"prometheus {reader.address}",
                    )
                )
    return found


def _version(series: RangeSeries) -> str:
    """The version, with the commit where there is one: two builds of one version are two."""
    version = series.labels.get("version", "")
    more = next((series.labels[name][:12] for name in _VERSION[1:] if series.labels.get(name)), "")
    return f"{version} ({more})" if more else version


def _at(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)


def _change(reader: PrometheusReader, at: datetime, says: str) -> Change:
    source = f"prometheus {reader.address}"
    return Change(at=at, system="prometheus", subject=reader.address, says=says, source=source)


def _limit(look: Look) -> float:
    return min(_QUESTION, look.remaining())


def _evidence(
    reader: PrometheusReader, query: str, values: tuple[Value, ...], unknown: Unknown | None = None
) -> Evidence:
    return Evidence(
        subject="prometheus changes",
        source=f"prometheus {reader.address}",
        setting=reader.setting,
        query=query,
        sampled_at=datetime.now(UTC),
        values=values,
        unknown=unknown,
    )
