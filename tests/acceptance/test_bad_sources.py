"""Every way in which a source can be bad, met by whole diagnoses: that part is unknown, the rest stands."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.acceptance.session import confirmed, top
from tests.acceptance.shop import profile, session, slow_app
from tests.fakes import badserver as bad
from tests.fakes import rawserver as raw
from tests.fakes.kyrodb import Kyrodb
from tests.servers import programs
from tests.servers.prometheus import start_prometheus, static

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("prometheus", "alertmanager", "postgres", "redis"),
    pytest.mark.timeout(600),
]

TIMEOUT = 12.0  # seconds, --timeout of every diagnosis here
SLACK = 10.0  # starting Python on a loaded machine; what hangs here hangs for a minute


def vector(value: str) -> bad.Behaviour:
    """A Prometheus that answers every query so; ``value`` "" = no series."""
    series = [{"metric": {}, "value": [time.time(), value]}] if value else []
    body = {"status": "success", "data": {"resultType": "vector", "result": series}}
    return bad.answer(200, json.dumps(body).encode())


def page(text: str) -> bad.Behaviour:
    """A metrics page."""
    return bad.answer(200, text.encode(), "text/plain; version=0.0.4")


def says(text: bytes) -> Callable[[Any], None]:
    """A server that answers anything with these bytes and then waits."""

    def behave(sock: Any) -> None:
        sock.recv(65536)
        sock.sendall(text)
        sock.settimeout(30)
        sock.recv(65536)

    return behave


HTTP: dict[str, tuple[object, str]] = {
    "refuses": ("refuses", "refused"),
    "no-such-name": ("no-such-name", "unresolved"),
    "hangs": (bad.hangs, "timeout"),
    "drips-headers": (bad.drips_headers, "timeout"),
    "drips-body": (bad.drips_body, "timeout"),
    "closes": (bad.closes, "closed"),
    "resets": (bad.resets, "closed"),
    "closes-half-way": (bad.closes_half_way, "closed"),
    "garbage": (bad.not_http, "bad-answer"),
    "html": (bad.html, "bad-answer"),
    "broken-json": (bad.broken_json, "bad-answer"),
    "not-even-json": (bad.binary, "bad-answer"),
    "nan": (bad.bare_nan, "bad-answer"),
    "empty": (bad.empty_body, "bad-answer"),
    "other-shape": (bad.other_shape, "bad-answer"),
    "401": (bad.unauthorized, "unauthorized"),
    "403": (bad.forbidden, "forbidden"),
    "429": (bad.throttled, "throttled"),
    "500": (bad.oops, "server-error"),
    "502": (bad.bad_gateway, "server-error"),
    "200-mb": (bad.huge, "too-large"),
    "200-mb-told": (bad.huge_told, "too-large"),
    "gzip-bomb": (bad.gzip_bomb, "too-large"),
    "broken-gzip": (bad.gzip_broken, "bad-answer"),
    "redirects-away": (bad.redirects_elsewhere, "bad-answer"),
    "wants-tls": (bad.tls_only, "tls"),
}
WAYS: dict[str, dict[str, tuple[object, str]]] = {
    "prometheus": HTTP | {"empty-vector": (vector(""), "bad-answer")},
    "alertmanager": HTTP,
    "kubernetes": HTTP,
    "metrics": HTTP
    | {
        "no-samples": (page("# nothing yet\n"), "no-data"),
        "all-nan": (page("# TYPE http_request_duration_seconds histogram\n"
                         'http_request_duration_seconds_bucket{le="+Inf"} NaN\n'), "no-data"),
    },
    "postgres": {
        "refuses": ("refuses", "refused"),
        "no-such-name": ("no-such-name", "unresolved"),
        "hangs": (raw.silent, "timeout"),
        "closes": (raw.closing, "closed"),
        "resets": (raw.resetting, "closed"),
        "http": (raw.http, "bad-answer"),
        "garbage": (raw.garbage, "bad-answer"),
        "drips": (raw.dripping(b"R"), "timeout"),
        "wrong-password": (raw.postgres_error("28P01", "password authentication failed"), "unauthorized"),
        "not-let-in": (raw.postgres_error("28000", 'no pg_hba.conf entry for host "127.0.0.1"'), "forbidden"),
        "starting": (raw.postgres_error("57P03", "the database system is starting up"), "server-error"),
        "no-such-database": (raw.postgres_error("3D000", 'database "danci" does not exist'), "not-found"),
        "full": (raw.postgres_error("53300", "sorry, too many clients already"), "slots-full"),
    },
    "redis": {
        "refuses": ("refuses", "refused"),
        "no-such-name": ("no-such-name", "unresolved"),
        "hangs": (raw.silent, "timeout"),
        "closes": (raw.closing, "closed"),
        "resets": (raw.resetting, "closed"),
        "http": (raw.http, "bad-answer"),
        "garbage": (raw.garbage, "bad-answer"),
        "drips": (raw.dripping(b"$100000\r\n"), "timeout"),
        "wants-password": (says(b"-NOAUTH Authentication required.\r\n"), "unauthorized"),
        "loading": (says(b"-LOADING Redis is loading the dataset in memory\r\n"), "server-error"),
        "other-answer": (says(b"+OK\r\n"), "bad-answer"),
        "200-mb": (says(b"$209715200\r\n"), "too-large"),
    },
    "kyrodb-text": {
        "refuses": ("refuses", "refused"),
        "no-such-name": ("no-such-name", "unresolved"),
        "hangs": (raw.silent, "timeout"),
        "closes": (raw.closing, "closed"),
        "http": (raw.http, "bad-answer"),
        "garbage": (raw.garbage, "bad-answer"),
    },
}  # fmt: skip
FOUND_BY = {"metrics": "signal", "kyrodb-text": "kyrodb"}  # source -> the system in finding ids


class Case(NamedTuple):
    source: str
    way: str

    def __str__(self) -> str:
        return f"{self.source}-{self.way}"


class Outcome(NamedTuple):
    code: int
    report: dict[str, Any]
    err: str
    seconds: float
    netloc: str
    setting: str  # the configuration file that named the bad address


CASES = [Case(source, way) for source, ways in WAYS.items() for way in ways]
PARAMS = [
    pytest.param(case, id=str(case), marks=[pytest.mark.needs("kube")] if case.source == "kubernetes" else [])
    for case in CASES
]
# Being refused, full or silent is what these findings ask about: there the failure is the measurement.
MEASURED = {"redis.unreachable", "kyrodb.unreachable", "postgres.unreachable", "postgres.slots-full"}


class World:
    """The whole of it, running; ``whole`` is what a diagnosis says when nothing is bad."""

    def __init__(self, folder: Path, places: dict[str, str], namespace: str) -> None:
        self.folder = folder
        self.places = places
        self.spec = profile(places, namespace)
        self.session = session(folder, self.spec)
        self._count = 0
        self._lock = threading.Lock()
        self.whole = self.diagnose({})
        assert self.whole.code == 2, self.whole.report["says"]
        assert top(self.whole.report) == "llm-slow"

    def diagnose(self, bad_places: dict[str, str], *more: str, service: str = "shop") -> Outcome:
        """With these addresses in a configuration of its own."""
        with self._lock:
            self._count += 1
            config = self.folder / f"bad-{self._count}.yaml"
        context: dict[str, Any] = {"services": {service: {"endpoints": {}}}}
        for name, url in bad_places.items():
            if name == "kubernetes":
                context["kubernetes"] = {"kubeconfig": str(kubeconfig(config.with_suffix(".kube"), url))}
            else:
                context["services"][service]["endpoints"][name] = {"url": url}
        config.write_text(json.dumps({"current-context": "bad", "contexts": {"bad": context}}, indent=1))
        began = time.monotonic()
        done = self.session.opsctl(
            "--config", str(config), "diagnose", "high-latency", "-s", service, "-o", "json", "--no-save",
            *(more if "--timeout" in more else (*more, "--timeout", f"{TIMEOUT:g}s")), check=(0, 1, 2, 3),
        )  # fmt: skip
        return Outcome(done.code, done.json(), done.err, time.monotonic() - began, "", config.name)


def kubeconfig(path: Path, server: str) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "not-to-be-shown"}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(json.dumps(config))
    return path


@contextlib.contextmanager
def server(case: Case) -> Iterator[str]:
    """The bad server of a case; host:port."""
    behaviour, _ = WAYS[case.source][case.way]
    if behaviour == "refuses":
        yield f"127.0.0.1:{bad.refusing_port()}"
    elif behaviour == "no-such-name":
        yield "no-such-name.invalid:4711"
    elif WAYS[case.source] is HTTP or case.source in ("prometheus", "metrics"):
        with bad.BadServer(behaviour) as one:  # type: ignore[arg-type]
            yield one.netloc
    else:
        with raw.RawServer(behaviour) as two:  # type: ignore[arg-type]
            yield f"127.0.0.1:{two.port}"


def url(source: str, netloc: str) -> str:
    """The address as a configuration has it."""
    form = {
        "postgres": "postgresql://joe@{0}/danci",
        "redis": "redis://{0}/0",
        "kyrodb-text": "{0}",
        "metrics": "http://{0}/metrics",
    }
    return form.get(source, "http://{0}").format(netloc)


@pytest.fixture(scope="module")
def world(request, tmp_path_factory, alertmanagers, postgres, redis_server):
    folder = tmp_path_factory.mktemp("bad")
    app = slow_app()
    prometheus = start_prometheus(folder / "prometheus", [static("shop", app.netloc)])
    kyrodb = Kyrodb()
    places = {
        "metrics": app.url,
        "prometheus": prometheus.url,
        "alertmanager": alertmanagers[0].url,
        "postgres": postgres.dsn("opsctl_read", "danci"),
        "redis": redis_server.url,
        "kyrodb-text": kyrodb.address,
        "kyrodb-image": kyrodb.address,
    }
    namespace = ""
    if not isinstance(programs.find("kube"), programs.Missing):
        kube = request.getfixturevalue("kube")
        namespace = kube.namespace("bad")
        kube.rolled_out(kube.deploy(namespace, "shop"))
        places["kubernetes"] = str(kube.admin)
    try:
        prometheus.wait_for("rate(http_request_duration_seconds_count[5s])", lambda value: value > 0)
        yield World(folder, places, namespace)
    finally:
        kyrodb.stop()
        prometheus.stop()
        app.stop()


def one(world: World, case: Case) -> Outcome:
    with server(case) as netloc:
        more = ("--direct",) if case.source == "metrics" else ()
        bad_places = {case.source: url(case.source, netloc)}
        if case.source == "kyrodb-text":
            bad_places["kyrodb-image"] = bad_places["kyrodb-text"]
        return world.diagnose(bad_places, *more)._replace(netloc=netloc)


@pytest.fixture(scope="module")
def outcomes(request, world):
    """All the cases that were selected, several at a time."""
    wanted = {item.callspec.params["case"] for item in request.session.items if "outcomes" in item.fixturenames}
    with ThreadPoolExecutor(6) as pool:
        running: dict[Case, Future[Outcome]] = {case: pool.submit(one, world, case) for case in CASES if case in wanted}
    return running


def of(report: dict[str, Any], system: str) -> list[dict[str, Any]]:
    """The findings of one system."""
    return [f for f in report["findings"] if f["probe"].partition(".")[0] == system]


@pytest.mark.parametrize("case", PARAMS)
def test_that_part_is_unknown_and_the_rest_stands(case, outcomes, world):
    outcome = outcomes[case].result()
    report, whole = outcome.report, world.whole.report
    reason = WAYS[case.source][case.way][1]
    assert outcome.seconds < TIMEOUT + SLACK
    assert outcome.err == ""

    # that part: every finding unknown, for the right reason, which names address and setting
    system = FOUND_BY.get(case.source, case.source)
    found = [f for f in of(report, system) if f["id"] not in MEASURED]
    assert found or system == "alertmanager"  # other alerts decide nothing
    assert [(f["id"], f["says"]) for f in found if f["state"] != "unknown"] == []
    told = [u for u in report["unknown"] if u["reason"] == reason and outcome.setting in u.get("setting", "")]
    assert told, report["unknown"]
    if case.source != "kubernetes":  # there the address is the context's name
        assert outcome.netloc in told[0]["says"] + told[0]["address"]

    # the rest: the same verdict by the same number, the same cause, and nothing else lost
    if case.source == "metrics":
        assert (outcome.code, report["verdict"], confirmed(report)) == (3, "unknown", [])
    else:
        assert (outcome.code, report["verdict"], report["severity"]) == (2, "critical", "sev2")
        assert top(report) == "llm-slow"
    if case.source == "prometheus":
        assert any("direct scrape" in note for note in report["notes"])
    lost = unknown_ids(report) - unknown_ids(whole) - {f["id"] for f in found}
    if case.source == "prometheus":  # only it knows the past
        lost = {id for id in lost if not id.startswith(("local.", "signal."))}
    assert lost == set()


def unknown_ids(report: dict[str, Any]) -> set[str]:
    return {f["id"] for f in report["findings"] if f["state"] == "unknown"}
