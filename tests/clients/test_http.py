"""HttpReader against servers that behave: addresses, credentials, connections, redirects, bodies."""

from __future__ import annotations

import base64
import gzip
import threading
import time
from datetime import UTC, datetime

import msgspec
import pytest

from opsctl.clients.http import HttpReader
from opsctl.clients.http_answer import first_words, parse_date
from opsctl.errors import CouldNotLook
from tests.fakes import badserver as bad
from tests.fakes.endpoints import endpoint
from tests.fakes.recording import Recorder, Seen


def test_login_in_the_url_becomes_basic_auth_and_is_never_shown() -> None:
    with Recorder({"/prom/x": "{}"}) as server:
        reader = HttpReader(endpoint(server.url.replace("//", "//ana:s%40fe@") + "/prom/"))
        answer = reader.get("/x")
    assert reader.address == server.url + "/prom"
    assert answer.url == server.url + "/prom/x"
    assert base64.b64decode(server.seen[0].headers["authorization"].removeprefix("Basic ")) == b"ana:s@fe"
    assert "s@fe" not in repr(reader.endpoint)


def test_a_configured_authorization_wins_over_the_url() -> None:
    with Recorder({"/": "{}"}) as server:
        url = server.url.replace("//", "//ana:x@")
        HttpReader(endpoint(url, headers=(("authorization", "Bearer t0ken"), ("X-Scope-OrgID", "a")))).get()
    assert server.seen[0].headers["authorization"] == "Bearer t0ken"
    assert server.seen[0].headers["x-scope-orgid"] == "a"


@pytest.mark.parametrize(
    ("url", "path", "asked"),
    [
        ("{}", "", "/"),
        ("{}/metrics", "", "/metrics"),
        ("{}/metrics?format=prometheus", "", "/metrics?format=prometheus"),
        ("{}/prom/", "/api/v1/query", "/prom/api/v1/query"),
        ("{}", "a b/ü", "/a%20b/%C3%BC"),
        ("{}", "//evil.example.com/x", "/evil.example.com/x"),
    ],
)
def test_where_a_path_leads(url: str, path: str, asked: str) -> None:
    with Recorder() as server:
        HttpReader(endpoint(url.format(server.url))).get(path, accept=None)
    seen = server.seen[0]
    assert seen.path + (f"?{seen.query}" if seen.query else "") == asked


def test_a_scheme_may_be_left_out() -> None:
    with Recorder({"/": "[1]"}) as server:
        assert HttpReader(endpoint(server.url.removeprefix("http://"))).get_json(type=list[int]) == [1]


def test_parameters_may_be_repeated() -> None:
    with Recorder({"/": "{}"}) as server:
        HttpReader(endpoint(server.url)).get(params={"filter": ['a="b"', "c=~d"], "limit": 5})
    assert server.seen[0].query == "filter=a%3D%22b%22&filter=c%3D~d&limit=5"


def test_secrets_in_the_query_are_not_in_the_answers_url() -> None:
    with Recorder({"/": "{}"}) as server:
        answer = HttpReader(endpoint(server.url + "/?token=abcdef123")).get(params={"a": "1"})
        reader = HttpReader(endpoint(server.url + "/?token=abcdef123"))
    assert "abcdef123" not in answer.url + reader.address
    assert answer.url.endswith("a=1")


def test_connections_are_kept_and_a_dead_one_is_replaced() -> None:
    connections = 0

    def twice_then_close(talk: bad.Talk) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            if not talk.read_request():
                return
        # The third request was taken, and the connection closes: what an idle timeout looks like from the client.

    with bad.BadServer(twice_then_close) as server:
        reader = HttpReader(endpoint(server.url))
        for _ in range(4):
            assert reader.get().body == b"{}"
        reader.close()
    assert connections == 2


def test_a_fresh_connection_that_closes_is_not_tried_again() -> None:
    with bad.BadServer(bad.closes) as server:
        with pytest.raises(CouldNotLook):
            HttpReader(endpoint(server.url)).get()
        assert len(server.requests) == 1


def test_a_query_is_not_posted_twice() -> None:
    def once_then_close(talk: bad.Talk) -> None:
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        talk.read_request()

    with bad.BadServer(once_then_close) as server:
        reader = HttpReader(endpoint(server.url))
        reader.post_query("/api/v1/query", {"query": "up"}, timeout=5)
        with pytest.raises(CouldNotLook) as caught:
            reader.post_query("/api/v1/query", {"query": "up"}, timeout=5)
        assert len(server.requests) == 1
    assert caught.value.reason == "closed"


@pytest.mark.parametrize("path", ["/api/v1/admin/tsdb/delete_series", "/api/v2/silences", "/-/reload", "/x"])
def test_only_queries_are_posted(path: str) -> None:
    with Recorder() as server:
        with pytest.raises(ValueError, match="not a query"):
            HttpReader(endpoint(server.url)).post_query(path, {}, timeout=1)
        assert server.seen == []


def test_redirects_stay_inside_the_origin() -> None:
    def moved(talk: bad.Talk) -> None:
        if talk.request.startswith(b"GET /old"):
            bad.answer(301, b"", "text/plain", "Location: /new")(talk)
        else:
            bad.answer(200, b'{"at": "new"}')(talk)

    with bad.BadServer(moved) as server:
        assert HttpReader(endpoint(server.url)).get_json("/old") == {"at": "new"}
    with Recorder({"/x": "{}"}) as other:
        away = bad.answer(302, b"", "text/plain", f"Location: {other.url}/x")
        with bad.BadServer(away) as server, pytest.raises(CouldNotLook) as caught:
            HttpReader(endpoint(server.url, headers=(("Authorization", "Bearer secret"),))).get("/x")
        assert other.seen == []
    assert caught.value.reason == "bad-answer"
    assert other.url in caught.value.says


