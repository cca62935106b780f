"""Saved reports as test cases of runbooks: made, run, and failing with the reason."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from opsctl.config.places import built_in
from opsctl.errors import BadData, UsageError
from opsctl.report.cases import Case, Found, add, find, folders, home_of, run
from opsctl.report.read import Kept, decode
from opsctl.runbooks.load import load
from tests.acceptance.app import Counts, past
from tests.acceptance.shop import profile, session
from tests.servers.prometheus import start_prometheus


@pytest.fixture(scope="module")
def incident(tmp_path_factory) -> tuple[Path, Path]:
    """The folder of runbooks of a service whose language model is slow, and a saved report of that."""
    folder = tmp_path_factory.mktemp("cases")
    now = time.time()
    phases = [(3600.0, {}), (1200.0, {"latency": 0.4, "llm": 0.7})]
    prometheus = start_prometheus(folder / "prometheus", backfill=past(Counts(now - 9000), phases, end=now))
    try:
        shop = session(folder, profile({"prometheus": prometheus.url}, scrape_interval="15s", window="1m"))
        shop.opsctl("diagnose", "high-latency", "-s", "shop", "--at", f"{now - 60:.0f}", check=(2,))
    finally:
        prometheus.stop()
    (saved,) = (folder / "home").rglob("reports/*.json")
    return folder / "books", saved


@pytest.fixture
def kept(incident) -> Kept:
    return decode(incident[1].read_bytes(), incident[1])


@pytest.fixture
def dirs(incident) -> list[Path]:
    return [incident[0], built_in()]


def test_a_report_becomes_a_case_that_is_found_and_run(kept, dirs, tmp_path):
    wanted = Case(report="", first="llm-slow", verdict="critical", never=("traffic-spike",), title='it\'s "slow"')
    outcome = add(kept, wanted, tmp_path, "shop-llm-slow", dirs)
    assert (outcome.ok, outcome.verdict, outcome.confirmed) == (True, "critical", ("llm-slow",))
    (one,) = find([tmp_path])
    assert one == Found(tmp_path / "high-latency" / "shop-llm-slow.yaml", "high-latency")
    assert run(one, dirs) == outcome
    # a second one of the same name overwrites nothing
    again = add(kept, Case(report="", never=("traffic-spike",)), tmp_path, "shop-llm-slow", dirs)
    assert again.case == "shop-llm-slow-1"
    assert {found.path.stem for found in find([tmp_path])} == {"shop-llm-slow", "shop-llm-slow-1"}


def test_a_case_does_not_tell_whose_home_it_is_from(kept, dirs, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/maria")
    noted = msgspec.structs.replace(kept.report, notes=("TLS is off (/home/maria/opsctl.yaml:7)",))
    add(kept._replace(report=noted), Case(report="", first="llm-slow"), tmp_path, "one", dirs)
    (one,) = find([tmp_path])
    text = one.path.with_suffix(".json").read_text()
    assert "maria" not in text
    assert "(~/opsctl.yaml:7)" in text
    assert run(one, dirs).ok
    assert run(one, dirs).notes == ()


@pytest.mark.parametrize(
    ("expected", "why"),
    [
        ({"verdict": "ok"}, "the verdict is critical, expected ok"),
        ({"first": "traffic-spike"}, "confirmed llm-slow, expected traffic-spike first (traffic-spike is refuted)"),
        ({"causes": ["llm-slow", "traffic-spike"]}, "expected llm-slow, traffic-spike first"),
        ({"never": ["llm-slow"]}, "llm-slow is confirmed, and must not be"),
        ({"first": "llm-slow", "causes": ["traffic-spike"]}, "contradicts itself"),
        ({"parameters": {"share": "90%"}, "first": "llm-slow"}, "confirmed nothing, expected llm-slow first"),
        ({"first": "llm-slo"}, "Did you mean llm-slow?"),
        ({"runbook": "no-such-runbook"}, "there is no runbook"),
        ({"frist": "llm-slow"}, "first"),
        ({"verdict": "fine"}, "verdict"),
    ],
    ids=str,
)
def test_a_failing_case_says_why(kept, dirs, tmp_path, expected, why):
    outcome = add(kept, Case(report="", verdict="critical"), tmp_path, "one", dirs)
    path = tmp_path / "high-latency" / "one.yaml"
    path.write_text(msgspec.json.encode({"report": "one.json", **expected}).decode())
    outcome = run(Found(path, "high-latency"), dirs)
    assert not outcome.ok
    assert why in " ".join(outcome.why)


def test_an_upgraded_runbook_fails_its_old_case(kept, dirs, tmp_path):
    """The case notices that a new version no longer sees the cause."""
    add(kept, Case(report="", first="llm-slow"), tmp_path / "cases", "one", dirs)
    (one,) = find([tmp_path / "cases"])
    newer = tmp_path / "high-latency.yaml"
    text = load("high-latency", [built_in()]).content.decode()
    newer.write_text(text.replace("default: 35%", "default: 90%", 1))
    assert run(one, dirs).ok
    outcome = run(one, [tmp_path, *dirs])
    assert not outcome.ok
    assert "llm-slow is refuted" in outcome.why[0]


def test_a_case_whose_report_is_gone_torn_or_edited(kept, dirs, tmp_path):
    add(kept, Case(report="", first="llm-slow"), tmp_path, "one", dirs)
    (one,) = find([tmp_path])
    report = one.path.with_suffix(".json")
    whole = report.read_bytes()
    report.write_bytes(whole.replace(b'"context":""', b'"context":"lab"'))
    outcome = run(one, dirs)
    assert outcome.ok
    assert "edited after it was written" in outcome.notes[0]
    report.write_bytes(whole[: len(whole) // 2])
    assert "the report is torn" in run(one, dirs).why[0]
    report.unlink()
    assert "no such report" in run(one, dirs).why[0]
    torn = kept._replace(whole=False, notes=("the report is torn",))
    with pytest.raises(BadData, match="the report is torn"):
        add(torn, Case(report="", first="llm-slow"), tmp_path, "two", dirs)


def test_a_case_of_a_service_that_is_gone(kept, dirs, tmp_path):
    add(kept, Case(report="", first="llm-slow"), tmp_path, "one", dirs)
    (one,) = find([tmp_path])
    outcome = run(one, [built_in()])
    assert not outcome.ok
    assert "shop" in outcome.why[0]


def test_where_cases_lie(tmp_path):
    books = tmp_path / "books"
    (books / "cases").mkdir(parents=True)
    assert home_of(books) == books / "cases"
    assert home_of(built_in()).parts[-2:] == ("tests", "cases")
    assert folders([books, tmp_path / "other"], None) == [books / "cases"]
    assert folders([books], str(tmp_path)) == [tmp_path]
    with pytest.raises(UsageError, match="there is no folder"):
        folders([], str(tmp_path / "gone"))
