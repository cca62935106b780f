"""`opsctl ledger` as a user sees it: what happened, what is open, who holds what, is the record whole."""

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
import time

import pytest

from opsctl.config.settings import load_settings
from opsctl.ledger.opened import open_ledger
from tests.acceptance.session import Session
from tests.ledger.sample import SCOPE, did, new, step

PLAN = {
    "action": "postgres.terminate-backend",
    "cause": "sessions idle in transaction block others",
    "proposal": {
        "subject": "postgres danci@db1 as opsctl_act",
        "steps": [step("pid 4711", 1), step("pid 4720", 2), step("pid 4733", 3)],
        "of": 31,
        "unit": "sessions",
        "impact": "two requests fail, their transactions roll back",
        "lost": "a rolled back transaction stays so",
        "excluded": [{"id": "pid 4801", "says": "walsender", "why": "never", "refused": True}],
    },
}


@pytest.fixture
def user(tmp_path):
    return Session(tmp_path, OPSCTL_CONFIG=os.devnull, OPSCTL_ACTOR="eve@desk")


@pytest.fixture
def ledger(user):
    """The user's ledger, as the engine writes to it."""
    made = open_ledger(load_settings(None, None, environ=user.environ), user.environ)
    yield made
    made.close()


@pytest.fixture
def fixed(ledger):
    """A run that went well."""
    run = ledger.begin(new(plan=PLAN))
    ledger.append(run.id, "intent", step("pid 4711", 1), 1)
    ledger.append(run.id, "result", did(), 1)
    ledger.append(run.id, "intent", step("pid 4720", 2), 2)
    ledger.append(run.id, "result", did("skipped", "backend_start has changed"), 2)
    ledger.append(run.id, "guard", {"signal": "error_ratio", "says": "5 % of requests fail", "action": "pause"})
    ledger.append(run.id, "verified", {"says": "free slots 9, waiting 0", "ok": True})
    says = "free slots 0 -> 9, waiting 0"
    ledger.append(run.id, "outcome", {"run": run.id, "word": "fixed", "says": says, "undoable": True})
    return run


@pytest.fixture
def crashed(ledger):
    """A run whose process is gone: nobody knows of its third step."""
    run = ledger.begin(new(plan=PLAN, service="danci", actor="bob", scope="postgres danci@db2:5432"))
    ledger.append(run.id, "intent", step("pid 4711", 1), 1)
    ledger.append(run.id, "result", did(), 1)
    ledger.append(run.id, "intent", step("pid 4733", 3), 3)
    return run


def test_a_user_who_has_done_nothing_yet(user):
    done = user.opsctl("ledger", "list", check=(0,))
    assert done.out == "Nothing has been done yet, says home/.local/state/opsctl/ledger.sqlite3.\n"
    assert user.opsctl("ledger", "leases", check=(0,)).out.startswith("Nobody holds a lock")
    assert user.opsctl("ledger", "export", check=(0,)).out == ""
    assert "0 entries of 0 runs" in user.opsctl("ledger", "verify", check=(0,)).out
    assert "there is no run last" in user.opsctl("ledger", "show", "last", check=(64,)).err
    assert not (user.folder / "home/.local/state/opsctl").exists()  # looking makes nothing


