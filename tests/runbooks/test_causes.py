"""Causes are ranked by confirmed minus refuted, and say how much of it was measured."""

from opsctl.model import Finding
from opsctl.runbooks.causes import judge, rank, states
from opsctl.runbooks.model import CauseSpec, OkFinding

SLOW = CauseSpec(
    cause="kyrodb-slow",
    says="KyroDB is slow.",
    confirms=("local.kyrodb-dominates", "kyrodb.slow"),
    refutes=(OkFinding(ok="kyrodb.slow"), "local.traffic-spike"),
)


def test_every_breach_of_a_confirming_finding_counts_for_the_cause():
    known = {"local.kyrodb-dominates": "breach", "kyrodb.slow": "breach", "local.traffic-spike": "ok"}
    result = judge(SLOW, known, {"kyrodb.slow": ("e2",)})
    assert (result.status, result.score, result.measured, result.checks) == ("confirmed", 2, 3, 3)
    assert result.evidence == ("e2",)


def test_a_breach_of_a_refuting_finding_and_an_ok_of_an_expected_one_count_against_it():
    known = {"local.kyrodb-dominates": "breach", "kyrodb.slow": "ok", "local.traffic-spike": "breach"}
    result = judge(SLOW, known, {})
    assert result.score == 1 - 2
    assert result.status == "possible"
    assert result.refuted == ("kyrodb.slow", "local.traffic-spike")


def test_what_was_looked_for_and_not_found_refutes():
    result = judge(SLOW, {"local.kyrodb-dominates": "ok", "kyrodb.slow": "ok"}, {})
    assert (result.status, result.score) == ("refuted", -2)


def test_unknown_is_neither_for_nor_against():
    known = {"local.kyrodb-dominates": "unknown", "kyrodb.slow": "unknown", "local.traffic-spike": "ok"}
    result = judge(SLOW, known, {})
    assert result.status == "not-measured"
    assert result.not_measured == ("local.kyrodb-dominates", "kyrodb.slow")
    assert (result.measured, result.checks) == (1, 3)


def test_one_confirming_check_of_three_says_so():
    result = judge(
        SLOW, {"local.kyrodb-dominates": "breach", "kyrodb.slow": "unknown", "local.traffic-spike": "ok"}, {}
    )
    assert result.status == "confirmed"
    assert (result.measured, result.checks) == (2, 3)


def test_a_cause_the_service_has_nothing_to_check_by_is_left_out():
    assert judge(SLOW, {"local.traffic-spike": "breach"}, {}) is None


def test_a_finding_of_several_probes_is_in_breach_if_any_says_so_and_never_ok_beside_an_unknown():
    findings = [
        Finding(id="kyrodb.slow", state="ok", says="text"),
        Finding(id="kyrodb.slow", state="breach", says="image"),
        Finding(id="kyrodb.down", state="unknown", says="text"),
        Finding(id="kyrodb.down", state="ok", says="image"),
    ]
    assert states(findings) == {"kyrodb.slow": "breach", "kyrodb.down": "unknown"}


def test_ranking_confirmed_before_possible_before_not_measured_before_refuted():
    def of(confirmed, ok=(), unknown=()):
        ids = [*confirmed, *ok, *unknown]
        spec = CauseSpec(cause="/".join(ids), says="", confirms=tuple(ids))
        known = {**dict.fromkeys(confirmed, "breach"), **dict.fromkeys(ok, "ok"), **dict.fromkeys(unknown, "unknown")}
        return judge(spec, known, {})

    refuted, unmeasured, weak, strong = of([], ["a"]), of([], [], ["b"]), of(["c"], ["d"]), of(["e", "f"])
    assert [c.cause for c in rank([refuted, unmeasured, weak, strong])] == ["e/f", "c/d", "b", "a"]
