"""For every fault of the lab: `lab break F`, then each runbook names its cause first; `lab heal`, then all is well.

A fault that an action ends is remedied in between: planned, applied by the plan's hash, verified, told by the ledger.

A fault is broken and healed once for all its runbooks. The services are independent, so each has a worker of its own;
faults that disturb all services come last, one after the other. The outcomes are judged one diagnosis a test, and told
as a table at the end of the run.
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from opsctl.lab.fault import DOWN, KYRODB, STALE, STORM, Fault, Remedy
from opsctl.lab.faults import FAULTS
from tests.acceptance import table
from tests.acceptance.session import Done, Session, confirmed, top

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("prometheus", "alertmanager", "postgres", "redis"),
    pytest.mark.timeout(2400),
]

AT_ONCE = {DOWN, KYRODB, STALE, STORM}  # these look at what is now; the others at a window of some seconds
FIRST_LOOK = 8.0  # seconds after the break: nothing shows earlier in a window
SHOWN = 45.0  # seconds within which it must show
CLEAR = 14.0  # seconds after healing: the window still holds what was
SOON = 3.0
HEALED = 75.0
PAUSE = 1.5

DIAGNOSES = [(fault, runbook, cause) for fault in FAULTS for runbook, cause in fault.found_by]


class Remedied(NamedTuple):
    """What came of a remedy: the plan as shown, the run as applied, the ledger's story.

    ``elsewhere``: the plans of the further runbooks that know it. ``anew``: the plan after the undo.
    """

    remedy: Remedy
    plan_code: int
    planned: dict
    elsewhere: tuple[dict, ...] = ()
    code: int = -1
    applied: dict = {}
    story: str = ""
    undone: dict = {}
    anew: dict = {}


class Outcome(NamedTuple):
    """One diagnosis of one fault: while broken, and once healed."""

    code: int
    report: dict
    seconds: float
    healed_code: int
    healed: dict
    attempts: int = 1
    remedied: tuple[Remedied, ...] = ()


def remedied(session: Session, fault: Fault) -> tuple[Remedied, ...]:
    """Apply the fault's remedy, and what has to follow it; take back what can be taken back."""
    seen: list[Remedied] = []
    remedy = fault.remedy
    while remedy is not None:
        seen.append(applied(session, fault.service, remedy))
        remedy = remedy.then
    return tuple(undone(session, fault.service, one) if one.remedy.undo and one.code == 0 else one for one in seen)


def command(service: str, remedy: Remedy, runbook: str = "") -> tuple[str, ...]:
    """``--again``: a second attempt comes within the action's cool-down."""
    return ("remediate", runbook or remedy.runbook, remedy.action, "-s", service, *remedy.options, "--again")


def answer(done: Done) -> dict:
    return done.json() if done.out.startswith("{") else {"says": done.err or done.out}


def applied(session: Session, service: str, remedy: Remedy) -> Remedied:
    """Plan the remedy and apply that very plan, as one who reads each answer would."""
    words = command(service, remedy)
    plan = session.opsctl(*words, "--dry-run", "-o", "json")
    planned = answer(plan)
    if plan.code != 0:
        return Remedied(remedy, plan.code, planned)
    others = (command(service, remedy, runbook) for runbook in remedy.planned_by)
    elsewhere = tuple(answer(session.opsctl(*other, "--dry-run", "-o", "json")) for other in others)
    done = session.opsctl(*words, "--yes", "--plan-hash", planned["plan"]["hash"], "-o", "json", timeout=240)
    run = (answer(done).get("outcome") or {}).get("run", "")
    story = session.opsctl("ledger", "show", run).out if run else ""
    return Remedied(remedy, plan.code, planned, elsewhere, done.code, answer(done), story)


def undone(session: Session, service: str, seen: Remedied) -> Remedied:
    """Take the run back, and plan the same once more: it is the same plan if all is as it was."""
    back = session.opsctl("ledger", "undo", seen.applied["outcome"]["run"], "--yes", "-o", "json", timeout=240)
    again = session.opsctl(*command(service, seen.remedy), "--anyway", "--dry-run", "-o", "json")
    return seen._replace(undone={"code": back.code, **answer(back)}, anew=answer(again))


