"""A report as the engine gives it, for the renderers' tests."""

from datetime import UTC, datetime

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
