"""The command line: whatever is wrong with it, the exit code is 0, 1, 2 or 3."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.acceptance.session import Session
from tests.servers.web import Web


@pytest.fixture
def user(tmp_path):
    return Session(tmp_path, LC_ALL="C.UTF-8")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "no service was named"),
        (["--bogus"], "No such option"),
        (["--timeout"], "requires an argument"),
        (["--timeout", "soon"], '"soon" is not a duration'),
        (["--timeout", "0s", "--all"], "longer than 0s"),
        (["-s", "vritty"], "Did you mean vritti?"),
        (["-s", "vritti", "--all"], "exclude each other"),
        (["-s", "vritti", "--only", "postgrs"], "Did you mean postgres?"),
        (["-o", "yaml"], "yaml"),
        (["nonsense"], "nonsense"),
        (["--targets", "none.txt"], "No such file"),
        (["--url", "http://127.0.0.1:9", "--textfile", "x.txt"], "*.prom"),
        (["--url", "http://127.0.0.1:9", "--ping-url", "secret-and-no-url"], "--ping-url is not an http"),
        (["install"], "--cron, --systemd, --kubernetes"),
        (["install", "--cron", "--systemd"], "--cron, --systemd, --kubernetes"),
        (["install", "--cron", "--every", "5h"], "evenly"),
        (["install", "--cron", "--every", "1m", "--timeout", "55s"], "do not fit into"),
        (["install", "--cron", "--bogus"], "No such option"),
        (["install", "--cron", "amas"], "amas is not an option"),
        (["install", "--kubernetes"], "--image"),
    ],
)
def test_what_cannot_be_meant_is_unknown(user, argv, words):
    done = user.opsctl("healthcheck", *argv, check=(3,))
    assert words in done.err
    assert done.out == ""
    assert "secret-and-no-url" not in done.err
    if "install" not in argv:
        done = user.opsctl("healthcheck", *argv, "-o", "plugin", check=(3,))
        assert done.out.startswith("UNKNOWN: ")
        assert len(done.out.splitlines()) == 1


def test_root_options_and_files_that_are_wrong_are_unknown_too(user, tmp_path):
    user.opsctl("--config", "none.yaml", "healthcheck", "--all", check=(3,))
    user.opsctl("--bogus", "healthcheck", check=(3,))
    (tmp_path / "opsctl.yaml").write_text("not: [yaml")
    done = user.opsctl("healthcheck", "--all", "-o", "plugin", check=(3,))
    assert done.out.startswith("UNKNOWN: opsctl.yaml:")
    found = user.opsctl("healthcheck", "--all", "-o", "json", check=(3,)).json()
    assert (found["state"], found["exit"], found["schema"]) == ("unknown", 3, "opsctl.healthcheck/1")
    assert user.opsctl("doctor", "--bogus").code == 64  # every other command keeps its codes


def test_help_is_no_failure(user):
    assert "For cron. Changes nothing." in " ".join(user.opsctl("healthcheck", "--help", check=(0,)).out.split())
    assert "Installs nothing" in user.opsctl("healthcheck", "install", "--help", check=(0,)).out


def test_an_interrupt_leaves_no_other_code(tmp_path, user):
    web = Web({"/": lambda: time.sleep(20) or "late"})
    try:
        argv = [sys.executable, "-m", "opsctl", "healthcheck", "--url", web.url]
        run = subprocess.Popen(argv, env=user.environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        web.wait_for(bool)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=30)
    finally:
        web.stop()
    assert run.returncode == 3
    assert "interrupted" in err


def test_addresses_from_the_command_line_and_a_file(user, tmp_path):
    pages = {
        "/ok": "fine",
        "/json": '{"status": "ok"}',
        "/bad": '{"status": "ok", "components": {"db": "down"}}',
        "/old": '{"status": "ok", "timestamp": 1500000000}',
        "/moved": lambda: (301, ""),
        "/gone": lambda: (404, "nothing"),
        "/broken": lambda: (500, "oh"),
    }
    web = Web(pages)
    try:
        (tmp_path / "list.txt").write_text(
            "# ours\n\n" + "".join(f"{web.url}{path}\n" for path in pages if path != "/ok")
        )
        argv = ["--url", f"{web.netloc}/ok", "--targets", "list.txt", "-o", "json"]
        found = user.opsctl("healthcheck", *argv, check=(2,)).json()
    finally:
        web.stop()
    states = {subject["name"].rpartition("/")[2]: subject["state"] for subject in found["subjects"]}
    assert states == {
        "ok": "ok", "json": "ok", "bad": "critical", "old": "unknown", "moved": "warning", "gone": "warning",
        "broken": "critical",
    }  # fmt: skip
    assert len(json.dumps(found)) < 10_000


def test_what_is_nowhere_configured_is_not_healthy(user, tmp_path):
    services = tmp_path / "runbooks" / "services"
    services.mkdir(parents=True)
    (services / "ghost.yaml").write_text('service: ghost\nendpoints: {postgres: {kind: postgres, url: ""}}\n')
    done = user.opsctl("healthcheck", "-s", "ghost", check=(3,))
    assert done.out.startswith("UNKNOWN  ghost: nothing says where it or anything of it is")
    assert "not looked at: nothing says where postgres of service ghost is" in " ".join(done.out.split())


def test_amas_own_alerts_count(user, tmp_path):
    one = '[{"metric": "decision.latency.p99", "status": "firing", "severity": "%s", "value": 550, "threshold": 500}]'
    web = Web({"/health": '{"status": "ok"}', "/api/alerts/active": "[]"})
    (tmp_path / "opsctl.yaml").write_text(
        f"current-context: here\ncontexts: {{here: {{services: {{amas: {{endpoints: {{app: '{web.url}'}}}}}}}}}}\n"
    )
    try:
        argv = ["healthcheck", "--only", "health,alerts"]
        user.opsctl(*argv, check=(0,))
        web.pages["/api/alerts/active"] = one % "high"
        done = user.opsctl(*argv, check=(2,))
        assert "1 active: decision.latency.p99 550, threshold 500 (high)" in done.out
        web.pages["/api/alerts/active"] = one % "low"
        user.opsctl(*argv, check=(1,))
    finally:
        web.stop()
