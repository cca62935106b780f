"""One remediation at a time on one scope, whoever else tries, and nobody is locked out by the dead."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys

import pytest

from opsctl.errors import Refused, TryLater, UsageError
from opsctl.ledger import holder
from tests.ledger.sample import SCOPE, Clock, new

WHO = {"actor": "ana", "host": "bastion", "command": "opsctl restart vritti"}
BOB = {"actor": "bob", "host": "laptop", "command": "opsctl restart vritti --yes"}


def test_a_second_operator_is_told_who_holds_it_since_when_by_what_and_the_way_out(store, ledger):
    lease = ledger.lease(SCOPE, **WHO)
    with pytest.raises(TryLater) as refused:
        store.open().lease(SCOPE, **BOB)
    said = refused.value.sentence()
    assert f"{SCOPE} is locked by ana on bastion (process {os.getpid()}) since {lease.since:%H:%M:%S} UTC" in said
    assert "opsctl restart vritti" in said
    assert f"opsctl ledger unlock {lease.id}" in said
    assert refused.value.code == 75
    assert store.open().leases() == [lease]
    store.open().lease("redis cache:6379/0", **BOB)  # another scope is nobody's business
    ledger.release(lease)
    assert store.open().lease(SCOPE, **BOB).actor == "bob"


def test_a_lease_ends_by_itself_unless_it_is_renewed(store, request):
    clock = Clock()
    ledger = store.open(clock=clock)
    lease = ledger.lease(SCOPE, **WHO, seconds=0.6)
    renewed = ledger.renew(lease, seconds=60)
    assert renewed.until > lease.until
    assert ledger.leases() == [renewed]
    short = ledger.renew(renewed, seconds=-1)  # as if the time had passed, on either clock
    assert ledger.leases() == []
    taken = store.open(clock=clock).lease(SCOPE, **BOB)
    assert taken.actor == "bob"
    with pytest.raises(Refused, match="was taken away; bob on laptop holds it now"):
        ledger.renew(short)
    ledger.release(short)  # not ours any more: left alone
    assert ledger.leases() == [taken]
    (entry,) = [line for line in ledger.export() if b'"unlocked"' in line]
    assert b"it ran out at" in entry
    assert b'"actor":"bob"' in entry
    assert ledger.verify().broken == ()


def test_one_that_ran_out_is_still_ours_while_nobody_took_it(ledger):
    lease = ledger.lease(SCOPE, **WHO, seconds=-1)
    assert ledger.leases() == []
    assert ledger.leases() == [] != [ledger.renew(lease)]
    assert len(ledger.leases()) == 1


def test_a_clock_that_jumps_does_not_free_a_lease_in_postgres_and_the_dead_lock_nobody_out(store):
    clock = Clock()
    ledger = store.open(clock=clock)
    lease = ledger.lease(SCOPE, **WHO)
    clock.at -= 86_400
    assert ledger.leases() == [lease]
    if store.server is not None:  # the server's clock counts
        clock.at += 2 * 86_400
        assert ledger.leases() == [lease]


def test_by_force(store, ledger):
    run = ledger.begin(new())
    lease = ledger.lease(SCOPE, **WHO)
    with pytest.raises(UsageError, match="there is no lease zz"):
        ledger.force_unlock("zz")
    with pytest.raises(UsageError):
        ledger.force_unlock("")
    assert store.open().force_unlock(lease.id[:6], actor="bob", host="laptop") == lease
    assert ledger.leases() == []
    with pytest.raises(Refused, match=re.escape(f"the lock on {SCOPE} was taken away")):
        ledger.renew(lease)
    entry = ledger.entries(run.id)[-1]  # it stands in the story of the run that was going on
    assert entry.kind == "unlocked"
    assert entry.body["holder"]["actor"] == "ana"
    assert (entry.body["by"], entry.body["why"]) == ("bob", "taken away by force")


HOLD = """
import os, sys
from opsctl.config.settings import load_settings
from opsctl.ledger.opened import open_ledger
from tests.ledger.sample import SCOPE, new
ledger = open_ledger(load_settings(None, None, environ=os.environ), os.environ)
lease = ledger.lease(SCOPE, actor="ana", host=sys.argv[1], command="opsctl restart vritti", seconds=600)
run = ledger.begin(new())
ledger.append(run.id, "intent", {"target": {"id": "pid 1"}}, 1)
print(run.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed(store):
    """The run of an operator whose process was killed while it held the lease."""
    environ = {**store.environ, "PYTHONPATH": os.getcwd()}
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, "bastion"], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    run = child.stdout.readline().decode().strip()
    assert run
    with pytest.raises(TryLater):
        store.open().lease(SCOPE, **BOB)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    return run


def test_a_lease_of_a_dead_process_of_this_machine_is_taken_over_at_once_and_recorded(store, killed):
    ledger = store.open()
    assert ledger.leases() == []
    assert ledger.run(killed).state == "running"
    assert ledger.lease(SCOPE, **BOB).actor == "bob"
    entry = ledger.entries(killed)[-1]
    assert entry.kind == "unlocked"
    assert re.fullmatch(r"its process \d+ is gone", entry.body["why"])
    assert ledger.verify().broken == ()


def test_a_lease_of_another_machine_is_left_alone_until_its_end(store, killed):
    store.sql("UPDATE leases SET marker = replace(marker, '/', '-')")
    ledger = store.open()
    with pytest.raises(TryLater):
        ledger.lease(SCOPE, **BOB)
    store.sql("UPDATE leases SET until = since")
    assert ledger.lease(SCOPE, **BOB).actor == "bob"


class TestTheHoldersMark:
    """Whether a process lives, told by more than its number."""

    def test_this_process_lives(self):
        assert not holder.is_gone(holder.marker())

    def test_a_number_that_was_given_to_another_process(self):
        where, _, started = holder.marker().rpartition(" ")
        assert holder.is_gone(f"{where} {int(started) - 1}")

    def test_a_process_that_nobody_has_buried_yet(self):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        mark = holder.marker(child.pid)
        assert not holder.is_gone(mark)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and its number still taken
        assert holder.is_gone(mark)
        child.communicate()
        assert holder.is_gone(mark)

    def test_somebody_elses_process_lives(self):
        assert not holder.is_gone(holder.marker(1))

    @pytest.mark.parametrize("mark", ["", "elsewhere/boot pid:[1] 4711 99", "x", "a b c d"])
    def test_nothing_is_known_of_another_machine(self, mark):
        assert not holder.is_gone(mark)


ROUNDS = 50


def _race(store, actor, gate, won):
    """One operator: at each signal tries for the next scope."""
    ledger = store.open()
    for number in range(ROUNDS):
        gate.wait(60)
        try:
            ledger.lease(f"scope {number}", actor=actor, host="here", command="race")
            won.put((number, actor))
        except TryLater:
            won.put((number, ""))
    gate.wait(60)  # both live until the end: neither may take over from the dead
    ledger.close()


def test_of_two_operators_who_race_exactly_one_gets_it_every_time(store, ledger):
    context = multiprocessing.get_context("fork")
    gate, won = context.Barrier(2), context.SimpleQueue()
    racers = [context.Process(target=_race, args=(store, name, gate, won)) for name in ("ana", "bob")]
    for racer in racers:
        racer.start()
    results = [won.get() for _ in range(2 * ROUNDS)]
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    winners = [[name for round, name in results if round == number and name] for number in range(ROUNDS)]
    assert [len(names) for names in winners] == [1] * ROUNDS
