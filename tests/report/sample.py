"""A report as the engine gives it, for the renderers' tests."""

import math
from datetime import UTC, datetime, timedelta

import msgspec

from opsctl.model import CauseResult, Change, Evidence, Finding, Measured, Point, Report, Unknown, Value

AT = datetime(2026, 11, 21, 3, 7, 12, tzinfo=UTC)
SINCE = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)


def critical(**more) -> Report:
    """Vritti is slow because of KyroDB; Postgres could not be asked."""
    series = tuple(
        Point(AT.timestamp() - 600 + 60 * i, v) for i, v in enumerate([0.02] * 4 + [0.09, 0.12, 0.14, 0.142])
    )
    fields = {
        "runbook": "high-latency",
        "service": "vritti",
        "verdict": "critical",
        "severity": "sev2",
        "severity_label": "P2",
        "says": "vritti: P99 of request time 142 ms, objective 50 ms, broken for 7 min",
        "started_at": AT,
        "seconds": 1.2,
        "escalation": "Team Lead at 03:15 UTC",
        "measured": Measured(signal="latency_p99", value=0.142, unit="s", objective=0.05, since=SINCE, series=series),
        "findings": (
            Finding(
                id="signal.objective-broken",
                state="breach",
                says="P99 of request time 142 ms, objective 50 ms, broken for 7 min",
                severity="sev2",
                severity_label="P2",
                measured=0.142,
                threshold=0.05,
                unit="s",
                since=SINCE,
                probe="signal.objectives",
                evidence=("e1",),
            ),
            Finding(
                id="local.kyrodb-dominates",
                state="breach",
                says="KyroDB takes 118 ms of the mean request's 131 ms (90 %)",
                probe="signal.share",
                evidence=("e2",),
            ),
            Finding(
                id="postgres.lock-wait", state="unknown", says="connection refused at 127.0.0.1:5432", reason="refused"
            ),
        ),
        "causes": (
            CauseResult(
                cause="kyrodb-slow",
                says="KyroDB takes most of each request.",
                status="confirmed",
                score=1,
                confirmed=("local.kyrodb-dominates",),
                refuted=(),
                not_measured=(),
                checks=1,
                measured=1,
            ),
            CauseResult(
                cause="database-locks",
                says="Statements wait for locks that another session holds.",
                status="not-measured",
                score=0,
                confirmed=(),
                refuted=(),
                not_measured=("postgres.lock-wait",),
                checks=1,
                measured=0,
            ),
            CauseResult(
                cause="traffic-spike",
                says="There are far more requests than usual.",
                status="refuted",
                score=-1,
                confirmed=(),
                refuted=("local.traffic-spike",),
                not_measured=(),
                checks=1,
                measured=1,
            ),
        ),
        "unknown": (
            Unknown(
                reason="refused",
                says="connection refused at 127.0.0.1:5432",
                probe="postgres.locks",
                address="127.0.0.1:5432",
                setting="env DATABASE_URL",
            ),
        ),
        "changes": (Change(at=SINCE, system="kubernetes", subject="Deployment api", says="image 1.14.2 -> 1.14.3"),),
        "next": ("opsctl diagnose high-error-rate -s vritti", "Look at KyroDB's own health."),
        "notes": ("TLS verification is off for prometheus (opsctl.yaml:7)",),
        "evidence": (
            Evidence(
                id="e1",
                probe="signal.objectives",
                subject="latency_p99",
                source="prometheus http://127.0.0.1:9090",
                query="histogram_quantile(0.99, x)",
                sampled_at=AT,
                values=(Value(name="latency_p99", value=0.142, unit="s", series=series),),
            ),
            Evidence(id="e2", subject="share", source="prometheus http://127.0.0.1:9090", sampled_at=AT),
        ),
    }
    return Report(**{**fields, **more})


