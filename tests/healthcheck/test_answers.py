"""States, sentences and the three forms they are printed in. No server."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from opsctl.errors import CouldNotLook
from opsctl.healthcheck import plugin
from opsctl.healthcheck.as_text import render
from opsctl.healthcheck.judge import judged, lost, state_of
from opsctl.healthcheck.model import EXIT, Check, Health, subject_of, verdict, worst
from opsctl.model import Evidence, Finding, Seen, Value
from opsctl.report.style import Style


def check(name: str, state: str = "ok", says: str = "fine", **more) -> Check:
    return Check(name=name, system=name, state=state, says=says, **more)


def health(*subjects, **more) -> Health:
    state, says = verdict(subjects)
    now = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
    made = {"started_at": now, "seconds": 0.412, "deadline": 20.0, "context": "prod", **more}
    return Health(state=state, exit=EXIT[state], says=says, subjects=subjects, **made)


FINE = subject_of("amas", "service", [check("health", answered=0.012), check("postgres"), check("redis")])
KYRODB = check(
    "kyrodb-text", "critical", "connection refused at kyro:50051: nothing listens there", setting="profile v"
)
VRITTI = subject_of("vritti", "service", [check("health", answered=0.03), KYRODB])


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), "unknown"),
        (("ok", "ok"), "ok"),
        (("ok", "unknown"), "unknown"),
        (("unknown", "warning"), "warning"),
        (("warning", "critical", "unknown"), "critical"),
    ],
)
def test_the_worst_state_and_nothing_looked_at_is_unknown(states, expected):
    assert worst(states) == expected


def test_the_sentence_names_what_is_bad_and_counts_the_rest():
    assert verdict([FINE]) == ("ok", "1 service ok (3 checks)")
    state, says = verdict([FINE, VRITTI])
    assert state == "critical"
    assert says == "vritti kyrodb-text: connection refused at kyro:50051: nothing listens there; 1 service ok"
    both = subject_of("x", "service", [check("a", "critical", "gone"), check("b", "critical"), check("c", "unknown")])
    assert verdict([both])[1] == "x a: gone; 1 more is critical; 1 check unknown"


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (Finding(id="http.unhealthy", state="breach", says=""), "critical"),
        (Finding(id="http.slow", state="breach", says=""), "warning"),
        (Finding(id="http.unhealthy", state="unknown", says="", reason="timeout"), "critical"),
        (Finding(id="http.unhealthy", state="unknown", says="", reason="stale"), "unknown"),
        (Finding(id="http.unhealthy", state="unknown", says="", reason="unauthorized"), "unknown"),
        (Finding(id="signal.objective-broken", state="breach", says="", severity="sev2"), "critical"),
        (Finding(id="signal.objective-broken", state="breach", says="", severity="sev3"), "warning"),
        (Finding(id="signal.objective-broken", state="breach", says="", severity="sev1", pending=True), "warning"),
    ],
)
def test_what_a_finding_means(finding, expected):
    assert state_of(finding) == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("refused", "critical"), ("unresolved", "critical"), ("timeout", "critical"), ("forbidden", "unknown"),
     ("bug", "unknown"), ("skipped", "unknown"), ("missing-library", "unknown")],
)  # fmt: skip
def test_a_target_that_is_gone_is_critical_and_what_only_we_may_not_see_is_unknown(reason, expected):
    assert lost("x", "redis", CouldNotLook(reason, "no"), 0.1).state == expected


def test_only_the_wanted_findings_count_and_secrets_and_escapes_do_not_get_through():
    evidence = Evidence(subject="x", source="http http://h", values=(Value(name="answer_seconds", value=0.5),))
    findings = (
        Finding(id="http.refused", state="ok", says="answers"),
        Finding(id="http.starting", state="breach", says="starting"),
    )
    made = judged("x", "http", Seen(evidence=(evidence,), findings=findings), frozenset({"http.refused"}), 1.0)
    assert (made.state, made.answered, made.address) == ("ok", 0.5, "http://h")
    bad = Finding(id="http.unhealthy", state="breach", says="\x1b[31mpassword=hunter2\nnow")
    made = judged("x", "http", Seen(evidence=(evidence,), findings=(bad,)), frozenset(), 1.0)
    assert made.says == "password=[redacted] now"


GUIDELINE = re.compile(
    r"('(?:[^'=]|'')+'|[^\s'=]+)=(-?[0-9.]+|U)(us|ms|s|%|B|KB|MB|GB|TB|c)?"
    r"(;[-0-9.:@~]*(;[-0-9.:@~]*(;[-0-9.]*(;[-0-9.]*)?)?)?)?"
)


def perfdata(line: str) -> list[str]:
    data = line.partition(" | ")[2]
    found = [match[0] for match in GUIDELINE.finditer(data)]
    assert " ".join(found) == data  # nothing but perfdata
    return found


def test_the_plugin_line_is_as_the_guideline_says():
    odd = subject_of("it's a=b|c", "service", [check("health", "warning", "slow | \nvery", answered=1.5)])
    line = plugin.line(health(FINE, VRITTI, odd))
    assert line.count("|") == 1
    assert "\n" not in line
    data = perfdata(line)
    assert data[:4] == ["services=3;;;0", "failed=1;;0;0;3", "warning=1;0;;0;3", "unknown=0;;;0;3"]
    assert data[4] == "time=0.412s;;;0;20.000"
    assert data[5:] == ["'amas health'=0.0120s;1;;0", "'vritti health'=0.0300s;1;;0",
                        "'it''s a_b/c health'=1.5000s;1;;0"]  # fmt: skip


def test_details_come_on_further_lines_without_a_bar():
    lines = plugin.line(health(FINE, VRITTI, notes=("TLS verification is off",)), verbose=True).splitlines()
    assert lines[1] == "OK amas: health, postgres, redis"
    assert lines[2].startswith("CRITICAL vritti: kyrodb-text; 1 ok")
    assert lines[3].startswith("  critical kyrodb-text: connection refused")
    assert lines[-1] == "note: TLS verification is off"
    assert plugin.unknown("no\nservice | named") == "UNKNOWN: no service / named"


def test_the_page_has_one_line_a_service_and_details_under_the_bad_ones():
    page = render(health(FINE, VRITTI), Style())
    assert page.splitlines() == [
        "CRITICAL  vritti kyrodb-text: connection refused at kyro:50051: nothing listens",
        "    there; 1 service ok",
        "context prod · 5 checks in 0.41 s of 20 s",
        "",
        "amas    ok        health, postgres, redis",
        "vritti  CRITICAL  kyrodb-text; 1 ok",
        "  ! kyrodb-text: connection refused at kyro:50051: nothing listens there.",
        "      [from profile v]",
    ]
    assert max(map(len, page.splitlines())) <= 80
    assert "      health: fine" in render(health(FINE), Style(), verbose=True).replace("    health", "      health")


def test_many_addresses_that_are_fine_are_only_counted():
    urls = [subject_of(f"http://h/{n}", "url", [check("x", "ok", "HTTP 200")]) for n in range(300)]
    urls.append(subject_of("http://h/bad", "url", [check("x", "critical", "HTTP 500")]))
    lines = render(health(*urls), Style()).splitlines()
    assert "http://h/bad  CRITICAL  HTTP 500" in lines
    assert lines[-1] == "and 300 addresses ok"
    assert len(lines) < 8
