"""Every number of the requirement catalogue's part A, as a table of its own: bounds, durations, severities per system.

Written from the document, not from the profiles; a profile that says something else, more or less fails here.
"""

import math

import pytest

from opsctl.config.places import built_in
from opsctl.durations import parse_duration
from opsctl.services.bands import interval
from opsctl.services.load import load_profile
from opsctl.services.names import RUNBOOKS
from opsctl.services.words import runbooks_of, unit_of_signal

INF = math.inf
SYSTEMS = ("agro", "amas", "threads", "insa", "vritti")

# signal, low edge, whether it belongs to the band, high edge, seconds it must last, the system's word, common scale
ALERTS = {
    "agro": {
        "high-error-rate": [("error_ratio", 0.05, False, INF, 0, "P1", "sev2")],
        "high-timeout-rate": [("timeouts", 10, False, INF, 0, "P1", "sev2")],
        "budget-exceeded": [
            ("month_cost", 40, False, INF, 0, "P2", "sev3"),
            ("month_cost_projected", 50, False, INF, 3600, "P2", "sev3"),
        ],
        "token-burn": [
            ("cost_per_hour", 0.10, False, INF, 120, "P0", "sev1"),
            ("tokens_per_minute", 5000, False, INF, 120, "P0", "sev1"),
            ("tokens_per_minute", 2000, False, INF, 900, "P0", "sev1"),
            ("rerank_per_minute", 20, False, INF, 0, "P1", "sev2"),
        ],
        "runaway-client": [("chat_calls_per_minute_by_client", 10, False, INF, 180, "P1", "sev2")],
        "quality-degraded": [
            ("retrieval_mrr", -INF, True, 0.6, 0, "P3", "sev4"),
            ("canary_pass_ratio", -INF, True, 0.9, 0, "P3", "sev4"),
        ],
    },
    "amas": {
        "high-latency": [
            ("decision_latency_p99", 0.5, False, INF, 120, "high", "sev2"),
            ("latency_p99", 0.6, False, INF, 0, "high", "sev2"),
            ("latency_p95", 0.25, False, INF, 0, "medium", "sev3"),
        ],
        "high-error-rate": [
            ("error_ratio", 0.01, False, 0.02, 0, "medium", "sev3"),
            ("error_ratio", 0.02, False, INF, 0, "high", "sev2"),
        ],
        "queue-backlog": [("queue_depth", 500, True, INF, 0, "medium", "sev3")],
        "low-cache-hit-rate": [("cache_hit_ratio", -INF, True, 0.6, 0, "medium", "sev3")],
        "resource-exhaustion": [
            ("cpu_ratio", 0.7, False, 0.9, 300, "medium", "sev3"),
            ("cpu_ratio", 0.9, False, INF, 0, "emergency", "sev1"),
            ("memory_ratio", 0.8, False, INF, 0, "medium", "sev3"),
        ],
        "monitoring-stale": [
            ("metrics_age", 30, False, INF, 30, "low", "sev4"),
            ("monitoring_overhead", 0.15, False, INF, 0, "low", "sev4"),
        ],
    },
    "threads": {
        "high-latency": [("latency_p95", 2, False, INF, 600, "warning", "sev3")],
        "high-error-rate": [("error_ratio", 0.05, False, INF, 300, "critical", "sev1")],
        "db-unreachable": [("database_connections", -INF, True, 1, 0, "critical", "sev1")],
        "token-burn": [("cost_per_hour", 5, False, INF, 900, "warning", "sev3")],
        "service-down": [("service_up", -INF, True, 1, 60, "critical", "sev1")],
        "queue-backlog": [("queue_depth", 1000, False, INF, 120, "critical", "sev1")],
        "low-engagement": [("engagement_rate", -INF, True, 0.04, 1800, "business", "sev4")],
        "high-cost-per-follow": [("cost_per_follow", 0.02, False, INF, 1800, "business", "sev4")],
    },
    "insa": {
        "high-latency": [
            ("latency_p95", 10, False, INF, 600, "warning", "sev3"),
            ("latency_p99", 30, False, INF, 600, "critical", "sev1"),
        ],
        "high-error-rate": [("error_ratio", 0.05, False, INF, 300, "critical", "sev1")],
        "high-timeout-rate": [("timeout_ratio", 0.02, False, INF, 300, "critical", "sev1")],
        "db-unreachable": [("database_error_ratio", 0.01, False, INF, 300, "critical", "sev1")],
        "slow-queries": [("database_latency_p95", 1, False, INF, 600, "warning", "sev3")],
        "worker-unhealthy": [
            ("worker_up", -INF, True, 1, 60, "critical (one component)", "sev2"),
            ("workers_down", 2, True, INF, 120, "critical", "sev1"),
            ("worker_restarts", 3, True, INF, 0, "warning", "sev3"),
        ],
        "queue-backlog": [("queue_depth", 100, False, INF, 300, "warning", "sev3")],
        "dlq-growing": [
            ("dead_letters", 50, False, 200, 600, "warning", "sev3"),
            ("dead_letters", 200, False, INF, 300, "critical", "sev1"),
            ("replay_failure_ratio", 0.5, False, INF, 900, "warning", "sev3"),
        ],
        "retry-storm": [("retry_success_ratio", -INF, True, 0.5, 1200, "warning", "sev3")],
        "circuit-breaker-open": [
            ("breaker_open", 1, True, INF, 120, "critical", "sev1"),
            ("breaker_changes", 5, True, INF, 0, "warning", "sev3"),
        ],
        "low-cache-hit-rate": [("cache_hit_ratio", -INF, True, 0.7, 900, "warning", "sev3")],
        "resource-exhaustion": [
            ("memory_ratio", 0.9, False, INF, 300, "critical", "sev1"),
            ("cpu_ratio", 0.8, False, INF, 600, "warning", "sev3"),
        ],
        "disk-space-low": [("disk_free_ratio", -INF, True, 0.1, 300, "critical", "sev1")],
    },
    "vritti": {
        "high-latency": [
            ("latency_p99", 0.05, False, 0.1, 600, "P3", "sev3"),
            ("latency_p99", 0.1, False, INF, 300, "P2", "sev2"),
        ],
        "high-error-rate": [
            ("error_ratio", 0.01, False, 0.05, 0, "P3", "sev3"),
            ("error_ratio", 0.05, False, 0.1, 0, "P2", "sev2"),
            ("error_ratio", 0.1, False, INF, 0, "P1", "sev1"),
        ],
        "kyrodb-down": [("kyrodb_connected", -INF, True, 1, 0, "P1", "sev1")],
        "budget-exceeded": [("daily_cost", 50, False, INF, 0, "P3", "sev3")],
        "dlq-growing": [("dead_letters", 0, False, INF, 0, "P4", "sev4")],
        "resource-exhaustion": [("cpu_ratio", 0.9, False, INF, 300, "P1", "sev1")],
        "llm-failures": [("reflection_failures", 0, False, INF, 0, "P3", "sev3")],
        "quota-exceeded": [("quota_ratio", 1.0, True, INF, 0, "P4", "sev4")],
    },
}

