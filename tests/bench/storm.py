"""A storm of 50,000 alerts in a real Alertmanager: diagnosed as a whole, its own answer taken off."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Argv, run
from tests.bench.table import Row
from tests.servers import process, programs
from tests.servers.alertmanager import Alertmanager, start_alertmanager

ALERTS = 50_000
BATCH = 2500
SHORT, PEAK = 3.0, 400.0  # seconds, MB

_CONFIG = """
current-context: bench
contexts:
  bench:
    alertmanager: {url}
    prometheus: http://127.0.0.1:{nobody}
"""


def _fire(server: Alertmanager) -> None:
    """One root and 49,999 alerts of 60 names that follow from it, on 500 hosts of 40 services."""
    server.post_alerts({"alertname": "SwitchDown", "switch": "s1", "severity": "critical"})
    for start in range(1, ALERTS, BATCH):
        server.post_alerts(
            *(
                {
                    "alertname": f"Symptom{number % 60}",
                    "service": f"service-{number % 40}",
                    "severity": "warning",
                    "instance": f"host-{number % 500}",
                    "series": str(number),
                    "switch": "s1",
                }
                for number in range(start, min(start + BATCH, ALERTS))
            ),
            annotations={"summary": "measured by the bench", "runbook_url": "https://wiki.example/alerts"},
        )


def _own_answer(server: Alertmanager) -> float:
    """Seconds of Alertmanager alone."""
    began = time.monotonic()
    with urllib.request.urlopen(f"{server.url}/api/v2/alerts", timeout=120) as answer:
        answer.read()
    return time.monotonic() - began


def rows(opsctl: Path, env: dict[str, str], empty: Path) -> Iterator[Row]:
    """Seconds after the answer arrived, and the peak of memory."""
    what = "50,000 alerts: a whole diagnosis with the root ranked, over Alertmanager's own time"
    missing = programs.find("alertmanager")
    if isinstance(missing, programs.Missing):
        yield Row(what, None, SHORT, "s", missing.says)
        return
    server = start_alertmanager(empty.parent / "storm")
    try:
        config = empty.parent / "storm.yaml"
        config.write_text(_CONFIG.format(url=server.url, nobody=process.free_port()))
        _fire(server)
        own = min(_own_answer(server) for _ in range(3))
        words: Argv = [opsctl, "diagnose", "alert-storm", "-s", "insa", "--no-save"]
        runs = [run(words, {**env, "OPSCTL_CONFIG": str(config)}, empty) for _ in range(3)]
    finally:
        server.stop()
    bad = next((one.code for one in runs if one.code not in (1, 2)), None)
    if bad is not None:
        yield Row(what, None, SHORT, "s", f"it ends with {bad}: no storm was seen")
        return
    yield Row(what, max(0.0, min(one.wall for one in runs) - own), SHORT, "s", f"its own: {own:.2f} s")
    yield Row("  peak memory", max(one.peak for one in runs) / 2**20, PEAK, "MB")
