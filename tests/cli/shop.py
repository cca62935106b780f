"""A service `shop` that a test makes slow, and three runbooks of its own that lead from one to the next."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.app import App
from tests.acceptance.session import Session

PROFILE = {
    "service": "shop",
    "direct_pause": "100ms",
    "endpoints": {"metrics": {"kind": "metrics", "url": ""}},
    "signals": {
        "latency_p99": {"quantile": 0.99, "histogram": "http_request_duration_seconds", "unit": "s"},
        "request_rate": {"rate": "http_request_duration_seconds_count", "unit": "per_second"},
    },
    "severities": {"high": "sev2", "low": "sev3"},
    "objectives": [
        {"id": "p99", "runbook": "slow", "signal": "latency_p99", "bands": [{"above": "200ms", "severity": "high"}]},
        {"id": "busy", "runbook": "busy", "signal": "request_rate", "bands": [{"above": 100, "severity": "low"}]},
        {"id": "calm", "runbook": "calm", "signal": "request_rate", "bands": [{"above": 100, "severity": "low"}]},
    ],
}


def _runbook(name: str, follow: list[str]) -> dict[str, object]:
    bound = {"signal": "request_rate", "above": 50, "finding": "local.rate-high"}
    cause = {"cause": f"{name}-rate", "says": "Many requests come.", "confirms": ["local.rate-high"], "try": follow}
    return {
        "runbook": name, "title": f"It is {name}", "meaning": "m", "impact": "i",
        "diagnosis": [{"probe": "signal.objectives"}, {"probe": "signal.threshold", "with": bound}],
        "causes": [cause],
    }  # fmt: skip


def session(folder: Path, app: App) -> Session:
    """A user whose only service is the shop; `slow` leads to `busy`, that one to `calm`, and that back to `slow`."""
    app.change(rate=3000.0)  # enough for a percentile within a tenth of a second
    books = folder / "runbooks"
    (books / "services").mkdir(parents=True)
    profile = {**PROFILE, "endpoints": {"metrics": {"kind": "metrics", "url": app.url}}}
    (books / "services" / "shop.yaml").write_text(json.dumps(profile))
    for name, follow in (("slow", ["busy"]), ("busy", ["calm"]), ("calm", ["slow"])):
        (books / f"{name}.yaml").write_text(json.dumps(_runbook(name, follow)))
    return Session(folder)
