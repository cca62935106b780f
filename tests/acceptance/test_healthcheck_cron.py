"""`opsctl healthcheck` as cron and systemd run it: no terminal, hardly an environment, no home."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.acceptance.session import Session, until
from tests.servers.cron import check_syntax, start_cron
from tests.servers.node_exporter import NodeExporter
from tests.servers.web import Web

OPSCTL = [sys.executable, "-m", "opsctl"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def web():
    server = Web({"/health": '{"status": "ok"}', "/ping/start": "OK", "/ping/0": "OK", "/ping/2": "OK"})
    yield server
    server.stop()


def bare(folder: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """As cron does it, but without a home: /bin/sh, two folders in PATH, no terminal, no session."""
    command = shlex.join([*OPSCTL, "healthcheck", *argv])
    env = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LOGNAME": "nobody", "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )


def test_without_terminal_and_home_it_answers_on_one_line(tmp_path, web):
    done = bare(tmp_path, "--url", f"{web.url}/health", "-o", "plugin", "--lock", "--on-change", XDG_STATE_HOME="")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    web.pages["/health"] = lambda: (500, "broken")
    done = bare(tmp_path, "--url", f"{web.url}/health", "-o", "plugin", "--quiet")
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith(f"CRITICAL: {web.url}/health: HTTP 500: broken | services=1;;;0 failed=1;;0;0;1 ")
    assert done.stderr == ""


def test_a_state_folder_that_cannot_be_written_costs_nothing_but_a_note(tmp_path, web):
    (tmp_path / "state").write_text("a file where the folder would be")
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    argv = ["--url", f"{web.url}/health", "--lock", "--on-change"]
    quiet = bare(tmp_path, *argv, **state)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    web.pages["/health"] = '{"status": "down"}'
    done = bare(tmp_path, *argv, **state)
    assert done.returncode == 2
    assert "the service calls itself down" in done.stdout
    assert "no lock could be made" in done.stderr
    assert "nothing can be remembered" in done.stderr


def test_closed_standard_files_change_nothing(tmp_path, web):
    command = f"{shlex.join([*OPSCTL, 'healthcheck', '--url', web.url + '/none'])} <&- >&- 2>&-"
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    assert subprocess.run(["/bin/sh", "-c", command], env=env, cwd=tmp_path, timeout=60).returncode == 1


def test_start_and_end_are_told_as_one_pair(tmp_path, web):
    user = Session(tmp_path)
    argv = ["healthcheck", "--url", f"{web.url}/health", "--ping-url", f"{web.url}/ping?create=1"]
    user.opsctl(*argv, "--quiet", check=(0,))
    pings = [request for request in web.requests if request.path.startswith("/ping")]
    assert [request.method for request in pings] == ["POST", "POST"]
    found = [re.fullmatch(r"/ping/(\w+)\?create=1&rid=([0-9a-f-]{36})", request.path) for request in pings]
    assert [one[1] for one in found if one] == ["start", "0"]
    assert len({one[2] for one in found if one}) == 1
    assert pings[1].body.decode().startswith("OK  1 address ok")

    web.requests.clear()
    web.pages["/health"] = lambda: (503, "no")
    user.opsctl(*argv, check=(2,))
    assert [r.path.partition("?")[0] for r in web.requests if "ping" in r.path] == ["/ping/start", "/ping/2"]

    web.requests.clear()
    web.pages["/health"] = lambda: (404, "no")
    user.opsctl(*argv, check=(1,))
    assert [r.path.partition("?")[0] for r in web.requests if "ping" in r.path] == ["/ping/start", "/ping/0"]


@pytest.mark.parametrize("how", ["refused", "hangs", "fails"])
def test_a_ping_that_fails_changes_neither_the_answer_nor_the_time(tmp_path, web, how):
    secret = "f1a6a2b0-secret"
    base = {"refused": "http://127.0.0.1:9", "hangs": web.url, "fails": web.url}[how]
    for ending in ("start", "0"):
        slow = lambda: time.sleep(30) or "late"  # noqa: E731
        web.pages[f"/{secret}/{ending}"] = slow if how == "hangs" else (lambda: (500, "no"))
    began = time.monotonic()
    argv = ["--url", f"{web.url}/health", "--ping-url", f"{base}/{secret}", "--timeout", "8s"]
    done = Session(tmp_path).opsctl("healthcheck", *argv, check=(0,))
    assert time.monotonic() - began < 20
    assert done.out.startswith("OK  1 address ok")
    assert "ping" in done.err
    assert secret not in done.err + done.out


def test_the_second_run_does_not_run_beside_the_first(tmp_path, web):
    user = Session(tmp_path)
    web.pages["/slow"] = lambda: time.sleep(8) or "there"
    argv = ["healthcheck", "--url", f"{web.url}/slow", "--lock"]
    first = subprocess.Popen([*OPSCTL, *argv], env=user.environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert until(30, lambda: any(r.path == "/slow" for r in web.requests) or web.requests)
        time.sleep(0.5)
        second = user.opsctl(*argv, "-o", "plugin", check=(3,))
        assert second.out.startswith(f"UNKNOWN: another run of this check is still under way (pid {first.pid})")
        skipped = user.opsctl(*argv, "--lock-skip", check=(0,))
        assert (skipped.out, skipped.err) == ("", "")
        user.opsctl("healthcheck", "--url", f"{web.url}/health", "--lock", check=(0,))  # another check is not held up
    finally:
        first.wait(60)
    assert first.returncode == 0
    user.opsctl(*argv[:1], "--url", f"{web.url}/health", "--lock", check=(0,))


def test_on_change_speaks_once_and_when_it_is_over(tmp_path, web):
    user = Session(tmp_path, LC_ALL="C.UTF-8")
    argv = ["healthcheck", "--url", f"{web.url}/health", "--on-change"]
    assert user.opsctl(*argv, check=(0,)).out == ""
    web.pages["/health"] = lambda: (500, "x")
    said = user.opsctl(*argv, check=(2,)).out
    assert "Changed since the last run" in said
    assert f"{web.url}/health: ok -> critical after " in said
    assert user.opsctl(*argv, check=(2,)).out == ""
    web.pages["/health"] = '{"status": "ok"}'
    assert "critical -> ok after " in user.opsctl(*argv, check=(0,)).out
    assert user.opsctl(*argv, check=(0,)).out == ""

    [memory] = (tmp_path / "home").glob(".local/state/opsctl/healthcheck/*.json")
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    memory.write_bytes(b'{"at": 1, "checks": {"')
    done = user.opsctl(*argv, check=(0,))
    assert (done.out, done.err) == ("", "")
    web.pages["/health"] = lambda: (500, "x")
    assert "ok -> critical" in user.opsctl(*argv, check=(2,)).out


@pytest.mark.needs("node-exporter")
def test_the_textfile_is_taken_by_node_exporter_and_keeps_the_last_success(tmp_path, web):
    exporter = NodeExporter(tmp_path / "textfiles")
    try:
        user = Session(tmp_path)
        files = [exporter.folder / name for name in ("opsctl_one.prom", "opsctl_two.prom")]
        url = f"{web.url}/health?a=%22b%22"
        for file in files:
            user.opsctl("healthcheck", "--url", url, "--quiet", "--textfile", str(file), check=(0,))
            assert stat.S_IMODE(file.stat().st_mode) == 0o644
        page = exporter.metrics()
        assert "node_textfile_scrape_error 0" in page
        assert 'opsctl_last_run_exit_code{check="opsctl_one"} 0' in page
        assert re.search(r'opsctl_service_status\{check="opsctl_two",service="[^"]+"\} 0', page)
        success = re.search(r'opsctl_last_success_timestamp_seconds\{check="opsctl_one"\} (\S+)', page)

        web.pages["/health"] = lambda: (500, "x")
        user.opsctl("healthcheck", "--url", url, "--quiet", "--textfile", str(files[0]), check=(2,))
        user.opsctl("healthcheck", "-s", "nobody", "--textfile", str(files[1]), check=(3,))
        page = exporter.metrics()
        assert "node_textfile_scrape_error 0" in page
        assert 'opsctl_last_run_exit_code{check="opsctl_one"} 2' in page
        assert 'opsctl_last_run_exit_code{check="opsctl_two"} 3' in page
        again = re.search(r'opsctl_last_success_timestamp_seconds\{check="opsctl_one"\} (\S+)', page)
        assert success is not None
        assert again is not None
        assert again[1] == success[1]
        assert sorted(path.name for path in exporter.folder.iterdir()) == ["opsctl_one.prom", "opsctl_two.prom"]
    finally:
        exporter.stop()


def test_a_textfile_that_cannot_be_written_is_told_even_when_all_is_well(tmp_path, web):
    argv = ["healthcheck", "--url", f"{web.url}/health", "--quiet", "--textfile", str(tmp_path / "no" / "x.prom")]
    done = Session(tmp_path).opsctl(*argv, check=(0,))
    assert done.out == ""
    assert "could not be written: No such file" in done.err


def printed(user: Session, *argv: str) -> str:
    return user.opsctl("healthcheck", "install", *argv, check=(0,)).out


@pytest.mark.slow
@pytest.mark.needs("cron")
def test_the_printed_line_runs_under_a_real_cron(tmp_path, web):
    user = Session(tmp_path)
    text = tmp_path / "textfile.prom"
    (tmp_path / "an odd 100% name").write_text(f"{web.url}/health\n{web.url}/gone\n")
    check = ["--every", "1m", "--jitter", "1s", "--targets", "an odd 100% name", "--textfile", "textfile.prom"]
    lines = printed(user, "--cron", *check, "--ping-url", f"{web.url}/ping").splitlines()
    assert lines[-1].startswith("* * * * * ")
    assert "--quiet" in lines[-1]
    kept = f">{tmp_path}/said 2>{tmp_path}/err; echo $? >{tmp_path}/code"
    environ = ['MAILTO=""', f"HOME={tmp_path / 'home'}", f"PYTHONPATH={ROOT}"]
    crontab = "\n".join([*environ, *lines[:-1], f"{lines[-1]} {kept}", ""])
    assert check_syntax(crontab).returncode == 0, check_syntax(crontab).stderr
    cron = start_cron(tmp_path / "cron", crontab)
    try:
        assert until(110, lambda: (tmp_path / "code").exists() and (tmp_path / "code").read_text().strip())
    finally:
        cron.stop()
    assert (tmp_path / "code").read_text() == "1\n"
    assert (tmp_path / "said").read_text().startswith(f"WARNING  {web.url}/gone: HTTP 404")
    assert (tmp_path / "err").read_text() == ""
    assert 'opsctl_last_run_exit_code{check="textfile"} 1' in text.read_text()
    assert [r.path.partition("?")[0] for r in web.requests if "ping" in r.path] == ["/ping/start", "/ping/0"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_the_printed_units_are_what_systemd_takes_and_run_in_its_environment(tmp_path, web):
    user = Session(tmp_path)
    argv = ["--systemd", "--url", f"{web.url}/health?x=100%25&y=$HOME", "--textfile", str(tmp_path / "x.prom")]
    service, timer = re.split(r"^# /etc/systemd/system/opsctl-healthcheck.timer.*$", printed(user, *argv), flags=re.M)
    (tmp_path / "opsctl-healthcheck.service").write_text(service)
    (tmp_path / "opsctl-healthcheck.timer").write_text(timer)
    units = [str(tmp_path / f"opsctl-healthcheck.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "opsctl" in line]
    assert ours == [], done.stderr
    calendar = re.search(r"OnCalendar=(.*)", timer)
    assert calendar is not None
    said = subprocess.run(["systemd-analyze", "calendar", calendar[1]], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr

    start = re.search(r"^ExecStart=(.*)$", service, re.M)
    assert start is not None
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(start[1])]
    env = {"PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(words, env=env, cwd="/", capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert web.requests[-1].path == "/health?x=100%25&y=$HOME"


def kept(sent, got) -> bool:
    """Whether everything that was sent is in the answer."""
    if isinstance(sent, dict):
        return isinstance(got, dict) and all(key in got and kept(value, got[key]) for key, value in sent.items())
    if isinstance(sent, list):
        return isinstance(got, list) and len(sent) == len(got) and all(map(kept, sent, got))
    return sent == got


def test_a_kubernetes_api_takes_the_printed_cronjob(tmp_path, kube):
    namespace = kube.namespace("health")
    argv = ["--kubernetes", "--image", "registry.example/opsctl:1", "--namespace", namespace, "-s", "amas", "--deep"]
    made = yaml.safe_load(printed(Session(tmp_path), *argv))
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    if [int(part) for part in kube.version.split(".")[:2]] < [1, 21]:  # the same fields under their earlier name
        made["apiVersion"] = "batch/v1beta1"
    taken = kube.call("POST", f"apis/{made['apiVersion']}/namespaces/{namespace}/cronjobs", made, **query)
    assert kept(made, taken), taken  # an older server drops what it does not know, without a word
    assert taken["spec"]["schedule"] == "0 */4 * * *"
    [container] = taken["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["opsctl", "healthcheck", "-s", "amas", "--deep", "--timeout", "20s"]


def test_workloads_that_are_not_there_for_their_users(tmp_path, kube):
    namespace = kube.namespace("health")
    path = kube.deploy(namespace, "api", replicas=2)
    kube.rolled_out(path)
    services = tmp_path / "runbooks" / "services"
    services.mkdir(parents=True)
    spec = {
        "service": "shop",
        "endpoints": {
            "kubernetes": {"kind": "kubernetes", "url": str(kube.admin), "options": {"namespace": namespace}}
        },
        "kubernetes": {"namespace": namespace, "workloads": {"api": {"name": "api", "selector": "app=api"}}},
    }
    (services / "shop.yaml").write_text(json.dumps(spec))
    user = Session(tmp_path)
    user.opsctl("healthcheck", "-s", "shop", check=(0,))
    kube.call("PATCH", path, {"spec": {"replicas": 0}})
    kube.wait(path, lambda found: not found.get("status", {}).get("availableReplicas"))
    done = user.opsctl("healthcheck", "-s", "shop", check=(2,))
    assert "api is scaled to zero" in done.out


def test_on_a_terminal_it_is_coloured_and_otherwise_the_same(tmp_path, web):
    user = Session(tmp_path, TERM="xterm", LC_ALL="C.UTF-8")
    mine, theirs = pty.openpty()
    try:
        argv = [*OPSCTL, "healthcheck", "--url", f"{web.url}/health"]
        done = subprocess.run(argv, env=user.environ, cwd=tmp_path, stdout=theirs, stderr=theirs, timeout=60)
        said = os.read(mine, 65536).decode()
    finally:
        os.close(mine)
        os.close(theirs)
    assert done.returncode == 0
    assert "\x1b[1;32mOK\x1b[0m" in said
