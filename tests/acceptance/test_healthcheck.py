"""`opsctl healthcheck` on real systems: each of them killed in turn gives its own line and the right code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.app import App
from tests.acceptance.session import Session, until
from tests.acceptance.shop import profile, session
from tests.fakes.kyrodb import Kyrodb
from tests.servers.alertmanager import Alertmanager, start_alertmanagers
from tests.servers.prometheus import Prometheus, start_prometheus, static
from tests.servers.redis import Redis, start_redis
from tests.servers.web import Web

pytestmark = pytest.mark.needs("prometheus", "alertmanager", "postgres", "pgbouncer", "redis")

RABBIT = {
    "/api/health/checks/alarms": '{"status":"ok"}',
    "/api/health/checks/virtual-hosts": '{"status":"ok"}',
}
WATCHDOG = [{"name": "always", "rules": [{"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "none"}}]}]


class Shop:
    """A service and everything that it depends on, real but for KyroDB and RabbitMQ's management page."""

    def __init__(self, folder: Any, postgres: Any, pgbouncer: Any) -> None:
        self.postgres, self.pgbouncer = postgres, pgbouncer
        self.app = App()
        self.app.web.pages["/health"] = '{"status": "ok"}'
        self.redis: Redis = start_redis(folder / "redis")
        self.kyrodb = Kyrodb()
        self.rabbit = Web(RABBIT)
        self.alertmanagers: list[Alertmanager] = start_alertmanagers(folder / "am")
        targets = [one.url for one in self.alertmanagers]
        self.prometheus: Prometheus = start_prometheus(
            folder / "prometheus", [static("shop", self.app.netloc)], WATCHDOG, targets
        )
        places = {
            "metrics": self.app.url,
            "prometheus": self.prometheus.url,
            "alertmanager": ",".join(targets),
            "postgres": postgres.dsn(),
            "redis": self.redis.url,
            "kyrodb-text": self.kyrodb.address,
            "rabbitmq": self.rabbit.url,
        }
        spec = profile(places)
        spec["endpoints"]["health"] = {"kind": "http", "url": f"{self.app.web.url}/health", "expect": {"status": "ok"}}
        spec["endpoints"]["pgbouncer"] = {"kind": "pgbouncer", "url": pgbouncer.admin_dsn}
        self.user: Session = session(folder, spec, LC_ALL="C.UTF-8")
        self.prometheus.wait_for('up{job="shop"}', lambda value: value == 1)
        for one in self.alertmanagers:
            one.wait_for_alerts()

    def check(self, *more: str) -> tuple[int, dict[str, dict[str, Any]], dict[str, Any]]:
        """Exit code, checks by name, the whole answer."""
        done = self.user.opsctl("healthcheck", "-s", "shop", "-o", "json", *more, check=(0, 1, 2, 3))
        found = done.json()
        checks = {check["name"]: check for subject in found["subjects"] for check in subject["checks"]}
        return done.code, checks, found

    def stop(self) -> None:
        for server in (self.prometheus, *self.alertmanagers, self.redis, self.app.web, self.rabbit):
            with contextlib.suppress(Exception):
                server.stop()
        self.kyrodb.stop()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, postgres, pgbouncer) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop"), postgres, pgbouncer)
    yield made
    made.stop()


def bad(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: check["state"] for name, check in checks.items() if check["state"] != "ok"}


def test_all_is_well(shop):
    code, checks, found = shop.check()
    assert (code, bad(checks)) == (0, {}), found
    members = [one.url.removeprefix("http://") for one in shop.alertmanagers]
    assert {"health", "metrics", "postgres", "redis", "kyrodb-text", "rabbitmq", "pgbouncer", "targets"} <= set(checks)
    assert {"prometheus", "alert-delivery", "members", *(f"watchdog {m}" for m in members)} <= set(checks)
    assert [subject["name"] for subject in found["subjects"]] == ["shop", "monitoring"]
    quiet = shop.user.opsctl("healthcheck", "-s", "shop", "--quiet", "--only", "health,redis", check=(0,))
    assert (quiet.out, quiet.err) == ("", "")


