"""Every way a server can misbehave, against every HTTP client: one typed failure, in time, in a clear sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opsctl.clients.alertmanager import AlertmanagerReader
from opsctl.clients.http import HttpReader
from opsctl.clients.prometheus import PrometheusReader
from opsctl.errors import CouldNotLook
from tests.fakes import badserver as bad
from tests.fakes.endpoints import endpoint

SHORT = 0.6  # for servers that never finish
TIMEOUT = 20.0  # for servers that do: a busy machine must not turn their answer into a timeout
SLACK = 5.0

Ask = Callable[[str, float], object]
CLIENTS: dict[str, Ask] = {
    "http get": lambda url, timeout: HttpReader(endpoint(url)).get_json("/x", timeout=timeout, type=dict[str, object]),
    "prometheus query": lambda url, timeout: PrometheusReader(endpoint(url)).query("up", timeout=timeout),
    "prometheus range": lambda url, timeout: PrometheusReader(endpoint(url)).query_range(
        "up", start=0, end=60, step=1, timeout=timeout
    ),
    "prometheus rules": lambda url, timeout: PrometheusReader(endpoint(url)).rules(timeout),
    "prometheus targets": lambda url, timeout: PrometheusReader(endpoint(url)).targets(timeout),
    "alertmanager alerts": lambda url, timeout: AlertmanagerReader(endpoint(url)).alerts(timeout=timeout),
    "alertmanager status": lambda url, timeout: AlertmanagerReader(endpoint(url)).status(timeout),
}

# behaviour -> reason, and what the sentence must say
CASES: dict[str, tuple[bad.Behaviour, str, str]] = {
    "hangs": (bad.hangs, "timeout", "no answer within 0.6 s"),
    "drips headers": (bad.drips_headers, "timeout", "was not complete after 0.6 s"),
    "drips body": (bad.drips_body, "timeout", "was not complete after 0.6 s"),
    "drips error": (bad.drips_error, "server-error", "HTTP 500"),
    "closes": (bad.closes, "closed", "closed the connection without an answer"),
    "resets": (bad.resets, "closed", "closed the connection"),
    "closes half-way": (bad.closes_half_way, "closed", "half-way"),
    "closes half-way, chunked": (bad.closes_half_way_chunked, "closed", "half-way"),
    "not HTTP": (bad.not_http, "bad-answer", "does not speak HTTP"),
    "endless headers": (bad.endless_headers, "too-large", "headers"),
    "200 MB": (bad.huge, "too-large", "larger than the limit of 64 MiB"),
    "200 MB told": (bad.huge_told, "too-large", "larger than the limit of 64 MiB"),
    "gzip bomb": (bad.gzip_bomb, "too-large", "larger than the limit of 64 MiB"),
    "gzip broken": (bad.gzip_broken, "bad-answer", "broken gzip"),
    "HTML": (bad.html, "bad-answer", 'an HTML page titled "Sign in"'),
    "broken JSON": (bad.broken_json, "bad-answer", " JSON"),
    "empty body": (bad.empty_body, "bad-answer", "an empty body"),
    "bare NaN": (bad.bare_nan, "bad-answer", " JSON"),
    "other shape": (bad.other_shape, "bad-answer", "JSON of another shape"),
    "binary": (bad.binary, "bad-answer", "binary data (application/octet-stream)"),
    "401": (bad.unauthorized, "unauthorized", "HTTP 401"),
    "403": (bad.forbidden, "forbidden", "HTTP 403"),
    "404": (bad.not_found, "not-found", "HTTP 404"),
    "429": (bad.throttled, "throttled", "wait 30 s"),
    "500": (bad.oops, "server-error", "Internal Server Error"),
    "502": (bad.bad_gateway, "server-error", "upstream connect error"),
    "TLS alert": (bad.tls_alert, "tls", "must begin with https://"),
    "TLS port": (bad.tls_only, "tls", "must begin with https://"),
    "redirects elsewhere": (bad.redirects_elsewhere, "bad-answer", "https://login.example.com/sign-in"),
    "redirects for ever": (bad.redirects_for_ever, "bad-answer", "redirects more than 5 times"),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("case", CASES)
def test_one_typed_failure_in_time(case: str, client: str) -> None:
    behaviour, reason, words = CASES[case]
    timeout = SHORT if reason == "timeout" else TIMEOUT
    with bad.BadServer(behaviour) as server:
        url = server.url.replace("http://", "http://ana:hunter2@")
        seconds, error = bad.elapsed(lambda: CLIENTS[client](url, timeout))
    assert isinstance(error, CouldNotLook), error
    assert (error.reason, words in error.says) == (reason, True), (error.reason, error.says)
    assert seconds < timeout + SLACK
    assert error.address.startswith(server.url)
    assert error.setting == "test"
    assert "\n" not in error.says
    assert "\x1b" not in error.says
    assert len(error.says) < 600
    for secret in ("hunter2", "u:p@", "token=abc"):
        assert secret not in error.says + error.address


@pytest.mark.parametrize("client", CLIENTS)
def test_nothing_listens(client: str) -> None:
    port = bad.refusing_port()
    _, error = bad.elapsed(lambda: CLIENTS[client](f"http://127.0.0.1:{port}", TIMEOUT))
    assert isinstance(error, CouldNotLook)
    assert error.reason == "refused"
    assert error.says == f"connection refused at 127.0.0.1:{port}: nothing listens there"


@pytest.mark.parametrize("client", CLIENTS)
def test_unknown_name(client: str) -> None:
    seconds, error = bad.elapsed(lambda: CLIENTS[client]("http://no-such-host.invalid:9090", TIMEOUT))
    assert isinstance(error, CouldNotLook)
    assert error.reason == "unresolved"
    assert "no-such-host.invalid" in error.says
    assert seconds < TIMEOUT + SLACK


@pytest.mark.parametrize("url", ["ftp://h/x", "http://", "http://h:99999/", "http://[::1", "", "postgres://h"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(CouldNotLook) as caught:
        HttpReader(endpoint(url, name="metrics"))
    assert caught.value.reason == "unresolved"
    assert caught.value.says == "the address of metrics is not an http:// or https:// URL with a host"


def test_a_dead_server_behind_a_filter_ends_at_the_timeout() -> None:
    # Nothing accepts: the queue of a listener that never accepts is full, further connections get no answer.
    import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(3):
        extra = socket.socket()
        extra.setblocking(False)
        extra.connect_ex(listener.getsockname())
        waiting.append(extra)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    seconds, error = bad.elapsed(lambda: HttpReader(endpoint(url)).get(timeout=0.5))
    for extra in (*waiting, listener):
        extra.close()
    assert isinstance(error, CouldNotLook)
    assert error.reason == "timeout"
    assert seconds < 0.5 + SLACK


def test_no_time_left_asks_nothing() -> None:
    with bad.BadServer(bad.html) as server:
        _, error = bad.elapsed(lambda: HttpReader(endpoint(server.url)).get(timeout=0.0))
        assert server.requests == []
    assert isinstance(error, CouldNotLook)
    assert error.reason == "timeout"


def test_an_error_body_is_read_for_a_second_at_most() -> None:
    with bad.BadServer(bad.drips_error) as server:
        seconds, error = bad.elapsed(lambda: HttpReader(endpoint(server.url)).get(timeout=60))
    assert isinstance(error, CouldNotLook)
    assert error.reason == "server-error"
    assert seconds < 1 + SLACK
