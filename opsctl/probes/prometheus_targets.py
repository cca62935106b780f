"""Does Prometheus get the service's metrics: nothing answers, the page is bad, it is too slow, or it is not asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsctl.clients.prometheus import PrometheusReader
from opsctl.clients.prometheus_answers import Target
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.monitoring import asked, last_time, seen_at, weighed
from opsctl.probes.prometheus_service import selector, targets_of, whose
from opsctl.probes.registry import NoParams, probe

UNREACHABLE = "prometheus.target-unreachable"
FAILING = "prometheus.scrape-failing"
SLOW = "prometheus.scrape-timeout"
MISSING = "prometheus.target-missing"
_SHOWN = 5

_NO_WAY = re.compile(
    r"dial tcp|lookup \S+|connection refused|no such host|no route to host|network is unreachable|host is down"
)
_LATE = re.compile(r"deadline exceeded|Client\.Timeout|i/o timeout")
# What Prometheus says of an answer that it cannot use -> the kind, in words of ours.
_KINDS = (
    (re.compile(r"server returned HTTP status (\d{3}[^,]*)"), "HTTP {}"),
    (re.compile(r"body size limit|sample limit|sample_limit|label_limit|label limit|limit exceeded"), "over a limit"),
    (re.compile(r"x509|tls:|certificate"), "TLS"),
    (re.compile(r"duplicate"), "duplicate series"),
    (re.compile(r"Content-Type|content type|content-type"), "no metrics page"),
    (re.compile(r"EOF|connection reset|malformed HTTP|unexpected end|closed"), "broken off"),
    (re.compile(r"expected|invalid|token|parse|unsupported character|strconv|no (?:value|metric)"), "not readable"),
)


@probe(
    "prometheus.targets",
    emits={
        UNREACHABLE: "Nothing answers at a scrape target of this service.",
        FAILING: "A scrape target of this service answers with something that Prometheus cannot use.",
        SLOW: "A scrape of this service takes longer than Prometheus waits.",
        MISSING: "Prometheus has no scrape target of this service.",
    },
    params=NoParams,
    asks="/api/v1/targets?state=active, and since when the scrapes fail",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="one request and one query",
    minimum="Prometheus 2.0; systems that only speak the query API answer unknown",
)
def targets(look: Look, params: NoParams) -> Seen:
    """By the last error of each target of the service. Of the past only ``up`` is kept: see prometheus.samples."""
    reader = look.readers.prometheus()
    if look.at is not None:
        raise CouldNotLook("no-history", "Prometheus keeps the errors of its scrapes only for now")
    all_targets = asked(look, reader.targets)
    mine = targets_of(look, all_targets)
    values = tuple(
        Value(
            name="target",
            value=target.health,
            labels={"instance": target.labels.get("instance", ""), "job": target.labels.get("job", "")},
            note=target.last_error,
        )
        for target in sorted(mine, key=lambda target: target.health)[:20]
    )
    source = f"prometheus {reader.address}"
    evidence = (seen_at(source, reader.setting, "/api/v1/targets?state=active", values),)
    if not mine:
        pools = ", ".join(sorted({t.pool or t.labels.get("job", "?") for t in all_targets})[:8])
        of = f", of {len(all_targets)} targets (jobs {pools})" if all_targets else "; it scrapes nothing at all"
        missing = Finding(id=MISSING, state="breach", says=f"Prometheus has no scrape target {whose(look)}{of}")
        rest = tuple(
            Finding(
                id=id,
                state="ok",
                says="no scrape target of this service fails: there is none",
                measured=0.0,
                unit="count",
            )
            for id in (UNREACHABLE, FAILING, SLOW)
        )
        return Seen(evidence=evidence, findings=weighed(look, missing, *rest))
    findings = (*_judged(look, reader, mine), Finding(id=MISSING, state="ok", says=_count(mine, whose(look))))
    return Seen(evidence=evidence, findings=weighed(look, *findings))


def _judged(look: Look, reader: PrometheusReader, mine: Sequence[Target]) -> list[Finding]:
    down = {UNREACHABLE: list[Target](), FAILING: list[Target](), SLOW: list[Target]()}
    for target in mine:
        if target.health == "down":
            down[kind_of(target.last_error)].append(target)
    since = None
    if any(down.values()):
        good = last_time(reader, [f"{selector(look, 'up')} == 1"], look)
        since = good if good is not None and len(mine) == sum(map(len, down.values())) else None
    fresh = [target for target in mine if target.health == "unknown"]
    findings = []
    for id, several in down.items():
        named = "; ".join(_named(target) for target in several[:_SHOWN])
        more = f"; and {len(several) - _SHOWN} more" if len(several) > _SHOWN else ""
        what = {UNREACHABLE: "do not answer", FAILING: "cannot be scraped", SLOW: "are scraped too slowly"}[id]
        says = f"{len(several)} of {len(mine)} scrape targets of {look.profile.service} {what}"
        says += f": {named}{more}" if several else ""
        if not several and len(fresh) == len(mine):
            says = f"the {len(mine)} scrape targets of {look.profile.service} were not scraped yet"
            findings.append(Finding(id=id, state="unknown", reason="no-data", says=says))
            continue
        findings.append(
            Finding(
                id=id,
                state="breach" if several else "ok",
                says=says,
                measured=float(len(several)),
                threshold=0.0,
                unit="count",
                since=since if several else None,
            )
        )
    return findings


def kind_of(error: str) -> str:
    """Which finding a scrape error of Prometheus belongs to. Pure."""
    if _LATE.search(error) and "dial tcp" not in error:
        return SLOW
    return UNREACHABLE if _NO_WAY.search(error) else FAILING


def in_words(error: str) -> str:
    """``HTTP 500 Internal Server Error``, ``not readable``: the kind of a scrape error; "" for another. Pure."""
    for pattern, words in _KINDS:
        found = pattern.search(error)
        if found is not None:
            return words.format(*found.groups())
    return ""


def _named(target: Target) -> str:
    """Instance, kind of error and Prometheus' own words."""
    instance = target.labels.get("instance") or target.scrape_url
    if kind_of(target.last_error) != FAILING:
        return f"{instance} ({target.last_error})" if target.last_error else instance
    kind = in_words(target.last_error)
    return (
        f"{instance} is {kind} ({target.last_error})" if kind == "not readable" else f"{instance} ({target.last_error})"
    )


def _count(mine: Sequence[Target], of: str) -> str:
    up = sum(target.health == "up" for target in mine)
    return f"Prometheus scrapes {len(mine)} target{'s' if len(mine) != 1 else ''} {of}, {up} of them are up"
