"""A user's session with saved reports: list, show, compare, replay, and make cases of them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from opsctl.report.store import save
from tests.acceptance.session import Session
from tests.report.sample import AT, critical
from tests.report.test_diff import fixed


@pytest.fixture
def user(tmp_path) -> Session:
    return Session(tmp_path)


@pytest.fixture
def reports(tmp_path, user) -> Path:
    return tmp_path / "home" / ".local" / "state" / "opsctl" / "reports"


@pytest.fixture
def pair(reports) -> tuple[Path, Path]:
    """An incident, and twelve minutes later."""
    return save(critical(), reports), save(fixed(), reports)


def test_list_show_diff(user, pair):
    broken, well = pair
    done = user.opsctl("report", "list", check=(0,))
    assert done.out.splitlines() == [
        "OK            vritti high-latency: P99 of request time 31 ms, objective 50 ...",
        f"    {well.stem}",
        "CRITICAL sev2 vritti high-latency: P99 of request time 142 ms, objective 50 ...",
        f"    {broken.stem}",
    ]
    shown = user.opsctl("report", "show", broken.stem, check=(0,))
    assert shown.out.startswith("CRITICAL  sev2  vritti: P99 of request time 142 ms")
    assert user.opsctl("report", "show", "last", check=(0,)).out.startswith("OK  vritti:")
    assert user.opsctl("report", "show", broken.stem, "-o", "json", check=(0,)).json() == json.loads(broken.read_text())
    markdown = user.opsctl("report", "show", broken.stem, "-o", "markdown", check=(0,)).out
    assert "kyrodb-slow" in markdown or "KyroDB takes most of each request" in markdown
    assert user.opsctl("report", "show", broken.stem, "-o", "html", check=(0,)).out.lower().startswith("<!doctype html")
    told = user.opsctl("report", "diff", broken.stem, check=(0,))
    assert told.out.startswith("vritti, high-latency: CRITICAL sev2 -> OK\n")
    assert told.err == ""
    data = user.opsctl("report", "diff", broken.stem, well.stem, "-o", "json", check=(0,)).json()
    assert data["number"]["before"] == 0.142
    assert data["number"]["after"] == 0.031
    assert [move["cause"] for move in data["causes"]] == ["kyrodb-slow", "database-locks"]


def test_list_chooses(user, reports, pair):
    save(critical(service="amas", runbook="high-error-rate", started_at=AT - timedelta(days=30)), reports)

    def names(*more: str) -> list[str]:
        return [row["name"] for row in user.opsctl("report", "list", "-o", "json", *more, check=(0,)).json()["reports"]]

    assert [name.rpartition("-")[2] for name in names()] == ["vritti", "vritti", "amas"]
    assert [name.rpartition("-")[2] for name in names("-s", "amas")] == ["amas"]
    assert len(names("--runbook", "high-latency")) == 2
    assert names("--since", "2026-11-21T03:10:00Z") == [pair[1].stem]
    assert names("--limit", "1") == [pair[1].stem]
    assert "There are more" in user.opsctl("report", "list", "--limit", "1").out
    done = user.opsctl("report", "list", "-s", "insa", check=(0,))
    assert done.out.startswith("No saved report in home/.local/state/opsctl/reports fits")
    assert user.opsctl("report", "list", "--since", "yesterday").code == 64
    assert user.opsctl("report", "list", "--limit", "0").code == 64


def test_nothing_is_saved_yet(user):
    assert user.opsctl("report", "list", check=(0,)).out.startswith("No saved report in")
    done = user.opsctl("report", "show", "last", check=(65,))
    assert "no report is saved yet" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_torn_report_is_shown_as_far_as_it_goes(user, pair):
    broken, _ = pair
    broken.write_bytes(broken.read_bytes()[: broken.read_bytes().index(b'"causes"') + 30])
    done = user.opsctl("report", "show", broken.stem, check=(65,))
    assert done.out.startswith("CRITICAL  sev2  vritti: P99 of request time 142 ms")
    assert "kyrodb-slow" not in done.out
    assert 'the report is torn inside "causes"; lost are causes,' in done.err
    assert user.opsctl("report", "diff", broken.stem).code == 65


def test_an_edited_report_says_so(user, pair):
    broken, _ = pair
    broken.write_text(broken.read_text().replace("142 ms", "42 ms"))
    done = user.opsctl("report", "show", broken.stem, check=(0,))
    assert "edited after it was written" in done.err
    assert "42 ms" in done.out


def test_the_runbook_of_a_report_changed_or_is_gone(user, reports):
    one = save(critical(runbook_digest="000000000000"), reports)
    done = user.opsctl("report", "show", one.stem, check=(0,))
    assert "high-latency has changed since (000000000000 then," in done.err
    assert "--replay" in done.err
    gone = save(critical(runbook="high-fever"), reports)
    done = user.opsctl("report", "show", gone.stem, check=(0,))
    assert "the runbook high-fever does not exist here any more" in done.err
    done = user.opsctl("diagnose", "high-fever", "--replay", gone.stem, check=(64,))
    assert "there is no runbook" in done.err


def test_bad_replays(user, pair, tmp_path):
    done = user.opsctl("diagnose", "high-latency", "--replay", pair[0].stem, "-s", "amas", check=(64,))
    assert "this report is about vritti, not amas" in done.err
    done = user.opsctl("diagnose", "high-latency", "--replay", "lasst", check=(64,))
    assert "Did you mean last?" in done.err
    (tmp_path / "x.json").write_text("{}")
    done = user.opsctl("diagnose", "high-latency", "--replay", "x.json", check=(65,))
    assert "x.json: this is JSON, but not a report of opsctl" in done.err


def test_runbook_test_without_cases(user):
    done = user.opsctl("runbook", "test", "--cases", ".", check=(2,))
    assert "no case was found" in done.out
    assert "without a case: " in done.out
    assert "--add last --first CAUSE" in done.out
    assert user.opsctl("runbook", "test", "--first", "x", check=(64,)).err.count("--add") >= 1
    assert user.opsctl("runbook", "test", "--cases", "gone", check=(64,)).err.count("no folder") == 1
    assert "Did you mean high-latency?" in user.opsctl("runbook", "test", "high-latencey", check=(64,)).err


def test_runbook_test_of_the_users_own(user, pair):
    """A case that does not hold is still written: the runbook is to be changed until it does."""
    add = ("runbook", "test", "--cases", "mine", "--add", pair[0].stem)
    done = user.opsctl(*add, "--verdict", "critical", "--title", "KyroDB is slow", check=(2,))
    assert "failed  high-latency/vritti-critical" in done.out
    assert "the verdict is unknown, expected critical" in done.out
    assert done.out.splitlines()[-1] == "Next  opsctl runbook test high-latency --cases mine"
    assert user.opsctl(*add, "--verdict", "fine", check=(64,)).err
    done = user.opsctl(*add, "--verdict", "unknown", check=(0,))
    done = user.opsctl("runbook", "test", "--cases", "mine", check=(2,))
    assert done.out.splitlines()[-1] == "2 cases, 1 failed"
    data = user.opsctl("runbook", "test", "high-latency", "--cases", "mine", "-o", "json", check=(2,)).json()
    assert [case["ok"] for case in data["cases"]] == [False, True]


def test_runbook_new(user, tmp_path):
    done = user.opsctl("runbook", "new", "queue-growing", check=(0,))
    assert done.out.splitlines() == [
        "Wrote runbooks/queue-growing.yaml",
        "Next  opsctl runbook lint queue-growing",
        "      opsctl diagnose queue-growing -s SERVICE",
    ]
    assert (
        user.opsctl("runbook", "lint", "queue-growing", check=(0,)).out == "1 runbooks checked, 0 errors, 0 warnings\n"
    )
    assert "there already" in user.opsctl("runbook", "new", "queue-growing", check=(64,)).err
    done = user.opsctl("runbook", "new", "high-latency", "--from", "high-latency", "--dir", "mine", check=(0,))
    assert "there is a runbook high-latency already" in done.err
    assert (tmp_path / "mine" / "high-latency.yaml").exists()