def test_the_list_is_newest_first_and_names_what_to_do_about_a_crash(user, fixed, crashed):
    lines = user.opsctl("ledger", "list", check=(0,)).out.splitlines()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  CRASHED +danci  postgres\.terminate-backend$", lines[0])
    assert lines[1] == f"    {crashed.id}  bob  postgres danci@db2:5432"
    assert lines[2] == f"    opsctl ledger resume {crashed.id}"
    assert "FIXED" in lines[3]
    assert lines[4] == f"    {fixed.id}  ana  free slots 0 -> 9, waiting 0"
    found = user.opsctl("ledger", "list", "-o", "json", check=(0,)).json()
    assert found["schema"] == "opsctl.ledger/1"
    assert [run["id"] for run in found["runs"]] == [crashed.id, fixed.id]
    assert found["crashed"] == [crashed.id]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--service", "amas"], ["fixed"]),
        (["--actor", "bob"], ["crashed"]),
        (["--action", "postgres.terminate-backend", "--since", "1h"], ["crashed", "fixed"]),
        (["--since", "2100-01-01T00:00:00Z"], []),
        (["--limit", "1"], ["crashed"]),
        (["--action", "service.restart"], []),
    ],
)
def test_the_list_can_be_narrowed(user, fixed, crashed, options, ids):
    found = user.opsctl("ledger", "list", *options, "-o", "json", check=(0,)).json()
    assert [run["id"] for run in found["runs"]] == [{"fixed": fixed, "crashed": crashed}[name].id for name in ids]
    assert found["more"] == ("--limit" in options)


def test_the_story_of_a_run_that_went_well(user, fixed):
    out = user.opsctl("ledger", "show", fixed.id[:24], check=(0,)).out
    told = re.sub(r"\d\d:\d\d:\d\d", "TIME", out).splitlines()
    assert told[0] == "FIXED  postgres.terminate-backend on postgres danci@db1 as opsctl_act"
    for line in (
        "      by       ana on bastion",
        "      why      pool is full; INC-7",
        "      for      db-pool-exhaustion: sessions idle in transaction block others",
        "      planned  3 of 31 sessions, 1 left alone; hash 7c1f9a",
        "      undo     none: a rolled back transaction stays so",
        "TIME  step 1      pid 4711: api, idle 31 min: blocks 6 sessions",
        "                      SELECT pg_terminate_backend(4711)",
        "TIME  step 1      done, 40 ms: pid 4711: gone after 40 ms",
        "TIME  step 2      skipped, 40 ms: pid 4720: backend_start has changed",
        "TIME  guard       error_ratio: 5 % of requests fail; paused",
        "TIME  verified    free slots 9, waiting 0",
        "TIME  outcome     FIXED: free slots 0 -> 9, waiting 0",
    ):
        assert line in told, out
    assert told[-1] == f"Next  opsctl ledger undo {fixed.id}"
    assert max(map(len, told)) <= 80


def test_the_story_of_a_crash_says_what_is_not_known_and_what_to_do(user, crashed):
    done = user.opsctl("ledger", "show", "last", check=(0,))
    assert done.out.startswith("CRASHED  ")
    says = f"Step 3 was begun and nothing tells whether it took effect: opsctl ledger resume {crashed.id}"
    assert done.out.rstrip().endswith(says)
    found = user.opsctl("ledger", "show", "last", "-o", "json", check=(0,)).json()
    assert (found["crashed"], found["open"], found["lease"]) == (True, [3], None)
    assert [entry["kind"] for entry in found["entries"]] == ["begun", "intent", "result", "intent"]


def test_a_run_that_goes_on_is_not_called_crashed(user, ledger, crashed):
    ledger.lease(crashed.scope, actor="bob", host="laptop", command="opsctl remediate …")
    assert "RUNNING" in user.opsctl("ledger", "list", check=(0,)).out
    out = user.opsctl("ledger", "show", "last", check=(0,)).out
    assert out.startswith("RUNNING  ")
    assert f"bob on laptop (process {os.getpid()}) works on it now." in out


