"""What cannot be reached is told with its reason and what to do; it never holds up the rest."""

from __future__ import annotations

import json
import shutil
import time
from email.utils import formatdate

import pytest

from opsctl.doctor import certificate, examine
from tests.doctor.places import check, look, site, states
from tests.fakes.badserver import BadServer, hangs, html, refusing_port, throttled
from tests.fakes.rawserver import RawServer, postgres_error, silent
from tests.fakes.recording import Recorder
from tests.fakes.tls import Authority, HttpsServer

KINDS = ("prometheus", "alertmanager", "postgres", "redis", "http", "metrics", "kyrodb")


def address(kind: str, place: str) -> str:
    schemes = {"postgres": "postgresql://watcher@{}/shop", "redis": "redis://{}/0", "kyrodb": "{}"}
    return schemes.get(kind, "http://{}").format(place)


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_dns_does_not_know(kind):
    place = look(site(kind, address(kind, "no-such-host.invalid:5432")))
    found = check(place, "reachable")
    assert (found.state, found.reason) == ("breach", "unresolved")
    assert "no-such-host.invalid" in found.says
    assert found.remedy is not None
    assert found.remedy.run == "getent hosts no-such-host.invalid"
    assert f"correct env {kind.upper()}" in found.remedy.how


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_on_which_nothing_listens(kind):
    found = check(look(site(kind, address(kind, f"127.0.0.1:{refusing_port()}"), needed=True)), "reachable")
    assert (found.state, found.reason, found.need) == ("breach", "refused", "objective")


def test_a_hung_server_does_not_hold_up_the_others():
    with RawServer(silent) as mute, BadServer(hangs) as slow, Recorder({"/health": '{"status": "ok"}'}) as good:
        sites = [
            site("postgres", f"postgresql://watcher@127.0.0.1:{mute.port}/shop"),
            site("redis", f"redis://127.0.0.1:{mute.port}"),
            site("prometheus", slow.url),
            site("http", f"{good.url}/health"),
        ]
        began = time.monotonic()
        places = {place.kind: place for place in examine.run(sites, time.monotonic() + 4)}
        assert time.monotonic() - began < 10
    assert check(places["http"], "reachable").state == "ok"
    for kind in ("postgres", "redis", "prometheus"):
        (found,) = places[kind].checks
        assert found.state != "ok"
        assert found.reason == "timeout"


def test_what_is_not_done_when_the_time_is_over_is_unknown_not_fine(monkeypatch):
    def dawdle(site, checks, until):
        checks.ok("reachable", "it is there")
        time.sleep(5)

    monkeypatch.setattr("opsctl.doctor.web.examine", dawdle)
    (place,) = examine.run([site("http", "http://127.0.0.1:1")], time.monotonic() + 0.2)
    assert states(place) == {"reachable": "ok", "unfinished": "unknown"}


def test_our_own_mistake_costs_one_system_only(monkeypatch):
    def broken(site, checks, until):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("opsctl.doctor.web.examine", broken)
    (place,) = examine.run([site("http", "http://127.0.0.1:1")], time.monotonic() + 5)
    assert check(place, "unfinished").reason == "bug"


@pytest.mark.parametrize("kind", ["prometheus", "alertmanager", "metrics"])
def test_a_login_page_instead_of_the_system(kind):
    with BadServer(html) as server:
        found = check(look(site(kind, server.url)), "reachable")
    assert (found.state, found.reason) == ("breach", "bad-answer")


def test_a_wrong_password_names_the_role_and_how_to_set_it(postgres):
    url = postgres.dsn("guarded").replace("not-a-real-secret", "wrong")
    found = check(look(site("postgres", url)), "reachable")
    assert (found.state, found.reason) == ("breach", "unauthorized")
    assert found.remedy is not None
    assert found.remedy.run == "\\password guarded"
    assert f"-p {postgres.port}" in found.remedy.how
    assert "wrong" not in found.says


def test_a_role_that_has_used_up_its_connections(postgres):
    import psycopg

    postgres.sql("CREATE ROLE narrow LOGIN CONNECTION LIMIT 2", "GRANT pg_monitor TO narrow")
    try:
        with psycopg.connect(postgres.dsn("narrow"), connect_timeout=10):
            found = check(look(site("postgres", postgres.dsn("narrow"))), "role-limit")
            assert found.state == "breach"
            assert found.remedy is not None
            postgres.sql(found.remedy.run)
            assert check(look(site("postgres", postgres.dsn("narrow"))), "role-limit").state == "ok"
    finally:
        postgres.sql("DROP ROLE narrow")


def test_a_superuser_works_but_is_told_to_be_too_much(postgres):
    place = look(site("postgres", postgres.superuser_dsn))
    assert states(place)["sees-sessions"] == "ok"
    found = check(place, "least-privilege")
    assert found.state == "breach"
    assert found.remedy is not None
    assert found.remedy.run == "opsctl doctor --grants postgres"


def test_pg_stat_statements_missing_in_a_database_is_made_by_the_remedy(postgres):
    postgres.sql("CREATE DATABASE plain")
    try:
        look_at = site("postgres", postgres.dsn("opsctl_read", "plain"))
        found = check(look(look_at), "statements")
        assert found.state == "breach"
        assert found.remedy is not None
        postgres.sql(found.remedy.run, db="plain")
        assert check(look(look_at), "statements").state == "ok"
    finally:
        postgres.sql("DROP DATABASE plain")


