"""`opsctl alerts log`: a service's file of alerts, and what changes at real Alertmanagers."""

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.test_alerts import opsctl
from tests.servers.alertmanager import start_alertmanager


def _heed_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Following:
    """A running command; its lines as they come."""

    def __init__(self, home, *argv):
        self.child = subprocess.Popen(
            [sys.executable, "-m", "opsctl", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=home,
            preexec_fn=_heed_interrupts,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        )
        self._streams = {}
        for name in ("stdout", "stderr"):
            lines = self._streams[name] = queue.Queue()
            threading.Thread(target=self._read, args=(getattr(self.child, name), lines), daemon=True).start()

    def _read(self, stream, lines):
        for line in stream:
            lines.put(line.rstrip("\n"))

    def line(self, name="stdout"):
        return self._streams[name].get(timeout=60)

    def end(self, number=signal.SIGINT):
        self.child.send_signal(number)
        return self.child.wait(timeout=60)


@contextlib.contextmanager
def following(home, *argv):
    one = Following(home, *argv)
    try:
        yield one
    finally:
        one.child.kill()
        one.child.wait()


def line(name, minutes=0, status="firing", **labels):
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    labels = {"alertname": name, "severity": "critical", **labels}
    one = {"status": status, "labels": labels, "annotations": {"summary": "slow \x1b[31mred password=hunter22"}}
    return json.dumps({"received_at": at.isoformat(), "status": status, "alerts": [one]}) + "\n"


@pytest.fixture
def agro(tmp_path):
    """A home whose AGRO keeps its alerts in a file there."""
    file = tmp_path / "alerts.jsonl"
    context = {"services": {"agro": {"logs": {"alerts": str(file)}}}}
    (tmp_path / "opsctl.yaml").write_text(json.dumps({"current-context": "x", "contexts": {"x": context}}))
    (tmp_path / "opsctl.yaml").chmod(0o600)
    return file


LOG = ("alerts", "log", "-s", "agro")


def test_the_last_hour_of_a_log_is_told_line_by_line(agro, tmp_path):
    agro.write_text(line("Old", 90) + line("Slow", 30, instance="b") + "{broken\n" + line("Slow", 5, "resolved"))
    done = opsctl(tmp_path, *LOG)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first[10] == "T"
    assert first[20:] == " firing    Slow critical instance=b: slow red password=[redacted]"
    assert second[21:].startswith("resolved  Slow")
    assert done.stderr == f"no alert could be read in 1 line of {agro}\n"
    done = opsctl(tmp_path, *LOG, "--since", "2h", "alertname=Old", "-o", "json")
    found = json.loads(done.stdout)
    assert (found["state"], found["name"], found["labels"]["severity"]) == ("firing", "Old", "critical")
    assert "Slow" not in done.stdout
    assert opsctl(tmp_path, *LOG, "Nobody").stderr.endswith(f"no alert in the last 1h in {agro}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_log_is_followed_until_ctrl_c(agro, tmp_path, number):
    agro.write_text(line("Before"))
    with following(tmp_path, *LOG, "--follow") as run:
        assert " firing    Before " in run.line()
        with agro.open("a") as out:
            out.write(line("Appended"))
        assert " firing    Appended " in run.line()
        agro.rename(tmp_path / "alerts.jsonl.1")
        agro.write_text(line("Rotated"))
        assert " firing    Rotated " in run.line()
        agro.write_text("")
        assert run.line("stderr") == f"{agro} was emptied; its new lines follow"
        agro.write_text(line("Emptied", status="resolved"))
        assert " resolved  Emptied " in run.line()
        assert run.end(number) == 0


@pytest.mark.parametrize("more", [[], ["--follow"]], ids=["past", "follow"])
def test_a_reader_that_goes_away_ends_it_quietly(agro, tmp_path, more):
    agro.write_text("".join(line("Many") for _ in range(2000)))
    argv = [sys.executable, "-m", "opsctl", *LOG, *more]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=env)
    assert b"Many" in child.stdout.readline()
    child.stdout.close()
    assert child.wait(timeout=60) == 0
    assert child.stderr.read() == b""
    child.stderr.close()


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["alerts", "log"], 64, "Add --follow to see what changes from now on; `opsctl alerts history` has the past."),
        (["alerts", "log", "-s", "vritti"], 64, "vritti names no file as its log alerts. Add --follow"),
        (["alerts", "log", "--follow", "--every", "10ms"], 64, "shorter than 1s"),
        (["alerts", "log", "--follow", "--alertmanager-url", "http://127.0.0.1:9"], 69, "127.0.0.1:9"),
        ([*LOG], 69, "does not exist on this host"),
    ],
)
def test_what_cannot_be_followed_is_said(agro, tmp_path, argv, code, says):
    done = opsctl(tmp_path, *argv)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr


@pytest.mark.needs("alertmanager")
def test_changes_at_an_alertmanager_are_told_as_they_happen(tmp_path):
    server = start_alertmanager(tmp_path / "am")
    labels = {"alertname": "Slow", "service": "vritti", "severity": "P1"}
    try:
        server.post_alerts(labels | {"alertname": "Standing"})
        argv = ["alerts", "log", "service=vritti", "--follow", "--every", "1s", "-o", "json"]
        with following(tmp_path, *argv, "--alertmanager-url", server.url) as run:
            assert run.line("stderr") == "1 active now; what changes follows, until Ctrl-C"
            server.post_alerts(labels, labels | {"service": "another"})
            found = json.loads(run.line())
            assert (found["state"], found["was"], found["name"]) == ("firing", "", "Slow")
            id = server.silence({"alertname": "Slow"})
            assert json.loads(run.line())["state"] == "silenced"
            _delete(f"{server.url}/api/v2/silence/{id}")
            assert json.loads(run.line())["state"] == "silence ended"
            server.stop()
            assert " did not answer: " in run.line("stderr")
            server.start()
            assert run.line("stderr").endswith(" answers again")
            assert {json.loads(run.line())["state"] for _ in range(2)} == {"resolved"}  # it keeps alerts in memory only
            server.post_alerts(labels)
            assert json.loads(run.line())["state"] == "firing"
            past = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            server.post("/api/v2/alerts", [{"labels": labels, "endsAt": past}])
            assert json.loads(run.line())["state"] == "resolved"
            assert run.end() == 0
    finally:
        server.stop()


@pytest.mark.needs("alertmanager")
def test_ctrl_c_does_not_wait_for_a_member_that_hangs(tmp_path):
    server = start_alertmanager(tmp_path / "am")
    try:
        argv = ["alerts", "log", "--follow", "--every", "1s", "--timeout", "50s", "--alertmanager-url", server.url]
        with following(tmp_path, *argv) as run:
            assert run.line("stderr") == "nothing fires now; what changes follows, until Ctrl-C"
            server.server.pause()
            time.sleep(2)
            began = time.monotonic()
            assert run.end() == 0
            assert time.monotonic() - began < 20
    finally:
        server.server.resume()
        server.stop()


def _delete(url):
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, method="DELETE"), timeout=10).close()
