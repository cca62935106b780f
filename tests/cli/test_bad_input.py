"""Bad input gets one clear sentence that names the place and the remedy, and the right exit code."""

import pytest

from tests.acceptance.session import Session

PROFILE = """\
service: mine
endpoints:
  metrics: {kind: metrics, url: "http://127.0.0.1:9/metrics"}
signals:
  latency_p99: {quantile: 0.99, histogram: http_request_duration_seconds, unit: s}
  request_rate: {rate: http_requests_total, unit: per_second}
objectives:
  - id: p99
    runbook: high-latency
    signal: latency_p99
    bands: [{above: 200ms, for: 5m, severity: high}]
severities: {high: sev2}
"""


@pytest.fixture
def session(tmp_path):
    return Session(tmp_path)


def fails(session, code, *argv):
    done = session.opsctl(*argv)
    assert done.code == code, (done.out, done.err)
    assert len(done.err.strip().splitlines()) == 1, done.err
    return done.err


def test_unknown_runbook(session):
    assert "high-latency" in fails(session, 64, "diagnose", "high-latnecy", "-s", "vritti")
    assert "high-error-rate" in fails(session, 64, "runbook", "show", "high-error-rat")


def test_unknown_service(session):
    assert "vritti" in fails(session, 64, "diagnose", "high-latency", "-s", "vriti")


def test_no_service_at_all(session):
    error = fails(session, 64, "diagnose", "high-latency")
    assert "-s" in error
    assert "vritti" in error


def test_unknown_command_and_option(session):
    assert "diagnose" in fails(session, 64, "diagnos")
    assert "--servce" in fails(session, 64, "diagnose", "high-latency", "--servce", "vritti")


def test_unknown_context(session):
    (session.folder / "opsctl.yaml").write_text("contexts: {prod: {}, staging: {}}\ncurrent-context: prod\n")
    assert "prod" in fails(session, 64, "--context", "prd", "diagnose", "high-latency", "-s", "vritti")


def test_bad_times_and_durations(session):
    assert "10x" in fails(session, 64, "diagnose", "high-latency", "-s", "vritti", "--since", "10x")
    assert "yesterdayish" in fails(session, 64, "diagnose", "high-latency", "-s", "vritti", "--at", "yesterdayish")
    assert "future" in fails(session, 64, "diagnose", "high-latency", "-s", "vritti", "--at", "2099-01-01T00:00:00Z")
    assert "0s" in fails(session, 64, "diagnose", "high-latency", "-s", "vritti", "--timeout", "0s")


def test_bad_parameter_of_a_runbook(session):
    assert "--spike" in fails(session, 64, "diagnose", "high-latency", "-s", "vritti", "--spike", "much")


def test_broken_yaml_names_file_and_line(session):
    (session.folder / "opsctl.yaml").write_text("contexts:\n  prod:\n    prometheus: {url: [\n")
    error = fails(session, 78, "diagnose", "high-latency", "-s", "vritti")
    assert "opsctl.yaml:" in error


def test_an_unknown_key_in_a_profile_names_file_line_and_nearest_key(session):
    services = session.folder / "books" / "services"
    services.mkdir(parents=True)
    (services / "mine.yaml").write_text(PROFILE.replace("histogram:", "histgram:"))
    error = fails(session, 78, "--runbooks", "books", "diagnose", "high-latency", "-s", "mine")
    assert "mine.yaml:5" in error
    assert "histogram" in error


def test_a_wrong_type_in_a_runbook(session):
    books = session.folder / "books"
    books.mkdir()
    (books / "odd.yaml").write_text("runbook: odd\ntitle: [1]\nmeaning: m\nimpact: i\ndiagnosis: []\ncauses: []\n")
    error = fails(session, 78, "--runbooks", "books", "runbook", "show", "odd")
    assert "odd.yaml:2" in error


def test_an_unknown_probe_in_a_runbook(session):
    books = session.folder / "books"
    books.mkdir()
    (books / "odd.yaml").write_text(
        "runbook: odd\ntitle: t\nmeaning: m\nimpact: i\ndiagnosis: [{probe: postgres.lock}]\n"
        "causes: [{cause: c, says: s, confirms: [postgres.lock-wait]}]\n"
    )
    done = session.opsctl("--runbooks", "books", "runbook", "lint", "odd")
    assert done.code == 78
    assert "postgres.locks" in done.out


def test_a_runbooks_folder_that_is_not_there(session):
    assert "nowhere" in fails(session, 78, "--runbooks", "nowhere", "runbook", "list")


def test_a_runbook_that_the_service_does_not_define_is_its_own_answer_not_healthy(session):
    done = session.opsctl("diagnose", "high-latency", "-s", "agro", "--no-save")
    assert done.code == 3
    assert "not configured" in done.out.lower()


def test_a_strangers_profile_of_a_dozen_lines_is_enough(session):
    services = session.folder / "books" / "services"
    services.mkdir(parents=True)
    (services / "mine.yaml").write_text(PROFILE)
    done = session.opsctl("--runbooks", "books", "diagnose", "high-latency", "-s", "mine", "-o", "json", "--no-save")
    assert done.code == 3  # nothing listens there
    assert done.json()["verdict"] == "unknown"
    assert "127.0.0.1:9" in done.out