def targets(planned: dict) -> list[dict]:
    """What a plan would act on, with what identifies each as it is now."""
    steps = planned["plan"]["proposal"]["steps"]
    return [{"id": step["target"]["id"], "pin": step["target"]["pin"]} for step in steps]


def look(session: Session, runbook: str, service: str, until: float, wanted) -> tuple[int, dict]:
    """Diagnose again and again until the answer is as wanted or the time is over; the last answer."""
    while True:
        code, report = session.diagnose(runbook, service)
        if wanted(code, report) or time.monotonic() > until:
            return code, report
        time.sleep(PAUSE)


def one(session: Session, fault: Fault) -> dict[str, Outcome]:
    """Break, diagnose by each runbook, heal, diagnose."""
    session.opsctl("lab", "break", fault.id, "--no-wait", check=(0,))
    begun = time.monotonic()
    soon = {runbook for runbook, _ in fault.found_by} <= AT_ONCE
    time.sleep(SOON if soon else FIRST_LOOK)

    def broken(named: tuple[str, str]) -> tuple[int, dict, float]:
        runbook, cause = named

        def wanted(code: int, report: dict) -> bool:
            return code in (1, 2) and top(report) == cause

        code, report = look(session, runbook, fault.service, begun + SHOWN, wanted)
        return code, report, time.monotonic() - begun

    def healthy(named: tuple[str, str]) -> tuple[int, dict]:
        def wanted(code: int, report: dict) -> bool:
            return code == 0 and not confirmed(report)

        return look(session, named[0], fault.service, healed + HEALED, wanted)

    with ThreadPoolExecutor(len(fault.found_by)) as several:
        found = list(several.map(broken, fault.found_by))
        remedies = remedied(session, fault)
        session.opsctl("lab", "heal", fault.id, "--no-wait", check=(0,))
        healed = time.monotonic()
        time.sleep(SOON if soon else CLEAR)
        after = list(several.map(healthy, fault.found_by))
    return {
        runbook: Outcome(*seen, *then, remedied=remedies)
        for (runbook, _), seen, then in zip(fault.found_by, found, after, strict=True)
    }


def as_it_should(cause: str, outcome: Outcome) -> bool:
    """Found first and confirmed while broken; remedied; nothing confirmed once healed."""
    found = outcome.code in (1, 2) and top(outcome.report) == cause
    found = found and all(one.code == 0 for one in outcome.remedied)
    return found and outcome.healed_code == 0 and confirmed(outcome.healed) == []


def attempt(session: Session, fault: Fault) -> dict[str, Outcome] | BaseException:
    """One attempt, and a second: the lab's clients and servers share this machine with everything else.

    The second one is told in the table. A fault that is missed twice fails.
    """
    try:
        first = one(session, fault)
        if all(as_it_should(cause, first[runbook]) for runbook, cause in fault.found_by):
            return first
        return {runbook: outcome._replace(attempts=2) for runbook, outcome in one(session, fault).items()}
    except BaseException as error:  # judged by the fault's own tests
        with contextlib.suppress(Exception):  # the next fault shall not find this one still switched on
            session.opsctl("lab", "heal", fault.id, "--no-wait")
        return error


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    session = Session(tmp_path_factory.mktemp("lab"))
    try:
        session.lab_up()
        yield session
    finally:
        session.lab_down()


@pytest.fixture(scope="module")
def absent(session) -> dict[str, list[str]]:
    """Fault -> what it needs and this lab lacks."""
    listed = session.opsctl("lab", "faults", "-o", "json", check=(0,)).json()["faults"]
    return {fault["id"]: fault["absent"] for fault in listed}


