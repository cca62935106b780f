"""A real Prometheus with a folder of its own.

Its discovery hands out scrape targets and Alertmanagers only every 5 s: after a start, or a reload that changes them,
nothing is scraped or sent for that long. Wait with ``wait_for``, never with a sleep.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers import process, programs, used

Rules = str | Sequence[Mapping[str, Any]]


def static(job: str, *targets: str, labels: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """A scrape config with fixed targets (``host:port``); ``more`` are its other keys, e.g. ``metrics_path``."""
    return {"job_name": job, "static_configs": [{"targets": list(targets), "labels": dict(labels or {})}], **more}


class Prometheus:
    """``url`` stays the same over ``stop`` and ``start``; so does the data."""

    def __init__(self, folder: Path, flags: Sequence[str]) -> None:
        self.folder = folder
        self.port = process.free_port()
        self.url = f"http://{process.HOST}:{self.port}"
        self._flags = tuple(flags)
        self._server: process.Server | None = None

    @property
    def server(self) -> process.Server:
        """The running process (``pause``, ``resume``, ``pid``)."""
        assert self._server is not None, "Prometheus is stopped"
        return self._server

    def start(self) -> None:
        """Start it, ready when this returns."""
        program = programs.found("prometheus")
        argv: list[str | Path] = [
            program.path,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=3650d",  # backfilled samples may be old
            f"--web.listen-address={process.HOST}:{self.port}",
            "--web.enable-lifecycle",
            "--rules.alert.resend-delay=1s",  # default 1m: an alert lost before discovery came a minute late
            "--log.level=warn",
            *self._flags,
        ]
        self._server = process.start("prometheus", argv, self.folder / "prometheus.log", cwd=self.folder)
        self._server.wait_ready(lambda: process.answers(f"{self.url}/-/ready"))
        used.note("prometheus", program.version)

    def stop(self) -> None:
        """Stop it; the data stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def configure(
        self,
        scrape_configs: Sequence[Mapping[str, Any]] = (),
        rules: Rules | None = None,
        alertmanagers: Sequence[str] = (),
        scrape_interval: str = "1s",
        external_labels: Mapping[str, str] | None = None,
    ) -> None:
        """Write the configuration. ``rules``: YAML text, or a list of groups. ``alertmanagers``: URLs."""
        config: dict[str, Any] = {
            "global": {
                "scrape_interval": scrape_interval,
                "scrape_timeout": scrape_interval,
                "evaluation_interval": "1s",
                "external_labels": dict(external_labels or {}),
            },
            "scrape_configs": list(scrape_configs),
        }
        if rules is not None:
            text = rules if isinstance(rules, str) else json.dumps({"groups": list(rules)})
            (self.folder / "rules.yml").write_text(text)
            config["rule_files"] = [str(self.folder / "rules.yml")]
        if alertmanagers:
            hosts = [urllib.parse.urlsplit(url).netloc for url in alertmanagers]
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": hosts}]}]}
        (self.folder / "prometheus.yml").write_text(json.dumps(config, indent=1))  # JSON is YAML

    def reload(self) -> None:
        """Read the configuration again. Raises NotReady with the end of the log when Prometheus refuses it."""
        try:
            self._post("/-/reload")
        except urllib.error.HTTPError as error:
            raise process.NotReady(f"{error}\n{self.server.log_end(5)}") from error

    def query(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """An instant query's result vector, as the API gives it."""
        form = {"query": expr} | ({} if at is None else {"time": repr(at)})
        return json.loads(self._post("/api/v1/query", form))["data"]["result"]  # type: ignore[no-any-return]

    def get(self, path: str) -> Any:
        """The ``data`` of an API path such as ``/api/v1/targets``."""
        with _opener().open(self.url + path, timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def wait_for(self, expr: str, holds: Callable[[float], bool] = bool, timeout: float = 60.0) -> float:
        """Wait until some series of ``expr`` has a value that ``holds``; that value. Raises TimeoutError."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            for series in self.query(expr):
                value = float(series["value"][1])
                if holds(value):
                    return value
            time.sleep(0.1)
        raise TimeoutError(f"{expr} did not come to hold within {timeout:g} s")

    def backfill(self, openmetrics: str) -> None:
        """Write samples with their own times (OpenMetrics text, ``# EOF`` added). Only while it is stopped."""
        assert self._server is None, "stop Prometheus before backfilling"
        source = self.folder / "backfill.txt"
        source.write_text(openmetrics if openmetrics.rstrip().endswith("# EOF") else openmetrics.rstrip() + "\n# EOF\n")
        program = programs.found("prometheus")
        promtool = programs.which("promtool") or program.path.with_name("promtool")  # both come in one package
        argv: list[str | Path] = [promtool, "tsdb", "create-blocks-from", "openmetrics", source, self.folder / "data"]
        run = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=self.folder)
        assert run.returncode == 0, run.stderr + run.stdout

    def _post(self, path: str, form: Mapping[str, str] | None = None) -> bytes:
        data = urllib.parse.urlencode(form or {}).encode()
        with _opener().open(self.url + path, data=data, timeout=10) as answer:
            return bytes(answer.read())


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def start_prometheus(
    folder: Path,
    scrape_configs: Sequence[Mapping[str, Any]] = (),
    rules: Rules | None = None,
    alertmanagers: Sequence[str] = (),
    scrape_interval: str = "1s",
    backfill: str | None = None,
    external_labels: Mapping[str, str] | None = None,
    flags: Sequence[str] = (),
) -> Prometheus:
    """A Prometheus that is ready. ``backfill``: OpenMetrics text with times, loaded before it starts."""
    folder.mkdir(parents=True, exist_ok=True)
    prometheus = Prometheus(folder, flags)
    prometheus.configure(scrape_configs, rules, alertmanagers, scrape_interval, external_labels)
    if backfill is not None:
        prometheus.backfill(backfill)
    prometheus.start()
    return prometheus
