"""Real Alertmanagers, alone or as a gossiping group."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers import process, programs, used


def config(webhook: str | None = None) -> dict[str, Any]:
    """A configuration that sends each alert at once to ``webhook``, or nowhere."""
    receiver: dict[str, Any] = {"name": "test"}
    if webhook is not None:
        receiver["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    route = {"receiver": "test", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    return {"route": route, "receivers": [receiver]}


class Alertmanager:
    """``url`` and the data stay the same over ``stop`` and ``start``. ``gossip``: host:port for peers."""

    def __init__(self, folder: Path, configuration: Mapping[str, Any], peers: Sequence[str], cluster: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = process.free_port()
        self.url = f"http://{process.HOST}:{self.port}"
        self.gossip = f"{process.HOST}:{process.free_port()}" if cluster else ""
        self._peers = tuple(peers)
        self._server: process.Server | None = None
        (folder / "alertmanager.yml").write_text(json.dumps(configuration, indent=1))

    @property
    def server(self) -> process.Server:
        """The running process (``pause``, ``resume``, ``pid``)."""
        assert self._server is not None, "Alertmanager is stopped"
        return self._server

    def start(self) -> None:
        """Start it, ready when this returns."""
        program = programs.found("alertmanager")
        argv: list[str | Path] = [
            program.path,
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={process.HOST}:{self.port}",
            f"--cluster.listen-address={self.gossip}",  # empty: no cluster
            "--log.level=warn",
        ]
        if self.gossip:
            argv += [
                f"--cluster.advertise-address={self.gossip}",
                "--cluster.gossip-interval=50ms",
                "--cluster.pushpull-interval=1s",
                "--cluster.settle-timeout=1s",
                "--cluster.peer-timeout=1s",
                *(f"--cluster.peer={peer}" for peer in self._peers),
            ]
        self._server = process.start("alertmanager", argv, self.folder / "alertmanager.log", cwd=self.folder)
        self._server.wait_ready(lambda: process.answers(f"{self.url}/-/ready"))
        used.note("alertmanager", program.version)

    def stop(self) -> None:
        """Stop it; silences and notification log stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def get(self, path: str, **query: str) -> Any:
        """The JSON of an API path such as ``/api/v2/alerts``."""
        return self._call(path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path: str, body: Any) -> Any:
        """Post JSON to an API path; the answer's JSON, None for an empty one."""
        return self._call(path, json.dumps(body).encode())

    def post_alerts(self, *labels: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> None:
        """Make one alert per set of labels fire (for five minutes, Alertmanager's resolve_timeout)."""
        self.post("/api/v2/alerts", [{"labels": dict(each), "annotations": dict(annotations or {})} for each in labels])

    def silence(self, matchers: Mapping[str, str], seconds: float = 600.0, comment: str = "test") -> str:
        """Create a silence of equality matchers; its id."""
        now = time.time()
        body = {
            "matchers": [{"name": k, "value": v, "isRegex": False, "isEqual": True} for k, v in matchers.items()],
            "startsAt": _rfc3339(now),
            "endsAt": _rfc3339(now + seconds),
            "createdBy": "test",
            "comment": comment,
        }
        return str(self.post("/api/v2/silences", body)["silenceID"])

    def wait_for_alerts(self, holds: Callable[[list[Any]], bool] = bool, timeout: float = 60.0) -> list[Any]:
        """Wait until the list of alerts ``holds`` (default: is not empty); that list. Raises TimeoutError."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            alerts: list[Any] = self.get("/api/v2/alerts")
            if holds(alerts):
                return alerts
            time.sleep(0.1)
        raise TimeoutError(f"the alerts of {self.url} did not come to hold within {timeout:g} s")

    def _call(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self.url + path, data=body)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def _rfc3339(unix: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def start_alertmanager(
    folder: Path, webhook: str | None = None, configuration: Mapping[str, Any] | None = None, cluster: bool = False
) -> Alertmanager:
    """One Alertmanager that is ready. ``configuration`` replaces the one that ``webhook`` would give."""
    alertmanager = Alertmanager(folder, configuration or config(webhook), (), cluster)
    alertmanager.start()
    return alertmanager


def start_alertmanagers(
    folder: Path, count: int = 2, webhook: str | None = None, configuration: Mapping[str, Any] | None = None
) -> list[Alertmanager]:
    """A group of ``count`` Alertmanagers that know each other."""
    group: list[Alertmanager] = []
    for number in range(count):
        peers = [one.gossip for one in group]
        one = Alertmanager(folder / f"alertmanager-{number}", configuration or config(webhook), peers, True)
        group.append(one)
        one.start()
    until = time.monotonic() + 30
    while any(len(one.get("/api/v2/status")["cluster"]["peers"]) < count for one in group):
        assert time.monotonic() < until, "the Alertmanagers did not find each other within 30 s"
        time.sleep(0.1)
    return group
