"""A service that depends on every kind of system that opsctl looks at, all of them real but KyroDB, and its profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.acceptance.app import App
from tests.acceptance.session import Session

SIGNALS: dict[str, Any] = {
    "latency_p99": {"quantile": 0.99, "histogram": "http_request_duration_seconds", "unit": "s"},
    "latency_mean": {"mean": "http_request_duration_seconds", "unit": "s"},
    "request_rate": {"rate": "http_request_duration_seconds_count", "unit": "per_second"},
    "llm_seconds_per_request": {
        "ratio": {"of": "openai_request_duration_seconds_sum", "over": "http_request_duration_seconds_count"},
        "unit": "s",
    },
    "error_ratio": {
        "ratio": {"of": {"metric": "http_requests_total", "where": {"status": "=~5.."}}, "over": "http_requests_total"},
        "unit": "ratio",
    },
    "process_started": {"gauge": "process_start_time_seconds", "agg": "max", "unit": "s"},
}
KINDS = {"kyrodb-text": "kyrodb", "kyrodb-image": "kyrodb"}


def profile(places: Mapping[str, str], namespace: str = "", **more: Any) -> dict[str, Any]:
    """The profile ``shop``; ``places``: endpoint -> address. Only systems that have one are depended on."""
    endpoints: dict[str, Any] = {name: {"kind": KINDS.get(name, name), "url": url} for name, url in places.items()}
    if "kubernetes" in endpoints:
        endpoints["kubernetes"]["options"] = {"namespace": namespace}
    dependencies: dict[str, Any] = {
        name.partition("-")[0]: {"kind": name.partition("-")[0], "endpoints": [name]}
        for name in ("postgres", "redis", "kyrodb-text", "kubernetes")
        if name in places
    }
    made: dict[str, Any] = {
        "service": "shop",
        "title": "Shop",
        "scrape_interval": "1s",
        "window": "5s",
        "direct_pause": "1s",
        "severities": {"critical": "sev2", "warning": "sev3"},
        "prometheus_labels": {"job": "shop"},
        "endpoints": endpoints,
        "dependencies": {**dependencies, "openai": {"kind": "llm"}},
        "signals": SIGNALS,
        "objectives": [
            {"id": "latency-p99", "runbook": "high-latency", "signal": "latency_p99",
             "bands": [{"above": "200ms", "severity": "critical"}]},
            {"id": "error-ratio", "runbook": "high-error-rate", "signal": "error_ratio",
             "bands": [{"above": "5%", "severity": "critical"}]},
        ],
    }  # fmt: skip
    if namespace:
        made["kubernetes"] = {"namespace": namespace, "workloads": {"shop": {"name": "shop", "selector": "app=shop"}}}
    return made | more


def session(folder: Path, spec: Mapping[str, Any], **environ: str) -> Session:
    """A session that knows this profile beside the built-in runbooks."""
    books = folder / "books"
    (books / "services").mkdir(parents=True, exist_ok=True)
    (books / "services" / f"{spec['service']}.yaml").write_text(json.dumps(spec, indent=1))  # JSON is YAML
    return Session(folder, OPSCTL_RUNBOOKS=str(books), **environ)


def slow_app() -> App:
    """Broken: 99 % of the requests take up to 590 ms, and a language model takes most of that."""
    app = App(latency=0.4)
    app.change(llm=0.7)
    return app