@pytest.fixture(scope="module")
def outcomes(request, session, absent):
    """Of the faults whose tests are run: all of them, or those that were chosen."""
    asked = {
        item.callspec.params["fault"].id
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    }
    found: dict[str, dict[str, Outcome] | BaseException] = {}
    possible = [fault for fault in FAULTS if fault.id in asked and not absent[fault.id]]
    spent: dict[str, float] = {}

    def work(service: str) -> None:
        begun = time.monotonic()
        for fault in possible:
            if fault.service == service and not fault.alone:
                found[fault.id] = attempt(session, fault)
        spent[service] = time.monotonic() - begun

    workers = [threading.Thread(target=work, args=(s,)) for s in sorted({f.service for f in possible})]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    begun = time.monotonic()
    for fault in possible:
        if fault.alone:
            found[fault.id] = attempt(session, fault)
    spent["those that disturb all"] = time.monotonic() - begun
    for fault, runbook, cause in DIAGNOSES:
        outcome = found.get(fault.id)
        if isinstance(outcome, dict):
            seen = outcome[runbook]
            right = as_it_should(cause, seen)
            first = top(seen.report) or "-"
            row = (runbook, fault.service, fault.id, first, seen.code, seen.seconds, seen.attempts, right)
            table.rows.append(table.Row(*row))
        elif outcome is not None:
            row = (runbook, fault.service, fault.id, type(outcome).__name__, "-", 0.0, 0, False)
            table.rows.append(table.Row(*row))
    table.notes.append("minutes: " + ", ".join(f"{name} {took / 60:.1f}" for name, took in sorted(spent.items())))
    return found


def marks(fault: Fault) -> list[pytest.MarkDecorator]:
    return [pytest.mark.needs("kube")] if "kubernetes" in fault.needs else []


@pytest.mark.parametrize(
    ("fault", "runbook", "cause"),
    [pytest.param(f, r, c, id=f"{f.id}-{r}", marks=marks(f)) for f, r, c in DIAGNOSES],
)
def test_the_fault_is_named_first_and_its_healing_seen(fault, runbook, cause, outcomes, absent):
    assert absent[fault.id] == []
    found = outcomes[fault.id]
    if isinstance(found, BaseException):
        raise found
    outcome = found[runbook]
    shown = [(c["cause"], c["status"], c["score"]) for c in outcome.report["causes"][:4]]
    assert outcome.code in (1, 2), (outcome.report["says"], shown)
    assert outcome.report["causes"][0]["cause"] == cause, shown
    assert outcome.report["causes"][0]["status"] == "confirmed", shown
    assert outcome.healed_code == 0, outcome.healed["says"]
    assert confirmed(outcome.healed) == []


REMEDIED = [pytest.param(fault, id=fault.id, marks=marks(fault)) for fault in FAULTS if fault.remedy is not None]


@pytest.mark.parametrize("fault", REMEDIED)
def test_its_remedy_is_planned_applied_verified_and_recorded(fault, outcomes, absent):
    assert absent[fault.id] == []
    found = outcomes[fault.id]
    if isinstance(found, BaseException):
        raise found
    told = found[fault.runbook].remedied
    assert told
    for seen in told:
        judge(seen)


def judge(seen: Remedied) -> None:
    """The plan held exactly the right targets, helped, is told by the ledger, and was taken back where promised."""
    remedy = seen.remedy
    assert seen.plan_code == 0, seen.planned
    for planned in (seen.planned, *seen.elsewhere):
        assert "plan" in planned, planned
        ids = [one["id"] for one in targets(planned)]
        assert len(ids) == (len(remedy.targets) or remedy.number or len(ids)), ids
        assert all(any(id.startswith(name) for id in ids) for name in remedy.targets), ids
    ids = [one["id"] for one in targets(seen.planned)]
    outcome = seen.applied.get("outcome") or {}
    assert outcome.get("word") == remedy.word, (outcome, seen.applied.get("says"))
    assert seen.code == 0
    assert all(step["state"] in ("acted", "unchanged", "skipped") for step in seen.applied["steps"])
    assert outcome["run"] in seen.story
    story = "".join(seen.story.split())  # its lines are wrapped
    assert all("".join(id.split()) in story for id in ids), seen.story
    if remedy.undo:
        assert seen.undone["code"] == 0, seen.undone
        assert seen.undone["outcome"]["word"] == "undone", seen.undone["outcome"]
        assert "plan" in seen.anew, seen.anew
        assert targets(seen.anew) == targets(seen.planned), "not as it was"