def test_a_story_of_resumption_and_undo(user, ledger, crashed):
    ledger.append(crashed.id, "resumed", {"actor": "eve", "host": "desk"})
    ledger.append(crashed.id, "settled", {"effect": "not-acted", "says": "pid 4733 is still there"}, 3)
    ledger.append(crashed.id, "outcome", {"word": "improved", "says": "1 of 3 done"})
    ledger.append(crashed.id, "undo-intent", {"inverse": {"role": "app"}}, 1)
    out = user.opsctl("ledger", "show", "last", check=(0,)).out
    assert "by eve on desk" in out
    assert "looked again: it did not take effect: pid 4733: pid 4733 is still there" in " ".join(out.split())
    assert "The undo of step 1 was begun and nothing tells whether it took effect" in out
    ledger.append(crashed.id, "settled", {"effect": "unknown", "says": "db2 does not answer", "undo": True}, 1)
    out = user.opsctl("ledger", "show", "last", check=(0,)).out
    assert "undo 1      looked again: NOT KNOWN" in out
    assert "The undo of step 1 was begun and nothing tells whether it took effect" in out
    ledger.append(crashed.id, "undo-result", did(says="role app as before"), 1)
    ledger.append(crashed.id, "outcome", {"word": "undone", "says": "1 step was undone"})
    out = user.opsctl("ledger", "show", "last", check=(0,)).out
    assert out.startswith("UNDONE  ")
    assert "undone, 40 ms: pid 4711: role app as before" in out
    assert "nothing tells" not in out


def test_what_a_newer_or_hostile_writer_left_does_not_break_the_story(user, ledger):
    run = ledger.begin(new(plan={"proposal": {"steps": "none", "of": []}}, reason="\x1b[31mred\u202e"))
    ledger.append(run.id, "intent", {"target": "not a target", "calls": 7}, 1)
    ledger.append(run.id, "result", {"state": {"x": 1}, "seconds": "long", "says": ["\x1b]0;title\x07"]}, 1)
    ledger.append(run.id, "guard", {"signal": None})
    ledger.append(run.id, "unlocked", {"holder": "nobody"})
    ledger.append(run.id, "outcome", {"word": "brand-new", "says": "x"})
    out = user.opsctl("ledger", "show", "last", check=(0,)).out
    assert out.startswith("BRAND NEW  ")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", out)


def test_a_note_stands_in_the_story(user, fixed):
    assert user.opsctl("ledger", "note", "last", "  called the DBA ", check=(0,)).out == f"Noted with run {fixed.id}.\n"
    assert "note        called the DBA (eve@desk)" in user.opsctl("ledger", "show", "last", check=(0,)).out
    assert "the note is empty" in user.opsctl("ledger", "note", "last", " ", check=(64,)).err
    assert "control characters" in user.opsctl("ledger", "note", "last", "\x1b[31m", check=(64,)).err
    user.opsctl("ledger", "verify", check=(0,))


def test_the_export_is_the_whole_record_line_by_line(user, ledger, fixed, crashed):
    lines = user.opsctl("ledger", "export", check=(0,)).out.splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["number"] for entry in entries] == list(range(1, 13))
    assert entries[0]["body"]["plan"] == PLAN
    assert entries[-1]["previous"] == entries[-2]["hash"]
    assert user.opsctl("ledger", "export", "--since", "2100-01-01T00:00:00Z", check=(0,)).out == ""
    text = user.opsctl("ledger", "export", "-o", "text", check=(0,)).out.splitlines()
    assert len(text) == 12
    assert text[2].endswith(f"{fixed.id}  result step 1  gone after 40 ms")


def test_verify_is_0_for_a_whole_record_and_2_for_a_broken_one(user, fixed, ledger):
    found = user.opsctl("ledger", "verify", "-o", "json", check=(0,)).json()
    assert (found["whole"], found["entries"], found["runs"]) == (True, 8, 1)
    ledger.append(fixed.id, "note", {"text": "later"})
    user.opsctl("ledger", "verify", "--head", found["head"], check=(0,))
    done = user.opsctl("ledger", "verify", "--head", "0123456789abcdef", check=(2,))
    assert done.out.startswith("BROKEN  ")
    assert "no entry has the hash 0123456789abcdef" in done.out
    ledger.close()
    with sqlite3.connect(user.folder / "home/.local/state/opsctl/ledger.sqlite3") as connection:
        connection.execute("UPDATE entries SET body = replace(body, 'skipped', 'acted') WHERE number = 5")
    done = user.opsctl("ledger", "verify", check=(2,))
    assert f"entry 5 (result of step 2, run {fixed.id}): it was changed after it was written" in done.out