def test_accepted_statuses_come_back_with_their_body() -> None:
    with Recorder({"/health": (503, "application/json", b'{"status": "starting"}')}) as server:
        reader = HttpReader(endpoint(server.url))
        assert reader.get("/health", accept=frozenset({200, 503})).status == 503
        assert reader.get("/health", accept=None).body == b'{"status": "starting"}'
        with pytest.raises(CouldNotLook) as caught:
            reader.get("/health")
    assert caught.value.reason == "server-error"


def test_head() -> None:
    with Recorder({"/": "{}"}) as server:
        answer = HttpReader(endpoint(server.url)).head()
    assert (answer.status, answer.body, server.seen[0].method) == (200, b"", "HEAD")


def test_what_an_answer_tells() -> None:
    page = bad.answer(200, b"{}", "application/json; charset=utf-8", "Date: Sat, 21 Nov 2026 03:07:12 GMT")
    with bad.BadServer(page) as server:
        answer = HttpReader(endpoint(server.url)).get()
    assert answer.date == datetime(2026, 11, 21, 3, 7, 12, tzinfo=UTC)
    assert answer.content_type == "application/json"
    assert answer.seconds > 0
    assert parse_date("yesterday") is None


def test_gzip_is_unpacked_also_when_it_comes_in_parts() -> None:
    text = b'{"a": [' + b"1," * 2_000_000 + b"2]}"
    packed = gzip.compress(text[:1000]) + gzip.compress(text[1000:])
    with bad.BadServer(bad.answer(200, packed, "application/json", "Content-Encoding: gzip")) as server:
        assert HttpReader(endpoint(server.url)).get().body == text


def test_a_cut_gzip_is_not_taken_for_whole() -> None:
    packed = gzip.compress(b'{"a": 1}' * 1000)[:-20]
    page = bad.answer(200, packed, "application/json", "Content-Encoding: gzip")
    with bad.BadServer(page) as server, pytest.raises(CouldNotLook) as caught:
        HttpReader(endpoint(server.url)).get()
    assert caught.value.reason == "closed"


def test_max_bytes_bounds_the_body_exactly() -> None:
    with Recorder({"/": b"x" * 1000}) as server:
        reader = HttpReader(endpoint(server.url))
        assert len(reader.get(max_bytes=1000).body) == 1000
        with pytest.raises(CouldNotLook) as caught:
            reader.get(max_bytes=999)
    assert caught.value.reason == "too-large"


def test_json_into_a_type() -> None:
    class Answer(msgspec.Struct):
        count: int

    with Recorder({"/ok": '{"count": 3, "more": 1}', "/no": '{"count": "three"}'}) as server:
        reader = HttpReader(endpoint(server.url))
        assert reader.get_json("/ok", type=Answer) == Answer(3)
        with pytest.raises(CouldNotLook) as caught:
            reader.get_json("/no", type=Answer)
    assert caught.value.says.endswith("answered with JSON of another shape: Expected `int`, got `str` - at `$.count`")


def test_many_threads_share_one_reader() -> None:
    def slow(seen: Seen) -> tuple[int, str, bytes]:
        time.sleep(0.2)
        return 200, "application/json", b"1"

    with Recorder({"/": slow}) as server:
        reader = HttpReader(endpoint(server.url))
        got: list[object] = []
        threads = [threading.Thread(target=lambda: got.append(reader.get_json(timeout=30))) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reader.close()
    assert got == [1] * 40


def test_a_hanging_call_does_not_hold_up_another_thread() -> None:
    def behave(talk: bad.Talk) -> None:
        bad.hangs(talk) if b"/hang" in talk.request else bad.answer(200, b"{}")(talk)

    with bad.BadServer(behave) as server:
        reader = HttpReader(endpoint(server.url))
        failed: list[BaseException | None] = []
        beside = threading.Thread(target=lambda: failed.append(bad.elapsed(lambda: reader.get("/hang", timeout=3))[1]))
        beside.start()
        assert reader.get_json("/quick", timeout=30) == {}
        assert beside.is_alive()
        beside.join()
    assert isinstance(failed[0], CouldNotLook)


def test_close_and_go_on() -> None:
    with Recorder({"/": "{}"}) as server:
        reader = HttpReader(endpoint(server.url))
        reader.close()
        reader.get()
        reader.close()
        reader.get()
    assert len(server.seen) == 2


def test_a_header_that_cannot_be_sent_is_named_without_its_value() -> None:
    with Recorder({"/": "{}"}) as server, pytest.raises(CouldNotLook) as caught:
        HttpReader(endpoint(server.url, headers=(("Authorization", "Bearer abc\r\nX: y"),))).get()
    assert caught.value.reason == "bad-query"
    assert "Bearer abc" not in caught.value.says


def test_first_words_are_one_clean_line() -> None:
    text = b"<html><style>p{}</style>\n<h1>Oops</h1>\x1b[31m password=hunter2 \xff" + b"z" * 500
    words = first_words(text)
    assert words.startswith("Oops password=")
    assert "hunter2" not in words
    assert len(words) == 160
