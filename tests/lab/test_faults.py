"""The table of faults fits the runbooks and profiles: each cause that a service of the lab can have has its fault."""

from __future__ import annotations

import functools

import pytest

from opsctl.config.places import built_in
from opsctl.lab.fault import Fault
from opsctl.lab.faults import DISTRACTORS, FAULTS, fault
from opsctl.lab.files import SERVICES
from opsctl.runbooks.load import load
from opsctl.runbooks.model import CauseSpec
from opsctl.services.load import load_profile

RUNBOOKS = sorted(path.stem for path in built_in().glob("*.yaml"))

# (runbook, cause) -> why no service of the lab shows it.
NOT_SHOWN: dict[tuple[str, str], str] = {
    ("high-timeout-rate", "traffic-spike"): "AGRO keeps what its upstream said, INSA's upstream is never short",
    (
        "high-timeout-rate",
        "recent-deployment",
    ): "a bad release is shown in high-error-rate instead",
    ("kyrodb-down", "network"): "no firewall here: tests/probes/test_kyrodb_ladder.py drops the packets",
    ("kyrodb-down", "other-product"): "answered so by a double: tests/probes/test_kyrodb_ladder.py",
    ("key-compromise", "leaked-unused"): "somebody has to report the key: tests/probes/test_log_keys.py",
    ("resource-exhaustion", "cpu-throttling"): "no kubelet here that could throttle, or count it",
    (
        "db-pool-exhaustion",
        "too-many-clients",
    ): "all clients of the lab have one address: tests/probes/test_postgres_states.py",
    ("service-down", "evicted"): "shown on the API server of the tests: tests/probes/test_kubernetes_pods.py",
    ("service-down", "volume-failing"): "its events are shown in tests/probes/test_kubernetes_events.py",
}

REMEDIED = ("high-latency", "db-pool-exhaustion", "kyrodb-down", "alert-storm")
OTHERS = ("budget-exceeded", "key-compromise")  # what ends these faults is for tests/acceptance to say

# Fault -> why no action of ours ends it in the lab.
NOT_REMEDIED: dict[str, str] = {
    "db-locks": "its batch begins each transaction anew after 4 s; who waits for a forgotten lock: see pool-blocked",
    "slow-statement": "each statement ends within a second and comes again: there is none to cancel",
    "stale-statistics": "ANALYZE is for the table's owner; it is shown as advice",
    "redis-slow": "the client that searches all keys is a person's to stop: ending it would only make it connect again",
    "cache-cold": "entries expire at once by the service's own configuration; deleting more makes it colder",
    "database-limit": "the limit is lifted by the database's owner, ALTER DATABASE is not ours",
    "breaker-detour": "what is behind the breaker has to come back; the agents' restart would open it anew",
    "kyrodb-slow": "KyroDB answers: a restart would empty its cache and make it slower",
    "embedding-slow": "the model itself is slow; a restart loads the same one",
    "llm-slow": "the provider is somebody else's",
    "traffic-spike": "one process on one machine: there is nothing to scale out",
    "single-endpoint-slow": "its own code is slow",
    "bad-deploy": "this service is installed by its own pipeline, which alone knows the version before",
    "cpu-saturation": "each request needs the CPU: a new process needs it, too",
    "kyrodb-errors": "its write-ahead log is inconsistent: a restart may lose what is in it, and is refused",
    "kyrodb-loading": "it replays its log: a restart would begin that anew, and is refused",
    "kyrodb-disk-full": "room on a disk is made by a person; a restart without room is refused",
    "kyrodb-wants-key": "the key is configuration of both sides",
    "kyrodb-overloaded": "a restart empties its cache and makes it worse",
    "kyrodb-objectives": "it works, and warms up by itself",
    "storm-release": "five groups of alerts may each be the root, and a root is never silenced; a rollback ends it",
    "storm-rule": "the rule has to be mended: its alerts are no symptoms of another",
    "storm-flapping": "the rule has to be mended: its alerts are no symptoms of another",
    "storm-scrapes": "the monitoring has to be mended: silencing it would hide that nothing is seen",
    "threads-node-lost": "Kubernetes moves the pods by itself; the node is for its owner",
    "threads-hpa-at-max": "scale-out raises a minimum, never the maximum that somebody set",
}