# Promised or early bounds that are shown and never decide: (runbook, signal, low, belongs, high, seconds).
TARGETS = {
    "agro": {
        ("budget-exceeded", "month_cost", 5, False, INF, 0),  # B-03
        ("runaway-client", "calls_per_minute_by_client", 10, False, INF, 120),  # C-13: the tracker's 2 minutes
    },
    "amas": {
        ("high-latency", "latency_p99", 0.5, True, INF, 0),
        ("high-latency", "latency_p95", 0.2, True, INF, 0),
        ("low-cache-hit-rate", "cache_hit_ratio", -INF, True, 0.8, 0),
        ("monitoring-stale", "monitoring_overhead", 0.1, True, INF, 0),
        ("", "request_rate", -INF, True, 800, 0),  # B-06
        ("", "request_rate", -INF, True, 1000, 0),
    },
    "threads": set(),
    "insa": {
        ("high-latency", "latency_p95", 5, True, INF, 0),  # C-03
        ("high-latency", "latency_p99", 15, True, INF, 0),
        ("high-error-rate", "critical_error_ratio", 0.001, True, INF, 0),  # C-04
        ("low-cache-hit-rate", "cache_hit_ratio", -INF, True, 0.8, 0),
        ("", "uptime_ratio", -INF, True, 0.999, 0),
    },
    "vritti": {
        ("budget-exceeded", "daily_cost", 10, False, INF, 0),
        ("budget-exceeded", "premium_cost_ratio", 0.15, False, INF, 0),
    },
}

