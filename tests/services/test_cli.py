"""``opsctl service`` as a user types it."""

import json
import os
import subprocess
import sys

import pytest


def run(*argv, cwd, **environ):
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "VIRTUAL_ENV")}
    return subprocess.run(
        [sys.executable, "-m", "opsctl", *argv],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        check=False,
        env={**kept, "HOME": str(cwd), "PYTHONIOENCODING": "utf-8", **environ},
    )


@pytest.fixture
def here(tmp_path):
    return tmp_path


def test_list_names_every_service_with_what_it_defines(here):
    done = run("service", "list", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "vritti   Vritti, episodic memory service on KyroDB\n" in done.stdout
    found = {
        row["service"]: row for row in json.loads(run("service", "list", "-o", "json", cwd=here).stdout)["services"]
    }
    assert sorted(found) == ["agro", "amas", "insa", "threads", "vritti"]
    assert "kyrodb-down" in found["vritti"]["runbooks"]
    assert "kyrodb-down" not in found["amas"]["runbooks"]
    assert "postgres" in found["amas"]["endpoints"]


def test_a_broken_profile_does_not_hide_the_others(here):
    (here / "runbooks" / "services").mkdir(parents=True)
    (here / "runbooks" / "services" / "mine.yaml").write_text("service: [\n")
    done = run("service", "list", cwd=here)
    assert done.returncode == 0
    assert "mine     cannot be read: runbooks/services/mine.yaml:" in done.stdout
    assert "vritti" in done.stdout


def test_show_prints_every_part_and_where_endpoints_come_from(here):
    done = run("service", "show", "amas", cwd=here, DATABASE_URL="postgresql://danci:hunter22@db1:5432/danci")
    assert done.returncode == 0, done.stderr
    for heading in ("Endpoints", "Objectives", "Symptoms", "Signals", "Adapters", "Escalation", "Settings", "Notes"):
        assert f"\n{heading}\n" in done.stdout
    assert "env DATABASE_URL" in done.stdout
    assert "hunter22" not in done.stdout + done.stderr
    assert "decision_latency_p99 > 500 ms for 2m" in done.stdout
    assert "prometheus     not configured: set PROMETHEUS_URL" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_show_as_json(here):
    environ = {"DATABASE_URL": "postgresql://danci:hunter22@db1:5432/danci", "PROMETHEUS_URL": "http://p:9090"}
    done = run("service", "show", "amas", "-o", "json", cwd=here, **environ)
    assert "hunter22" not in done.stdout
    data = json.loads(done.stdout)
    assert data["endpoints"]["prometheus"] == {
        "kind": "prometheus",
        "url": "http://p:9090",
        "setting": "env PROMETHEUS_URL",
    }
    assert "not_configured" in data["endpoints"]["webhook"]
    assert data["profile"]["signals"]["decision_latency_p99"]["unit"] == "ms"
    assert "queue-backlog" in data["runbooks"]


def test_show_follows_the_context(here):
    (here / "opsctl.yaml").write_text(
        "contexts:\n  lab:\n    services:\n      vritti: {window: 15s, scrape_interval: 1s, endpoints: {app: 'http://h:1'}}\n"
    )
    data = json.loads(run("--context", "lab", "service", "show", "vritti", "-o", "json", cwd=here).stdout)
    assert data["profile"]["window"] == "15s"
    assert data["endpoints"]["metrics"]["url"] == "http://h:1/metrics"
    assert data["context"] == "lab"


def test_a_misspelt_service_is_a_usage_error(here):
    for command in ("show", "lint"):
        done = run("service", command, "vriti", cwd=here)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr == 'opsctl: there is no service "vriti". Did you mean vritti?\n'


def test_lint_of_the_shipped_profiles_lists_assumptions_and_is_ok(here):
    done = run("service", "lint", cwd=here)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("5 services checked: 0 errors, ")
    data = json.loads(run("service", "lint", "vritti", "-o", "json", cwd=here).stdout)
    assert data["error"] == 0
    assert any(p["level"] == "assumed" and "kyrodb-image" in p["says"] for p in data["problems"])


def test_lint_fails_on_errors(here):
    (here / "runbooks" / "services").mkdir(parents=True)
    (here / "runbooks" / "services" / "mine.yaml").write_text("service: mine\nsignals: {a: {promql: 'sum('}}\n")
    done = run("service", "lint", "mine", cwd=here)
    assert done.returncode == 78
    assert done.stdout.startswith("error   runbooks/services/mine.yaml:2: signal a: the PromQL does not parse")
    assert done.stdout.endswith("1 service checked: 1 error, 0 warnings, 0 assumed bindings\n")


def test_new_writes_a_start_that_lints_clean_and_overwrites_nothing(here):
    done = run("service", "new", "checkout", "--title", "Checkout", cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "Wrote runbooks/services/checkout.yaml\n"
        "Next  opsctl service lint checkout\n"
        "      opsctl diagnose high-latency -s checkout\n"
    )
    clean = run("service", "lint", "checkout", cwd=here)
    assert (clean.returncode, clean.stdout) == (0, "1 service checked: 0 errors, 0 warnings, 0 assumed bindings\n")
    path = here / "runbooks" / "services" / "checkout.yaml"
    before = path.read_text()
    again = run("service", "new", "checkout", cwd=here)
    assert again.returncode == 64
    assert "is there already" in again.stderr
    assert path.read_text() == before


def test_new_writes_below_runbooks_dir(here):
    done = run("--runbooks", "team books", "service", "new", "mine", cwd=here)
    assert done.returncode == 0, done.stderr
    assert (here / "team books" / "services" / "mine.yaml").is_file()
    assert "opsctl --runbooks 'team books' diagnose high-latency -s mine" in done.stdout


def test_new_says_when_it_hides_a_built_in_service(here):
    done = run("service", "new", "vritti", cwd=here)
    assert done.returncode == 0
    assert "used instead of the built-in service vritti" in done.stderr


def test_new_in_a_folder_that_cannot_be_written(here):
    (here / "runbooks").write_text("a file")
    done = run("service", "new", "mine", cwd=here)
    assert done.returncode == 73
    assert "cannot be written" in done.stderr
