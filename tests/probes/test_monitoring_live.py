"""Since when a service's samples do not come, told by a real Prometheus; and what it tells of a time that is past."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from opsctl.errors import CouldNotLook
from opsctl.model import Finding
from opsctl.probes import registry
from opsctl.services.model import Profile
from opsctl.signals.model import Signal
from tests.fakes.endpoints import look_at
from tests.servers.prometheus import start_prometheus, static
from tests.servers.web import start_web

PAGE = "app_requests_total 5\nother 1\n"
MINE = Profile(
    service="mine",
    scrape_interval="1s",
    prometheus_labels={"job": "mine"},
    signals={"request_rate": Signal(rate="app_requests_total"), "delay": Signal(quantile=0.9, histogram="app_seconds")},
)


def ask(id: str, url: str, *, at: float | None = None, profile: Profile = MINE) -> dict[str, Finding]:
    probe = registry.get(id)
    assert probe is not None
    seen = probe.run(look_at({"prometheus": url}, profile, seconds=20, at=at, now=at), probe.params())
    return {finding.id.partition(".")[2]: finding for finding in seen.findings}


@pytest.mark.needs("prometheus")
def test_since_when_samples_do_not_come(tmp_path: Path) -> None:
    pages: dict[str, Any] = {"/metrics": PAGE}
    web = start_web(pages)
    server = start_prometheus(tmp_path / "prometheus")
    try:
        server.configure([static("mine", web.netloc), static("other", f"127.0.0.1:{server.port}")])
        server.reload()
        server.wait_for('up{job="mine"}')
        time.sleep(2)
        assert ask("prometheus.samples", server.url)["stale"].state == "ok"
        fine = ask("prometheus.targets", server.url)
        assert {id: f.state for id, f in fine.items()} == dict.fromkeys(fine, "ok")
        well = time.time()

        web.pages["/metrics"] = lambda: (503, "collector failed\n")
        broke = time.time()
        server.wait_for('up{job="mine"}', lambda value: value == 0)
        time.sleep(2)
        found = ask("prometheus.targets", server.url)["scrape-failing"]
        assert found.state == "breach"
        assert "server returned HTTP status 503 Service Unavailable" in found.says
        assert found.since is not None
        assert abs(found.since.timestamp() - broke) < 4
        gone = ask("prometheus.samples", server.url)["stale"]
        assert gone.state == "breach"
        assert gone.says.startswith("the series of mine ended: the last sample is of ")
        assert gone.since is not None
        assert abs(gone.since.timestamp() - broke) < 4

        # As it was before it broke; and long before there was anything.
        assert ask("prometheus.samples", server.url, at=well)["stale"].state == "ok"
        with pytest.raises(CouldNotLook) as caught:
            ask("prometheus.samples", server.url, at=well - 86400)
        assert caught.value.reason == "no-data"
        with pytest.raises(CouldNotLook) as caught:
            ask("prometheus.targets", server.url, at=well)
        assert caught.value.reason == "no-history"
        assert ask("prometheus.rules", server.url)["rules-missing"].says.startswith(
            "Prometheus evaluates no rule at all"
        )
        delivery = ask("prometheus.delivery", server.url)
        assert {id: f.state for id, f in delivery.items()} == {
            "no-alertmanager": "breach",
            "notifications-failing": "ok",
        }
    finally:
        server.stop()
        web.stop()
