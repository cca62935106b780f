"""Whoever changes the record behind opsctl's back is found out."""

import hashlib
import json

import pytest

from tests.ledger.sample import a_run, new


@pytest.fixture
def head(ledger):
    """Three runs of four entries each; the newest hash, as somebody noted it elsewhere."""
    for number in range(3):
        a_run(ledger, f"pid {number}")
    found = ledger.verify()
    assert (found.entries, found.runs, found.broken) == (12, 3, ())
    return found.head


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE entries SET body = replace(body, 'acted', 'skipped') WHERE number = 3", "entry 3 (result of step 1"),
        ("UPDATE entries SET at = '2026-01-01T00:00:00.000000Z' WHERE number = 5", "entry 5 (begun"),
        ("UPDATE entries SET step = 2 WHERE number = 2", "entry 2 (intent of step 2"),
        ("UPDATE entries SET kind = 'note' WHERE number = 4", "entry 4 (note"),
        ("UPDATE entries SET body = '{' WHERE number = 1", "entry 1 (begun"),
        ("UPDATE entries SET body = 'not json' WHERE number = 4", "entry 4 (outcome"),
    ],
    ids=["body", "time", "step", "kind", "half a body", "no body"],
)
def test_an_edit_is_found(store, ledger, head, statement, says):
    store.sql(statement)
    broken = ledger.verify().broken
    assert any(one.startswith(says) and one.endswith("it was changed after it was written") for one in broken), broken


def test_an_edit_with_a_fitting_hash_breaks_the_link(store, ledger, head):
    line = next(line for line in ledger.export() if b'"number":3,' in line)
    entry = json.loads(line.replace(b"acted", b"skipped"))
    del entry["hash"]
    plain = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    body = json.dumps(entry["body"], sort_keys=True, separators=(",", ":"))
    made = hashlib.sha256(plain.encode()).hexdigest()
    store.sql(f"UPDATE entries SET body = '{body}', hash = '{made}' WHERE number = 3")
    (broken,) = ledger.verify().broken
    assert broken.startswith("entry 4 (outcome")
    assert "does not follow the entry before it" in broken


def test_a_deletion_is_found(store, ledger, head):
    store.sql("DELETE FROM entries WHERE number IN (6, 7)")
    assert "entries 6 to 7 are missing" in ledger.verify().broken


def test_a_deletion_whose_gap_was_closed_is_found(store, ledger, head):
    store.sql(
        "DELETE FROM entries WHERE number = 6",
        *(f"UPDATE entries SET number = {n - 1} WHERE number = {n}" for n in range(7, 13)),
    )
    broken = ledger.verify().broken
    assert any(one.startswith("entry 6 ") and "taken out" in one for one in broken), broken


def test_two_entries_that_changed_places_are_found(store, ledger, head):
    store.sql(
        "UPDATE entries SET number = 99 WHERE number = 2",
        "UPDATE entries SET number = 2 WHERE number = 3",
        "UPDATE entries SET number = 3 WHERE number = 99",
    )
    broken = ledger.verify().broken
    assert any(one.startswith("entry 2 ") and "moved" in one for one in broken), broken


def test_an_insertion_is_found(store, ledger, head):
    columns = "run, at, kind, step, body, previous, hash"
    store.sql(f"INSERT INTO entries (number, {columns}) SELECT 13, {columns} FROM entries WHERE number = 2")
    broken = ledger.verify().broken
    assert any(one.startswith("entry 13 ") for one in broken), broken


def test_an_end_that_was_cut_off_shows_in_the_runs_and_by_the_head(store, ledger, head):
    store.sql("DELETE FROM entries WHERE number > 10")
    assert any("the table of runs says" in one for one in ledger.verify().broken)
    store.sql("DELETE FROM entries WHERE number > 8", "DELETE FROM runs WHERE id NOT IN (SELECT run FROM entries)")
    assert ledger.verify().broken == ()  # nothing here can tell
    (broken,) = ledger.verify(head).broken
    assert broken.startswith(f"no entry has the hash {head}")


def test_a_head_that_was_noted_earlier_is_found_among_the_entries(ledger, head):
    a_run(ledger)
    assert ledger.verify(head).broken == ledger.verify(head[:12].upper()).broken == ()
    assert ledger.verify(head[:11]).broken  # too short to prove anything
    assert ledger.verify("f" * 64).broken


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE runs SET word = 'fixed', actor = 'bob'", "the table of runs says actor 'bob', its entries say 'ana'"),
        ("UPDATE runs SET state = 'running'", "the table of runs says state 'running', its entries say 'done'"),
        ("DELETE FROM runs", "it is missing from the table of runs"),
        ("DELETE FROM entries", "it has no entries"),
    ],
    ids=["actor", "state", "no runs", "no entries"],
)
def test_a_run_that_differs_from_its_entries_is_found(store, ledger, head, statement, says):
    store.sql(statement)
    broken = [one for one in ledger.verify().broken if says in one]
    assert len(broken) == 3, broken


def test_what_is_broken_everywhere_is_told_once_and_counted(store, ledger):
    run = ledger.begin(new())
    for number in range(120):
        ledger.append(run.id, "note", {"text": str(number)})
    store.sql("UPDATE entries SET step = 9")
    broken = ledger.verify().broken
    assert len(broken) == 51
    assert broken[-1] == "and 71 more"


def test_a_stranger_can_check_the_export_without_opsctl(ledger, head):
    previous = "0" * 64
    for line in ledger.export():
        entry = json.loads(line)
        found = entry.pop("hash")
        assert entry["previous"] == previous
        plain = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(plain.encode()).hexdigest() == found
        previous = found
    assert previous == head
