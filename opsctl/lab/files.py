"""The files the lab writes: configuration of Prometheus and Alertmanager, and the opsctl.yaml that points here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from opsctl.lab import storm
from opsctl.lab.identity import HOST

SERVICES = ("agro", "amas", "insa", "threads", "vritti")
WINDOW = "15s"
FOR = "10s"
PAUSE = "5s"  # long enough for 100 decisions, the least of which a percentile is made
PAUSES = {"insa": "12s", "threads": "12s", "agro": "12s"}  # fewer requests, or some that take ten seconds
LOGS = {"vritti": {"app": "app.log"}, "amas": {"app": "application.log"}, "agro": {"alerts": "alerts.jsonl"}}
WORKLOADS = ("orchestrator", "celery-worker", "persona-runtime")  # of threads; each is a job of its name
NAMESPACE = "threads"
USUAL = {  # requests a second of healthy clients
    "vritti": (15.0, 40.0),
    "amas": (20.0, 55.0),
    "insa": (10.0, 40.0),
    "agro": (3.0, 10.0),
    "threads": (5.0, 20.0),
}
SPENT = {  # what the cost is made of when all is well
    "vritti": {
        "cost_requests": (4.0, 9.0),
        "cost_calls_per_request": (0.9, 1.1),
        "cost_tokens_per_call": (320.0, 420.0),
        "cost_per_token": (0.00036, 0.00048),
    },
}


class Ports(NamedTuple):
    """All ports of one lab, on 127.0.0.1."""

    control: int
    vritti: int
    amas: int
    insa: int
    agro: int
    reranker: int
    orchestrator: int
    celery_worker: int
    persona_runtime: int
    apiserver: int
    etcd: int
    etcd_peer: int
    kube_metrics: int
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
    "TimeoutErrorSpike": ("agro", "sum(increase(agro_timeouts_total[15s])) > 10", "warning"),
    "ServiceDown": ("threads", f'min by (job) (up{{job=~"{"|".join(WORKLOADS)}"}}) == 0', "critical"),
}
# It fires always: where it is missing, alerts would be, too.
WATCHDOG: dict[str, Any] = {
    "alert": "Watchdog",
    "expr": "vector(1)",
    "labels": {"severity": "none"},
    "annotations": {"summary": "Alerts are evaluated and delivered"},
}
# Faults of Prometheus' configuration -> the service that it forgets: its job, or its rules; or one rule is bad.
CONFIGURED = {"insa-unscraped": "insa", "insa-unwatched": "insa", "rule-failing": "insa"}
CONFIGURED |= dict.fromkeys(storm.RULES, "insa")
# Each task once per worker: the two sides of the product do not match one to one, so that its evaluation fails.
FAILING = ("WorkerBusy", ("insa", "insa_agent_requests_total * on (job) insa_worker_health_status > 0", "warning"))


def _dump(value: Any) -> str:
    """JSON is YAML; nobody edits these files."""
    return json.dumps(value, indent=2) + "\n"


def _jobs(ports: Ports, services: frozenset[str]) -> dict[str, tuple[list[int], str]]:
    every: dict[str, dict[str, tuple[list[int], str]]] = {
        "vritti": {
            "vritti": ([ports.vritti], "/metrics"),
            "kyrodb": ([ports.kyrodb_text_http, ports.kyrodb_image_http], "/metrics"),
        },
        "amas": {"amas": ([ports.amas], "/api/about/metrics/prometheus")},
        "insa": {"insa": ([ports.insa], "/metrics")},
        "agro": {"agro": ([ports.agro], "/metrics")},
        "threads": {
            name: ([port], "/metrics")
            for name, port in zip(
                WORKLOADS, (ports.orchestrator, ports.celery_worker, ports.persona_runtime), strict=True
            )
        },
    }
    return {job: where for service, jobs in every.items() if service in services for job, where in jobs.items()}


def prometheus_files(
    folder: Path, ports: Ports, services: frozenset[str], *, alertmanager: bool, on: frozenset[str] = frozenset()
) -> Path:
    """prometheus.yml and rules.yml for these services; returns the first. ``on``: faults, see CONFIGURED."""
    scraped = services - {CONFIGURED[name] for name in on & CONFIGURED.keys() if name.endswith("-unscraped")}
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": path,
                "static_configs": [{"targets": [f"{HOST}:{port}" for port in listed]}],
            }
            for job, (listed, path) in _jobs(ports, scraped).items()
        ],
    }
    if storm.UNREACHED in on:
        for job in config["scrape_configs"]:
            job["proxy_url"] = f"http://{HOST}:{storm.NOWHERE}"
    if alertmanager:
        targets = [{"targets": [f"{HOST}:{ports.alertmanager}"]}]
        config["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
    _rules_file(folder, services, on)
    path = folder / "prometheus.yml"
    _replace(path, config)
    return path


def _rules_file(folder: Path, services: frozenset[str], on: frozenset[str]) -> None:
    watched = services - {CONFIGURED[name] for name in on & CONFIGURED.keys() if name.endswith("-unwatched")}
    rules = [
        {
            "alert": name,
            "expr": expr,
            "for": FOR,
            "labels": {"severity": severity, "service": service},
            "annotations": {"summary": f"{name} of {service} in the lab"},
        }
        for name, (service, expr, severity) in (*RULES.items(), *([FAILING] if "rule-failing" in on else []))
        if service in watched
    ]
    groups = [{"name": "lab", "rules": rules}, {"name": "watchdog", "rules": [WATCHDOG]}]
    groups += [{"name": name, "rules": [rule]} for name, rule in storm.RULES.items() if name in on]
    _replace(folder / "rules.yml", {"groups": groups})


def _replace(path: Path, value: Any) -> None:
    """In one step: Prometheus may read it at any time."""
    draft = path.with_suffix(".new")
    draft.write_text(_dump(value))
    draft.replace(path)


def alertmanager_file(folder: Path, ports: Ports, services: frozenset[str]) -> Path:
    """An alertmanager.yml that tells AGRO of its own alerts, as in its source, and nobody else of anything."""
    path = folder / "alertmanager.yml"
    route: dict[str, Any] = {"receiver": "nobody", "group_by": ["alertname", "service"]}
    route |= {"group_wait": "1s", "group_interval": "5s"}
    receivers: list[dict[str, Any]] = [{"name": "nobody"}]
    if "agro" in services:
        route["routes"] = [{"receiver": "agro", "matchers": ['service="agro"']}]
        receivers.append(
            {"name": "agro", "webhook_configs": [{"url": f"http://{HOST}:{ports.agro}/webhooks/alertmanager"}]}
        )
    path.write_text(_dump({"route": route, "receivers": receivers}))
    return path


def _endpoints(ports: Ports, admin_key: str, there: frozenset[str], monitors: dict[str, Any]) -> dict[str, Any]:
    vritti, amas, agro = (f"http://{HOST}:{port}" for port in (ports.vritti, ports.amas, ports.agro))
    return {
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
            "provider-meter": f"http://{HOST}:{ports.provider}/api/v1/key",
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
            "postgres-act": f"postgresql://opsctl_act@{HOST}:{ports.postgres}/danci",
            "redis": f"redis://{HOST}:{ports.redis}/0" if "redis" in there else "none",
        },
        "insa": {"metrics": f"http://{HOST}:{ports.insa}/metrics", **monitors},
        "agro": {
            "app": agro,
            "metrics": f"{agro}/metrics",
            "frequency-stats": f"{agro}/monitoring/frequency-stats",
            "webhook": f"{agro}/webhooks/alertmanager",
            "webhook-status": f"{agro}/webhooks/alertmanager/status",
            **monitors,
        },
        "threads": {
            "app": f"http://{HOST}:{ports.orchestrator}",
            "metrics": f"http://{HOST}:{ports.orchestrator}/metrics",
            "postgres": "none",
            "rabbitmq": "none",
            **({} if "kubernetes" in there else {"kubernetes": "none"}),
            **monitors,
        },
    }


UNITS = {  # adapter -> the lab's part that it restarts
    "vritti": {"app": "vritti", "kyrodb-text": "kyrodb-text", "kyrodb-image": "kyrodb-image"},
    "amas": {"app": "amas"},
    "insa": {"app": "insa"},
    "agro": {"app": "agro"},
}


def env_file(folder: Path) -> Path:
    """The settings that AMAS reads when it starts."""
    return folder / "work" / "amas.env"


def _adapters(folder: Path, service: str) -> dict[str, Any]:
    """The lab is the supervisor of its parts: they are restarted as an operator's own command would restart them."""
    argv = [sys.executable, "-m", "opsctl", "lab", "{verb}"]
    found: dict[str, Any] = {
        name: {"kind": "command", "unit": part, "argv": [*argv, part, "--dir", str(folder)], "data": str(folder)}
        for name, part in UNITS.get(service, {}).items()
    }
    if service == "amas":
        found["app"]["env_file"] = str(env_file(folder))
    return found