def full() -> Report:
    """A long one: two objectives broken, a lone log line, changes, refuted causes, what was not to be had."""
    from opsctl.model import Bound

    end = AT.timestamp()
    slow = [0.021, 0.023, 0.02, 0.024, 0.022, 0.02, 0.021, 0.025, 0.022, 0.023, 0.02, 0.03, 0.061, 0.09, 0.13]
    slow = tuple(Point(end - 1800 + 15 * i, slow[min(14, max(0, i - 78))] + 0.002 * (i % 5)) for i in range(121))
    bad = tuple(Point(end - 1800 + 15 * i, math.nan if 40 < i < 50 else 0.002 if i < 93 else 0.031) for i in range(121))
    line = '03:04:11 WARNING kyrodb search took 118 ms <k=64> {"tier": "cold", "tenant": "acme"}'
    says = "P99 of request time 138 ms, objective 50 ms, broken for 7 min, P1 above 100 ms"
    objectives = (
        Finding(
            id="signal.objective-broken", state="breach", says=says, severity="sev1", severity_label="P1",
            measured=0.138, threshold=0.05, unit="s", since=SINCE, probe="signal.objectives", evidence=("e1", "e2"),
            bounds=(
                Bound(value=0.05, severity="sev2", label="P2", holds=300.0),
                Bound(value=0.1, severity="sev1", label="P1", holds=120.0),
            ),
        ),
        Finding(
            id="signal.objective-broken", state="breach", severity="sev2", severity_label="P2",
            says="Share of failed requests 3.1 %, objective 1 %, broken for 6 min",
            measured=0.031, threshold=0.01, unit="ratio", evidence=("e1", "e2"), since=SINCE, probe="signal.objectives",
            bounds=(Bound(value=0.01, severity="sev2", label="P2", holds=300.0),),
        ),
        Finding(id="signal.target-missed", state="ok", says="Mean request time 31 ms, target 40 ms: within it"),
    )  # fmt: skip
    base = critical()
    ok = tuple(
        Finding(id=f"postgres.check-{n}", state="ok", says=f"{n} of 100 sessions, bound 80", evidence=("e4",))
        for n in range(1, 12)
    )
    evidence = (
        Evidence(
            id="e1", probe="signal.objectives", subject="vritti latency_p99", source="prometheus http://127.0.0.1:9090",
            query="histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
            sampled_at=AT, window="5m", setting="env PROMETHEUS_URL", seconds=0.031,
            values=(Value(name="latency_p99", value=0.138, unit="s", series=slow, note="4,120 events"),),
        ),
        Evidence(
            id="e2", probe="signal.objectives", subject="vritti error_ratio", source="prometheus http://127.0.0.1:9090",
            query='sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))',
            sampled_at=AT, window="5m", setting="env PROMETHEUS_URL", seconds=0.02,
            values=(Value(name="error_ratio", value=0.031, unit="ratio", series=bad),),
        ),
        Evidence(
            id="e3", probe="log.lines", subject="vritti log app", source="log /var/log/vritti/app.log", sampled_at=AT,
            query="kyrodb.*took", window="15m", setting="profile vritti",
            values=(Value(name="matched", value=41, unit="count"), Value(name="line", value=line)),
        ),
        Evidence(
            id="e4", probe="postgres.capacity", subject="postgres danci", source="postgres danci@127.0.0.1:5432",
            query="get_capacity.sql", sampled_at=AT, values=(Value(name="sessions", value=11, unit="count"),),
        ),
    )  # fmt: skip
    kyrodb = Finding(
        id="log.kyrodb-slow", state="breach", says="41 lines in 15m match, bound 5", probe="log.lines", evidence=("e3",)
    )
    first = msgspec.structs.replace(
        base.causes[0],
        cause="kyrodb-slow",
        confirmed=("local.kyrodb-dominates", "log.kyrodb-slow"),
        checks=4,
        measured=4,
        next=("opsctl diagnose high-error-rate -s vritti", "Look at KyroDB's own health."),
    )
    refuted = msgspec.structs.replace(base.causes[2], refuted=("postgres.check-3",))
    minutes = (0, -0.2, 0.2, 3, -7, -24)
    whats = (
        ("service", "vritti", "process started"),
        ("kubernetes", "Deployment api", "image 1.14.2 -> 1.14.3 (rollout finished 02:58)"),
        ("kubernetes", "ConfigMap vritti-api", "new version 18: SEARCH_K 32 -> 64"),
        ("redis", "127.0.0.1:6379", "restarted"),
        ("prometheus", "http://127.0.0.1:9090", "configuration loaded"),
        ("postgres", "danci@127.0.0.1:5432", "configuration loaded"),
    )
    changes = tuple(
        Change(at=SINCE + timedelta(minutes=m), system=s, subject=what, says=says, rank=rank, offset=60 * m)
        for rank, (m, (s, what, says)) in enumerate(zip(minutes, whats, strict=True), 1)
    )
    return critical(
        opsctl="0.1.0",
        runbook_digest="3f1c09a2b7de",
        context="prod",
        severity="sev1",
        severity_label="P1",
        says=f"vritti: {says}",
        measured=msgspec.structs.replace(base.measured, value=0.138, series=slow),
        findings=(*objectives, *base.findings[1:], kyrodb, *ok),
        causes=(first, base.causes[1], refuted),
        changes=changes,
        not_configured=(Unknown(reason="not-configured", says="vritti defines no signal cpu_ratio"),),
        evidence=evidence,
        parameters={"spike": "2"},
    )
