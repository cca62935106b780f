"""symptom.shown: what a profile's symptoms say, in logs, answers and signals; and what must not decide."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsctl.errors import NotConfigured
from opsctl.model import Seen
from opsctl.probes.registry import NoParams, get
from opsctl.probes.symptom import shown
from opsctl.services.model import EndpointSpec, LogFile, Profile, Symptom
from opsctl.signals.model import Band, Objective, Signal
from tests.fakes.endpoints import look_at, says, states, values
from tests.fakes.rawserver import RawServer, silent
from tests.fakes.recording import Recorder
from tests.servers.process import free_port
from tests.servers.web import start_web
from tests.signals import pages

NOW = 1795230432.0
ID = "symptom.shown"
SEVERITIES: dict[str, Any] = {"P1": "sev1", "P3": "sev3"}


def profile(symptom: Symptom, log: Path | str = "app.log", **spec: Any) -> Profile:
    return Profile(
        service="mine",
        severities=SEVERITIES,
        endpoints={"health": EndpointSpec(kind="http", **spec), "store": EndpointSpec(kind="postgres")},
        logs={"app": LogFile(path=str(log))},
        symptoms=(symptom, Symptom(id="other", runbook="some-other", log="app", pattern="x")),
    )


def see(symptom: Symptom, urls: dict[str, str] | None = None, log: Path | str = "app.log", **how: Any) -> Seen:
    look = look_at(urls or {}, profile(symptom, log, **how.pop("spec", {})), now=NOW, **how)
    return shown(replace(look, runbook="service-down"), NoParams())


def answered(symptom: Symptom, body: object, status: int = 200, **spec: Any) -> Seen:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    with Recorder({"/health/x": (status, "application/json", text), "/health": (status, "text/plain", text)}) as server:
        seen = see(symptom, {"health": f"{server.url}/health"}, spec=spec)
        server.assert_only_reads()
    return seen


def stamped(ago: float, text: str) -> str:
    return f"{datetime.fromtimestamp(NOW - ago, UTC).isoformat()} {text}\n"


LOG = Symptom(id="refused-calls", runbook="service-down", log="app", pattern="refused", severity="P3", row="X-01")


def test_one_matching_line_shows_it(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(stamped(600, "refused") + stamped(200, "refused") + stamped(100, "fine") + stamped(10, "refused"))
    seen = see(LOG, log=log)
    [found] = seen.findings
    assert (found.id, found.state, found.severity, found.severity_label) == (ID, "breach", "sev3", "P3")
    assert found.says == f"refused calls: 2 matching lines in {log} in 5m, bound 0, the first at 03:03:52 UTC"
    assert found.since == datetime.fromtimestamp(NOW - 200, UTC)
    assert (found.measured, found.threshold, found.threshold_from) == (2, 0, "X-01")
    assert values(seen)["matched"] == 2


def test_bands_over_a_window_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(stamped(ago, "refused") for ago in range(1000, 0, -10)))
    bands = (Band(above=50, up_to=90, severity="P3"), Band(above=90, severity="P1"))
    symptom = Symptom(id="many", runbook="service-down", log="app", pattern="refused", bands=bands)
    assert states(see(symptom, log=log)) == {ID: "ok"}  # 30 in the service's 5 minutes
    longer = see(Symptom(**{**_fields(symptom), "within": "10m"}), log=log)
    assert (longer.findings[0].state, longer.findings[0].severity_label) == ("breach", "P3")


def _fields(symptom: Symptom) -> dict[str, Any]:
    return {name: getattr(symptom, name) for name in Symptom.__struct_fields__}


def test_no_matching_line_and_no_log(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(stamped(10, "fine"))
    found = see(LOG, log=log).findings[0]
    assert (found.state, found.severity, found.since) == ("ok", None, None)
    gone = see(LOG, log=tmp_path / "none.log")
    assert states(gone) == {ID: "unknown not-found"}
    assert gone.evidence[0].unknown is not None
    assert gone.evidence[0].unknown.address == str(tmp_path / "none.log")
    assert gone.evidence[0].unknown.setting == "profile mine, logs.app"
    assert states(see(LOG, log="kubernetes:Deployment/api")) == {ID: "unknown not-configured"}


WHOLE = Symptom(id="health-answer", runbook="service-down", endpoint="health", severity="P1")


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, {"status": "healthy"}, "ok"),
        (200, b"OK", "ok"),
        (200, {"status": "unhealthy"}, "breach"),
        (503, {"status": "starting"}, "breach"),
        (502, b"<html>Bad Gateway</html>", "breach"),
        (401, b"", "unknown unauthorized"),
        (404, b"", "unknown not-found"),
        (429, b"", "unknown throttled"),
    ],
)
def test_a_health_answer_as_a_whole(status: int, body: object, state: str) -> None:
    seen = answered(WHOLE, body, status)
    assert states(seen) == {ID: state}
    assert seen.findings[0].severity == ("sev1" if state == "breach" else None)


def test_a_service_that_does_not_answer_its_health_question() -> None:
    seen = see(WHOLE, {"health": f"http://127.0.0.1:{free_port()}/health"})
    assert states(seen) == {ID: "breach"}
    assert "nothing listens" in says(seen, ID) or "refused" in says(seen, ID)
    assert seen.evidence[0].unknown is None  # no answer is what was measured
    with RawServer(silent) as server:
        hung = see(WHOLE, {"health": f"http://127.0.0.1:{server.port}"}, seconds=2.0)
    assert states(hung) == {ID: "breach"}


STATUS = Symptom(id="status", runbook="service-down", endpoint="health", field="status", expect="ok", severity="P1")
FIELD = Symptom(id="blocked", runbook="service-down", endpoint="health", path="/x", field="premium.blocked",
                expect="false", severity="P3")  # fmt: skip


def test_the_status_field_is_the_health_answer() -> None:
    assert states(answered(STATUS, {"status": "ok"}, expect={"status": "ok"})) == {ID: "ok"}
    broken = answered(STATUS, {"status": "error"})
    assert states(broken) == {ID: "breach"}
    assert says(broken, ID) == "status: status is error, expected ok"
    assert states(see(STATUS, {"health": f"http://127.0.0.1:{free_port()}"})) == {ID: "breach"}


def test_a_field_with_its_healthy_value() -> None:
    assert states(answered(FIELD, {"premium": {"blocked": False}})) == {ID: "ok"}
    shows = answered(FIELD, {"premium": {"blocked": True}})
    assert (says(shows, ID), shows.findings[0].severity) == ("blocked: premium.blocked is true, expected false", "sev3")
    assert states(answered(FIELD, {"premium": {}})) == {ID: "unknown bad-answer"}
    assert states(answered(FIELD, b"<html>login</html>")) == {ID: "unknown bad-answer"}
    assert states(answered(FIELD, {"premium": {"blocked": True}}, 503)) == {ID: "breach"}
    assert states(answered(FIELD, b"oops", 500)) == {ID: "unknown server-error"}
    # An unreachable endpoint hides the value; it does not show it.
    assert states(see(FIELD, {"health": f"http://127.0.0.1:{free_port()}"})) == {ID: "unknown refused"}


@pytest.mark.parametrize(
    ("field", "bound", "body", "state"),
    [
        ("queue.depth", 100, {"queue": {"depth": 101}}, "breach"),
        ("queue.depth", 100, {"queue": {"depth": 100}}, "ok"),
        ("queue.depth", 100, {"queue": {"depth": "101"}}, "breach"),
        ("queue.depth", 100, {"queue": {"depth": "deep"}}, "unknown bad-answer"),
        ("share_percent", "15%", {"share_percent": 14.0}, "ok"),
        ("share_percent", "15%", {"share_percent": 16.0}, "breach"),
        ("share", "15%", {"share": 0.16}, "breach"),
        ("clients.*.per_minute", 10, {"clients": [{"per_minute": 2}, {"per_minute": 30}]}, "breach"),
        ("clients.*.per_minute", 10, {"clients": []}, "ok"),
        ("rows.1.n", 10, {"rows": [{"n": 99}, {"n": 9}]}, "ok"),
        ("", 2, [1, 2, 3], "breach"),
        ("", 2, {"alerts": [1, 2, 3], "page": 1}, "breach"),
        ("", 3, {"alerts": [1, 2, 3]}, "ok"),
        ("", 3, {"a": [1], "b": []}, "unknown bad-answer"),
    ],
)
def test_a_number_with_bounds(field: str, bound: object, body: object, state: str) -> None:
    bands = (Band(above=bound, severity="P3"),)  # type: ignore[arg-type]
    symptom = Symptom(id="n", runbook="service-down", endpoint="health", path="/x", field=field, bands=bands)
    seen = answered(symptom, body)
    assert states(seen) == {ID: state}
    if state == "breach":
        assert seen.findings[0].severity_label == "P3"
        assert seen.findings[0].measured is not None


def test_a_number_of_an_endpoint_that_does_not_answer_is_unknown() -> None:
    symptom = Symptom(id="n", runbook="service-down", endpoint="health", field="n", bands=(Band(above=1),))
    assert states(see(symptom, {"health": f"http://127.0.0.1:{free_port()}"})) == {ID: "unknown refused"}
    assert states(see(symptom)) == {ID: "unknown not-configured"}


@pytest.mark.parametrize(
    "symptom",
    [
        Symptom(id="w", runbook="service-down", title="the kernel killed it", severity="P1"),
        Symptom(id="w", runbook="service-down", endpoint="store", title="rows per hour", bands=(Band(below=1),)),
        Symptom(id="w", runbook="service-down", log="app", field="client_host"),
        Symptom(id="w", runbook="service-down", endpoint="health", within="1m", bands=(Band(above=50),)),
    ],
)
def test_symptoms_in_words_are_evidence_and_decide_nothing(symptom: Symptom) -> None:
    seen = see(symptom)
    assert seen.findings == ()
    assert seen.evidence[0].source == "profile mine"
    assert seen.evidence[0].setting == "profile mine, symptoms.w"


def test_the_past_is_not_in_an_answer(tmp_path: Path) -> None:
    assert states(see(WHOLE, {"health": "http://127.0.0.1:1"}, at=NOW)) == {ID: "unknown no-history"}
    log = tmp_path / "app.log"
    log.write_text(stamped(10, "refused"))
    assert states(see(LOG, log=log, at=NOW)) == {ID: "breach"}


def test_a_service_without_symptoms() -> None:
    bare = Profile(service="mine")
    with pytest.raises(NotConfigured):
        shown(look_at({}, bare), NoParams())
    objective = Objective(id="o", runbook="high-latency", signal="s", bands=(Band(above=1),))
    assert shown(look_at({}, Profile(service="mine", objectives=(objective,))), NoParams()) == Seen()


def test_one_symptom_that_hangs_costs_no_other_its_answer(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(stamped(10, "refused"))
    with RawServer(silent) as server:
        both = Profile(
            service="mine",
            endpoints={"health": EndpointSpec(kind="http")},
            logs={"app": LogFile(path=str(log))},
            symptoms=(FIELD, LOG),
        )
        look = look_at({"health": f"http://127.0.0.1:{server.port}"}, both, now=NOW, seconds=2.0)
        began = time.monotonic()
        seen = shown(replace(look, runbook="service-down"), NoParams())
    assert [f.state for f in seen.findings] == ["unknown", "breach"]
    assert time.monotonic() - began < 10


def test_it_is_registered() -> None:
    found = get(ID)
    assert found is not None
    assert set(found.emits) == {ID}


def test_a_signal_with_and_without_bounds() -> None:
    bounded = Symptom(
        id="scrape", runbook="service-down", signal="up", bands=(Band(below=1, severity="P1"),), title="it answers"
    )
    shown_only = Symptom(id="evictions", runbook="service-down", signal="up", severity="P3")
    defined = Profile(
        service="mine",
        severities=SEVERITIES,
        signals={"up": Signal(gauge="alive", agg="min", title="alive")},
        symptoms=(bounded, shown_only, Symptom(id="gone", runbook="service-down", signal="none", bands=bounded.bands)),
    )
    web = start_web({"/metrics": "# HELP alive x\nalive 0\n"})
    seen = pages.run(ID, pages.look(defined, pages.signals(metrics=f"{web.url}/metrics"), runbook="service-down"))
    web.stop()
    first, second = seen.findings
    assert (first.state, first.severity, first.measured) == ("breach", "sev1", 0.0)
    assert first.says.startswith("it answers: alive 0, objective at least 1")
    assert (second.state, second.reason) == ("unknown", "not-configured")
    assert any("no bound is set" in str(value.value) for value in seen.evidence[1].values)
