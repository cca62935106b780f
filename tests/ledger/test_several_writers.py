"""Several processes write at once, and some of them die: the chain stays whole, nothing durable is lost."""

import multiprocessing
import os
import random
import signal

from tests.ledger.sample import SCOPE, did, new, step

PROCESSES, ENTRIES = 8, 50
KILLS = 8
CONTEXT = multiprocessing.get_context("fork")


def _write(store, name):
    ledger = store.open()
    run = ledger.begin(new(actor=name))
    for number in range(ENTRIES - 1):
        ledger.append(run.id, "note", {"text": f"{name} {number}"})
    ledger.close()


def test_eight_processes_at_once_leave_one_chain(store):
    """Nobody has made the ledger yet: they race for that too."""
    writers = [CONTEXT.Process(target=_write, args=(store, f"p{number}")) for number in range(PROCESSES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    ledger = store.open()
    found = ledger.verify()
    assert (found.entries, found.runs, found.broken) == (PROCESSES * ENTRIES, PROCESSES, ())
    for run in ledger.runs():
        texts = [entry.body["text"] for entry in ledger.entries(run.id)[1:]]
        assert texts == [f"{run.actor} {number}" for number in range(ENTRIES - 1)]


def _write_until_killed(store, told):
    ledger = store.open()
    run = ledger.begin(new())
    os.write(told, f"{run.id}\n".encode())
    for number in range(1, 100_000):
        ledger.append(run.id, "intent", step(f"pid {number}", number), number)
        os.write(told, f"{number} intent\n".encode())
        ledger.append(run.id, "result", did(), number)
        os.write(told, f"{number} result\n".encode())


def test_a_process_that_is_killed_anywhere_leaves_all_that_it_was_told_is_recorded(store):
    chance = random.Random(7)
    store.open()
    for _ in range(KILLS):
        reader, told = os.pipe()
        child = CONTEXT.Process(target=_write_until_killed, args=(store, told))
        child.start()
        os.close(told)
        heard = b""
        wanted = chance.randrange(40, 600)
        while len(heard) < wanted:
            heard += os.read(reader, 4096)
        os.kill(child.pid, signal.SIGKILL)
        child.join(60)
        while more := os.read(reader, 65_536):
            heard += more
        os.close(reader)
        id, *said = heard.decode().splitlines()
        ledger = store.open()
        kept = [f"{entry.step} {entry.kind}" for entry in ledger.entries(id)[1:]]
        assert kept[: len(said)] == said
        assert len(kept) - len(said) in (0, 1)  # the one that was durable before its writer could say so
        assert ledger.run(id).state == "running"
        assert ledger.verify().broken == ()
        ledger.close()


def _die_within(store, told):
    ledger = store.open()
    run = ledger.begin(new())
    with ledger._database.writing() as work:  # in the middle of a transaction, with the writers' lock held
        work.change("INSERT INTO entries VALUES (99, ?, '2026', 'note', 0, '{}', '', '')", run.id)
        os.write(told, f"{run.id}\n".encode())
        signal.pause()


def test_a_process_that_is_killed_while_it_writes_leaves_neither_half_an_entry_nor_a_lock(store):
    reader, told = os.pipe()
    child = CONTEXT.Process(target=_die_within, args=(store, told))
    child.start()
    os.close(told)
    run = os.read(reader, 100).decode().strip()
    os.kill(child.pid, signal.SIGKILL)
    child.join(60)
    os.close(reader)
    ledger = store.open()
    assert ledger.append(run, "note", {"text": "after"}).number == 2
    assert ledger.lease(SCOPE, actor="bob", host="laptop", command="x")
    assert ledger.verify().broken == ()
