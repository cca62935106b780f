"""A report of an incident, made with a real Prometheus, and judged anew when that is long gone."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsctl.config.places import built_in
from opsctl.errors import UsageError
from opsctl.model import Report
from opsctl.report.as_json import encode
from opsctl.report.read import decode
from opsctl.runbooks.load import Loaded, load
from opsctl.runbooks.model import ProbeUse, Runbook
from opsctl.runbooks.overrides import profile_with
from opsctl.runbooks.replay import parameters_for, replay
from opsctl.runbooks.seal import sealed
from opsctl.services.load import load_profile
from opsctl.services.model import Profile
from tests.acceptance.app import Counts, past
from tests.acceptance.shop import profile, session
from tests.servers.prometheus import start_prometheus

HOUR = 3600.0
BOOKS = ("high-latency", "high-error-rate")


@pytest.fixture(scope="module")
def incident(tmp_path_factory):
    """A report of an hour ago, 40 minutes into an incident: the language model takes 70 % of the slow requests."""
    folder = tmp_path_factory.mktemp("replay")
    now = time.time()
    counts = Counts(now - 130 * 60)
    phases = [
        (3 * HOUR, {}),
        (HOUR, {"latency": 0.4, "llm": 0.7}),
        (40 * 60.0, {"latency": 0.02, "llm": 0.1}),
    ]
    prometheus = start_prometheus(folder / "prometheus", backfill=past(counts, phases, end=now))
    try:
        endpoints = {"prometheus": prometheus.url, "postgres": "postgresql://ops@127.0.0.1:9/shop"}
        shop = session(folder, profile(endpoints, scrape_interval="15s", window="1m"))
        at = f"{now - 60 * 60:.0f}"
        shop.opsctl("diagnose", "high-latency", "-s", "shop", "--at", at, "--since", "1h", check=(2,))
        (saved,) = (folder / "home").rglob("reports/*.json")
    finally:
        prometheus.stop()
    return folder / "books", saved


@pytest.fixture(autouse=True)
def offline(request, monkeypatch):
    """Nothing may be asked once the incident is recorded."""
    request.getfixturevalue("incident")

    def refuse(*args: object) -> None:
        raise AssertionError(f"a replay asked {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def then(incident) -> Report:
    return decode(incident[1].read_bytes(), incident[1]).report


@pytest.fixture
def book() -> Loaded:
    return load("high-latency", [built_in()])


@pytest.fixture
def shop(incident) -> Profile:
    return load_profile("shop", [incident[0], built_in()])


def again(book: Loaded, shop: Profile, then: Report, **given: object) -> Report:
    return replay(book, shop, then, parameters_for(book.runbook, given, then), BOOKS)


def upgraded(book: Loaded, **changes: object) -> Loaded:
    """Tomorrow's version of a runbook."""
    made: Runbook = msgspec.structs.replace(book.runbook, **changes)
    return Loaded(made, Path("high-latency.yaml"), msgspec.json.encode(made))


def causes(report: Report) -> list[tuple[str, str]]:
    return [(c.cause, c.status) for c in report.causes]


def finding(report: Report, id: str) -> Any:
    return next(f for f in report.findings if f.id == id)


def test_the_same_runbook_says_the_same(then, book, shop):
    now = again(book, shop, then)
    for name in ("verdict", "severity", "says", "measured", "causes", "changes", "escalation", "at", "started_at"):
        assert getattr(now, name) == getattr(then, name), name
    assert now.findings == then.findings
    assert now.unknown == then.unknown
    assert now.not_configured == then.not_configured
    assert [e.query for e in now.evidence] == [e.query for e in then.evidence]
    assert now.probes == then.probes
    assert (then.verdict, causes(then)[0]) == ("critical", ("llm-slow", "confirmed"))
    assert now.replayed_from is not None
    assert (now.replayed_from.runbook_digest, now.replayed_from.verdict) == (book.digest, "critical")
    assert "no system was asked" in now.notes[0]


def test_a_replay_can_be_replayed(then, book, shop):
    once = again(book, shop, then)
    twice = again(book, shop, once)
    assert twice.findings == once.findings
    assert causes(twice) == causes(once)


def test_an_upgraded_runbook_gives_its_own_verdict(then, book, shop):
    """The part of a request from which a dependency counts is raised: nothing speaks for the language model now."""
    parameters = tuple(
        msgspec.structs.replace(p, default="90%") if p.name == "share" else p for p in book.runbook.parameters
    )
    newer = upgraded(book, parameters=parameters)
    now = again(newer, shop, then)
    assert now.verdict == "critical"
    assert ("llm-slow", "refuted") in causes(now)
    assert finding(now, "local.llm-dominates").says.endswith("70%, bound 90%")
    assert f"{book.digest} then, {newer.digest} now" in now.notes[1]


