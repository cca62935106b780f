"""The ledger's file when its disk, its folder or its content is not as it should be: said in one sentence, exit 73."""

import multiprocessing
import os
import resource
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path

import pytest

from opsctl.errors import CannotWrite, ConfigError, OpsctlError, TryLater
from opsctl.ledger import sqlite
from tests.ledger.conftest import Store, environ_of
from tests.ledger.sample import SCOPE, a_run, new, step

CONTEXT = multiprocessing.get_context("fork")


def test_only_its_owner_can_read_it(file_store):
    a_run(file_store.open())
    made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file_store.path.parent.iterdir()}
    assert made["ledger.sqlite3"] == 0o600
    assert set(made.values()) == {0o600}
    assert stat.S_IMODE(file_store.path.parent.stat().st_mode) == 0o700


def test_one_that_others_can_read_is_closed_to_them(file_store):
    file_store.open().close()
    file_store.path.chmod(0o644)
    file_store.open()
    assert stat.S_IMODE(file_store.path.stat().st_mode) == 0o600


def test_every_commit_goes_to_the_disk(file_store):
    connection = file_store.open()._database._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_full_disk_records_nothing_and_says_where(file_store):
    ledger = file_store.open()
    run = ledger.begin(new())
    connection = ledger._database._connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    done = []
    with pytest.raises(CannotWrite) as failed:
        _go_on(ledger, run, done)
    number = len(done) + 1
    assert failed.value.code == 73
    assert "the disk is full" in failed.value.sentence()
    assert "ledger.sqlite3: the ledger cannot be written" in failed.value.sentence()
    assert len(ledger.entries(run.id)) == number  # begun and those before: the one that failed is not there
    with pytest.raises(CannotWrite):
        ledger.begin(new(reason="x" * 10_000))
    connection.execute("PRAGMA max_page_count = 1000000")  # somebody made room
    ledger.append(run.id, "intent", step("pid 1", number), number)
    assert ledger.verify().broken == ()


def _go_on(ledger, run, done):
    """Record until that fails; ``done``: what was."""
    for number in range(1, 10_000):
        done.append(ledger.append(run.id, "intent", step("pid 1" * 100, number), number))


def _fill(store, told):
    ledger = store.open()
    run = ledger.begin(new())
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))  # as a full disk: the write itself fails
    done = []
    try:
        _go_on(ledger, run, done)
    except OpsctlError as error:
        told.put((run.id, len(done), type(error).__name__, error.sentence()))


def test_a_write_that_the_system_refuses_leaves_the_record_whole(file_store):
    told = CONTEXT.SimpleQueue()
    child = CONTEXT.Process(target=_fill, args=(file_store, told))
    child.start()
    run, number, error, said = told.get()
    child.join(60)
    assert error == "CannotWrite"
    assert "the ledger cannot be written" in said
    ledger = file_store.open()
    assert ledger.verify().broken == ()
    assert len(ledger.entries(run)) == number + 1


def test_a_file_that_is_no_database_is_left_as_it_is(file_store):
    file_store.path.parent.mkdir(parents=True)
    text = "somebody's notes\n" * 100
    file_store.path.write_text(text)
    for reading in (False, True):
        with pytest.raises(CannotWrite, match=r"ledger\.sqlite3: this file is not a ledger|this file is not a ledger"):
            file_store.open(reading=reading)
    assert file_store.path.read_text() == text


def test_a_damaged_file_is_found_and_not_written_to(file_store):
    ledger = file_store.open()
    for _ in range(20):
        a_run(ledger, *(f"pid {number}" for number in range(10)))
    ledger.close()
    content = bytearray(file_store.path.read_bytes())
    content[8192:-8192] = b"\x5a" * (len(content) - 16_384)
    file_store.path.write_bytes(content)
    with pytest.raises(CannotWrite) as failed:
        file_store.open().verify()
    assert failed.value.sentence().endswith(
        "ledger.sqlite3: this file is damaged. Move it away, and a new one is begun."
    )


def test_a_ledger_of_a_newer_opsctl_is_left_alone(store):
    a_run(store.open())
    store.sql("INSERT INTO versions VALUES (9, '2026-11-21')")
    for reading in (False, True):
        with pytest.raises(ConfigError, match="made by a newer opsctl") as refused:
            store.open(reading=reading)
        assert refused.value.code == 78


def test_another_programs_database_gets_tables_of_its_own_only_if_names_are_free(file_store):
    file_store.path.parent.mkdir(parents=True)
    with sqlite3.connect(file_store.path) as connection:
        connection.execute("CREATE TABLE runs (x)")
    connection.close()
    with pytest.raises(CannotWrite, match="table runs already exists"):
        file_store.open()
    assert file_store.sql("SELECT name FROM sqlite_master") == [("runs",)]


def test_a_writer_that_does_not_let_go_is_not_waited_for_endlessly(file_store, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.3)
    ledger, other = file_store.open(), file_store.open()
    run = ledger.begin(new())
    with other._database.writing():
        assert len(ledger.entries(run.id)) == 1  # reading goes on
        with pytest.raises(TryLater) as refused:
            ledger.append(run.id, "note", {"text": "x"})
    assert refused.value.code == 75
    ledger.append(run.id, "note", {"text": "x"})


@pytest.fixture
def open_folder():
    """A folder that another user of this machine may enter."""
    folder = Path(tempfile.mkdtemp(prefix="opsctl-ledger-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def _without_rights(folder, told):
    if os.geteuid() == 0:
        os.setgid(65_534)
        os.setuid(65_534)
    store = Store(environ_of(folder))
    try:
        told.put(("read", [run.says for run in store.open(reading=True).runs()]))
    except OpsctlError as error:
        told.put((type(error).__name__, error.sentence()))
    try:
        store.open().lease(SCOPE, actor="eve", host="here", command="x")
        told.put(("written", ""))
    except OpsctlError as error:
        told.put((type(error).__name__, error.sentence()))


@pytest.mark.parametrize("there", [True, False], ids=["a ledger", "no ledger"])
def test_a_folder_that_cannot_be_written_can_still_be_read(open_folder, there):
    store = Store(environ_of(open_folder))
    parts = [open_folder / "home", *(store.path.parents[n] for n in (2, 1, 0))]
    store.path.parent.mkdir(parents=True)
    if there:
        a_run(store.open())
        store.close()
        store.path.chmod(0o444)
    for part in parts:
        part.chmod(0o555)
    told = CONTEXT.SimpleQueue()
    child = CONTEXT.Process(target=_without_rights, args=(open_folder, told))
    child.start()
    read, written = told.get(), told.get()
    child.join(60)
    for part in parts:
        part.chmod(0o755)
    assert read == ("read", ["free slots 0 -> 9"] if there else [])
    assert written[0] == "CannotWrite"
    assert "the ledger cannot be written (permission denied)" in written[1]
    assert "ledger.sqlite3" in written[1]
    assert store.path.exists() == there


def test_a_place_below_a_file_is_said(tmp_path):
    (tmp_path / "state").write_text("")
    store = Store(environ_of(tmp_path, XDG_STATE_HOME=str(tmp_path / "state")))
    with pytest.raises(CannotWrite, match="the ledger cannot be written"):
        store.open()
