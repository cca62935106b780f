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

from tests.acceptance.session import Session, confirmed, top, valid
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
SLACK = 25.0  # starting Python on a loaded machine; what hangs here hangs for a minute


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
FEWER = ("refuses", "no-such-name", "hangs", "closes-half-way", "html", "broken-json", "401", "429", "500", "gzip-bomb")
ALIKE = ("drips-headers", "resets", "not-even-json", "502", "200-mb-told", "broken-gzip", "redirects-away")
WAYS: dict[str, dict[str, tuple[object, str]]] = {
    "prometheus": HTTP | {"empty-vector": (vector(""), "bad-answer")},
    "alertmanager": {way: HTTP[way] for way in FEWER},
    "kubernetes": {way: HTTP[way] for way in HTTP if way not in ALIKE},
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
        "drips": (raw.dripping(b"R\x00\x00\x07\xd0"), "timeout"),
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
        "garbage": (says(bytes(range(33, 200)) + b"\r\n"), "bad-answer"),
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
MEASURED = {
    "redis.unreachable",
    "kyrodb.unreachable",
    "postgres.unreachable",
    "postgres.slots-full",
    "postgres.slots-low",
}


class World:
    """The whole of it, running; ``whole`` is what a diagnosis says when nothing is bad."""

    def __init__(self, folder: Path, places: dict[str, str], namespace: str) -> None:
        self.folder = folder
        self.places = places
        self.spec = profile(places, namespace)
        self.session = session(folder, self.spec)
        # Postgres and KyroDB are looked at over two seconds: left out where another single source is the bad one.
        less = {name: url for name, url in places.items() if name.partition("-")[0] not in ("postgres", "kyrodb")}
        self.quick = session(folder / "quick", profile(less, namespace))
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
        single = len(bad_places) == 1 and not {"postgres", "kyrodb-text"} & bad_places.keys()
        done = (self.quick if single else self.session).opsctl(
            "--config", str(config), "diagnose", "high-latency", "-s", service, "-o", "json", "--no-save",
            "--kyrodb-slow", "5s",  # the machine is busy here
            *(more if "--timeout" in more else (*more, "--timeout", f"{TIMEOUT:g}s")), check=(0, 1, 2, 3),
        )  # fmt: skip
        report = done.json()
        valid(report)
        return Outcome(done.code, report, done.err, time.monotonic() - began, "", config.name)


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
    elif case.source in ("prometheus", "metrics", "alertmanager", "kubernetes"):
        with bad.BadServer(behaviour) as one:  # type: ignore[arg-type]
            yield one.netloc
    else:
        with raw.RawServer(behaviour) as two:  # type: ignore[arg-type]
            yield f"127.0.0.1:{two.port}"


def url(source: str, netloc: str) -> str:
    """The address as a configuration has it."""
    form = {
        "postgres": "postgresql://joe@{0}/danci?sslmode=disable",
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
    mine = [item for item in request.session.items if item.path == request.path and "outcomes" in item.fixturenames]
    wanted = {item.callspec.params["case"] for item in mine}
    with ThreadPoolExecutor(3) as pool:
        running: dict[Case, Future[Outcome]] = {case: pool.submit(one, world, case) for case in CASES if case in wanted}
    return running


def of(report: dict[str, Any], system: str) -> list[dict[str, Any]]:
    """The findings of one system."""
    return [f for f in report["findings"] if f["probe"].partition(".")[0] == system]


@pytest.mark.parametrize("case", PARAMS)
def test_that_part_is_unknown_and_the_rest_stands(case, outcomes, world):
    outcome = outcomes[case].result()
    report, whole = outcome.report, world.whole.report
    reasons = {WAYS[case.source][case.way][1]}
    if "too-large" in reasons:  # 200 MB may also take too long
        reasons.add("timeout")
    assert outcome.seconds < TIMEOUT + SLACK
    assert outcome.err == ""

    # that part: every finding unknown, for the right reason, which names address and setting
    system = FOUND_BY.get(case.source, case.source)
    found = [f for f in of(report, system) if f["id"] not in MEASURED]
    assert found or system == "alertmanager"  # other alerts decide nothing
    assert [(f["id"], f["says"]) for f in found if f["state"] != "unknown"] == []
    told = [u for u in report["unknown"] if u["reason"] in reasons and outcome.setting in u.get("setting", "")]
    assert told, report["unknown"]
    if case.source != "kubernetes":  # there the address is the context's name
        assert outcome.netloc in told[0]["says"] + told[0]["address"]

    # the rest: the same verdict by the same number, the same cause, and nothing else lost
    if case.source == "metrics":
        assert (outcome.code, report["verdict"], top(report) == "llm-slow") == (3, "unknown", False)
    else:
        assert (outcome.code, report["verdict"], report["severity"]) == (2, "critical", "sev2")
        assert top(report) == "llm-slow"
    if case.source == "prometheus":
        assert any("direct scrape" in note for note in report["notes"])
    lost = unknown_ids(report) - unknown_ids(whole) - {f["id"] for f in of(report, system)}
    if case.source == "prometheus":  # only it knows the past
        lost = {id for id in lost if not id.startswith(("local.", "signal."))}
    assert lost == set()


def unknown_ids(report: dict[str, Any]) -> set[str]:
    """What could not be told; a heavy question left out to spare a loaded server ("skipped") is no loss of a source."""
    return {f["id"] for f in report["findings"] if f["state"] == "unknown" and f.get("reason") != "skipped"}


def test_several_at_once(world):
    """The answer still comes in time, with what is left."""
    with (
        bad.BadServer(bad.oops) as alertmanager,
        raw.RawServer(raw.silent) as postgres,
        raw.RawServer(raw.garbage) as redis,
        bad.BadServer(bad.drips_body) as prometheus,
    ):
        netlocs = {
            "alertmanager": alertmanager.netloc,
            "postgres": f"127.0.0.1:{postgres.port}",
            "redis": f"127.0.0.1:{redis.port}",
            "prometheus": prometheus.netloc,
        }
        outcome = world.diagnose({name: url(name, netloc) for name, netloc in netlocs.items()})
    assert outcome.seconds < TIMEOUT + SLACK
    assert (outcome.code, top(outcome.report)) == (2, "llm-slow")
    told = json.dumps(outcome.report["unknown"])
    assert [name for name, netloc in netlocs.items() if netloc not in told] == []


def gone(world: World) -> dict[str, str]:
    """All the sources of the world, and nobody there."""
    return {name: url(name, f"127.0.0.1:{bad.refusing_port()}") for name in world.places}


def test_all_sources_gone(world):
    outcome = world.diagnose(gone(world))
    assert (outcome.code, outcome.report["verdict"]) == (3, "unknown")
    assert confirmed(outcome.report) == []
    assert {f["state"] for f in outcome.report["findings"] if f["id"] not in MEASURED} == {"unknown"}
    reasons = {u["reason"] for u in outcome.report["unknown"]}
    assert reasons - {"timeout"} == {"refused"}  # on a full machine the time may be over before the last one was asked


def test_all_sources_hang(world):
    with raw.RawServer(raw.silent) as silent:
        outcome = world.diagnose(
            {name: url(name, f"127.0.0.1:{silent.port}") for name in world.places}, "--timeout", "3s"
        )
    assert outcome.seconds < 3 + SLACK
    assert (outcome.code, outcome.report["verdict"]) == (3, "unknown")
    assert {u["reason"] for u in outcome.report["unknown"]} <= {"timeout", "skipped"}


def test_a_metrics_page_that_nobody_needs(world):
    with bad.BadServer(bad.oops) as metrics:
        outcome = world.diagnose({"metrics": url("metrics", metrics.netloc)})
    assert (outcome.code, top(outcome.report)) == (2, "llm-slow")
    assert unknown_ids(outcome.report) <= unknown_ids(world.whole.report)


def test_a_prometheus_that_knows_no_number(world):
    """It answers, so its answer holds: no scrape behind its back."""
    with bad.BadServer(vector("NaN")) as prometheus:
        outcome = world.diagnose({"prometheus": url("prometheus", prometheus.netloc)})
    assert (outcome.code, outcome.report["verdict"]) == (3, "unknown")
    broken = next(f for f in outcome.report["findings"] if f["id"] == "signal.objective-broken")
    assert broken["reason"] == "not-a-number"


def test_the_same_in_text(world):
    """Sources of each kind gone: no line too wide, no bare number, nothing twice."""
    config = world.folder / "text.yaml"
    ports = {name: f"127.0.0.1:{bad.refusing_port()}" for name in ("prometheus", "alertmanager", "postgres", "redis")}
    endpoints = {name: {"url": url(name, netloc)} for name, netloc in ports.items()}
    config.write_text(json.dumps({"contexts": {"bad": {"services": {"shop": {"endpoints": endpoints}}}}}))
    done = world.session.opsctl(
        "--config", str(config), "--context", "bad", "diagnose", "high-latency", "-s", "shop", "--no-save",
        "--kyrodb-slow", "5s", check=(2,),
    )  # fmt: skip
    assert done.err == ""
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("CRITICAL  sev2  shop: latency_p99 ")
    for netloc in ports.values():
        assert netloc in done.out
        assert done.out.count(netloc) == 1, done.out
    assert done.out.count("text.yaml:1") == 4  # the file is one line long
    assert "twice, 1s apart" in done.out


def test_amas_without_its_database_and_cache(tmp_path):
    """A built-in profile, by direct scrape."""
    app = slow_app()
    try:
        with raw.RawServer(raw.silent) as postgres, raw.RawServer(raw.garbage) as redis:
            endpoints = {
                "metrics": {"url": app.url},
                "postgres": {"url": url("postgres", f"127.0.0.1:{postgres.port}")},
                "redis": {"url": url("redis", f"127.0.0.1:{redis.port}")},
                "app": {"url": app.web.url},
            }
            service = {"direct_pause": "1s", "endpoints": endpoints}
            config = {"current-context": "bad", "contexts": {"bad": {"services": {"amas": service}}}}
            (tmp_path / "opsctl.yaml").write_text(json.dumps(config))
            code, report = Session(tmp_path).diagnose("high-latency", "amas", "--timeout", f"{TIMEOUT:g}s")
    finally:
        app.stop()
    assert (code, report["verdict"], report["severity_label"]) == (2, "critical", "high")  # P99 over 600 ms
    by_system = {
        system: {f["state"] for f in of(report, system) if f["id"] not in MEASURED} for system in ("postgres", "redis")
    }
    assert by_system == {"postgres": {"unknown"}, "redis": {"unknown"}}


def test_amas_with_nothing_at_all(tmp_path):
    (tmp_path / "opsctl.yaml").write_text(
        json.dumps(
            {
                "current-context": "gone",
                "contexts": {
                    "gone": {
                        "services": {
                            "amas": {
                                "endpoints": {
                                    name: {"url": url(name, f"127.0.0.1:{bad.refusing_port()}")}
                                    for name in ("app", "postgres", "redis", "prometheus", "alertmanager", "metrics")
                                }
                            }
                        }
                    }
                },
            }
        )
    )
    code, report = Session(tmp_path).diagnose("high-latency", "amas")
    assert (code, report["verdict"], confirmed(report)) == (3, "unknown", [])
