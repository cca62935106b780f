"""The verdict comes from the objectives; unknown is never healthy."""

from opsctl.model import Finding
from opsctl.runbooks.verdict import OBJECTIVE, decide


def objective(state, **more):
    return Finding(id=OBJECTIVE, state=state, says="latency_p99 …", **more)


def test_sev1_and_sev2_are_critical_the_rest_a_warning():
    assert decide([objective("breach", severity="sev1")]).word == "critical"
    assert decide([objective("breach", severity="sev2")]).word == "critical"
    assert decide([objective("breach", severity="sev3")]).word == "warning"
    assert decide([objective("breach", severity="sev4")]).word == "warning"


def test_pending_is_a_warning_whatever_its_band():
    assert decide([objective("breach", severity="sev1", pending=True)]).word == "warning"


def test_the_worst_broken_objective_decides():
    ok, mild, bad = objective("ok"), objective("breach", severity="sev3"), objective("breach", severity="sev2")
    verdict = decide([ok, mild, bad])
    assert (verdict.word, verdict.finding) == ("critical", bad)


def test_an_objective_that_could_not_be_measured_is_not_healthy():
    assert decide([objective("ok"), objective("unknown")]).word == "unknown"
    assert decide([objective("unknown"), objective("breach", severity="sev3")]).word == "warning"


def test_no_objective_at_all_is_unknown():
    assert decide([]).word == "unknown"
    assert decide([Finding(id="postgres.lock-wait", state="breach", says="")]).word == "unknown"


def test_all_ok():
    assert decide([objective("ok"), objective("ok")]).word == "ok"
