"""The files the lab writes: configuration of Prometheus and Alertmanager, and the opsctl.yaml that points here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from opsctl.lab.identity import HOST

WINDOW = "15s"
FOR = "10s"
PAUSE = "5s"  # long enough for 100 decisions, the least of which a percentile is made
PAUSES = {"insa": "12s"}  # a task may take ten seconds
LOGS = {"vritti": "app.log", "amas": "application.log"}
USUAL = {"vritti": (15.0, 40.0), "amas": (20.0, 55.0), "insa": (10.0, 40.0)}  # requests a second of healthy clients


class Ports(NamedTuple):
    """All ports of one lab, on 127.0.0.1."""

    control: int
    vritti: int
    amas: int
    insa: int
    provider: int
    kyrodb_text: int
    kyrodb_text_http: int
    kyrodb_image: int
    kyrodb_image_http: int
    postgres: int
    redis: int
    prometheus: int
    alertmanager: int


RULES: dict[str, tuple[str, str, str]] = {
    "HighLatencyP99": (
        "vritti",
        "histogram_quantile(0.99, sum by (le) "
        "(rate(episodic_memory_http_request_duration_seconds_bucket[15s]))) > 0.05",
        "warning",
    ),
    "HighErrorRate": (
        "vritti",
        "sum(rate(episodic_memory_errors_total[15s]))"
        " / sum(rate(episodic_memory_http_request_duration_seconds_count[15s])) > 0.01",
        "critical",
    ),
    "DecisionLatencyP99": (
        "amas",
        "histogram_quantile(0.99, sum by (le) (rate(amas_decision_write_duration_bucket[15s]))) > 500",
        "warning",
    ),
    "CircuitBreakerOpen": ("insa", "max(insa_circuit_breaker_state) > 0", "critical"),
}


def _dump(value: Any) -> str:
    """JSON is YAML; nobody edits these files."""
    return json.dumps(value, indent=2) + "\n"


def prometheus_files(folder: Path, ports: Ports, *, alertmanager: bool) -> Path:
    """prometheus.yml and rules.yml; returns the first."""
    jobs = {
        "vritti": ([ports.vritti], "/metrics"),
        "amas": ([ports.amas], "/api/about/metrics/prometheus"),
        "insa": ([ports.insa], "/metrics"),
        "kyrodb": ([ports.kyrodb_text_http, ports.kyrodb_image_http], "/metrics"),
    }
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": path,
                "static_configs": [{"targets": [f"{HOST}:{port}" for port in listed]}],
            }
            for job, (listed, path) in jobs.items()
        ],
    }
    if alertmanager:
        targets = [{"targets": [f"{HOST}:{ports.alertmanager}"]}]
        config["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
    rules = [
        {
            "alert": name,
            "expr": expr,
            "for": FOR,
            "labels": {"severity": severity, "service": service},
            "annotations": {"summary": f"{name} of {service} in the lab"},
        }
        for name, (service, expr, severity) in RULES.items()
    ]
    (folder / "rules.yml").write_text(_dump({"groups": [{"name": "lab", "rules": rules}]}))
    path = folder / "prometheus.yml"
    path.write_text(_dump(config))
    return path


def alertmanager_file(folder: Path) -> Path:
    """An alertmanager.yml that notifies nobody."""
    path = folder / "alertmanager.yml"
    route = {"receiver": "nobody", "group_by": ["alertname", "service"], "group_wait": "1s", "group_interval": "5s"}
    path.write_text(_dump({"route": route, "receivers": [{"name": "nobody"}]}))
    return path


def opsctl_config(folder: Path, ports: Ports, admin_key: str, there: frozenset[str]) -> Path:
    """opsctl.yaml with the context ``lab``. ``there``: names of the real servers that run."""
    lab: dict[str, Any] = {"services": {}}
    if "prometheus" in there:
        lab["prometheus"] = f"http://{HOST}:{ports.prometheus}"
    if "alertmanager" in there:
        lab["alertmanager"] = f"http://{HOST}:{ports.alertmanager}"
    monitors: dict[str, Any] = {name: lab[name] for name in ("prometheus", "alertmanager") if name in lab}
    vritti = f"http://{HOST}:{ports.vritti}"
    amas = f"http://{HOST}:{ports.amas}"
    endpoints: dict[str, dict[str, Any]] = {
        "vritti": {
            "app": vritti,
            "health": f"{vritti}/health",
            "readiness": f"{vritti}/health/readiness",
            "metrics": f"{vritti}/metrics",
            "stats": f"{vritti}/stats",
            "admin": {
                "url": f"{vritti}/admin",
                "http_config": {"http_headers": {"X-Admin-API-Key": {"secrets": [admin_key]}}},
            },
            "kyrodb-text": f"{HOST}:{ports.kyrodb_text}",
            "kyrodb-image": f"{HOST}:{ports.kyrodb_image}",
            "kyrodb-text-http": f"http://{HOST}:{ports.kyrodb_text_http}",
            "kyrodb-image-http": f"http://{HOST}:{ports.kyrodb_image_http}",
        },
        "amas": {
            "app": amas,
            "health": f"{amas}/health",
            "metrics": f"{amas}/api/about/metrics/prometheus",
            "alerts": f"{amas}/api/alerts/active",
            "alert-history": f"{amas}/api/alerts/history",
            "postgres": f"postgresql://opsctl_look@{HOST}:{ports.postgres}/danci",
        },
        "insa": {"metrics": f"http://{HOST}:{ports.insa}/metrics", **monitors},
    }
    endpoints["amas"]["redis"] = f"redis://{HOST}:{ports.redis}/0" if "redis" in there else "none"
    for service, addresses in endpoints.items():
        lab["services"][service] = {
            "endpoints": addresses,
            "window": WINDOW,
            "for": FOR,
            "scrape_interval": "1s",
            "direct_pause": PAUSES.get(service, PAUSE),
            "labels": {"job": service},
            "logs": {"app": str(folder / "logs" / LOGS[service])} if service in LOGS else {},
            "baselines": {"request_rate": USUAL[service]},
        }
    path = folder / "opsctl.yaml"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(_dump({"current-context": "lab", "contexts": {"lab": lab}}))
    return path
