"""Part A2 and section F of the requirement catalogue: addresses, files, adapters, budgets, contacts, contradictions."""

import re

import pytest

from opsctl.config.places import built_in
from opsctl.services.load import load_profile

SYSTEMS = ("agro", "amas", "threads", "insa", "vritti")

ENDPOINTS = {
    "agro": {
        "app": "http://localhost:8012",
        "prometheus": "http://localhost:9090",
        "alertmanager": "http://localhost:9093",
        "webhook": "http://localhost:8012/webhooks/alertmanager",
        "webhook-status": "http://localhost:8012/webhooks/alertmanager/status",
        "frequency-stats": "http://localhost:8012/monitoring/frequency-stats",
    },
    "amas": {
        "app": "http://localhost:3000",
        "health": "http://localhost:3000/health",
        "metrics": "http://localhost:3000/api/about/metrics/prometheus",
        "alerts": "http://localhost:3000/api/alerts/active",
        "alert-history": "http://localhost:3000/api/alerts/history",
        "postgres": "postgresql://localhost:5432/danci",
        "redis": "redis://localhost:6379",
    },
    "threads": {
        "prometheus": "http://localhost:9090",
        "alertmanager": "http://localhost:9093",
        "kubernetes": "",
        "metrics": "",
        "postgres": "postgresql://postgres@postgres:5432/postgres",
        "rabbitmq": "http://localhost:15672",
    },
    "insa": {
        "metrics": "http://localhost:9091/metrics",
        "prometheus": "http://localhost:9090",
        "alertmanager": "http://localhost:9093",
        "webhook": "http://localhost:8080/alerts/critical",
        "smtp": "smtp://localhost:25",
    },
    "vritti": {
        "app": "http://localhost:8000",
        "health": "http://localhost:8000/health",
        "readiness": "http://localhost:8000/health/readiness",
        "metrics": "http://localhost:8000/metrics",
        "stats": "http://localhost:8000/stats",
        "admin": "http://localhost:8000/admin",
        "provider-meter": "",
        "kyrodb-text": "localhost:50051",
        "kyrodb-image": "localhost:50052",
        "kyrodb-text-http": "http://localhost:51051",
        "kyrodb-image-http": "http://localhost:51052",
    },
}
SCRAPE = {"agro": "5s", "amas": "30s", "threads": "15s", "insa": "15s", "vritti": "15s"}
SEVERITIES = {
    "agro": {"P0": "sev1", "P1": "sev2", "P2": "sev3", "P3": "sev4"},
    "amas": {"emergency": "sev1", "high": "sev2", "medium": "sev3", "low": "sev4"},
    "threads": {"critical": "sev1", "infrastructure": "sev2", "warning": "sev3", "business": "sev4"},
    "insa": {"critical": "sev1", "warning": "sev3"},
    "vritti": {"P1": "sev1", "P2": "sev2", "P3": "sev3", "P4": "sev4"},
}
FILES = {
    "agro": {"data/logs/alerts.jsonl"},
    "amas": {"logs/application.log", ".env", "backend/src/monitoring/alert-rules.ts"},
    "threads": set(),
    "insa": {"prometheus_alerts.yml", "alertmanager.yml", "prometheus_config.yml"},
    "vritti": {"logs/app.log", "data/failed_reflections.log", "data/customers.db", "kyrodb_config.toml", ".env"},
}
ADAPTERS = {
    "agro": {},
    "amas": {"pm2": {"danci-backend", "delayed-reward-worker"}, "docker-compose": {"backend"}},
    "threads": {"kubernetes": {"orchestrator", "celery-worker", "persona-runtime", "postgres"}},
    "insa": {},
    "vritti": {"command": {"vritti-api", "kyrodb", "dead-letters", "retry-reflections", "export-episodes"}},
}
DEPENDENCIES = {
    "agro": {"reranker"},
    "amas": {"postgres", "redis", "webhook"},
    "threads": {"kubernetes", "postgres", "rabbitmq", "llm"},
    "insa": {"database", "upstream", "smtp"},
    "vritti": {"kyrodb", "embedding", "llm", "sqlite"},
}


def profile_of(system):
    return load_profile(system, [built_in()])


