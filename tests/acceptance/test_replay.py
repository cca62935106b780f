"""Save, upgrade, replay: yesterday's evidence under today's runbook and profile; before and after a fix, compared."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsctl.config.places import built_in
from tests.acceptance.app import App
from tests.acceptance.session import Session, confirmed, top, valid
from tests.acceptance.shop import profile, session, slow_app


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A session with two saved reports: the language model is slow, and after it was fixed."""
    folder = tmp_path_factory.mktemp("saved")
    app = slow_app()
    try:
        shop = session(folder, profile({"metrics": app.url}, direct_pause="1s"))
        shop.opsctl("diagnose", "high-latency", "-s", "shop", check=(2,))
        app.change(latency=0.02, llm=0.1)
        shop.opsctl("diagnose", "high-latency", "-s", "shop", check=(0,))
    finally:
        app.stop()
    rows = shop.opsctl("report", "list", "-o", "json", check=(0,)).json()["reports"]
    return shop, [row["name"] for row in reversed(rows)]


@pytest.fixture
def books(saved):
    """The folder of the user's runbooks, as it was again afterwards."""
    folder = Path(saved[0].environ["OPSCTL_RUNBOOKS"])
    service = folder / "services" / "shop.yaml"
    before = service.read_text()
    yield folder
    service.write_text(before)
    for path in folder.glob("*.yaml"):
        path.unlink()


def replay(shop: Session, name: str, *more: str, runbook: str = "high-latency") -> dict:
    done = shop.opsctl("diagnose", runbook, "--replay", name, "-o", "json", *more, check=(0, 1, 2, 3))
    report = done.json()
    valid(report)
    return report


def test_without_an_upgrade_nothing_changes(saved):
    shop, (broken, well) = saved
    for name, verdict in ((broken, "critical"), (well, "ok")):
        report = replay(shop, name)
        assert report["verdict"] == report["replayed_from"]["verdict"] == verdict
        assert report["replayed_from"]["name"] == name
    assert top(replay(shop, broken)) == "llm-slow"
    assert len(shop.opsctl("report", "list", "-o", "json").json()["reports"]) == 2, "a replay is not saved by itself"


def test_an_upgraded_runbook_and_profile_give_a_new_verdict(saved, books):
    shop, (broken, _) = saved
    text = (built_in() / "high-latency.yaml").read_text()
    (books / "high-latency.yaml").write_text(text.replace("default: 35%", "default: 90%", 1))
    report = replay(shop, broken)
    assert "llm-slow" not in confirmed(report)
    assert "The runbook has changed since" in " ".join(report["notes"])
    assert top(replay(shop, broken, "--share", "50%")) == "llm-slow"

    service = json.loads((books / "services" / "shop.yaml").read_text())
    service["objectives"][0]["bands"][0]["above"] = "2s"
    (books / "services" / "shop.yaml").write_text(json.dumps(service))
    done = shop.opsctl("diagnose", "high-latency", "--replay", broken, check=(0,))
    assert re.match(r"OK  shop: latency_p99 9\d\d ms, objective 2 s: within it", done.out)
    assert "Replayed from" in done.out
    assert "no system was asked" in " ".join(done.out.split())


def test_before_and_after_the_fix_reads_like_a_note(saved):
    shop, (broken, _) = saved
    text = shop.opsctl("report", "diff", broken, check=(0,)).out
    lines = text.splitlines()
    assert lines[0] == "shop, high-latency: CRITICAL sev2 -> OK"
    assert "later" in lines[1]
    assert re.fullmatch(r"  latency_p99 9\d\d ms -> [\d.]+ ms; objective 200 ms", lines[2])
    assert "llm-slow is gone: it was confirmed (first), refuted now" in text
    assert "local.llm-dominates no longer holds" in text
    assert "traffic-spike" not in text, "what did not change is not told"


def test_a_saved_incident_becomes_a_case(saved, books, tmp_path):
    shop, (broken, _) = saved
    made = shop.opsctl("runbook", "test", "--cases", str(tmp_path), "--add", broken, "--first", "llm-slow", check=(0,))
    assert "ok      high-latency/shop-llm-slow  llm-slow, critical" in made.out
    assert shop.opsctl("runbook", "test", "--cases", str(tmp_path), check=(0,)).out.endswith("1 case, 0 failed\n")
    text = (built_in() / "high-latency.yaml").read_text()
    (books / "high-latency.yaml").write_text(text.replace("default: 35%", "default: 90%", 1))
    worse = shop.opsctl("runbook", "test", "--cases", str(tmp_path), check=(2,))
    assert "failed  high-latency/shop-llm-slow" in worse.out
    assert "expected llm-slow first" in worse.out


def test_symptoms_in_logs_stay_as_they_were_and_those_in_signals_are_judged_again(tmp_path):
    log = tmp_path / "app.log"
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    log.write_text(f"{moment} ERROR could not reach the index\n")
    symptoms = [
        {"id": "errors-logged", "runbook": "mine", "log": "app", "pattern": "ERROR", "severity": "warning",
         "within": "10m"},
        {"id": "few-requests", "runbook": "mine", "signal": "request_rate",
         "bands": [{"below": 10, "severity": "critical"}]},
    ]  # fmt: skip
    app = App(latency=0.02)
    try:
        spec = profile({"metrics": app.url}, logs={"app": {"path": str(log)}}, symptoms=symptoms)
        shop = session(tmp_path, spec)
        shop.opsctl("runbook", "new", "mine", "--dir", "books", check=(0,))
        shop.opsctl("diagnose", "mine", "-s", "shop", check=(1,))
    finally:
        app.stop()
    log.unlink()

    def shown(report: dict) -> list[tuple[str, str]]:
        return [(f["says"].partition(":")[0], f["state"]) for f in report["findings"] if f["id"] == "symptom.shown"]

    report = replay(shop, "last", runbook="mine")
    assert report["verdict"] == "warning"
    assert sorted(shown(report)) == [("errors logged", "breach"), ("few requests", "ok")]
    spec["symptoms"][1]["bands"][0]["below"] = 500
    spec["symptoms"].append({"id": "new-one", "runbook": "mine", "log": "app", "pattern": "x"})
    session(tmp_path, spec)
    report = replay(shop, "last", runbook="mine")
    assert report["verdict"] == "critical"
    assert sorted(shown(report)) == [("errors logged", "breach"), ("few requests", "breach"), ("new one", "unknown")]
    (new,) = [f for f in report["findings"] if f["says"].startswith("new one")]
    assert new["reason"] == "not-recorded"