# Part A row by row: F defined with a number by an objective, f with a symptom only, ( in brackets there, - not at all.
GRID = {
    #                        agro  amas threads insa vritti
    "high-latency": "-FFFF",
    "high-error-rate": "FFFFF",
    "high-timeout-rate": "F--F-",  # Vritti: a branch of llm-failures
    "db-pool-exhaustion": "-f(--",
    "db-unreachable": "-(FF-",
    "slow-queries": "-f(Ff",
    "kyrodb-down": "----F",
    "budget-exceeded": "F---F",
    "token-burn": "F-F--",  # Vritti's premium share is bound to budget-exceeded (VRI-24)
    "runaway-client": "F----",
    "alert-storm": "-f-f-",
    "key-compromise": "----f",
    "service-down": "-fF-f",
    "worker-unhealthy": "--(F-",
    "queue-backlog": "-FFF-",
    "dlq-growing": "---FF",
    "retry-storm": "---F-",
    "circuit-breaker-open": "---F-",
    "low-cache-hit-rate": "-F-Ff",
    "resource-exhaustion": "-F(FF",
    "disk-space-low": "-f-F-",
    "webhook-failure": "ff-f-",
    "insights-write-failure": "-f---",
    "monitoring-stale": "fF-f-",
    "llm-failures": "--(-F",
    "quota-exceeded": "----F",
    "quality-degraded": "F----",
    "low-engagement": "--F--",
    "high-cost-per-follow": "--F--",
    "recover": "-f--f",
}

# Numbers that no signal carries: (system, symptom) -> (low, high, seconds it is counted over)
SYMPTOMS = {
    ("agro", "high-frequency-clients"): [(10, INF, 60)],
    ("amas", "idle-sessions"): [(600, INF, 0)],
    ("amas", "long-query"): [(5, INF, 0)],
    ("amas", "alerts-per-minute"): [(50, INF, 60)],
    ("amas", "insights-per-hour"): [(-INF, 100, 3600), (500, INF, 3600)],
    ("amas", "alert-history-full"): [(200, INF, 0)],
    ("insa", "alerts-per-day"): [(5, 15, 86400), (20, INF, 86400)],
    ("vritti", "dead-letter-file"): [(0, INF, 0)],
    ("vritti", "premium-share-in-stats"): [(0.15, INF, 0)],
}

PATTERNS = {
    ("amas", "pool-timeout-in-log"): "Error: Connection pool timeout",
    ("amas", "webhook-failed-in-log"): "Webhook failed after 3 retries: 500",
    ("amas", "insight-failed-in-log"): "[DecisionRecorder] Failed to write decision insight",
    ("amas", "duplicate-decision-in-log"): 'duplicate key value violates unique constraint "decision_insights_pkey"',
    ("amas", "recorder-in-log"): "[DecisionRecorder] persisted",
    ("vritti", "slow-query-in-log"): '{"level": "warning", "event": "slow_query"}',
    ("vritti", "customer-refused"): '{"status_code": 403}',
    ("vritti", "all-requests-503"): '{"status_code":503}',
    ("vritti", "llm-errors-in-log"): "OpenRouter answered 401",
    ("threads", "slow-in-log"): "high latency on /posts",
}


def profile_of(system):
    return load_profile(system, [built_in()])


def bands_of(profile, objective):
    for band in objective.bands:
        found = interval(band, unit_of_signal(profile, objective.signal))
        yield band, (objective.signal, found.low, found.with_low, found.high, parse_duration(band.for_))


@pytest.mark.parametrize("system", SYSTEMS)
def test_alerting_bounds_durations_and_severities_are_those_of_the_catalogue(system):
    profile = profile_of(system)
    found: dict[str, list] = {}
    for objective in profile.objectives:
        if objective.kind == "alert":
            for band, numbers in bands_of(profile, objective):
                row = (*numbers, band.severity, profile.severities[band.severity])
                found.setdefault(objective.runbook, []).append(row)
    assert {k: sorted(v) for k, v in found.items()} == {k: sorted(v) for k, v in ALERTS[system].items()}


@pytest.mark.parametrize("system", SYSTEMS)
def test_targets_are_those_of_the_catalogue(system):
    profile = profile_of(system)
    targets = [o for o in profile.objectives if o.kind == "target"]
    found = {(o.runbook, *numbers) for o in targets for _, numbers in bands_of(profile, o)}
    assert found == TARGETS[system]


def test_the_grid_has_the_thirty_runbooks():
    assert tuple(GRID) == RUNBOOKS
    assert len(GRID) == 30


