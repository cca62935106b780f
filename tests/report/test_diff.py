"""Two reports compared: what a person would write down, and nothing that did not change."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from opsctl.model import CauseResult, Change, Finding, Unknown
from opsctl.report.diff import difference
from opsctl.report.diff_text import render
from opsctl.report.style import Style
from tests.report.sample import AT, SINCE, critical

LATER = AT + timedelta(minutes=12)


def fixed(**more):
    """Twelve minutes later: KyroDB was restarted, requests are fast, Postgres answers again."""
    before = critical()
    assert before.measured is not None
    objective = msgspec.structs.replace(
        before.findings[0],
        state="ok",
        says="P99 of request time 31 ms, objective 50 ms: within it",
        measured=0.031,
        severity=None,
        severity_label="",
        since=None,
    )
    dominates = Finding(
        id="local.kyrodb-dominates",
        state="ok",
        says="KyroDB takes 9 ms of the mean request's 30 ms (30 %)",
        probe="signal.share",
    )
    locks = Finding(id="postgres.lock-wait", state="ok", says="no statement waits for a lock", probe="postgres.locks")
    kyrodb, database, spike = before.causes
    fields = {
        "verdict": "ok",
        "severity": None,
        "severity_label": "",
        "says": "vritti: P99 of request time 31 ms, objective 50 ms: within it",
        "started_at": LATER,
        "escalation": "",
        "measured": msgspec.structs.replace(before.measured, value=0.031, since=None, series=()),
        "findings": (objective, dominates, locks),
        "causes": (
            spike,
            msgspec.structs.replace(kyrodb, status="refuted", confirmed=(), refuted=("local.kyrodb-dominates",)),
            msgspec.structs.replace(
                database, status="refuted", refuted=("postgres.lock-wait",), not_measured=(), measured=1
            ),
        ),
        "unknown": (),
        "changes": (
            Change(at=AT + timedelta(minutes=4), system="kubernetes", subject="Pod kyrodb-0", says="started anew"),
            *before.changes,
        ),
        "next": (),
    }
    return critical(**{**fields, **more})


def told(before, after) -> str:
    return render(difference(before, after), Style())


def test_before_and_after_a_fix():
    assert (
        told(critical(), fixed())
        == """\
vritti, high-latency: CRITICAL sev2 -> OK
  from 2026-11-21 03:07:12 UTC to 03:19 UTC, 12 min later
  P99 of request time 142 ms -> 31 ms; objective 50 ms

What happened in between
    03:11 UTC  Pod kyrodb-0: started anew

Causes
    kyrodb-slow is gone: it was confirmed (first), refuted now
    measured now, and refuted: database-locks

Findings
    local.kyrodb-dominates no longer holds: KyroDB takes 9 ms of the mean
      request's 30 ms (30 %) (then: KyroDB takes 118 ms of the mean request's
      131 ms (90 %))

Could not be looked at then, and can be now
    connection refused at 127.0.0.1:5432
"""
    )


def test_the_other_way_round():
    text = told(fixed(), critical(started_at=LATER + timedelta(hours=26)))
    assert "OK -> CRITICAL sev2" in text
    assert "03:19:12 UTC to 2026-11-22 05:19:12 UTC, 26 h later" in text
    assert "P99 of request time 31 ms -> 142 ms; objective 50 ms, broken since 03:00 UTC" in text
    assert "kyrodb-slow is new: confirmed (first), it was refuted" in text
    assert "local.kyrodb-dominates holds now: KyroDB takes 118 ms" in text
    assert "Could be looked at then, and cannot be now\n    connection refused" in text
    assert "no longer measured: database-locks" in text


def test_what_did_not_change_is_not_told():
    same = critical(started_at=AT + timedelta(minutes=1), seconds=9.9)
    found = difference(critical(), same)
    assert found.same
    assert render(found, Style()) == (
        "vritti, high-latency: CRITICAL sev2, nothing else differs\n"
        "  from 2026-11-21 03:07:12 UTC to 03:08 UTC, 60 s later\n"
    )


def test_still_broken_but_less_and_another_cause_first():
    before = critical()
    assert before.measured is not None
    kyrodb, database, spike = before.causes
    spike = msgspec.structs.replace(spike, status="confirmed", score=1, confirmed=("local.traffic-spike",), refuted=())
    after = critical(
        started_at=LATER,
        verdict="warning",
        severity="sev3",
        measured=msgspec.structs.replace(before.measured, value=0.0801, objective=0.08),
        causes=(spike, kyrodb, database),
        findings=(
            *before.findings,
            Finding(id="local.traffic-spike", state="breach", says="request rate 900/s, 3.1 times as much"),
        ),
    )
    text = told(before, after)
    assert "CRITICAL sev2 -> WARNING sev3" in text
    number = "P99 of request time 142 ms -> 80.1 ms; objective 50 ms, now 80 ms, broken since 03:00 UTC"
    assert number in " ".join(text.split())
    assert "traffic-spike is new: confirmed (first), it was refuted" in text
    assert "kyrodb-slow: now second, it was first" in text
    assert "local.traffic-spike holds now: request rate 900/s, 3.1 times as much" in text
    assert "database-locks" not in text


def test_reports_that_are_hardly_comparable_say_so():
    text = told(
        critical(runbook_digest="aaa", parameters={"share": "35%"}),
        critical(runbook_digest="bbb", parameters={"share": "50%"}, context="lab"),
    )
    assert "Note  The runbook changed between the two (aaa, then bbb): a difference may" in text
    assert "Note  Parameters differ: share 35%, then 50%" in text
    assert "Note  The contexts differ: none, then lab" in text
    text = told(critical(), critical(service="amas", runbook="high-error-rate"))
    assert text.startswith("vritti, then amas, high-latency, then high-error-rate:")
    assert "two services, vritti and amas" in text


def test_a_report_whose_verdict_is_unknown():
    nothing = critical(
        started_at=LATER,
        verdict="unknown",
        severity=None,
        measured=None,
        says="vritti: could not tell",
        findings=(Finding(id="signal.objective-broken", state="unknown", says="no answer", reason="timeout"),),
        causes=(),
        unknown=(Unknown(reason="timeout", says="no answer", probe="signal.objectives"),),
        evidence=(),
    )
    text = told(critical(), nothing)
    assert "CRITICAL sev2 -> UNKNOWN" in text
    assert "P99 of request time 142 ms -> not known; objective 50 ms" in text
    assert "kyrodb-slow is gone: it was confirmed (first), is no longer looked for" in text
    assert "Could be looked at then, and cannot be now\n    no answer" in text


def test_changes_before_the_first_look_are_not_in_between():
    found = difference(critical(), fixed())
    assert [c.subject for c in found.changes] == ["Pod kyrodb-0"]
    assert all(change.at > SINCE for change in found.changes)


def test_it_is_within_80_columns():
    long = CauseResult(
        cause="x" * 30, says="", status="confirmed", score=1, confirmed=("a",), refuted=(), not_measured=(), checks=1,
        measured=1,
    )  # fmt: skip
    says = "a long sentence about what was found " * 5
    after = critical(causes=(long,), findings=(Finding(id="postgres.lock-wait", state="breach", says=says),))
    assert max(map(len, told(critical(), after).splitlines())) <= 80