def text_of(system):
    return (built_in() / "services" / f"{system}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("system", SYSTEMS)
def test_addresses(system):
    found = {name: spec.url for name, spec in profile_of(system).endpoints.items()}
    assert ENDPOINTS[system].items() <= found.items()


@pytest.mark.parametrize("system", SYSTEMS)
def test_scrape_interval_severities_files_adapters_and_dependencies(system):
    profile = profile_of(system)
    assert profile.scrape_interval == SCRAPE[system]
    assert SEVERITIES[system].items() <= profile.severities.items()
    assert FILES[system] <= {f.path for f in (*profile.logs.values(), *profile.files.values())}
    found: dict[str, set[str]] = {}
    for adapter in profile.adapters.values():
        found.setdefault(adapter.kind, set()).add(adapter.unit)
    assert found == ADAPTERS[system]
    assert {d.kind for d in profile.dependencies.values()} == DEPENDENCIES[system]


def test_the_services_own_variables_come_before_their_default():
    amas = profile_of("amas").endpoints
    assert (amas["postgres"].env, amas["redis"].env, amas["webhook"].env) == (
        *("DATABASE_URL", "REDIS_URL"),
        "ALERT_WEBHOOK_URL",  # C-16
    )
    assert amas["health"].expect == {"status": "ok"}


def test_histograms_in_milliseconds_and_in_seconds_say_so():
    assert profile_of("amas").signals["decision_latency_p99"].unit == "ms"
    assert profile_of("vritti").signals["latency_p99"].unit == "s"


def test_workloads_of_threads():
    kubernetes = profile_of("threads").kubernetes
    assert kubernetes is not None
    given = {w.selector for w in kubernetes.workloads.values() if not w.assumed}
    assert given == {"app=orchestrator", "app=celery-worker", "app=persona-runtime", "app=postgres"}


def test_budgets_name_their_reset():
    assert profile_of("agro").budgets["month_cap"] == "$50"
    assert profile_of("vritti").budgets["daily_limit"] == "$50"
    assert profile_of("vritti").budgets["daily_reset"] == "00:00 UTC"
    assert profile_of("threads").budgets["openai_per_hour"] == "$5"


def test_cache_capacity_and_settings_of_amas():
    amas = profile_of("amas")
    assert amas.cache == {"decision_insight:": "300s", "AMAS_METRICS": "60s", "USER_STATE": "1800s"}
    assert amas.capacity["request_rate"] == 1200
    assert amas.capacity["database_connections"] == 20
    names = ("DB_CONNECTION_POOL_SIZE", "DB_CONNECTION_POOL_SIZE.default", "DB_CONNECTION_POOL_SIZE.emergency")
    assert [amas.settings[name] for name in names] == ["20", "10", "30"]
    assert amas.settings["ALERT_WEBHOOK_MAX_PER_MINUTE"] == "12"


def test_healthy_ranges_of_agro():
    assert profile_of("agro").baselines == {
        "requests_per_minute": (10, 50),
        "tokens_per_minute": (200, 1000),
        "cost_per_hour": (0.01, 0.05),
        "error_ratio": (0, 0.005),
        "rerank_per_minute": (2, 10),
        "month_cost": (7.2, 36),
    }


@pytest.mark.parametrize(
    ("system", "steps"),
    {
        "amas": [("emergency", "0s"), ("", "0s"), ("", "30m"), ("", "1h")],
        "threads": [
            *(("critical", "0s"), ("critical", "15m"), ("warning", "2h"), ("business", "24h")),
            *(("", "1h"), ("", "4h")),
        ],
        "vritti": [("P1", "0s"), ("P1", "15m"), ("P2", "15m"), ("P2", "1h"), ("P3", "4h"), ("P4", "24h")],
    }.items(),
)
def test_escalation(system, steps):
    assert [(s.severity, s.after) for s in profile_of(system).escalation] == steps


def test_response_times():
    def within(system):
        return {n: c.respond_within for n, c in profile_of(system).categories.items()}

    assert within("threads") == {"critical": "5m", "infrastructure": "1h", "warning": "30m", "business": "2h"}
    assert within("vritti") == {"P1": "15m", "P2": "1h", "P3": "4h", "P4": "24h"}


@pytest.mark.parametrize("number", range(1, 23))
def test_every_contradiction_is_settled_where_it_concerns_a_profile(number):
    assert any(f"C-{number:02}" in text_of(system) for system in SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_rows_are_the_systems_own_and_everything_bound_has_one(system):
    profile = profile_of(system)
    prefix = {"agro": "AGRO", "amas": "AMAS", "threads": "THR", "insa": "INSA", "vritti": "VRI"}[system]
    parts = (profile.endpoints, profile.dependencies, profile.signals, profile.logs, profile.files, profile.adapters)
    items = [item for part in parts for item in part.values()]
    items += [*profile.objectives, *profile.symptoms, *profile.escalation, *profile.categories.values()]
    assert not [item for item in items if not re.fullmatch(rf"{prefix}-\d\d", item.row)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_assumed_says_what(system):
    profile = profile_of(system)
    parts = (profile.endpoints, profile.signals, profile.logs, profile.adapters)
    items = [item for part in parts for item in part.values()] + [*profile.objectives, *profile.symptoms]
    assert not [item for item in items if item.assumed and not item.note]


def test_every_metric_of_a_source_is_bound_and_not_assumed():
    given = {
        "amas": ["amas_queue_size", "amas_decision_write_duration", "http_errors_total"],
        "insa": [
            *("insa_agent_requests_total", "insa_agent_request_duration_seconds", "insa_cache_hits_total"),
            *("insa_cache_misses_total", "insa_dead_letter_queue_size", "insa_retry_attempts_total"),
            "insa_worker_health_status",
        ],
        "vritti": [
            f"episodic_memory_{name}"
            for name in (
                *("errors_total", "http_request_duration_seconds", "http_requests_active"),
                *("kyrodb_operation_duration_seconds", "kyrodb_connection_healthy", "rate_limit_exceeded_total"),
                *("embedding_generation_duration_seconds", "daily_cost_usd", "reflection_failure_total"),
                *("llm_call_total", "reflection_dead_letter_total", "customer_quota_usage_ratio"),
                *("api_key_cache_hits_total", "skill_promotions_total"),
            )
        ],
    }
    for system, metrics in given.items():
        signals = [repr(s) for s in profile_of(system).signals.values() if not s.assumed]
        for metric in metrics:
            assert any(metric in text for text in signals), (system, metric)


def test_every_signal_that_is_not_the_sources_is_marked():
    """AGRO and Threads name no metric but up: all of theirs are assumed."""
    for system in ("agro", "threads"):
        assert all(signal.assumed for signal in profile_of(system).signals.values())
