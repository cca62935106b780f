"""Names that profiles and runbooks must agree on: runbooks, endpoints, kinds, units."""

from __future__ import annotations

# The thirty runbooks of requirements.md part A. A profile may bind objectives to all of them.
RUNBOOKS = (
    "high-latency",
    "high-error-rate",
    "high-timeout-rate",
    "db-pool-exhaustion",
    "db-unreachable",
    "slow-queries",
    "kyrodb-down",
    "budget-exceeded",
    "token-burn",
    "runaway-client",
    "alert-storm",
    "key-compromise",
    "service-down",
    "worker-unhealthy",
    "queue-backlog",
    "dlq-growing",
    "retry-storm",
    "circuit-breaker-open",
    "low-cache-hit-rate",
    "resource-exhaustion",
    "disk-space-low",
    "webhook-failure",
    "insights-write-failure",
    "monitoring-stale",
    "llm-failures",
    "quota-exceeded",
    "quality-degraded",
    "low-engagement",
    "high-cost-per-follow",
    "recover",
)

# kind of endpoint -> how its url must begin ("" = anything).
ENDPOINT_KINDS: dict[str, tuple[str, ...]] = {
    "http": ("http://", "https://"),
    "metrics": ("http://", "https://"),
    "prometheus": ("http://", "https://"),
    "alertmanager": ("http://", "https://"),
    "kyrodb-http": ("http://", "https://"),
    "rabbitmq": ("http://", "https://"),
    "webhook": ("http://", "https://"),
    "postgres": ("postgresql://", "postgres://", "host=", "service="),
    "pgbouncer": ("postgresql://", "postgres://", "host=", "service="),
    "redis": ("redis://", "rediss://", "unix://"),
    "smtp": ("smtp://", "smtps://"),
    "kyrodb": ("",),
    "kubernetes": ("",),
}

# Endpoint names that runbooks ask for -> the kinds that they may be.
ENDPOINT_NAMES: dict[str, tuple[str, ...]] = {
    "app": ("http",),
    "health": ("http",),
    "readiness": ("http",),
    "metrics": ("metrics",),
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager",),
    "postgres": ("postgres",),
    "pgbouncer": ("pgbouncer",),
    "redis": ("redis",),
    "kubernetes": ("kubernetes",),
    "rabbitmq": ("rabbitmq",),
    "kyrodb-text": ("kyrodb",),
    "kyrodb-image": ("kyrodb",),
    "kyrodb-text-http": ("kyrodb-http",),
    "kyrodb-image-http": ("kyrodb-http",),
}

# Systems that watch a service rather than belong to it: found without the profile naming them.
SHARED_ENDPOINTS = ("prometheus", "alertmanager")

ADAPTER_KINDS = ("pm2", "docker-compose", "kubernetes", "systemd", "command")
LOG_FORMATS = ("text", "json", "jsonl")
OBJECTIVE_KINDS = ("alert", "target")

UNITS = (
    *("s", "ms", "us", "ns", "min", "h", "d", "seconds"),
    *("bytes", "kb", "mb", "gb", "kib", "mib", "gib"),
    *("ratio", "percent", "usd", "count", "per_second", "tokens"),
)
UNIT_PATTERN = r"[a-z]*/(?:s|min|h|d)"  # /min, tokens/min: figures that a scale has made

# Signals that the shipped runbooks read; a profile gives those its service has.
SIGNAL_ROLES = (
    *("latency_p50", "latency_p95", "latency_p99", "latency_mean"),
    *("latency_p99_by_endpoint", "latency_mean_by_endpoint"),
    *("request_rate", "request_rate_by_endpoint", "requests_active", "rate_limited_rate"),
    *("error_ratio", "error_rate", "error_rate_by_type", "error_rate_by_endpoint", "timeout_ratio"),
    *("kyrodb_seconds_per_request", "kyrodb_latency_p99", "kyrodb_connected"),
    *("embedding_seconds_per_request", "embedding_latency_p99"),
    *("llm_seconds_per_request", "llm_failure_ratio", "database_seconds_per_request", "database_error_ratio"),
    *("cache_hit_ratio", "cache_lookup_rate", "key_cache_hit_ratio"),
    *("queue_depth", "pool_waiting", "pool_in_use", "pool_size", "retry_rate", "worker_up", "breaker_open"),
    *("cpu_cores", "cpu_ratio", "memory_bytes", "memory_ratio", "event_loop_lag", "process_started"),
)
