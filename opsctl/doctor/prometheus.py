"""Prometheus: ready, how old, how far back, and whether it scrapes the services as their profiles say."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec

from opsctl.clients.http import HttpReader
from opsctl.clients.http_answer import HttpAnswer
from opsctl.clients.prometheus import PrometheusReader
from opsctl.clients.typed import ready
from opsctl.doctor import versions
from opsctl.doctor.model import Checks, Remedy
from opsctl.doctor.site import Site, Use
from opsctl.doctor.web import access, ask, by_way_of
from opsctl.durations import BadValue, format_duration, parse_duration
from opsctl.errors import CouldNotLook
from opsctl.nearest import nearest
from opsctl.signals.shape import matchers_of

_PAST = (("7d", "last week"), ("1d", "yesterday"), ("1h", "an hour ago"))


class _Target(msgspec.Struct):
    labels: dict[str, str]
    health: str = ""
    error: str = msgspec.field(name="lastError", default="")
    interval: str = msgspec.field(name="scrapeInterval", default="")


def examine(site: Site, checks: Checks, until: float) -> None:
    """Raises CouldNotLook when it cannot be reached."""
    assert site.endpoint is not None
    http, reader = HttpReader(site.endpoint), PrometheusReader(site.endpoint)
    try:
        ready = ask(http, checks, until, "/-/ready")
        if ready.status in (401, 403):
            raise http.failure(ready)
        asked = time.monotonic()
        reader.query("vector(1)", timeout=_left(until))  # that is what all probes need
        took = (time.monotonic() - asked) * 1000
        checks.ok("reachable", f"answers queries in {took:.0f} ms{by_way_of(http)}")
        if ready.status == 200:
            checks.ok("ready", "says that it is ready")
        elif ready.status != 404:  # what only speaks the query API has no such page
            checks.breach("ready", f"answers HTTP {ready.status} at /-/ready: it is starting or shutting down")
        _version(http, checks, until)
        _state(reader, checks, until)
        targets = _targets(http, checks, until)
        for use in site.uses:
            _scrapes(use, reader, targets, checks, until)
    except CouldNotLook as failure:
        if failure.reason in ("unauthorized", "forbidden"):
            how = "In opsctl.yaml, under prometheus of the context, the credentials by reference"
            checks.lost(failure, Remedy(how=how, run=f"prometheus: {access(site)}"))
            return
        raise
    finally:
        http.close()
        reader.close()


def _left(until: float) -> float:
    return max(0.1, min(5.0, until - time.monotonic()))


def _json(http: HttpReader, path: str, until: float, **params: str) -> Any:
    """``data`` of an API answer. Raises CouldNotLook."""
    answer: HttpAnswer = http.get(path, params=params, timeout=_left(until))
    try:
        return json.loads(answer.body)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CouldNotLook("bad-answer", f"{answer.url} does not answer as Prometheus does") from None


def _version(http: HttpReader, checks: Checks, until: float) -> None:
    try:
        told = _json(http, "/api/v1/status/buildinfo", until)
        versions.judge(checks, "prometheus", str(told["version"]))
    except (CouldNotLook, KeyError, TypeError):
        checks.ok("version", "it does not tell its version (it speaks the query API only, or a proxy hides it)")


def _state(reader: PrometheusReader, checks: Checks, until: float) -> None:
    try:
        info = reader.runtimeinfo(timeout=_left(until))
    except CouldNotLook:
        return  # not every system with the query API has it
    if info.reload_config_success is False:
        how = "On the Prometheus host, see what is wrong with it"
        says = "its last configuration reload failed: it runs with the old one"
        checks.breach("config", says, Remedy(how=how, run="promtool check config /etc/prometheus/prometheus.yml"))
    else:
        checks.ok("config", "its configuration loaded")
    if info.storage_retention:
        checks.ok("retention", f"keeps samples for {info.storage_retention}")


def _targets(http: HttpReader, checks: Checks, until: float) -> tuple[_Target, ...] | None:
    try:
        found = _json(http, "/api/v1/targets", until, state="active")["activeTargets"]
        return msgspec.convert(found, ready(tuple[_Target, ...]))
    except CouldNotLook as failure:
        if failure.reason not in ("not-found", "bad-answer"):
            checks.failed("targets", failure)
    except (msgspec.ValidationError, KeyError, TypeError):
        pass
    return None  # the query API alone has no targets


def _scrapes(
    use: Use, reader: PrometheusReader, targets: tuple[_Target, ...] | None, checks: Checks, until: float
) -> None:
    """Whether this service is scraped, as often as its profile says, and how far back it is known."""
    service, labels = use.profile.service, use.profile.prometheus_labels
    if not use.profile.signals:
        return
    if not labels:
        checks.ok("scrapes", f"{service}: its profile names no labels, so its targets cannot be told from others")
        return
    matchers = ",".join(f"{m.label}{m.op}{json.dumps(m.value)}" for m in matchers_of(labels))
    try:
        up = reader.query(f"up{{{matchers}}}", timeout=_left(until)).series
    except CouldNotLook as failure:
        checks.failed("scrapes", failure)
        return
    if not up:
        _unknown_job(use, reader, matchers, checks, until)
        return
    down = [series for series in up if series.value != 1]
    if down:
        where = ", ".join(series.labels.get("instance", "?") for series in down[:3])
        mine = [t for t in targets or () if t.health == "down" and _fits(t, labels)]
        why = f" ({mine[0].error})" if mine and mine[0].error else ""
        checks.breach("scrapes", f"{service}: {len(down)} of {len(up)} targets cannot be scraped: {where}{why}")
    else:
        checks.ok("scrapes", f"{service}: scraped, {len(up)} target{'' if len(up) == 1 else 's'} up")
    _interval(use, targets, checks)
    _past(service, reader, matchers, checks, until)


def _unknown_job(use: Use, reader: PrometheusReader, matchers: str, checks: Checks, until: float) -> None:
    service = use.profile.service
    try:
        known = sorted({s.labels.get("job", "") for s in reader.query("up", timeout=_left(until)).series} - {""})
    except CouldNotLook:
        known = []
    jobs = f"it has the jobs {', '.join(known[:8])}" if known else "it scrapes nothing at all"
    likely = nearest(use.profile.prometheus_labels.get("job", service), known) or nearest(service, known)
    yaml = f"services: {{{service}: {{labels: {{job: {json.dumps(likely)}}}}}}}" if likely else ""
    how = "In opsctl.yaml, in the context, the labels that it really has" if yaml else "Add a scrape job for it"
    checks.breach(
        "scrapes",
        f"{service}: no series up{{{matchers}}} is known to it; {jobs}",
        Remedy(how=how, run=yaml),
        need="objective" if checks.needed else "optional",
    )


def _fits(target: _Target, labels: dict[str, str]) -> bool:
    return all(matcher.matches(target.labels.get(matcher.label, "")) for matcher in matchers_of(labels))


def _interval(use: Use, targets: tuple[_Target, ...] | None, checks: Checks) -> None:
    """Rates need four samples in their window: a slower scrape than the profile says makes them gaps or noise."""
    service, said = use.profile.service, parse_duration(use.profile.scrape_interval)
    real: set[float] = set()
    for target in targets or ():
        if _fits(target, use.profile.prometheus_labels) and target.interval:
            try:
                real.add(parse_duration(target.interval))
            except BadValue:
                continue
    if not real:
        return
    slowest = max(real)
    if slowest > said * 1.01:
        fixed = format_duration(slowest)
        says = f"{service}: scraped every {fixed}, but its profile says {use.profile.scrape_interval}"
        checks.breach(
            "interval",
            f"{says}: windows that are too short see no rate",
            Remedy(how="In opsctl.yaml, in the context", run=f"services: {{{service}: {{scrape_interval: {fixed}}}}}"),
        )
    else:
        checks.ok("interval", f"{service}: scraped every {format_duration(slowest)}")


def _past(service: str, reader: PrometheusReader, matchers: str, checks: Checks, until: float) -> None:
    """How far back there are samples: `--at`, histories and comparisons need them."""
    for offset, words in _PAST:
        try:
            if reader.query(f"count(up{{{matchers}}} offset {offset})", timeout=_left(until)).series:
                checks.ok("history", f"{service}: has samples of {words}")
                return
        except CouldNotLook as failure:
            checks.failed("history", failure)
            return
    checks.ok("history", f"{service}: has no samples of an hour ago, so nothing can be compared with the past yet")