@functools.cache
def causes(runbook: str) -> dict[str, CauseSpec]:
    return {cause.cause: cause for cause in load(runbook, [built_in()]).runbook.causes}


@functools.cache
def defining(runbook: str) -> tuple[str, ...]:
    """The services whose profiles say what the runbook judges."""
    found = []
    for service in SERVICES:
        profile = load_profile(service, [built_in()])
        bound = {one.runbook for one in (*profile.objectives, *profile.symptoms)}
        found += [service] if runbook in bound else []
    return tuple(found)


def possible(runbook: str) -> set[str]:
    """Causes whose dependencies one of the services has."""
    found = set()
    for service in defining(runbook):
        kinds = {d.kind for d in load_profile(service, [built_in()]).dependencies.values()}
        for id, cause in causes(runbook).items():
            needs = (cause.needs,) if isinstance(cause.needs, str) else cause.needs
            if all(not need or need in kinds for need in needs) and (not cause.services or service in cause.services):
                found.add(id)
    return found


@pytest.mark.parametrize("one", FAULTS, ids=lambda f: f.id)
def test_every_fault_names_causes_of_runbooks_that_its_service_defines(one: Fault):
    assert one.service in SERVICES
    for runbook, cause in one.found_by:
        assert cause in causes(runbook), runbook
        assert one.service in defining(runbook), runbook
    assert fault(one.id) is one


def test_ids_are_unique_and_no_distraction_has_the_name_of_a_fault():
    assert len({one.id for one in FAULTS}) == len(FAULTS)
    assert not {one.id for one in FAULTS} & set(DISTRACTORS)


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_every_cause_that_a_service_of_the_lab_can_have_has_a_fault(runbook):
    shown = {cause for one in FAULTS for name, cause in one.found_by if name == runbook}
    excused = {cause for name, cause in NOT_SHOWN if name == runbook}
    assert possible(runbook) - shown - excused == set()
    assert not shown & excused, "shown after all"
    assert excused <= set(causes(runbook)), "no such cause any more"


def test_no_two_faults_of_a_service_and_runbook_share_a_cause_unless_they_differ_in_how():
    keys = [(one.service, *named) for one in FAULTS for named in one.found_by[:1]]
    assert len(set(keys)) == len(keys)


def test_the_commands_that_find_a_fault_are_those_of_its_runbooks():
    one = Fault("x", "amas", "high-latency", "pool-waiting", "…", also=(("high-error-rate", "pool-waiting"),))
    assert one.commands == ("opsctl diagnose high-latency -s amas", "opsctl diagnose high-error-rate -s amas")


@pytest.mark.parametrize("one", FAULTS, ids=lambda f: f.id)
def test_every_fault_of_a_runbook_that_acts_has_a_remedy_or_a_reason(one: Fault):
    told = one.remedy is not None or one.id in NOT_REMEDIED
    if any(runbook in REMEDIED for runbook, _ in one.found_by) and one.runbook not in OTHERS:
        assert told, "neither a remedy nor a reason"
    assert not (one.remedy is not None and one.id in NOT_REMEDIED), "remedied after all"


def test_reasons_are_about_faults_that_there_are():
    assert NOT_REMEDIED.keys() <= {one.id for one in FAULTS}


@pytest.mark.parametrize("one", [f for f in FAULTS if f.remedy is not None], ids=lambda f: f.id)
def test_every_remedy_is_a_command_of_its_runbook(one: Fault):
    remedy = one.remedy
    while remedy is not None:
        for runbook in (remedy.runbook, *remedy.planned_by):
            commands = {m.name or m.action.partition(".")[2] for m in load(runbook, [built_in()]).runbook.mitigation}
            assert remedy.action in commands, runbook
        remedy = remedy.then