def _labels(service: str) -> dict[str, str]:
    return {"job": "=~" + "|".join(WORKLOADS) if service == "threads" else service}


def opsctl_config(
    folder: Path, ports: Ports, admin_key: str, there: frozenset[str], services: frozenset[str] = frozenset(SERVICES)
) -> Path:
    """opsctl.yaml with the context ``lab``. ``there``: names of the real servers that run (``kubernetes`` is one)."""
    lab: dict[str, Any] = {"services": {}}
    if "prometheus" in there:
        lab["prometheus"] = f"http://{HOST}:{ports.prometheus}"
    if "alertmanager" in there:
        lab["alertmanager"] = f"http://{HOST}:{ports.alertmanager}"
    if "kubernetes" in there:
        lab["kubernetes"] = {"kubeconfig": str(folder / "kubeconfig"), "namespace": NAMESPACE}
    monitors: dict[str, Any] = {name: lab[name] for name in ("prometheus", "alertmanager") if name in lab}
    for service, addresses in _endpoints(ports, admin_key, there, monitors).items():
        if service not in services:
            continue
        lab["services"][service] = {
            "endpoints": addresses,
            "window": WINDOW,
            "for": FOR,
            "scrape_interval": "1s",
            "direct_pause": PAUSES.get(service, PAUSE),
            "labels": _labels(service),
            "adapters": _adapters(folder, service),
            "logs": {name: str(folder / "logs" / file) for name, file in LOGS.get(service, {}).items()},
            "baselines": {"request_rate": USUAL[service], **SPENT.get(service, {})},
        }
    path = folder / "opsctl.yaml"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(_dump({"current-context": "lab", "contexts": {"lab": lab}}))
    return path
