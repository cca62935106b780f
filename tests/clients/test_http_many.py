"""Many addresses at once: answers in all the shapes HTTP has, servers that misbehave, and one deadline for all."""

from __future__ import annotations

import time

import pytest

from opsctl.clients.http_fetch import Place
from opsctl.clients.http_many import get_all
from opsctl.config.endpoint import HttpAccess
from opsctl.errors import CouldNotLook
from tests.fakes.rawserver import RawServer
from tests.fakes.tls import Authority, HttpsServer
from tests.servers.web import Web

HEAD = b"HTTP/1.1 200 OK\r\n"


def ask(*urls: str, seconds: float = 5.0, each: float = 5.0, access: HttpAccess | None = None):
    return get_all(urls, deadline=time.monotonic() + seconds, each=each, access=access)


def answering(data: bytes, then: float = 0.0):
    def behave(sock):
        sock.recv(65536)
        sock.sendall(data)
        time.sleep(then)

    return RawServer(behave)


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello", 200, b"hello"),
        (HEAD + b"Content-Length: 5\r\n\r\nhello and more", 200, b"hello"),
        (HEAD + b"\r\nto the end", 200, b"to the end"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, b"abcde"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 503 Busy\r\n\r\n", 503, b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok", 200, b"ok"),
        (HEAD + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000, 200, b"x" * 65536),
        (HEAD + b"\r\n" + b"x" * 200_000, 200, b"x" * 65536),
    ],
    ids=["length", "too much", "to the end", "chunks", "no content", "1.0", "early hints", "large", "large, no length"],
)
def test_answers_of_every_shape(data, status, body):
    with answering(data) as server:
        [got] = ask(f"http://127.0.0.1:{server.port}/")
    assert got.error is None, got.error
    assert (got.answer.status, got.answer.body) == (status, body)


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"", "closed", "without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad-answer", "does not speak HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "tls", "must begin with https://"),
        (HEAD + b"Content-Length: 50\r\n\r\nhalf", "closed", "half-way"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", "closed", "half-way"),
        (b"HTTP/1.1 what\r\n\r\n", "bad-answer", "not HTTP"),
        (HEAD + b"X: " + b"y" * 200_000, "too-large", "headers larger"),
    ],
)
def test_what_is_no_answer_has_its_own_words(data, reason, words):
    with answering(data, then=0.2) as server:
        [got] = ask(f"http://127.0.0.1:{server.port}/")
    assert got.answer is None
    assert got.error.reason == reason
    assert words in got.error.says


def test_a_server_that_drips_is_cut_off_in_time():
    def drip(sock):
        sock.recv(65536)
        sock.sendall(HEAD)
        for _ in range(200):
            sock.sendall(b"X-Slow: 1\r\n")
            time.sleep(0.05)

    with RawServer(drip) as server:
        began = time.monotonic()
        [got] = ask(f"http://127.0.0.1:{server.port}/", each=0.5)
    assert time.monotonic() - began < 3
    assert got.error.reason == "timeout"
    assert "was not complete after 0.5 s" in got.error.says


def test_those_that_hang_cost_only_themselves():
    web = Web({"/": "ok", "/hang": lambda: time.sleep(20) or "late"})
    try:
        urls = [f"{web.url}/hang" if n % 10 == 0 else f"{web.url}/?{n}" for n in range(100)]
        began = time.monotonic()
        got = ask(*urls, seconds=30, each=8)
        assert time.monotonic() - began < 25
    finally:
        web.stop()
    assert [one.error.reason if one.error else one.answer.status for one in got] == ["timeout", *[200] * 9] * 10


def test_more_hanging_ones_than_are_asked_at_once_leave_the_rest_unasked_and_say_so():
    with RawServer(lambda sock: time.sleep(5)) as server:
        urls = [f"http://127.0.0.1:{server.port}/{n}" for n in range(60)]
        got = ask(*urls, seconds=1.0)
    assert {one.error.reason for one in got} == {"timeout", "skipped"}
    assert sum(one.error.reason == "timeout" for one in got) == 32


def test_nobody_listens_and_names_that_are_none():
    got = ask("http://127.0.0.1:9/", "http://no-such-host.invalid/", "ftp://x/", "http://", "http://a b/", seconds=8)
    assert [one.error.reason for one in got] == ["refused", *["unresolved"] * 4]
    assert "nothing listens" in got[0].error.says


def test_the_second_address_of_a_name_is_tried(monkeypatch):
    import socket

    web = Web({"/": "ok"})
    real = socket.getaddrinfo

    def two(host, port, *rest, **more):
        dead = real("127.0.0.1", 9, *rest, **more)
        return dead + real("127.0.0.1", port, *rest, **more)

    monkeypatch.setattr("opsctl.clients.http_many.socket.getaddrinfo", two)
    try:
        [got] = ask(f"http://two.example:{web.port}/")
    finally:
        web.stop()
    assert got.answer is not None
    assert got.answer.status == 200


def test_what_is_sent_and_what_is_shown():
    web = Web({"/a b": "ok", "/a%20b": "ok"})
    try:
        [got] = ask(f"http://me:not-a-real-one@{web.netloc}/a%20b?token=abcdef&x=1")
        [request] = web.requests
    finally:
        web.stop()
    assert request.method == "GET"
    assert request.path == "/a%20b?token=abcdef&x=1"
    assert request.headers["authorization"] == "Basic bWU6bm90LWEtcmVhbC1vbmU="
    assert request.headers["host"] == web.netloc
    assert "not-a-real-one" not in got.answer.url
    assert "abcdef" not in got.answer.url


def test_a_header_cannot_be_smuggled_in():
    for url in ("http://h/\r\nX: y", "http://h/ x", "http://h\n/"):
        with pytest.raises(CouldNotLook):
            Place.of(url)


def test_tls_is_verified(tmp_path):
    authority = Authority(tmp_path / "ca")
    server = HttpsServer(*authority.make("server"))
    try:
        trusted = ask(server.url, server.url, access=HttpAccess(ca_file=str(authority.ca)))
        [distrusted] = ask(server.url)
    finally:
        server.stop()
    assert [one.answer.status for one in trusted] == [200, 200]
    assert distrusted.error.reason == "tls"
    assert "authority" in distrusted.error.says or "signed" in distrusted.error.says


def test_a_tls_port_that_never_shakes_hands():
    with RawServer(lambda sock: time.sleep(5)) as server:
        [got] = ask(f"https://127.0.0.1:{server.port}/", each=0.5)
    assert got.error.reason == "timeout"
    assert "TLS was not agreed" in got.error.says