def test_postgres_that_refuses_with_a_reason():
    with RawServer(postgres_error("28000", 'no pg_hba.conf entry for host "10.0.0.1", user "watcher"')) as server:
        url = f"postgresql://watcher@127.0.0.1:{server.port}/shop?sslmode=disable"
        assert check(look(site("postgres", url)), "reachable").reason == "forbidden"


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")


@needs_openssl
def test_an_expired_certificate_is_told_with_its_date(tmp_path):
    authority = Authority(tmp_path / "ca")
    server = HttpsServer(*authority.make("old", expired=True))
    try:
        place = look(site("http", server.url, ca_file=str(authority.ca)))
    finally:
        server.stop()
    assert check(place, "reachable").reason == "tls"
    assert "has expired" in check(place, "reachable").says
    assert check(place, "certificate").says == "its certificate expired on 2020-01-02 00:00 UTC"


@needs_openssl
def test_a_good_certificate_is_told_with_its_date(tmp_path):
    authority = Authority(tmp_path / "ca")
    server = HttpsServer(*authority.make("good"))
    try:
        place = look(site("http", server.url, ca_file=str(authority.ca)))
        untrusted = look(site("http", server.url))
    finally:
        server.stop()
    assert check(place, "certificate").says == "its certificate is valid until 2040-01-01 00:00 UTC"
    assert states(place)["reachable"] == "ok"
    assert check(untrusted, "reachable").reason == "tls"
    assert check(untrusted, "certificate").state == "ok"  # it is valid, only not trusted here


def test_bytes_that_are_no_certificate_are_refused():
    for junk in (b"", b"\x30", b"\x30\x03\x02\x01", b"\x00" * 40, bytes(range(256))):
        with pytest.raises(ValueError):
            certificate.validity(junk)


@pytest.mark.parametrize(("away", "state"), [(0, "ok"), (3, "ok"), (60, "breach"), (-7200, "breach")])
def test_a_clock_that_is_off_is_noticed(away, state):
    with Skewed(away) as url:
        found = check(look(site("http", url)), "clock")
    assert found.state == state
    if away == 60:
        assert "ahead of this host's" in found.says
    if away < 0:
        assert "2h behind" in found.says


class Skewed:
    """A web server whose clock is ``away`` seconds off."""

    def __init__(self, away: float) -> None:
        def behave(talk):
            date = formatdate(time.time() + away, usegmt=True)
            talk.send(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())

        self.server = BadServer(behave)

    def __enter__(self) -> str:
        self.server.__enter__()
        return self.server.url

    def __exit__(self, *error) -> None:
        self.server.__exit__(*error)


def prometheus_pages(version: str) -> dict[str, str]:
    vector = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]}]}}
    return {
        "/-/ready": "ready",
        "/api/v1/query": json.dumps(vector),
        "/api/v1/status/buildinfo": json.dumps({"status": "success", "data": {"version": version}}),
    }


@pytest.mark.parametrize(
    ("version", "state", "words"),
    [("2.10.0", "breach", "too old"), ("2.53.1", "ok", "or newer"), ("4.0.0", "ok", "newer ones should do")],
)
def test_an_old_prometheus_is_told_and_a_newer_one_is_not_refused(version, state, words):
    with Recorder(prometheus_pages(version)) as server:
        found = check(look(site("prometheus", server.url)), "version")
        server.assert_only_reads()
    assert found.state == state
    assert words in found.says


def test_an_old_alertmanager_is_told():
    pages = {
        "/-/ready": "OK",
        "/api/v2/status": json.dumps({"versionInfo": {"version": "0.20.0"}, "cluster": {"status": "disabled"}}),
        "/api/v2/alerts": "[]",
        "/metrics": b"alertmanager_config_last_reload_successful 0\n",
    }
    with Recorder(pages) as server:
        place = look(site("alertmanager", server.url))
        server.assert_only_reads()
    assert check(place, "version").state == "breach"
    assert "0.25 or newer" in check(place, "version").says
    assert check(place, "config").state == "breach"


def test_a_prometheus_that_asks_to_slow_down_is_not_called_healthy():
    with BadServer(throttled) as server:
        assert check(look(site("prometheus", server.url)), "reachable").reason == "throttled"


def test_a_pgbouncer_shows_what_a_stats_user_may_see(pgbouncer):
    place = look(site("pgbouncer", pgbouncer.dsn("postgres")))
    assert states(place)["reachable"] == states(place)["rights"] == states(place)["version"] == "ok"


def test_a_pgbouncer_user_without_the_console_is_let_in_by_the_remedy(tmp_path, postgres):
    import psycopg

    from tests.servers.pgbouncer import start_pgbouncer

    pooler = start_pgbouncer(tmp_path / "pgbouncer", postgres)
    try:
        found = check(look(site("pgbouncer", pooler.dsn("app"))), "reachable")
        assert (found.state, found.reason) == ("breach", "forbidden")
        assert found.remedy is not None
        assert found.remedy.run == "stats_users = app"
        with (pooler._private / "pgbouncer.ini").open("a") as config:
            config.write(f"{found.remedy.run}\n")  # the last one counts
        admin = psycopg.connect(pooler.admin_dsn, autocommit=True, cursor_factory=psycopg.ClientCursor)
        with admin:
            admin.execute("RELOAD")
        place = look(site("pgbouncer", pooler.dsn("app")))
        assert states(place).get("rights") == "ok", place.checks
    finally:
        pooler.stop()


def test_a_pooler_where_postgres_is_expected_is_told(pgbouncer):
    found = check(look(site("postgres", pgbouncer.dsn("opsctl_read"))), "reachable")
    assert (found.state, found.reason) == ("breach", "unsupported")
    assert "not Postgres itself" in found.says
