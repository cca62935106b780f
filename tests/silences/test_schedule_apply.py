"""`apply` on real Alertmanagers: it converges, makes nothing twice, and touches nothing that is not its own."""

import itertools
import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from opsctl.cli.run import run
from opsctl.clients.alertmanager_write import Draft
from opsctl.silences.book import read
from opsctl.silences.matcher import of_silence
from opsctl.silences.schedule_mark import author
from tests.silences.test_create import members_of

pytestmark = pytest.mark.needs("alertmanager")
NUMBERS = itertools.count(1)


class Session:
    """A user with one file of schedules, whose name no other test has."""

    def __init__(self, alertmanagers, folder):
        self.name = f"team{next(NUMBERS)}-{datetime.now():%f}"
        self.file = folder / "schedules.yaml"
        self.urls = ",".join(server.url for server in alertmanagers)
        self.members = members_of(*(server.url for server in alertmanagers))
        self.policy = folder / "policy.yaml"
        self.policy.write_text("max_duration: 24h\n")

    def write(self, *entries):
        text = "\n".join(msgspec.json.encode(entry).decode() for entry in entries)
        listed = "".join(f"  - {line}\n" for line in text.splitlines())
        self.file.write_text(f"name: {self.name}\nschedules:{chr(10) + listed if listed else ' []'}\n")

    def entry(self, id="backup", hours=3, **more):
        """A daily window that begins in so many hours (a negative number: it began so long ago), for two hours."""
        at = datetime.now(UTC) + timedelta(hours=hours)
        made = {"id": id, "matchers": [f"service={self.name}", 'alertname=~"Pg.+|Disk(Full|Slow)"'], "comment": "work"}
        return {**made, "zone": "UTC", "every": "day", "at": f"{at:%H:%M}", "lasts": "2h", **more}

    def run(self, command, *flags):
        words = ["--alertmanager-url", self.urls, "--policy", str(self.policy), "--ahead", "12h", *flags]
        return run(["silence", "schedule", command, str(self.file), *words])

    def there(self, *states):
        return [
            one.silence
            for one in read(self.members).all
            if self.name in one.silence.comment and one.state in (states or ("active", "pending"))
        ]


@pytest.fixture
def session(alertmanagers, tmp_path):
    made = Session(alertmanagers, tmp_path)
    yield made
    for one in made.there():
        made.members.all[0].expire(one.id)
    made.members.close()


def test_apply_twice_is_one_silence_with_the_exact_window(session, capsys):
    session.write(session.entry(ticket="OPS-7"))
    assert session.run("plan") == 1
    assert capsys.readouterr().out.startswith("create   backup  ")
    assert session.there() == []
    assert session.run("apply") == 0
    assert capsys.readouterr().out.startswith("created  backup  ")
    assert session.run("apply", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    (one,) = session.there()
    assert one.status.state == "pending"
    assert one.ends_at - one.starts_at == timedelta(hours=2)
    assert one.starts_at.second == 0
    assert one.comment.startswith(f"work [OPS-7] [schedule:{session.name}/backup ")
    assert [m.text() for m in of_silence(one)][1] == 'alertname=~"Pg.+|Disk(Full|Slow)"'
    assert session.run("plan") == 0


def test_several_at_once_make_one(session):
    session.write(session.entry(), session.entry("other", 5))
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(session.run("apply", "--quiet"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert len(session.there()) == 2
    assert session.run("plan") == 0


def test_a_changed_schedule_converges(session, capsys):
    session.write(session.entry())
    session.run("apply")
    (old,) = session.there()
    session.write(session.entry(lasts="90m"))
    capsys.readouterr()
    assert session.run("apply") == 0
    out = capsys.readouterr().out
    assert "created" in out
    assert "its schedule has another length now" in out
    (new,) = session.there()
    assert new.id != old.id
    assert new.ends_at - new.starts_at == timedelta(minutes=90)


def test_a_removed_entry_ends_what_is_pending_and_leaves_what_is_in_force(session, capsys):
    session.write(session.entry("soon"), session.entry("now", -1))
    assert session.run("apply") == 0
    assert sorted(one.status.state for one in session.there()) == ["active", "pending"]
    session.write()
    capsys.readouterr()
    assert session.run("apply") == 0
    out = capsys.readouterr().out
    assert "expired  soon" in out
    assert "left     now" in out
    (left,) = session.there()
    assert (left.status.state, f"opsctl silence expire {left.id[:8]}" in out) == ("active", True)
    assert session.run("apply", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_what_was_extended_or_ended_by_hand_is_left_alone(session, capsys):
    session.write(session.entry("longer"), session.entry("ended", -1))
    session.run("apply")
    by_state = {one.status.state: one for one in session.there()}
    pending, member = by_state["pending"], session.members.all[0]
    later = pending.ends_at + timedelta(hours=1)
    again = Draft(id=pending.id, matchers=of_silence(pending), starts_at=pending.starts_at, ends_at=later,
                  created_by=pending.created_by, comment=pending.comment)  # fmt: skip
    assert member.post(again) == pending.id
    member.expire(by_state["active"].id)
    capsys.readouterr()
    assert session.run("apply") == 0
    assert "somebody ended it" in capsys.readouterr().out
    session.write()
    assert session.run("apply") == 0
    assert "it was changed by hand" in capsys.readouterr().out
    assert [one.id for one in session.there()] == [pending.id]


def test_a_marker_in_somebody_elses_silence_means_nothing(session):
    session.write(session.entry())
    session.run("apply")
    (own,) = session.there()
    member = session.members.all[0]
    same = {"matchers": of_silence(own), "starts_at": own.starts_at, "ends_at": own.ends_at}
    other = [*of_silence(own), msgspec.structs.replace(of_silence(own)[0], name="instance")]
    strangers = {
        member.post(Draft(**same, created_by="ana", comment=own.comment)),
        member.post(Draft(**same, created_by=own.created_by, comment=f"as {own.comment} but mine")),
        member.post(Draft(**{**same, "matchers": other}, created_by=author(session.name), comment=own.comment)),
    }
    session.write()
    assert session.run("apply", "-q") == 0
    assert {one.id for one in session.there()} == strangers


def test_a_refused_one_is_named_and_the_others_are_made(session, capsys):
    wide = session.entry("wide", matchers=["severity=warning"], comment=f"all of {session.name}")
    session.write(wide, session.entry("watchdog", matchers=["alertname=Watchdog"]), session.entry())
    assert session.run("apply", "--quiet") == 77
    told = capsys.readouterr()
    assert "created  backup" in told.out
    assert "refused  wide" in told.err
    assert "alone reaches across services" in told.err
    assert "refused  watchdog" in told.err
    assert len(session.there()) == 1


def test_next_asks_no_server(session, capsys):
    session.write(
        session.entry(zone="Europe/Berlin", at="02:30", every="month", on=["last sunday"], until="2040-01-01")
    )
    assert run(["silence", "schedule", "next", str(session.file), "-n", "12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert any("02:30 does not exist that day" in line and "03:00 to 05:00 Europe/Berlin" in line for line in lines)
    assert any("happens twice that day" in line for line in lines)


def test_a_server_that_is_down_is_said(session, capsys):
    session.write(session.entry())
    session.urls = "http://127.0.0.1:9"
    assert session.run("apply", "--quiet") == 69
    assert capsys.readouterr().err.startswith("opsctl: ")
