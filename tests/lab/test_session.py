"""A user's session with the lab: up, look, break, heal, stop a server, a crash, down; nothing is left over."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from opsctl.lab.identity import HOST, Process, is_alive
from tests.acceptance.session import Session, until
from tests.servers import programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("prometheus", "alertmanager", "postgres", "redis"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    session = Session(tmp_path_factory.mktemp("lab"))
    session.lab_up()
    yield session
    session.lab_down()


def state(session: Session) -> dict:
    return json.loads((folder(session) / "lab.json").read_text())


def folder(session: Session) -> Path:
    return Path(session.environ["OPSCTL_CONFIG"]).parent


def status(session: Session) -> dict:
    return session.opsctl("lab", "status", "-o", "json", check=(0,)).json()


def part(session: Session, name: str) -> dict:
    return next(p for p in status(session)["parts"] if p["name"] == name)


def alive(found: dict) -> list[str]:
    """Parts of a state file that still run."""
    parts = {p["name"]: p["process"] for p in found["parts"] if p.get("process")}
    return [name for name, one in {**parts, "supervisor": found["supervisor"]}.items() if is_alive(Process(**one))]


def get(address: str, path: str, timeout: float = 10) -> tuple[int, str]:
    link = http.client.HTTPConnection(address.removeprefix("http://"), timeout=timeout)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read().decode()
    finally:
        link.close()


def test_status_lists_real_parts_doubles_and_simulated_services(session):
    found = status(session)
    assert found["ready"] is True
    assert found["on"] == []
    kinds = {p["name"]: (p["kind"], p["state"]) for p in found["parts"]}
    for name in ("prometheus", "alertmanager", "postgres", "redis"):
        assert kinds[name] == ("real", "up")
    assert kinds["kyrodb-text"] == kinds["provider"] == ("double", "up")
    for name in ("vritti", "amas", "insa", "agro", "threads", "traffic"):
        assert kinds[name] == ("simulated", "up")
    assert kinds["reranker"] == ("double", "up")
    assert kinds["kubernetes"][0] in ("real", "absent")
    assert all(p["version"] for p in found["parts"] if p["kind"] == "real")
    text = session.opsctl("lab", "status", check=(0,)).out
    assert "Switched on: nothing" in text


def test_a_second_up_finds_the_first_and_prints_the_same_lines(session):
    pid = state(session)["supervisor"]["pid"]
    done = session.opsctl("lab", "up", check=(0,))
    assert f"export OPSCTL_CONFIG={session.environ['OPSCTL_CONFIG']}" in done.out
    assert f"pid {pid}" in done.err
    assert state(session)["supervisor"]["pid"] == pid


def test_the_services_have_their_real_endpoints(session):
    vritti, amas, insa = (part(session, name)["address"] for name in ("vritti", "amas", "insa"))
    health = json.loads(get(vritti, "/health")[1])
    assert {c["name"]: c["status"] for c in health["components"]}["kyrodb"] == "healthy"
    assert get(vritti, "/health/readiness")[0] == 200
    assert "ingestion_stats" in get(vritti, "/stats")[1]
    assert get(vritti, "/admin/budget")[0] == 401  # the key is in opsctl.yaml
    assert "episodic_memory_http_request_duration_seconds_bucket" in get(vritti, "/metrics")[1]
    assert set(json.loads(get(amas, "/health")[1])) == {"status", "timestamp"}
    assert json.loads(get(amas, "/api/alerts/active")[1]) == []
    assert 'amas_queue_size{type="decision"}' in get(amas, "/api/about/metrics/prometheus")[1]
    assert "insa_circuit_breaker_state" in get(insa, "/metrics")[1]
    lines = (folder(session) / "logs" / "app.log").read_text().splitlines()
    assert {"timestamp", "level", "event", "customer_id", "status_code", "client_host"} <= set(json.loads(lines[-1]))


def test_files_with_secrets_are_for_the_owner_alone_and_the_control_port_wants_its_token(session):
    for name in ("lab.json", "opsctl.yaml"):
        assert (folder(session) / name).stat().st_mode & 0o077 == 0
    found = state(session)
    assert get(f"{HOST}:{found['control']}", "/status")[0] == 403
    assert found["token"] not in session.opsctl("lab", "status", "-o", "json").out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_everything_listens_on_loopback_only(session):
    found = state(session)
    config = json.loads((folder(session) / "opsctl.yaml").read_text())
    ports = (
        {found["control"]}
        | {
            int(p["address"].rpartition(":")[2])
            for p in found["parts"]
            if p.get("address", "").rpartition(":")[2].isdigit()
        }
        | {
            int(target.rpartition(":")[2])
            for job in json.loads((folder(session) / "prometheus.yml").read_text())["scrape_configs"]
            for target in job["static_configs"][0]["targets"]
        }
    )
    assert len(ports) >= 10, config
    mapped = "0000000000000000FFFF00000100007F"  # gRPC's way to listen on 127.0.0.1
    for name, local in (("tcp", "0100007F"), ("tcp6", mapped)):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(port, 16) in ports:
                assert address == local, f"{name} port {int(port, 16)}"


def test_an_unknown_fault_is_refused_with_the_nearest_name(session):
    done = session.opsctl("lab", "break", "kyrodb-slwo", check=(64,))
    assert "kyrodb-slow" in done.err
    assert session.opsctl("lab", "stop", "nginx", check=(64,)).err
    assert status(session)["on"] == []


def test_faults_are_listed_with_service_runbook_and_cause(session):
    found = session.opsctl("lab", "faults", "-o", "json", check=(0,)).json()
    one = next(f for f in found["faults"] if f["id"] == "db-locks")
    assert (one["service"], one["runbook"], one["cause"]) == ("amas", "high-latency", "database-locks")
    assert one["commands"][0] == "opsctl diagnose high-latency -s amas"
    assert len(one["commands"]) == len(one["found_by"])
    assert one["absent"] == []
    text = session.opsctl("lab", "faults", check=(0,)).out
    assert "opsctl diagnose high-latency -s amas  ->  database-locks" in text
    only = session.opsctl("lab", "faults", "-s", "threads", "-r", "service-down", "-o", "json", check=(0,)).json()
    assert {f["service"] for f in only["faults"]} == {"threads"}
    assert session.opsctl("lab", "faults", "-s", "thread", check=(64,)).err


def test_two_faults_are_switched_on_and_healed_one_by_one(session):
    vritti = part(session, "vritti")["address"]
    session.opsctl("lab", "break", "kyrodb-errors", "validation-errors", "--no-wait", check=(0,))
    assert status(session)["on"] == ["kyrodb-errors", "validation-errors"]

    def errors() -> bool:
        page = get(vritti, "/metrics")[1]
        return 'error_type="kyrodb"' in page and 'error_type="validation"' in page

    assert until(30, errors)
    session.opsctl("lab", "heal", "kyrodb-errors", "--no-wait", check=(0,))
    assert status(session)["on"] == ["validation-errors"]
    session.opsctl("lab", "heal", "--no-wait", check=(0,))
    assert status(session)["on"] == []


def test_a_bad_deployment_is_a_new_process_of_a_new_version(session):
    def started() -> float:
        page = get(part(session, "vritti")["address"], "/metrics")[1]
        line = next(x for x in page.splitlines() if x.startswith("process_start_time_seconds "))
        return float(line.split()[1])

    before, old = part(session, "vritti"), started()
    assert old < time.time() - 3600
    session.opsctl("lab", "break", "bad-deploy", "--no-wait", check=(0,))
    after = part(session, "vritti")
    assert after["process"]["pid"] != before["process"]["pid"]
    assert after["version"] != before["version"]
    assert started() > time.time() - 60
    session.opsctl("lab", "heal", "--no-wait", check=(0,))
    assert part(session, "vritti")["version"] == before["version"]


def test_database_down_really_stops_postgres_and_healing_brings_it_back(session):
    pid = part(session, "postgres")["process"]["pid"]
    session.opsctl("lab", "break", "database-down", "--no-wait", check=(0,))
    assert part(session, "postgres")["state"] == "stopped"
    log = folder(session) / "logs" / "application.log"
    assert until(20, lambda: "Connection refused" in log.read_text() or "connection failed" in log.read_text())
    session.opsctl("lab", "heal", "--no-wait", check=(0,))
    found = part(session, "postgres")
    assert (found["state"], found["process"]["pid"] != pid) == ("up", True)


def test_a_service_is_really_stopped_or_stands_still_and_comes_back(session):
    pid = part(session, "agro")["process"]["pid"]
    session.opsctl("lab", "break", "agro-stopped", "vritti-frozen", "--no-wait", check=(0,))
    assert part(session, "agro")["state"] == "stopped"
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(ConnectionRefusedError):
        get(part(session, "agro")["address"], "/metrics")
    vritti = part(session, "vritti")["address"]
    with pytest.raises(TimeoutError):
        get(vritti, "/health/liveness", timeout=2)
    session.opsctl("lab", "heal", "--no-wait", check=(0,))
    assert get(part(session, "agro")["address"], "/metrics")[0] == 200
    assert get(vritti, "/health/liveness")[0] == 200


def test_prometheus_loads_a_configuration_that_forgets_a_service_and_the_right_one_again(session):
    prometheus = part(session, "prometheus")["address"]

    def scraped() -> bool:
        return '"job":"insa"' in get(prometheus, "/api/v1/targets?state=active")[1]

    assert scraped()
    session.opsctl("lab", "break", "insa-unscraped", "--no-wait", check=(0,))
    assert until(20, lambda: not scraped())
    session.opsctl("lab", "heal", "--no-wait", check=(0,))
    assert until(20, scraped)


def test_what_is_absent_is_said_with_the_reason_and_its_faults_are_refused(tmp_path):
    """A machine without a kube-apiserver, and a lab of one service."""
    session = Session(tmp_path)
    session.environ |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "OPSCTL_KUBE_BIN": str(tmp_path)}
    kube = programs.which("kube-apiserver")
    session.lab_up("threads", kube=False)
    try:
        parts = {p["name"]: p for p in status(session)["parts"]}
        assert {"amas", "vritti", "postgres"} & parts.keys() == set()
        if kube is None:
            assert parts["kubernetes"]["state"] == "absent"
            assert "OPSCTL_KUBE_BIN" in parts["kubernetes"]["says"]
            done = session.opsctl("lab", "break", "threads-crash-loop")
            assert done.code not in (0, 70)
            assert "OPSCTL_KUBE_BIN" in done.err
            assert "absent here: kubernetes (" in session.opsctl("lab", "faults", "-s", "threads", check=(0,)).out
        done = session.opsctl("lab", "break", "kyrodb-slow")
        assert "vritti (this lab was started without it)" in done.err
        done = session.opsctl("lab", "up", "-s", "amas")
        assert "without amas" in done.err
    finally:
        session.lab_down()


def test_a_server_can_be_stopped_and_started(session):
    session.opsctl("lab", "stop", "prometheus", check=(0,))
    assert part(session, "prometheus")["state"] == "stopped"
    session.opsctl("lab", "start", "prometheus", check=(0,))
    assert part(session, "prometheus")["state"] == "up"


def test_after_a_crash_of_the_supervisor_down_finds_and_ends_everything(session):
    found = state(session)
    os.kill(found["supervisor"]["pid"], signal.SIGKILL)
    done = session.opsctl("lab", "status", check=(69,))
    assert "opsctl lab down" in done.err
    left = until(20, lambda: None if {"vritti", "traffic"} & set(alive(found)) else alive(found))
    assert left is not None, "our own parts end by themselves"
    assert {"postgres", "redis", "prometheus"} <= set(left)
    assert "kubernetes" in left or next(p for p in found["parts"] if p["name"] == "kubernetes")["state"] == "absent"
    session.opsctl("lab", "down", check=(0,))
    assert alive(found) == []
    assert not folder(session).exists()
    assert [name for name in found["temporary"] if Path(name).exists()] == []


def test_down_ends_a_running_lab_and_leaves_nothing(session):
    session.lab_up()
    found = state(session)
    assert len(alive(found)) == sum(p["state"] != "absent" for p in found["parts"]) + 1
    assert "Ended" in session.lab_down().out
    assert alive(found) == []
    assert not folder(session).exists()
    assert [name for name in found["temporary"] if Path(name).exists()] == []
    assert "No lab runs" in session.opsctl("lab", "down", check=(0,)).out


def test_an_interrupted_up_leaves_nothing(session):
    import subprocess

    child = subprocess.Popen(
        [sys.executable, "-m", "opsctl", "lab", "up"],
        cwd=session.folder,
        env=session.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert until(60, lambda: (folder(session) / "lab.json").exists() and len(state(session)["parts"]) >= 4)
    found = state(session)
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=90)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert alive(found) == []
    assert not folder(session).exists()
    assert [name for name in found["temporary"] if Path(name).exists()] == []
