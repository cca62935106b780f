"""A log of alerts: what a line says, and following a file that grows, rotates and is emptied."""

import gzip
import json
import os
import time

import pytest

from opsctl.alerts.changes import Changes
from opsctl.alerts.log import entries_of
from opsctl.alerts.logtail import MAX_LINE, AlertLog
from opsctl.alerts.model import Sighting
from opsctl.errors import CouldNotLook


def alert(name="HighLatency", **more):
    return {
        "status": "firing",
        "labels": {"alertname": name, "severity": "critical", "service": "agro"},
        "annotations": {"summary": "slow"},
        "startsAt": "2026-11-21T03:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "ab12",
        **more,
    }


def said(line):
    entries = entries_of(line if isinstance(line, bytes) else json.dumps(line).encode())
    return (
        None if entries is None else [(f"{one.at:%H:%M}" if one.at else None, one.state, one.name) for one in entries]
    )


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            {"received_at": "2026-11-21T03:07:12Z", "alerts": [alert(), alert("B", status="resolved")]},
            [("03:07", "firing", "HighLatency"), ("03:07", "resolved", "B")],
        ),
        (
            {"status": "resolved", "alerts": [alert(status="", endsAt="2026-11-21T04:00:00Z")]},
            [("04:00", "resolved", "HighLatency")],
        ),
        ({"status": "firing", "alerts": [alert()]}, [("03:00", "firing", "HighLatency")]),
        (alert(), [("03:00", "firing", "HighLatency")]),
        ({"timestamp": 1795230432, "alertname": "Flat", "status": "firing"}, [("03:07", "firing", "Flat")]),
        ({"labels": {"job": "api"}}, [(None, "firing", "(no name)")]),
        ({"status": "firing", "alerts": []}, []),
    ],
)  # fmt: skip
def test_a_line_is_a_notification_or_one_alert(line, found):
    assert said(line) == found


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"alerts": 3}',
        b'{"alerts": [3]}',
        b'{"labels": {}}',
        b'{"a": ' * 5000,
        b'{"x":"\\ud800"}',
    ],
)
def test_a_line_that_is_no_alert_is_none(line):
    assert entries_of(line) is None


def test_bytes_that_are_no_utf8_and_zeros_before_a_line_do_no_harm():
    (one,) = entries_of(b'\0\0{"labels": {"alertname": "\xff", "n": 3}, "message": "m"}\r')
    assert (one.name, one.labels["n"], one.says) == ("\ufffd", "3", "m")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "alerts.jsonl"
    path.write_text("one\ntwo\n")
    return path


def opened(path):
    log = AlertLog(str(path))
    return log, list(log.past(0, last=False))


def test_what_is_appended_is_given_once_and_only_whole(file):
    log, past = opened(file)
    assert past == [b"one", b"two"]
    assert list(log.fresh()) == []
    with file.open("a") as out:
        out.write("three\n\nfo")
        out.flush()
        assert list(log.fresh()) == [b"three"]
        out.write("ur\n")
        out.flush()
        assert list(log.fresh()) == [b"four"]
    log.close()


def test_a_last_line_without_an_end_is_told_once(file):
    file.write_text("one\ntw")
    log = AlertLog(str(file))
    assert list(log.past(0, last=True)) == [b"one", b"tw"]
    log.close()
    log, past = opened(file)
    assert past == [b"one"]
    file.write_text("one\ntwo\n")
    assert list(log.fresh()) == [b"two"]
    log.close()


def test_a_rotation_loses_nothing(file):
    log, _ = opened(file)
    with file.open("a") as out:
        out.write("late\n")
        file.rename(file.with_name("alerts.jsonl.1"))
        assert list(log.fresh()) == []  # not written yet, and no new file: it waits
        out.write("later\nlast")
    assert any("No such file" in says for says in log.notes)
    file.write_text("new\n")
    assert list(log.fresh()) == [b"late", b"later", b"last", b"new"]
    assert list(log.fresh()) == []
    assert len(log.notes) == 1
    log.close()


@pytest.mark.parametrize("text", ["a\n", "something quite different that is longer\n"], ids=["shorter", "longer"])
def test_a_file_that_was_emptied_begins_anew(file, text):
    log, _ = opened(file)
    file.write_text(text)
    assert list(log.fresh()) == [text.strip().encode()]
    assert log.notes == [f"{file} was emptied; its new lines follow"]
    log.close()


def test_older_files_belong_to_the_past(file):
    file.rename(file.with_name("alerts.jsonl.1"))
    with gzip.open(file.with_name("alerts.jsonl.2.gz"), "wb") as out:
        out.write(b"zero\n")
    os.utime(file.with_name("alerts.jsonl.2.gz"), (time.time() - 60, time.time() - 60))
    file.write_text("three\n")
    log, past = opened(file)
    assert past == [b"zero", b"one", b"two", b"three"]
    log.close()
    log = AlertLog(str(file))
    assert list(log.past(time.time() - 30, last=False)) == [b"one", b"two", b"three"]
    log.close()


def test_a_line_without_end_is_cut_and_not_held(file):
    log, _ = opened(file)
    with file.open("a") as out:
        out.write("x" * (MAX_LINE + 10))
        out.flush()
        assert list(log.fresh()) == []
        assert log.cut == 1
        out.write("x\nnext\n")
        out.flush()
        assert list(log.fresh()) == [b"next"]
    assert log.cut == 1
    log.close()


def test_what_is_no_file_cannot_be_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("none", "does not exist on this host"), ("pipe", "not a regular file")):
        with pytest.raises(CouldNotLook, match=says):
            AlertLog(str(tmp_path / name))


def one(key, state="active", **more):
    return Sighting("alertmanager", key, key, state, {"alertname": key}, **more)


def told(changes, **answers):
    return sorted((change.state, change.alert.name) for change in changes.look(answers))


def test_changes_between_looks_have_their_word():
    changes = Changes()
    assert told(changes, a=[one("A"), one("B", "silenced", silenced_by=("s",))]) == []
    assert told(changes, a=[one("A", "silenced", silenced_by=("s",)), one("B")]) == [
        ("silence ended", "B"),
        ("silenced", "A"),
    ]
    assert told(changes, a=[one("B", "inhibited", inhibited_by=("x",)), one("C")]) == [
        ("firing", "C"),
        ("inhibited", "B"),
        ("resolved", "A"),
    ]
    assert told(changes, a=[one("B"), one("C")]) == [("inhibition ended", "B")]


def test_a_silent_member_resolves_nothing_and_keeps_nothing_alive():
    changes = Changes()
    told(changes, a=[one("Both", "silenced", silenced_by=("s",))], b=[one("Both"), one("OnlyB")])
    assert told(changes) == []
    assert told(changes, a=[one("Both", "silenced", silenced_by=("s",))]) == []
    assert told(changes, b=[one("Both"), one("OnlyB")]) == [("silence ended", "Both")]
    assert told(changes, a=[]) == []  # b, now silent, is the only one that was heard to have them
    assert told(changes, a=[], b=[one("OnlyB")]) == [("resolved", "Both")]
