"""What the probes on monitoring share: how bad the service calls its own monitoring being broken, and since when."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from opsctl.clients.prometheus import PrometheusReader
from opsctl.durations import format_duration, parse_duration
from opsctl.errors import CouldNotLook, Reason
from opsctl.model import Evidence, Finding, Severity, Unknown, Value
from opsctl.probes.look import Look
from opsctl.signals.objective import severity_of

QUESTION = 4.0  # seconds for one request
_AGAIN = 2.0  # seconds that a second try needs
DOWN: frozenset[Reason] = frozenset({"refused", "unresolved", "timeout", "closed", "server-error", "tls"})
T = TypeVar("T")

_PERIODS = 2.0  # domain-checks 3: a sample is fresh while it is younger than two intervals
_LEAST = 10.0  # seconds: scrapes of one second and a busy machine


def limit(look: Look, most: float = QUESTION) -> float:
    """Seconds for the next request of this probe."""
    return max(0.05, min(most, look.remaining()))


def asked(look: Look, ask: Callable[[float], T]) -> T:
    """What ``ask`` gives, called with its seconds; once more after no answer in time: that may be this machine's load.

    Raises CouldNotLook.
    """
    try:
        return ask(limit(look))
    except CouldNotLook as failed:
        if failed.reason != "timeout" or look.remaining() < _AGAIN:
            raise
    return ask(limit(look))


def weighed(look: Look, *findings: Finding) -> tuple[Finding, ...]:
    """The findings, those in breach with the severity that the profile gives this runbook, if it gives one."""
    label, severity = _worst(look)
    return tuple(
        msgspec.structs.replace(finding, severity=severity, severity_label=label)
        if finding.state == "breach" and severity is not None
        else finding
        for finding in findings
    )


def _worst(look: Look) -> tuple[str, Severity | None]:
    """The worst severity of the runbook's objectives and symptoms, with the service's own word for it."""
    profile = look.profile
    words = [
        *(b.severity for o in profile.objectives if o.runbook == look.runbook for b in o.bands),
        *(
            w
            for s in profile.symptoms
            if s.runbook == look.runbook
            for w in (s.severity, *(b.severity for b in s.bands))
        ),
    ]
    known = [(severity, word) for word in words if (severity := severity_of(word, profile.severities)) is not None]
    severity, word = min(known, default=(None, ""))
    return word, severity


def fresh_for(look: Look, interval: float = 0.0) -> float:
    """Seconds up to which a sample is fresh; ``interval``: the real one, where it is known, else the profile's."""
    return max(_PERIODS * max(interval, parse_duration(look.profile.scrape_interval)), _LEAST)


def newest(parts: Sequence[str]) -> str:
    """PromQL for the largest of several expressions, of which some may give nothing.

    ``timestamp`` drops the metric's name, so that two metrics with the same labels can not stand in one of them.
    """
    marked = (f'label_replace(max({part}), "part", "{number}", "", "")' for number, part in enumerate(parts))
    return f"max({' or '.join(marked)})"


def last_time(reader: PrometheusReader, exprs: Sequence[str], look: Look) -> datetime | None:
    """When one of ``exprs`` last gave a value in the time looked through; None when none did, or it cannot be told."""
    step = max(parse_duration(look.profile.scrape_interval), look.since / 1000)
    span = f"{format_duration(math.ceil(look.since))}:{format_duration(math.ceil(step))}"
    past = newest([f"max_over_time(timestamp({expr})[{span}])" for expr in exprs])
    try:
        series = reader.query(past, at=look.at, timeout=limit(look)).series
    except CouldNotLook:
        return None
    return datetime.fromtimestamp(series[0].value, UTC) if series and math.isfinite(series[0].value) else None


def unknown(id: str, failed: CouldNotLook) -> Finding:
    """A finding that could not be told."""
    return Finding(id=id, state="unknown", says=failed.says, reason=failed.reason)


def seen_at(
    source: str,
    setting: str,
    query: str,
    values: tuple[Value, ...] = (),
    failed: CouldNotLook | None = None,
    *,
    subject: str = "",
) -> Evidence:
    """Evidence taken now; ``failed``: why there is none. ``source`` as "prometheus http://…"."""
    lost = None
    if failed is not None:
        lost = Unknown(
            reason=failed.reason, says=failed.says, address=failed.address, setting=failed.setting or setting
        )
    return Evidence(
        subject=subject or source.partition(" ")[0],
        source=source,
        setting=setting,
        query=query,
        sampled_at=datetime.now(UTC),
        values=values,
        unknown=lost,
    )