def test_what_the_user_chose_then_stays_chosen(then, book, shop):
    chosen = msgspec.structs.replace(then, parameters={**then.parameters, "share": "80%"}, chosen=("share",))
    assert finding(again(book, shop, chosen), "local.llm-dominates").threshold == 0.8
    assert finding(again(book, shop, chosen, share="60%"), "local.llm-dominates").threshold == 0.6
    assert finding(again(book, shop, then), "local.llm-dominates").threshold == 0.35


@pytest.mark.parametrize(
    ("bands", "verdict", "says"),
    [
        ([{"above": "2s", "severity": "critical"}], "ok", "within it"),
        ([{"above": "200ms", "severity": "warning"}], "warning", "broken for 40m"),
        ([{"above": "200ms", "for": "50m", "severity": "critical"}], "warning", "counts from 50m on"),
    ],
)
def test_todays_objective_counts(then, book, shop, bands, verdict, says):
    objective = next(o for o in shop.objectives if o.runbook == "high-latency")
    changed = msgspec.convert({**msgspec.to_builtins(objective), "bands": bands}, type(objective))
    now = again(book, msgspec.structs.replace(shop, objectives=(changed,)), then)
    assert now.verdict == verdict
    assert says in now.says
    assert now.seal == sealed(now).seal


def test_a_probe_that_was_not_asked_is_unknown(then, book, shop):
    more = [
        {"probe": "signal.threshold", "with": {"signal": "error_ratio", "above": "5%", "finding": "local.errors"}},
        {"probe": "log.lines", "with": {"log": "app", "pattern": "x", "above": 1, "finding": "local.lines"}},
        {"probe": "http.health", "with": {"endpoint": "app"}},
    ]
    diagnosis = (*book.runbook.diagnosis, *msgspec.convert(more, tuple[ProbeUse, ...]))
    now = again(upgraded(book, diagnosis=diagnosis), shop, then)
    for id in ("local.errors", "local.lines", "http.unhealthy"):
        found = finding(now, id)
        assert (found.state, found.reason) == ("unknown", "not-recorded"), id
    assert "not asked when the report was written" in finding(now, "http.unhealthy").says
    assert now.verdict == "critical"


def test_other_parameters_of_another_probe_are_named(then, book, shop):
    def asked(**with_: object) -> Loaded:
        return upgraded(
            book,
            diagnosis=tuple(
                msgspec.structs.replace(u, with_=with_) if u.probe == "postgres.transactions" else u
                for u in book.runbook.diagnosis
            ),
        )

    found = finding(again(asked(above="1m"), shop, then), "postgres.long-transaction")
    assert found.reason == "not-recorded"
    assert "above=not set then, 1m now" in found.says
    # the probe's own default, written out, is the same question
    found = finding(again(asked(above="5m"), shop, then), "postgres.long-transaction")
    assert found == finding(then, "postgres.long-transaction")
    assert found.reason != "not-recorded"


def test_a_signal_that_is_declared_otherwise_is_another_question(then, book, shop):
    changed = msgspec.structs.replace(shop.signals["llm_seconds_per_request"], scale=1000.0)
    now = again(book, msgspec.structs.replace(shop, signals={**shop.signals, "llm_seconds_per_request": changed}), then)
    found = finding(now, "local.llm-dominates")
    assert (found.state, found.reason) == ("unknown", "not-recorded")
    assert "declared otherwise" in found.says
    # its title is no part of the question
    named = msgspec.structs.replace(shop.signals["latency_p99"], title="P99")
    now = again(book, msgspec.structs.replace(shop, signals={**shop.signals, "latency_p99": named}), then)
    assert now.says.startswith("shop: P99 980 ms") or "P99" in now.says


def test_another_services_profile_is_refused(then, book):
    with pytest.raises(UsageError, match="about shop, not vritti"):
        again(book, load_profile("vritti", [built_in()]), then)


def test_the_contexts_overrides_of_then_are_known(then, book, shop):
    assert profile_with(shop, then.override) == shop
    longer = msgspec.structs.replace(then.override, for_="50m")
    assert profile_with(shop, longer).window == shop.window


def test_a_report_of_the_first_schema_is_judged_by_its_findings(then, book, shop):
    raw = msgspec.json.decode(encode(then))
    for new in ("probes", "readings", "histories", "seal", "override", "chosen", "looks_back", "replayed_from"):
        raw.pop(new)
    raw["schema"] = "opsctl.report/1"
    kept = decode(msgspec.json.encode(raw), Path("old.json"))
    assert kept.whole
    assert "older schema opsctl.report/1" in kept.notes[0]
    now = again(book, shop, kept.report)
    assert now.verdict == then.verdict
    assert causes(now)[0] == ("llm-slow", "confirmed")
    assert any("keep no readings" in note for note in now.notes)
    assert now.schema == "opsctl.report/2"
