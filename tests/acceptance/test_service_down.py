"""Services without a cluster: the process gone, hung, starting, or in want of what it needs; named by service-down."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.session import Session, confirmed, top
from tests.servers.process import free_port
from tests.servers.web import Web

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

WELL = {"status": "healthy", "components": [{"name": "kyrodb", "status": "healthy"}]}
SICK = {"status": "unhealthy", "components": [{"name": "kyrodb", "status": "unhealthy"}]}
NOW = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[int, dict[str, Any]]]]:
    """Every case diagnosed once."""
    folder = tmp_path_factory.mktemp("down")
    ok, sick = json.dumps(WELL), json.dumps(SICK)
    webs = {
        "well": Web({"/health": ok, "/health/readiness": '{"status": "ready"}', "/": "hello"}),
        "sick": Web({"/health": sick, "/health/readiness": lambda: (503, sick), "/": "hello"}),
        "starting": Web({"/health": lambda: (503, '{"status": "starting"}'), "/": "hello"}),
        "amas-well": Web({"/health": '{"status": "ok"}', "/": "hello"}),
    }
    hung = socket.create_server(("127.0.0.1", 0), backlog=64)
    cases = {
        name: ("amas" if name == "starting" else name.rpartition("-")[0] or "vritti", web.url)
        for name, web in webs.items()
    }
    cases["gone"] = ("vritti", f"http://127.0.0.1:{free_port()}")
    cases["amas-gone"] = ("amas", f"http://127.0.0.1:{free_port()}")
    cases["hung"] = ("vritti", f"http://127.0.0.1:{hung.getsockname()[1]}")

    def look(name: str) -> tuple[int, dict[str, Any]]:
        service, url = cases[name]
        session = Session(place(folder / name, service, url))
        return session.diagnose("service-down", service)

    with ThreadPoolExecutor(3) as pool:
        found = dict(zip(cases, pool.map(look, cases), strict=True))
    yield found
    hung.close()
    for web in webs.values():
        web.stop()


def place(folder: Path, service: str, url: str) -> Path:
    """A folder whose configuration leads to this address."""
    folder.mkdir()
    own = {"app": url, "health": f"{url}/health"}
    if service == "vritti":
        own["readiness"] = f"{url}/health/readiness"
        own |= {"kyrodb-text": "none", "kyrodb-image": "none"}  # here only the service itself is looked at
    context = {"services": {service: {"endpoints": own}}}
    (folder / "opsctl.yaml").write_text(json.dumps({"current-context": "test", "contexts": {"test": context}}))
    return folder


@pytest.mark.parametrize(
    ("case", "cause", "severity"),
    [
        ("gone", "process-down", "sev1"),
        ("amas-gone", "process-down", "sev1"),
        ("hung", "process-hung", "sev1"),
        ("sick", "dependency-down", "sev1"),
        ("starting", "starting", "sev1"),
    ],
)
def test_who_took_it_away(told, case, cause, severity):
    code, report = told[case]
    assert top(report) == cause, (report["says"], confirmed(report))
    assert (code, report["verdict"], report["severity"]) == (2, "critical", severity)


@pytest.mark.parametrize("case", ["well", "amas-well"])
def test_healthy_confirms_nothing(told, case):
    code, report = told[case]
    assert (code, confirmed(report)) == (0, []), report["says"]


def test_what_is_said(told):
    _, report = told["sick"]
    says = {f["id"]: f["says"] for f in report["findings"] if f["state"] == "breach"}
    assert "kyrodb (unhealthy)" in says["http.component-unhealthy"]
    _, report = told["gone"]
    assert "nothing listens there" in report["says"]