@contextlib.contextmanager
def off(server: Any) -> Iterator[None]:
    """Stopped, and there again afterwards."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@pytest.mark.parametrize(
    ("name", "others"),
    [("redis", set()), ("pgbouncer", set()), ("postgres", {"pgbouncer"})],
)
def test_a_dependency_that_is_gone_has_a_line_of_its_own(shop, name, others):
    with off(getattr(shop, name)):
        everything = "health,metrics,postgres,redis,pgbouncer,kyrodb,rabbitmq,targets,watchdog,members"
        code, checks, found = shop.check("--only", everything)
        assert code == 2, found
        assert checks[name]["state"] == "critical"
        assert "nothing listens" in checks[name]["says"] or "refused" in checks[name]["says"], checks[name]
        assert set(bad(checks)) <= {name, *others}
        page = shop.user.opsctl("healthcheck", "-s", "shop", "--only", name, check=(2,)).out
        assert page.startswith(f"CRITICAL  shop {name}: ")
    assert until(20, lambda: shop.check("--only", name)[0] == 0)


def test_a_hung_dependency_costs_its_own_line_only(shop):
    shop.redis.server.pause()
    try:
        code, checks, found = shop.check("--timeout", "12s")
    finally:
        shop.redis.server.resume()
    assert (code, bad(checks)) == (2, {"redis": "critical"}), found
    assert found["seconds"] < 12


def test_kyrodb_gone_or_ill(shop):
    shop.kyrodb.status = 3
    code, checks, _ = shop.check("--only", "kyrodb")
    assert (code, checks["kyrodb-text"]["state"]) == (2, "critical")
    shop.kyrodb.status = 2
    code, checks, _ = shop.check("--only", "kyrodb")
    assert (code, checks["kyrodb-text"]["state"]) == (1, "warning")
    shop.kyrodb.status = 1


def test_the_service_itself_ill_old_slow_and_gone(shop):
    pages = shop.app.web.pages
    well = pages["/health"]
    try:
        pages["/health"] = lambda: (503, '{"status": "down"}')
        assert shop.check("--only", "health")[0] == 2
        pages["/health"] = '{"status": "ok", "timestamp": "2020-01-01T00:00:00Z"}'
        code, checks, _ = shop.check("--only", "health")
        assert (code, checks["health"]["state"]) == (3, "unknown")
        assert "is not made anew" in checks["health"]["says"]
        pages["/health"] = lambda: (401, "who are you")
        assert shop.check("--only", "health")[0] == 3
    finally:
        pages["/health"] = well
    code, checks, _ = shop.check("--only", "health")
    assert (code, bad(checks)) == (0, {})


def test_an_alarm_of_rabbitmq(shop):
    shop.rabbit.pages["/api/health/checks/alarms"] = lambda: (
        503,
        '{"status":"failed","reason":"There are alarms in effect in the cluster"}',
    )
    try:
        code, checks, _ = shop.check("--only", "rabbitmq")
    finally:
        shop.rabbit.pages.update(RABBIT)
    assert code == 2
    assert "publishers are blocked (There are alarms in effect" in checks["rabbitmq"]["says"]


def test_a_target_that_prometheus_cannot_scrape(shop):
    pages = shop.app.web.pages
    well = pages["/metrics"]
    pages["/metrics"] = lambda: (500, "no")
    try:
        shop.prometheus.wait_for('up{job="shop"}', lambda value: value == 0)
        code, checks, _ = shop.check("--only", "metrics,targets")
    finally:
        pages["/metrics"] = well
    assert code == 2
    assert bad(checks) == {"metrics": "critical", "targets": "critical"}
    shop.prometheus.wait_for('up{job="shop"}', lambda value: value == 1)


def test_a_muted_watchdog_is_critical_on_every_member_and_its_silence_is_named(shop):
    first = shop.alertmanagers[0]
    id = first.silence({"alertname": "Watchdog"}, comment="too broad")
    try:

        def muted() -> bool:
            code, checks, _ = shop.check("--only", "watchdog")
            wrong = [check for name, check in checks.items() if name.startswith("watchdog")]
            says = [check["says"] for check in wrong if check["state"] == "critical"]
            return code == 2 and len(says) == 2 and all(f'({id}: "too broad")' in text for text in says)

        assert until(60, muted)
    finally:
        import urllib.request

        request = urllib.request.Request(f"{first.url}/api/v2/silence/{id}", method="DELETE")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()
    assert until(60, lambda: shop.check("--only", "watchdog")[0] == 0)


def test_a_missing_watchdog_is_critical(shop):
    code, checks, _ = shop.check("--only", "watchdog", "--watchdog", "DeadMansSnitch")
    assert code == 2
    assert all("DeadMansSnitch does not fire" in c["says"] for n, c in checks.items() if n.startswith("watchdog"))
    assert shop.check("--only", "watchdog,members", "--watchdog", "none")[0] == 0


def test_one_alertmanager_of_two_gone(shop):
    second = shop.alertmanagers[1]
    place = second.url.removeprefix("http://")
    with off(second):
        code, checks, found = shop.check("--only", "watchdog")
        assert code == 2, found
        assert checks[f"watchdog {place}"]["state"] == "critical"
        other = shop.alertmanagers[0].url.removeprefix("http://")
        assert checks[f"watchdog {other}"]["state"] == "ok"
    second.wait_for_alerts(timeout=90)


def test_a_member_that_nobody_asks_is_unknown(shop):
    assert shop.check("--only", "members")[0] == 0
    shop.user.environ["ALERTMANAGER_URL"] = shop.alertmanagers[0].url
    try:
        code, checks, _ = shop.check("--only", "members,watchdog")
    finally:
        del shop.user.environ["ALERTMANAGER_URL"]
    assert (code, bad(checks)) == (3, {"members": "unknown"})
    assert "the cluster has 2 Alertmanagers" in checks["members"]["says"]


def test_prometheus_gone(shop):
    with off(shop.prometheus):
        code, checks, _ = shop.check("--only", "prometheus")
        assert code == 2
        assert {"prometheus", "alert-delivery", "targets"} == set(bad(checks))
    shop.prometheus.wait_for('up{job="shop"}', lambda value: value == 1)


def test_the_plugin_line(shop):
    done = shop.user.opsctl("healthcheck", "-s", "shop", "-o", "plugin", "--only", "health,redis", check=(0,))
    assert len(done.out.splitlines()) == 1
    text, _, data = done.out.partition(" | ")
    assert text == "OK: 1 service ok (2 checks)"
    assert "services=1;;;0 failed=0;;0;0;1" in data
    assert "'shop health'=" in data


def test_deep_judges_objectives_once(shop):
    code, checks, _ = shop.check("--deep", "--only", "objectives")
    assert (code, set(checks)) == (0, {"high-latency", "high-error-rate"})
    shop.app.change(latency=0.4)
    try:
        assert until(60, lambda: shop.check("--deep", "--only", "objectives")[0] == 2)
    finally:
        shop.app.change(latency=0.02)


def test_the_check_only_reads(shop):
    shop.app.web.requests.clear()
    shop.rabbit.requests.clear()
    shop.check("--deep")
    methods = {request.method for request in (*shop.app.web.requests, *shop.rabbit.requests)}
    assert methods == {"GET"}
