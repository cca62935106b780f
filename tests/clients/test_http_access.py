"""TLS, proxies and OAuth 2.0: what works, and one clear sentence for what does not."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from opsctl.clients.http import HttpReader
from opsctl.config.endpoint import OAuth2
from opsctl.errors import CouldNotLook
from tests.fakes import badserver as bad
from tests.fakes.endpoints import endpoint
from tests.fakes.recording import Recorder, Seen
from tests.fakes.tls import Authority, HttpsServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def https(authority: Authority) -> Iterator[HttpsServer]:
    server = HttpsServer(*authority.make("server"))
    yield server
    server.stop()


def failure_of(url: str, **access: object) -> CouldNotLook:
    with pytest.raises(CouldNotLook) as caught:
        HttpReader(endpoint(url, **access)).get(timeout=10)
    return caught.value


def test_tls_with_the_right_authority(https: HttpsServer, authority: Authority) -> None:
    reader = HttpReader(endpoint(https.url, ca_file=str(authority.ca)))
    assert reader.get_json() == {"ok": True}
    assert reader.get_json() == {"ok": True}


def test_tls_is_verified_unless_said_otherwise(https: HttpsServer) -> None:
    failed = failure_of(https.url)
    assert failed.reason == "tls"
    assert "authority that is not known here (set ca_file)" in failed.says
    assert HttpReader(endpoint(https.url, insecure_skip_verify=True)).get_json() == {"ok": True}


def test_expired_certificate(authority: Authority) -> None:
    server = HttpsServer(*authority.make("old", expired=True))
    failed = failure_of(server.url, ca_file=str(authority.ca))
    server.stop()
    assert failed.reason == "tls"
    assert failed.says.endswith("the server's certificate has expired")


def test_certificate_for_another_name(authority: Authority) -> None:
    server = HttpsServer(*authority.make("other", names="DNS:metrics.example.com"))
    failed = failure_of(server.url, ca_file=str(authority.ca))
    named = HttpReader(endpoint(server.url, ca_file=str(authority.ca), server_name="metrics.example.com"))
    assert named.get_json() == {"ok": True}
    server.stop()
    assert failed.reason == "tls"
    assert "is for another" in failed.says


def test_client_certificate(authority: Authority) -> None:
    server = HttpsServer(*authority.make("mutual"), client_ca=authority.ca)
    failed = failure_of(server.url, ca_file=str(authority.ca))
    cert, key = (str(path) for path in authority.make("ana"))
    access = {"ca_file": str(authority.ca), "cert_file": cert, "key_file": key}
    assert HttpReader(endpoint(server.url, **access)).get_json() == {"ok": True}
    server.stop()
    assert failed.reason == "tls"
    assert "client certificate" in failed.says


def test_files_that_cannot_be_used(https: HttpsServer, authority: Authority, tmp_path: Path) -> None:
    assert failure_of(https.url, ca_file=str(tmp_path / "none.pem")).reason == "tls"
    (tmp_path / "bad.pem").write_text("nothing")
    failed = failure_of(https.url, ca_file=str(authority.ca), cert_file=str(tmp_path / "bad.pem"))
    assert failed.reason == "tls"
    assert "bad.pem cannot be used" in failed.says


def test_tls_on_a_plain_http_port() -> None:
    with Recorder({"/": "{}"}) as server:
        wrong = failure_of(server.url.replace("http", "https"))
    assert wrong.reason == "tls"
    assert "must begin with http://" in wrong.says


def test_plain_http_on_a_port_that_only_closes(https: HttpsServer) -> None:
    assert failure_of(https.url.replace("https", "http")).reason in ("closed", "tls")


def test_a_tls_handshake_that_never_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        seconds, error = bad.elapsed(lambda: HttpReader(endpoint(url)).get(timeout=0.5))
    assert isinstance(error, CouldNotLook)
    assert error.reason == "timeout"
    assert "TLS was not agreed within 0.5 s" in error.says
    assert seconds < 5


# Proxies


def test_an_explicit_proxy_is_asked_for_the_whole_url() -> None:
    with Recorder({"http://service.invalid/x": '{"by": "proxy"}'}) as proxy:
        access = {"proxy_url": proxy.url.replace("//", "//ana:pw@")}
        assert HttpReader(endpoint("http://service.invalid/", **access)).get_json("/x") == {"by": "proxy"}
    assert base64.b64decode(proxy.seen[0].headers["proxy-authorization"].removeprefix("Basic ")) == b"ana:pw"


def test_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder({"http://service.invalid/": '{"by": "proxy"}'}) as proxy, Recorder({"/": '{"by": "none"}'}) as here:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert HttpReader(endpoint("http://service.invalid")).get_json() == {"by": "proxy"}
        # This host's own addresses never go through a proxy.
        assert HttpReader(endpoint(here.url)).get_json() == {"by": "none"}
        assert HttpReader(endpoint(here.url.replace("127.0.0.1", "localhost"))).get_json() == {"by": "none"}
        monkeypatch.setenv("no_proxy", "service.invalid")
        assert failure_of("http://service.invalid").reason == "unresolved"
        assert len(proxy.seen) == 1


def test_a_proxy_that_refuses() -> None:
    def refuse(talk: bad.Talk) -> None:
        bad.answer(407, b"", "text/plain")(talk)

    with bad.BadServer(refuse) as proxy:
        tunnel = failure_of("https://service.invalid", proxy_url=proxy.url)
        plain = failure_of("http://service.invalid", proxy_url=proxy.url)
    assert tunnel.reason == plain.reason == "unauthorized"
    assert "the proxy refuses" in tunnel.says
    port = bad.refusing_port()
    dead = failure_of("http://service.invalid", proxy_url=f"http://127.0.0.1:{port}")
    assert dead.reason == "refused"
    assert f"127.0.0.1:{port}" in dead.says


def test_socks_needs_its_package() -> None:
    failed = failure_of("http://service.invalid", proxy_url="socks5://127.0.0.1:1")
    assert failed.reason in ("missing-library", "refused")  # refused where socksio is installed


# OAuth 2.0


class TokenServer(Recorder):
    """Gives tokens t1, t2, …; ``basic`` False: wants the secret in the form, as some servers do."""

    def __init__(self, *, basic: bool = True, expires: str = "3600") -> None:
        self.given = 0
        self.basic = basic
        self.expires = expires
        super().__init__({"/token": self.token})

    def token(self, seen: Seen) -> tuple[int, str, bytes]:
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        login = seen.headers.get("authorization", "").removeprefix("Basic ")
        right = base64.b64decode(login) == b"id:se%2Fcret" if self.basic else form.get("client_secret") == "se/cret"
        if not right or form.get("grant_type") != "client_credentials":
            return 401, "application/json", b'{"error": "invalid_client"}'
        self.given += 1
        body = f'{{"access_token": "t{self.given}", "token_type": "bearer", "expires_in": {self.expires}}}'
        return 200, "application/json", body.encode()


def oauth2(tokens: Recorder, secret: str = "se/cret") -> OAuth2:
    return OAuth2(client_id="id", client_secret=secret, token_url=f"{tokens.url}/token", scopes=("read", "metrics"))


@pytest.mark.parametrize("basic", [True, False])
def test_a_token_is_fetched_once_and_kept(basic: bool) -> None:
    with TokenServer(basic=basic) as tokens, Recorder({"/": "{}"}) as server:
        reader = HttpReader(endpoint(server.url, oauth2=oauth2(tokens)))
        for _ in range(3):
            reader.get()
        assert tokens.given == 1
        assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer t1"}
        assert parse_qs(tokens.seen[0].body.decode())["scope"] == ["read metrics"]


def test_an_expired_token_is_renewed() -> None:
    with TokenServer(expires='"10"') as tokens, Recorder({"/": "{}"}) as server:
        reader = HttpReader(endpoint(server.url, oauth2=oauth2(tokens)))
        reader.get()
        reader.get()
        assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer t1", "Bearer t2"]


def test_a_refused_token_is_renewed_once() -> None:
    def wants_t2(seen: Seen) -> tuple[int, str, bytes]:
        return (200 if seen.headers["authorization"] == "Bearer t2" else 401), "application/json", b"{}"

    with TokenServer() as tokens, Recorder({"/": wants_t2, "/never": (401, "text/plain", b"")}) as server:
        reader = HttpReader(endpoint(server.url, oauth2=oauth2(tokens)))
        assert reader.get_json() == {}
        with pytest.raises(CouldNotLook) as caught:
            reader.get("/never")
        assert caught.value.reason == "unauthorized"
        assert tokens.given == 3


def test_no_token_is_named_without_the_secret() -> None:
    with TokenServer() as tokens, Recorder({"/": "{}"}) as server:
        failed = failure_of(server.url, oauth2=oauth2(tokens, "wrong-secret"))
        assert server.seen == []
    assert failed.reason == "unauthorized"
    assert failed.says.startswith("no OAuth 2.0 token: HTTP 401")
    assert "wrong-secret" not in failed.says
    with bad.BadServer(bad.html) as page, Recorder({"/": "{}"}) as server:
        settings = OAuth2(client_id="id", client_secret="s", token_url=page.url)
        failed = failure_of(server.url, oauth2=settings)
    assert failed.reason == "bad-answer"
    assert 'an HTML page titled "Sign in" instead of a token' in failed.says
