"""The request path of the simulated Vritti: key, rate limit, payload, own work, embedding, KyroDB, model."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from opsctl.lab.journal import Journal
from opsctl.lab.metrics import Registry, add_process_metrics
from opsctl.lab.part import Switches
from opsctl.lab.strain import PER_REQUEST, Burner, compute
from opsctl.lab.vritti_budget import LIMIT_USD, Meter
from opsctl.lab.vritti_customers import Cache, Store
from opsctl.lab.vritti_outside import Kyrodb, Model, Timeout
from opsctl.lab.vritti_reflect import Reflections
from opsctl.lab.vritti_who import Bucket, Rejected, Who
from opsctl.lab.web import Answer, Request

PREFIX = "episodic_memory_"
EDGES = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
OWN_WORK = 0.006  # seconds in the one worker; its capacity is 1 / OWN_WORK requests a second
EMBEDDING = 0.003
SLOW_EMBEDDING = 0.09
SLOW_SEARCH = 0.12
LOW_LIMIT_USD = 10.0  # what an ordinary day costs, and more
ADMIN = ("customers", "keys", "admin")  # these want the administrators' key
KEY_CACHE = 300.0  # seconds for which a validated key is remembered


class App:
    """One process of the service with its metrics."""

    paths: ClassVar[dict[str, str]] = {
        "capture": "/api/v1/capture",
        "search": "/api/v1/search",
        "gate": "/api/v1/gate",
        "reflect": "/api/v1/reflect",
        "episodes": "/api/v1/episodes/{episode_id}",
        "customers": "/api/v1/customers/{customer_id}",
        "keys": "/api/v1/customers/{customer_id}/api-keys",
        "admin": "/admin",
    }

    def __init__(self, settings: dict[str, Any], switches: Switches) -> None:
        self.release: dict[str, Any] = settings["release"]
        self.started: float = settings["started"]
        self._loaded: float = time.monotonic() + self.release["loading"]
        self.admin_key: str = settings["admin_key"]
        keys: dict[str, str] = settings["keys"]  # API key -> customer
        self.store = Store(settings["customers"], keys)
        self.cache = Cache(self.store, settings.get("key_cache", KEY_CACHE))
        self.meter = Meter()
        self.on = switches
        self.done: Counter[str] = Counter()
        self.journal = Journal(settings["log"])
        self.kyrodb = Kyrodb(settings["kyrodb"])
        self.model = Model(settings["provider"])
        self.burner = Burner()
        self._worker = threading.Lock()
        self._local = threading.local()
        self._customers = sorted(set(keys.values()))
        self._buckets = {customer: Bucket() for customer in self._customers}
        self._before: frozenset[str] = frozenset()
        self._make_metrics()

    def _make_metrics(self) -> None:
        self.registry = one = Registry()
        labels = ("method", "endpoint", "status_code")
        self.requests = one.counter(PREFIX + "http_requests_total", "HTTP requests.", *labels)
        self.seconds = one.histogram(
            PREFIX + "http_request_duration_seconds", "Duration of HTTP requests in seconds.", labels, EDGES
        )
        self.active = one.gauge(PREFIX + "http_requests_active", "Requests being processed.")
        self.errors = one.counter(PREFIX + "errors_total", "Errors.", "error_type", "endpoint")
        self.kyro_seconds = one.histogram(
            PREFIX + "kyrodb_operation_duration_seconds",
            "Duration of KyroDB operations in seconds.",
            ("operation", "instance", "success"),
            (0.001, 0.0025, *EDGES),
        )
        self.connected = one.gauge(PREFIX + "kyrodb_connection_healthy", "1 = connected.", "instance")
        self.embed_seconds = one.histogram(
            PREFIX + "embedding_generation_duration_seconds",
            "Duration of making an embedding in seconds.",
            ("model_type",),
            (0.001, 0.0025, *EDGES),
        )
        self.limited = one.counter(
            PREFIX + "rate_limit_exceeded_total", "Requests over the rate limit.", "customer_id", "customer_tier"
        )
        self.key_hits = one.counter(PREFIX + "api_key_cache_hits_total", "Keys found in the cache.")
        self.key_misses = one.counter(PREFIX + "api_key_cache_misses_total", "Keys that had to be looked up.")
        self.reflections = Reflections(self.model, self.meter, self.on, one, EDGES)
        one.counter(PREFIX + "reflection_dead_letter_total", "Dead letters.", "failure_reason")
        quota = one.gauge(
            PREFIX + "customer_quota_usage_ratio", "Used share of the quota.", "customer_id", "customer_tier"
        )
        for customer in self._customers:
            quota.set(0.4, customer, "pro")
            self.limited.add(customer, "pro", by=0)
        one.gauge(PREFIX + "build_info", "1, labelled by version.", "version").set(1, self.release["version"])
        add_process_metrics(one, self.started)

    @property
    def loading(self) -> bool:
        """Whether the process is still loading its model and takes no requests."""
        return time.monotonic() < self._loaded

    def change(self, on: frozenset[str]) -> None:
        """What a fault changes in the process itself. What was done against a stolen key is undone with its end."""
        changed, self._before = on ^ self._before, on
        if "cpu-saturation" in changed:
            self.burner.switch("cpu-saturation" in on)
        if changed & {"budget-cap-low", "reflect-growth"}:
            self.meter.limit = LOW_LIMIT_USD if "budget-cap-low" in on else LIMIT_USD
        if changed & {"stolen-key", "admin-key-stolen"} and not on & {"stolen-key", "admin-key-stolen"}:
            self.store.reset()
            self.cache.clear()

    def handler(self, name: str) -> Callable[[Request], Answer]:
        """The measured handler of one endpoint."""
        return self.measured(name, getattr(self, f"_{name}"))

    def measured(self, name: str, work: Callable[[Request], dict[str, Any] | Answer]) -> Callable[[Request], Answer]:
        """``work`` behind its key check and within the metrics and the log of the endpoint of that name."""
        endpoint = self.paths[name]

        def run(request: Request) -> Answer:
            begun = time.perf_counter()
            self.active.add()
            who, error = Who("", "", ""), ""
            try:
                who = self._authenticate(request, name)
                self._local.customer = who.customer
                done = work(request)
                answer = done if isinstance(done, Answer) else Answer(200, done)
                self.done[name] += 1
            except Rejected as rejected:
                answer, error = Answer(rejected.status, {"detail": rejected.detail}), str(rejected)
                who = rejected.who or who
                if rejected.type:
                    self.errors.add(rejected.type, endpoint)
            finally:
                self.active.add(by=-1)
            labels = (request.method, endpoint, str(answer.status))
            taken = time.perf_counter() - begun
            self.requests.add(*labels)
            self.seconds.observe(taken, *labels)
            self._log(request, answer.status, taken, who, error)
            return answer

        return run

    def _log(self, request: Request, status: int, taken: float, who: Who, error: str) -> None:
        level = "error" if status >= 500 else "warning" if status >= 400 else "info"
        self.journal.event(
            level,
            "request_failed" if error else "request_completed",
            request_id=uuid.uuid4().hex[:12],
            trace_id=uuid.uuid4().hex,
            customer_id=who.customer,
            key_id=who.key_id,
            method=request.method,
            path=request.path,
            status_code=status,
            latency_ms=round(taken * 1000, 1),
            client_host=_client(request),
            **({"error": error} if error else {}),
        )

    def _authenticate(self, request: Request, name: str) -> Who:
        """Whose the key is, from the cache or looked up; then the customer's status and rate limit."""
        if self.loading:
            raise Rejected(503, "", "Service is starting")
        if name in ADMIN:
            if request.headers.get("X-Admin-API-Key") != self.admin_key:
                raise Rejected(401, "authentication", "Invalid admin API key")
            return Who("admin", "admin", "active")
        known, hit = self.cache.find(request.headers.get("X-API-Key", ""))
        (self.key_hits if hit else self.key_misses).add()
        if known is None:
            raise Rejected(401, "authentication", "Invalid API key")
        who = Who(*known)
        if who.status != "active":
            raise Rejected(403, "", f"Customer account is {who.status}", who)
        if not self._buckets[who.customer].take():
            self.limited.add(who.customer, "pro")
            raise Rejected(429, "", "Rate limit exceeded", who)
        return who

    def own(self, request: Request, *required: str) -> None:
        """Payload check, then the service's own work in its one worker."""
        body = request.json()
        missing = [name for name in required if not body.get(name)]
        if missing:
            raise Rejected(422, "validation", f"field required: {', '.join(missing)}")
        with self._worker:
            if self.burner.on:
                compute(PER_REQUEST)
            else:
                time.sleep(OWN_WORK)
        if self.release["slower"]:
            time.sleep(self.release["slower"])
        if random.random() < self.release["failing"]:  # noqa: S311 - not for secrets
            raise Rejected(500, "internal", "KeyError: 'episode_kind'")

    def _embed(self) -> None:
        begun = time.perf_counter()
        time.sleep(SLOW_EMBEDDING if "embedding-slow" in self.on else EMBEDDING)
        self.embed_seconds.observe(time.perf_counter() - begun, "text")

    def _kyrodb(self, operation: str, instance: str = "text") -> None:
        begun = time.perf_counter()
        success = "false"
        try:
            self.kyrodb.call(operation, instance)
            success = "true"
        except Timeout as error:
            raise Rejected(504, "timeout", f"KyroDB {instance}: {error}") from error
        except ConnectionError as error:
            raise Rejected(503, "kyrodb", f"KyroDB {instance}: {error}") from error
        finally:
            self.kyro_seconds.observe(time.perf_counter() - begun, operation.lower(), instance, success)

    def _capture(self, request: Request) -> dict[str, Any]:
        self.own(request, "goal", "episode_type")
        self._embed()
        self._kyrodb("Insert")
        if request.json().get("image"):
            self._kyrodb("Insert", "image")
        return {"episode_id": uuid.uuid4().hex}

    def _search(self, request: Request) -> dict[str, Any]:
        self.own(request, "goal")
        if "single-endpoint-slow" in self.on:
            time.sleep(SLOW_SEARCH)
        self._embed()
        self._kyrodb("Query")
        return {"results": []}

    def _gate(self, request: Request) -> dict[str, Any]:
        self.own(request, "goal")
        self._embed()
        self._kyrodb("Query")
        return {"allow": True}

    def _reflect(self, request: Request) -> dict[str, Any]:
        self.own(request, "goal")
        self._embed()
        self._kyrodb("Query")
        try:
            return self.reflections.run(self._local.customer)
        except ConnectionError as error:
            raise Rejected(502, "llm", f"openrouter: {error}") from error

    def _episodes(self, request: Request) -> dict[str, Any]:
        self.own(request)
        raise Rejected(404, "", "Episode not found")


def _client(request: Request) -> str:
    """The proxy before the service is trusted, as with uvicorn's --proxy-headers."""
    forwarded: str = request.headers.get("X-Forwarded-For", request.client)
    return forwarded.partition(",")[0].strip()