class TestLocks:
    """Who holds what, and taking it away."""

    @pytest.fixture
    def lease(self, ledger):
        return ledger.lease(SCOPE, actor="ana", host="bastion", command="opsctl remediate db-pool-exhaustion -s amas")

    def test_they_are_listed(self, user, lease):
        out = user.opsctl("ledger", "leases", check=(0,)).out
        assert f"{lease.id}  {SCOPE}  ana on bastion (process {os.getpid()})" in out
        assert "opsctl remediate db-pool-exhaustion -s amas" in out
        (found,) = user.opsctl("ledger", "leases", "-o", "json", check=(0,)).json()["leases"]
        assert (found["id"], found["scope"]) == (lease.id, SCOPE)

    def test_without_a_terminal_only_yes_takes_one_away(self, user, ledger, lease):
        assert "Add --yes" in user.opsctl("ledger", "unlock", lease.id, check=(64,)).err
        assert ledger.leases() == [lease]
        out = user.opsctl("ledger", "unlock", lease.id[:5], "--yes", check=(0,)).out
        assert out == f"{SCOPE} is free: the lock of ana on bastion was taken away.\n"
        assert ledger.leases() == []
        assert "there is no lease" in user.opsctl("ledger", "unlock", lease.id, "--yes", check=(64,)).err
        assert '"by":"eve@desk"' in user.opsctl("ledger", "export", check=(0,)).out

    @pytest.mark.parametrize(("typed", "left"), [("ana", 0), ("yes", 1), ("", 1)])
    def test_on_a_terminal_the_holders_name_is_typed(self, user, ledger, lease, typed, left):
        master, slave = pty.openpty()
        argv = [sys.executable, "-m", "opsctl", "ledger", "unlock", lease.id]
        child = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, cwd=user.folder, env=user.environ, close_fds=True
        )
        os.close(slave)
        said, end = b"", time.monotonic() + 60
        while b"to take it away" not in said and time.monotonic() < end:
            if select.select([master], [], [], 1)[0]:
                said += os.read(master, 4096)
        assert f"{SCOPE}  ana on bastion".encode() in said
        os.write(master, f"{typed}\n".encode())
        assert child.wait(60) == 0
        os.close(master)
        assert len(ledger.leases()) == left


def test_a_ledger_that_cannot_be_read_is_one_sentence(user):
    folder = user.folder / "home/.local/state/opsctl"
    folder.mkdir(parents=True)
    (folder / "ledger.sqlite3").write_text("not a database" * 100)
    for command in (["list"], ["verify"], ["export"], ["note", "last", "x"]):
        done = user.opsctl("ledger", *command, check=(73,))
        assert done.err.count("\n") == 1
        assert "home/.local/state/opsctl/ledger.sqlite3: this file is not a ledger" in done.err


def test_a_time_that_cannot_be_meant(user):
    assert user.opsctl("ledger", "list", "--since", "yesterdayish", check=(64,)).err
    assert user.opsctl("ledger", "list", "--since", "99999999w", check=(64,)).err


@pytest.mark.needs("postgres")
def test_a_teams_ledger_is_the_same_commands(user, postgres, tmp_path):
    user.environ["OPSCTL_STATE"] = postgres.dsn("app")
    try:
        empty = user.opsctl("ledger", "list", check=(0,)).out
        assert empty == f"Nothing has been done yet, says postgres app@127.0.0.1:{postgres.port}.\n"
        ledger = open_ledger(load_settings(None, None, environ=user.environ), user.environ)
        run = ledger.begin(new(plan=PLAN))
        assert "CRASHED" in user.opsctl("ledger", "list", check=(0,)).out
        user.opsctl("ledger", "note", run.id, "by the team", check=(0,))
        assert "by the team (eve@desk)" in user.opsctl("ledger", "show", "last", check=(0,)).out
        user.opsctl("ledger", "verify", check=(0,))
        ledger.close()
        assert not (user.folder / "home/.local/state/opsctl").exists()
    finally:
        postgres.sql("DROP SCHEMA IF EXISTS opsctl CASCADE")
