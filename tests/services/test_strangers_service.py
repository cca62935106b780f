"""A stranger's own service: what ``opsctl service new`` writes is enough to measure it and to judge it."""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opsctl.clients.readers import Readers
from opsctl.config.settings import load_settings
from opsctl.durations import parse_duration
from opsctl.services.load import load_profile
from opsctl.services.resolve import resolver
from opsctl.services.start import profile_start, write_start
from opsctl.signals.model import History
from opsctl.signals.objective import judge
from opsctl.signals.reader import SignalReader


class Slow(BaseHTTPRequestHandler):
    """Half of the requests of this service take between one and two seconds; 2000 a second are answered."""

    started = time.monotonic()

    def do_GET(self):
        count = 1000 + int((time.monotonic() - self.started) * 2000)
        name = "http_request_duration_seconds"
        edges = {"0.1": count // 2, "1.0": count // 2, "2.0": count, "+Inf": count}
        lines = [f"# TYPE {name} histogram", *(f'{name}_bucket{{le="{le}"}} {n}' for le, n in edges.items())]
        lines += [f"{name}_sum {count * 0.8}", f"{name}_count {count}", ""]
        body = "\n".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()


def test_twenty_lines_are_enough(tmp_path, service):
    write_start(tmp_path, "mine", profile_start("mine", service))
    profile = load_profile("mine", [tmp_path])
    settings = load_settings(None, None, {}, {"HOME": str(tmp_path)})
    readers = Readers(resolver(profile, settings))
    reader = SignalReader(
        readers,
        labels=profile.prometheus_labels,
        scrape_interval=parse_duration(profile.scrape_interval),
        window=parse_duration(profile.window),
        pause=0.3,
    )
    objective = profile.objectives[0]
    reading = reader.read(objective.signal, profile.signals[objective.signal])
    rate = reader.read("request_rate", profile.signals["request_rate"])
    readers.close()

    assert reading.unknown is None, reading.unknown
    assert reading.direct
    assert reading.setting == "profile mine"
    assert reading.value == pytest.approx(1.98, abs=0.01)  # between 1 and 2 s, linear in the bucket
    assert rate.value is not None
    assert rate.value > 0
    judged = judge(objective, reading, History(signal=objective.signal), profile.severities)
    assert judged.band is objective.bands[1]
    assert judged.severity == "sev1"


def test_the_commands_that_new_prints_work(tmp_path, service):
    def run(*argv):
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG")}
        command = [sys.executable, "-m", "opsctl", "--runbooks", "team", *argv]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            check=False,
            env={**kept, "HOME": str(tmp_path)},
        )

    (tmp_path / "team").mkdir()
    assert run("service", "new", "mine", "--metrics", service).returncode == 0
    assert run("service", "lint", "mine").returncode == 0
    done = run("diagnose", "high-latency", "-s", "mine", "-o", "json")
    assert done.returncode == 2, done.stderr
    report = json.loads(done.stdout)
    assert (report["service"], report["verdict"], report["severity"]) == ("mine", "critical", "sev1")