@pytest.mark.parametrize("runbook", GRID)
def test_each_system_defines_what_part_a_says(runbook):
    for system, mark in zip(SYSTEMS, GRID[runbook], strict=True):
        profile = profile_of(system)
        alerts = [o for o in profile.objectives if o.runbook == runbook and o.kind == "alert"]
        symptoms = [s for s in profile.symptoms if s.runbook == runbook]
        expected = {"F": (True, None), "f": (False, True), "(": (None, None), "-": (False, False)}[mark]
        if expected[0] is not None:
            assert bool(alerts) == expected[0], (system, runbook)
        if expected[1] is not None:
            assert bool(symptoms) == expected[1], (system, runbook)
        assert (runbook in runbooks_of(profile)) == (mark != "-"), (system, runbook)


@pytest.mark.parametrize(("system", "symptom"), SYMPTOMS)
def test_numbers_without_a_signal(system, symptom):
    found = next(s for s in profile_of(system).symptoms if s.id == symptom)
    within = parse_duration(found.within) if found.within else 0
    edges = []
    for band in found.bands:
        edge = interval(band)
        edges.append((edge.low, edge.high, within))
    assert edges == SYMPTOMS[system, symptom]


def test_every_symptom_with_a_number_is_in_the_table():
    numbered = {(system, s.id) for system in SYSTEMS for s in profile_of(system).symptoms if s.bands}
    assert numbered == {*SYMPTOMS, ("insa", "metrics-endpoint")}


@pytest.mark.parametrize(("system", "symptom"), PATTERNS)
def test_log_patterns_find_the_lines_that_the_sources_quote(system, symptom):
    import re

    found = next(s for s in profile_of(system).symptoms if s.id == symptom)
    assert re.search(found.pattern, PATTERNS[system, symptom])


ROWS = {
    "agro": [f"AGRO-{n:02}" for n in (*range(7, 18), 22)],
    "amas": [f"AMAS-{n:02}" for n in (4, 5, 10, 12, 13, 14, 15, 16, 17, 22, 26, 27, 42, 43, 44, 45, 47, 48, 50)],
    "threads": [f"THR-{n:02}" for n in range(6, 21, 2)],
    "insa": [f"INSA-{n:02}" for n in (*range(2, 15), *range(16, 24), 63)],
    "vritti": [f"VRI-{n:02}" for n in (2, 9, 15, 20, 24, 26, 31, 36, 40, 45)],
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_alert_row_is_bound(system):
    profile = profile_of(system)
    bound = {item.row for item in (*profile.objectives, *profile.symptoms)}
    assert set(ROWS[system]) <= bound


@pytest.mark.parametrize(
    ("system", "names"),
    {
        "agro": [
            *("CostBurnSpike", "TokenBurnSpike", "TokenBurnSustained", "EndpointCallFrequencyAnomaly"),
            *("CohereRerankingSpike", "HighErrorRate", "TimeoutErrorSpike", "MonthlyBudgetWarning"),
            *("MonthlyBudgetCritical", "RetrievalQualityDegraded", "CanaryPassRateLow"),
        ],
        "amas": ["decision.latency.p99", "http.error_rate.5xx"],
        "threads": [
            *("ServiceDown", "HighErrorRate", "DatabaseConnectionFailure", "CeleryQueueDepthHigh", "HighLatency"),
            *("HighTokenCost", "LowEngagementRate", "HighCostPerFollow"),
        ],
        "insa": [
            *("WorkerUnhealthy", "MultipleWorkersDown", "WorkerHighQueueDepth", "WorkerFrequentRestarts"),
            *("HighErrorRate", "HighTimeoutRate", "HighLatencyP95", "HighLatencyP99", "LowCacheHitRate"),
            *("CircuitBreakerOpen", "CircuitBreakerFlapping", "DeadLetterQueueGrowing", "DeadLetterQueueCritical"),
            *("HighDLQReplayFailureRate", "LowRetrySuccessRate", "HighDatabaseErrorRate", "SlowDatabaseQueries"),
            *("HighMemoryUsage", "HighCPUUsage", "DiskSpaceLow"),
        ],
        "vritti": [],
    }.items(),
)
def test_alert_names_are_the_systems_own(system, names):
    profile = profile_of(system)
    assert {b.alert for o in profile.objectives for b in o.bands if b.alert} == set(names)


def test_alerts_without_a_number_ask_for_one():
    titles = {s.id: s.title for s in profile_of("insa").symptoms if s.signal and not s.bands}
    assert titles == {
        "evictions-high": "HighCacheEvictionRate; no number is given",
        "retries-high": "ExcessiveRetryAttempts; no number is given",
    }
