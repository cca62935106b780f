"""A double of one KyroDB instance over real gRPC, with its HTTP port (health, ready, metrics).

Health is the real method with hand-encoded messages (real-servers.md 4); Query and Insert are any unary calls: their
bodies mean nothing, their time and status codes are real.
"""

from __future__ import annotations

import time
from typing import Any

from opsctl.lab.identity import HOST
from opsctl.lab.metrics import Registry
from opsctl.lab.part import Switches
from opsctl.lab.web import Answer, Request, page, serve

SERVICE = "kyrodb.v1.KyroDBService"
VERSION = "0.9.2-lab"
USUAL = 0.0015  # seconds per data call
SLOW = 0.12
OVERLOADED = 1.8  # seconds, its 99th percentile under too much load
HEALTHY, DEGRADED, UNHEALTHY = 1, 2, 3
_kept: list[Any] = []  # a gRPC server that is collected stops serving
COMPONENTS = ("cache", "hot_tier", "cold_tier", "wal")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _text(field: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def health_response(status: int, version: str, components: dict[str, str], uptime: int, commit: str) -> bytes:
    """HealthResponse: status 1, version 2, components 3 (map), uptime_seconds 4, git_commit 5."""
    body = _varint(1 << 3) + _varint(status) + _text(2, version)
    for name, state in components.items():
        body += _text(3, _text(1, name) + _text(2, state))
    return body + _varint(4 << 3) + _varint(uptime) + _text(5, commit)


class Double:
    """One instance, ``text`` or ``image``; faults are those whose ids name it."""

    def __init__(self, instance: str, switches: Switches, started: float = 0.0) -> None:
        self.instance, self._on = instance, switches
        self._begun = time.time()
        self._started = started or self._begun
        self.lost = 0  # writes of the log that failed
        self.registry = Registry()
        self.calls = self.registry.counter("kyrodb_queries_total", "Data calls.", "operation")
        self.failed = self.registry.counter("kyrodb_queries_failed", "Data calls that failed.")
        self.latency = self.registry.gauge("kyrodb_query_latency_ns", "Query latency in ns.", "percentile")
        ready = self.registry.gauge("kyrodb_ready", "1 when ready.")
        failed_writes = self.registry.gauge("kyrodb_wal_writes_failed", "Failed writes of the log.")
        breaker = self.registry.gauge("kyrodb_wal_circuit_breaker_state", "0 closed, 1 open.")
        self.registry.gauge("kyrodb_disk_used_bytes", "Disk in use.").set(64 * 2**20)

        def before() -> None:
            ready.set(float(self.status()[0] != UNHEALTHY and not self.loading))
            failed_writes.set(float(self.lost))
            breaker.set(float(self.has("kyrodb-disk-full")))
            if self.has("kyrodb-overloaded"):
                self.latency.set(OVERLOADED * 1e9, "99")

        self.registry.before.append(before)
        self._recent: list[float] = []

    def has(self, fault: str) -> bool:
        """Whether a fault is on that concerns this instance."""
        return fault in self._on and self.instance == "text"

    def status(self) -> tuple[int, dict[str, str]]:
        """Status and component strings as the engine words them."""
        components = {
            "cache": "healthy (512 entries)",
            "hot_tier": "healthy (2048 docs)",
            "cold_tier": "healthy (61440 docs)",
            "wal": "healthy",
        }
        if self.has("kyrodb-errors"):
            components["wal"] = "unhealthy: inconsistent, writes disabled"
            components["cold_tier"] = "unhealthy: segment unreadable"
            return UNHEALTHY, components
        if self.has("kyrodb-slow"):
            components["cold_tier"] = "degraded (compacting)"
            return DEGRADED, components
        if self.has("kyrodb-disk-full"):
            components["wal"] = f"degraded ({max(1, self.lost)} failed WAL writes)"
            return DEGRADED, components
        if self.loading:  # gRPC blames no component then; only HTTP says it plainly
            return DEGRADED, components
        if self.has("kyrodb-objectives"):
            return UNHEALTHY, components
        return HEALTHY, components

    @property
    def loading(self) -> bool:
        """Whether it replays its log and serves nothing yet."""
        return self.has("kyrodb-loading")

    def uptime(self) -> int:
        """Seconds since start."""
        return int(time.time() - (self._begun if self.loading else self._started))

    def refusal(self) -> tuple[str, str] | None:
        """The gRPC code and words with which every call is answered now, if any."""
        if self.has("kyrodb-wants-key"):
            return "UNAUTHENTICATED", "missing or invalid API key"
        if self.has("kyrodb-overloaded"):
            return "RESOURCE_EXHAUSTED", "rate limit exceeded"
        return None

    def data_call(self, operation: str) -> bytes:
        """Answer a data call: late, or not at all, as the faults say. Raises ConnectionError for UNAVAILABLE."""
        begun = time.perf_counter()
        self.calls.add(operation)
        if self.has("kyrodb-errors"):
            self.failed.add()
            raise ConnectionError("cold tier: segment unreadable")
        if self.loading:
            raise ConnectionError("server is starting: replaying the write-ahead log")
        if operation == "insert" and self.has("kyrodb-disk-full"):
            self.failed.add()
            self.lost += 1
            raise ConnectionError("write-ahead log: No space left on device (os error 28)")
        time.sleep(SLOW if self.has("kyrodb-slow") else USUAL)
        self._recent = [*self._recent[-199:], time.perf_counter() - begun]
        self.latency.set(sorted(self._recent)[int(len(self._recent) * 0.99)] * 1e9, "99")
        return b""

    def health(self, component: str) -> bytes:
        """The Health answer for one component or all ("")."""
        if self.has("kyrodb-slow"):
            time.sleep(SLOW)
        status, components = self.status()
        if component:
            components = {component: components[component]}
        return health_response(status, VERSION, components, self.uptime(), "lab")

    def http_health(self, _: Request) -> Answer:
        """200 healthy or degraded, 503 starting or unhealthy."""
        status, _ignored = self.status()
        if self.loading:
            return Answer(503, {"status": "starting", "uptime_seconds": self.uptime()})
        word = {HEALTHY: "healthy", DEGRADED: "degraded", UNHEALTHY: "unhealthy"}[status]
        return Answer(503 if status == UNHEALTHY else 200, {"status": word, "uptime_seconds": self.uptime()})

    def http_ready(self, _: Request) -> Answer:
        """Ready unless unhealthy."""
        ready = self.status()[0] != UNHEALTHY and not self.loading
        return Answer(200 if ready else 503, {"ready": ready})


def _component(request: bytes) -> str:
    """The one field of HealthRequest: component = 1."""
    return request[2:].decode(errors="replace") if request[:1] == b"\x0a" else ""


def _handlers(double: Double) -> Any:
    import grpc

    def refuse(context: Any) -> None:
        if (told := double.refusal()) is not None:
            context.abort(getattr(grpc.StatusCode, told[0]), told[1])

    def health(request: bytes, context: Any) -> bytes:
        refuse(context)
        component = _component(request)
        if component and component not in COMPONENTS:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unknown component: {component}")
        return double.health(component)

    def data(operation: str) -> Any:
        def call(_request: bytes, context: Any) -> bytes:
            refuse(context)
            try:
                return double.data_call(operation)
            except ConnectionError as error:
                context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
                raise

        return grpc.unary_unary_rpc_method_handler(call)

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "Health": grpc.unary_unary_rpc_method_handler(health),
            "Query": data("query"),
            "Insert": data("insert"),
        },
    )


def start(settings: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Serve gRPC on ``port`` and HTTP on ``http_port``."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    double = Double(settings["instance"], switches, settings.get("started", 0.0))
    server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_handlers(double),))
    server.add_insecure_port(f"{HOST}:{settings['port']}")
    server.start()
    serve(
        settings["http_port"],
        {
            ("GET", "/health"): double.http_health,
            ("GET", "/ready"): double.http_ready,
            ("GET", "/metrics"): lambda _: page(double.registry.page()),
        },
    )
    _kept.append(server)
    return {"version": VERSION, "grpc": grpc.__version__}
