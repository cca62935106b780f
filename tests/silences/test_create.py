"""A silence is created once, whatever becomes of the answers, and mutes at once, whatever the clocks say."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

import pytest

from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook, Unavailable
from opsctl.silences.create import Wanted, create
from opsctl.silences.firing import firing
from opsctl.silences.matcher import parse_all
from opsctl.silences.members import Members
from opsctl.silences.window import Window

pytestmark = pytest.mark.needs("alertmanager")


def members_of(*urls):
    options = {"members": ",".join(urls[1:])} if len(urls) > 1 else {}
    return Members(Endpoint(name="alertmanager", url=urls[0], setting="test", options=options))


def wanted(name, seconds=3600, at=None, **more):
    start = at or datetime.now(UTC).replace(microsecond=0)
    window = Window(start, start + timedelta(seconds=seconds), True)
    return Wanted(parse_all([f"service={name}"]), window, "ana", "deploy", **more)


def active(members, name):
    return [
        s
        for s in members.all[0].silences()
        if s.status.state in ("active", "pending") and any(m.value == name for m in s.matchers)
    ]


class Between(ThreadingHTTPServer):
    """A proxy that loses POSTs or their answers as ``plan`` says (lost, unheard), or lets them hang before or after the
    server has them (hangs, taken), and may tell another time. ``seen``: every request.
    """

    daemon_threads = True

    def __init__(self, target, plan=(), ahead=0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.plan, self.ahead = target, list(plan), ahead
        self.seen, self.lock, self.posted = [], threading.Lock(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.server.ahead)

    def relay(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0) or 0))
        with self.server.lock:
            self.server.seen.append(f"{self.command} {self.path}")
            what = self.server.plan.pop(0) if self.command == "POST" and self.server.plan else ""
        if what == "hangs":
            self.server.posted.set()
            time.sleep(30)
        if what in ("lost", "hangs"):
            self.close_connection = True
            return
        request = Request(self.server.target + self.path, body or None, method=self.command)
        request.add_header("Content-Type", "application/json")
        with urlopen(request) as answer:
            data = answer.read()
        if what == "taken":
            self.server.posted.set()
            time.sleep(30)
        if what in ("unheard", "taken"):
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = relay


def test_it_is_active_on_every_member(alertmanagers):
    members = members_of(*(server.url for server in alertmanagers))
    made = create(members, wanted("everywhere"))
    assert (made.outcome, made.state, made.not_seen_on) == ("created", "active", ())


def test_the_same_again_is_the_same_silence(alertmanagers):
    members = members_of(alertmanagers[0].url)
    first = create(members, wanted("again"))
    second = create(members, wanted("again", seconds=7200))
    assert (second.outcome, second.id) == ("found", first.id)
    assert create(members, wanted("again")._replace(comment="other work")).outcome == "created"


@pytest.mark.parametrize("plan", [["lost"], ["unheard"], ["lost", "unheard"], ["unheard", "lost"]])
def test_a_lost_request_or_answer_makes_no_double(alertmanagers, plan):
    name = "-".join(plan)
    made = create(members_of(Between(alertmanagers[0].url, plan).url), wanted(name), timeout=3)
    assert made.outcome == "created"
    assert [s.id for s in active(members_of(alertmanagers[0].url), name)] == [made.id]


def test_when_every_request_is_lost_it_says_that_it_does_not_know(alertmanagers):
    made = create(members_of(Between(alertmanagers[0].url, ["lost"] * 9).url), wanted("never"), timeout=3)
    assert made.outcome == "unknown"
    assert made.says
    assert active(members_of(alertmanagers[0].url), "never") == []


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_ten_minutes_between_the_clocks_do_not_matter(alertmanagers, ahead):
    """The server is on time; the proxy makes this side believe that it differs, as a wrong local clock would."""
    name = f"skew{ahead:.0f}"
    proxy = Between(alertmanagers[0].url)
    wrong = datetime.fromtimestamp(time.time() + ahead, UTC).replace(microsecond=0)
    proxy_members = members_of(proxy.url)
    import opsctl.silences.create as module

    real, module.time = module.time, Clock(ahead)
    try:
        made = create(proxy_members, wanted(name, seconds=300, at=wrong))
        again = create(proxy_members, wanted(name, seconds=300, at=wrong))
    finally:
        module.time = real
    assert made.state == "active"
    assert abs((made.end - datetime.now(UTC)).total_seconds() - 300) < 30
    assert again.id == made.id
    assert abs(made.skew + ahead) <= 2


class Clock:
    """The time module of a machine whose clock is wrong."""

    def __init__(self, ahead):
        self.time = lambda: time.time() + ahead
        self.monotonic, self.sleep = time.monotonic, time.sleep


def test_a_hundred_creates_with_losses_make_a_hundred_silences(alertmanagers, monkeypatch):
    """Each goes through a proxy that loses a third of the requests and a third of the answers."""
    import opsctl.silences.create as module

    monkeypatch.setattr(module, "_LATE", 0.1)
    monkeypatch.setattr(module, "_TRIES", 12)
    chance = random.Random(4)
    plan = [chance.choice(["", "lost", "unheard"]) for _ in range(2000)]
    proxy = Between(alertmanagers[0].url, plan)

    def one(number):
        members = members_of(proxy.url)
        made = create(members, wanted(f"hundred-{number}"), timeout=20)
        members.close()
        return made

    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(one, range(100)))
    proxy.shutdown()
    assert {one.outcome for one in made} == {"created"}
    there = [
        s.id
        for s in members_of(alertmanagers[0].url).all[0].silences()
        if s.status.state == "active" and s.matchers[0].value.startswith("hundred-")
    ]
    assert sorted(there) == sorted(one.id for one in made)
    assert len(set(there)) == 100


def test_it_costs_four_requests(alertmanagers):
    """amtool makes two: POST, and GET /status for its version check."""
    proxy = Between(alertmanagers[0].url)
    members = members_of(proxy.url)
    create(members, wanted("counted"), check=lambda: firing(members, wanted("counted").matchers))
    assert proxy.seen == ["GET /api/v2/silences", "GET /api/v2/alerts", "POST /api/v2/silences", "GET /api/v2/silences"]
    create(members, wanted("counted"))
    assert len(proxy.seen) == 5, "the second time one look is enough"


def test_an_end_that_is_a_moment_does_not_move_with_the_clock(alertmanagers, monkeypatch):
    import opsctl.silences.create as module

    monkeypatch.setattr(module, "time", Clock(600.0))
    late = datetime.fromtimestamp(time.time() + 600, UTC).replace(microsecond=0)
    mine = wanted("moment", seconds=1800, at=late, until=True)
    made = create(members_of(Between(alertmanagers[0].url).url), mine)
    assert (made.state, made.end) == ("active", mine.window.end)


def test_refusals_and_absence_are_named(alertmanagers):
    with pytest.raises(CouldNotLook) as refused:
        create(members_of(alertmanagers[0].url), wanted("x")._replace(matchers=parse_all(["a="])))
    assert refused.value.reason == "bad-query"
    with pytest.raises(Unavailable) as gone:
        create(members_of("http://127.0.0.1:9", "http://127.0.0.1:10"), wanted("x"))
    assert "no Alertmanager answered" in gone.value.sentence()


def test_the_second_member_is_used_when_the_first_is_gone(alertmanagers):
    made = create(members_of("http://127.0.0.1:9", alertmanagers[1].url), wanted("second"))
    assert made.outcome == "created"
    assert made.not_seen_on == ("http://127.0.0.1:9",)


def test_the_ticket_is_kept_in_the_comment_where_annotations_are_dropped(alertmanagers):
    members = members_of(alertmanagers[0].url)
    create(members, wanted("ticketed", ticket="OPS-7"))
    assert active(members, "ticketed")[0].comment == "deploy [OPS-7]"
    assert create(members, wanted("ticketed", ticket="OPS-7")).outcome == "found"
