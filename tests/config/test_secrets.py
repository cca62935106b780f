"""Secrets only by reference; a literal one only where nobody else can read it; never shown."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.config import references
from opsctl.config.addresses import holds_password, origin, with_password, without_password
from opsctl.config.endpoint import Endpoint
from opsctl.config.settings import load_settings
from opsctl.config.values import values
from opsctl.errors import ConfigError, CouldNotLook
from tests.config.conftest import Write

SECRET = "hunter2hunter2"


def prometheus(http_config: str) -> str:
    return f"contexts:\n  a:\n    prometheus:\n      url: https://p\n      http_config:\n        {http_config}\n"


LITERALS = [
    (
        prometheus(f"basic_auth: {{username: u, password: {SECRET}}}"),
        6,
        "password_file, password_env or password_command",
    ),
    (
        prometheus(f"authorization: {{credentials: {SECRET}}}"),
        6,
        "credentials_file, credentials_env or credentials_command",
    ),
    (
        prometheus(f"oauth2: {{client_id: a, client_secret: {SECRET}, token_url: 'https://t'}}"),
        6,
        "client_secret_file, client_secret_env or client_secret_command",
    ),
    (prometheus(f"http_headers: {{X-Key: {{secrets: [{SECRET}]}}}}"), 6, "files"),
    (prometheus(f"proxy_url: http://u:{SECRET}@proxy"), 6, "url_env"),
    (
        prometheus(
            "oauth2: {client_id: a, client_secret_env: X, token_url: 'https://t', "
            f"endpoint_params: {{password: {SECRET}}}}}"
        ),
        6,
        "",
    ),
    (f"contexts:\n  a:\n    prometheus: https://u:{SECRET}@p\n", 3, "url_env"),
    (f"contexts:\n  a:\n    prometheus: https://p?token={SECRET}\n", 3, "url_env"),
    (f"contexts:\n  a:\n    postgres: postgresql://u:{SECRET}@p/d\n", 3, "password_file"),
    (f"contexts:\n  a:\n    postgres: postgresql://u@p/d?password={SECRET}\n", 3, "password_file"),
    (f"contexts:\n  a:\n    postgres: host=p password={SECRET}\n", 3, "password_file"),
    (f"contexts:\n  a:\n    postgres: {{url: postgresql://p, password: {SECRET}}}\n", 3, "password_file"),
    (f"contexts:\n  a:\n    redis: redis://:{SECRET}@p\n", 3, "password_file"),
    (
        f"contexts:\n  a:\n    services:\n      v: {{endpoints: {{k: {{url: 'h:1', api_key: {SECRET}}}}}}}\n",
        4,
        "api_key_file",
    ),
    # a context that is not the one in use counts too
    (f"current-context: a\ncontexts:\n  a: {{}}\n  b:\n    redis: redis://:{SECRET}@p\n", 5, "password_file"),
]


@pytest.mark.parametrize(("text", "line", "instead"), LITERALS)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_literal_secret_that_others_can_read_is_refused(
    text: str, line: int, instead: str, mode: int, write: Write
) -> None:
    write(text, mode=mode)
    with pytest.raises(ConfigError) as caught:
        load_settings(None, None)
    error = caught.value
    assert (error.place, error.code) == (f"opsctl.yaml:{line}", 78)
    assert f"(mode {mode:o})" in error.says
    assert error.remedy.startswith("Run chmod 600 opsctl.yaml, or keep it elsewhere: ")
    assert instead in error.remedy
    assert SECRET not in error.sentence()


@pytest.mark.parametrize(("text", "line", "instead"), LITERALS)
def test_in_a_private_file_it_is_tolerated_and_never_shown(text: str, line: int, instead: str, write: Write) -> None:
    for mode in (0o600, 0o400):
        write(text, mode=mode)
        settings = load_settings(None, None)
        assert SECRET not in repr(values(settings))
        assert SECRET not in repr(settings.config)
        Path("opsctl.yaml").unlink()


def test_a_literal_secret_in_an_http_config_file_is_judged_by_that_files_mode(write: Write) -> None:
    write("contexts: {a: {prometheus: {url: 'https://p', http_config_file: h.yml}}}", mode=0o644)
    write(f"\nbasic_auth:\n  username: u\n  password: {SECRET}\n", "h.yml", mode=0o644)
    with pytest.raises(ConfigError) as caught:
        load_settings(None, None)
    assert caught.value.place == "h.yml:4"
    assert "chmod 600 h.yml" in caught.value.remedy
    Path("h.yml").chmod(0o600)
    assert load_settings(None, None).endpoint("prometheus") is not None


@pytest.mark.parametrize(
    "text",
    [
        "contexts: {a: {postgres: postgresql://user@host:5432/db}}",
        "contexts: {a: {redis: redis://host:6379/0}}",
        "contexts: {a: {postgres: {url: postgresql://p, password_env: DB_PASSWORD}}}",
        "contexts: {a: {services: {v: {endpoints: {password: 'http://p', credentials: 'http://q'}}}}}",
        "contexts: {a: {services: {v: {labels: {password: reset}}}}}",
        prometheus("basic_auth: {username: u, password_command: [pass, show, prom]}"),
    ],
)
def test_what_is_no_secret_is_fine_in_a_readable_file(text: str, write: Write) -> None:
    write(text, mode=0o644)
    load_settings(None, None)


def test_secrets_are_read_only_when_the_endpoint_is_built(write: Write) -> None:
    write(prometheus("basic_auth: {username: u, password_command: [touch, marker]}"))
    settings = load_settings(None, None)
    values(settings)
    settings.notes()
    assert not Path("marker").exists()
    with pytest.raises(CouldNotLook):
        settings.endpoint("prometheus")
    assert Path("marker").exists()


def failing(reference: str, write: Write) -> CouldNotLook:
    write(prometheus(f"authorization: {{{reference}}}"))
    with pytest.raises(CouldNotLook) as caught:
        load_settings(None, None).endpoint("prometheus")
    assert caught.value.reason == "unauthorized"
    assert caught.value.setting == "opsctl.yaml:6"
    return caught.value


def test_secrets_that_cannot_be_had(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = "no credentials could be read: "
    assert failing("credentials_env: NOPE", write).says == f"{lead}the environment variable NOPE is not set"
    monkeypatch.setenv("TWO_LINES", "a\nb")
    assert failing("credentials_env: TWO_LINES", write).says == f"{lead}env TWO_LINES holds more than one line of text"
    assert failing("credentials_file: gone", write).says == f"{lead}gone: No such file or directory"
    assert failing("credentials_file: .", write).says == f"{lead}{Path.cwd()} is not a file"
    write(" \n", "empty")
    assert failing("credentials_file: empty", write).says == f"{lead}file empty is empty"
    Path("binary").write_bytes(b"\xff\xfe")
    assert failing("credentials_file: binary", write).says == f"{lead}binary is not UTF-8 text"
    Path("big").write_bytes(b"x" * 70_000)
    assert failing("credentials_file: big", write).says == f"{lead}big is larger than 64 KiB"


def test_commands_that_fail(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    lead = "no credentials could be read: the command "
    assert failing("credentials_command: [no-such-program]", write).says == (
        f"{lead}no-such-program cannot be run: No such file or directory"
    )
    assert failing("credentials_command: [sh, -c, 'echo first >&2; echo vault is sealed >&2; exit 3']", write).says == (
        f"{lead}sh ended with 3: vault is sealed"
    )
    told = failing(f"credentials_command: [sh, -c, 'echo password={SECRET} >&2; exit 4']", write)
    assert SECRET not in told.says
    assert failing("credentials_command: ['true']", write).says.endswith("command true is empty")


def test_a_command_that_hangs_is_stopped_with_its_children(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "SECONDS", 0.3)
    started = time.monotonic()
    told = failing("credentials_command: [sh, -c, 'sleep 60 & echo $! > child; wait']", write)
    assert told.says.endswith("the command sh did not end within 0.3 s")
    assert time.monotonic() - started < 30
    child = int(Path("child").read_text())
    for _ in range(100):
        if not _alive(child):
            return
        time.sleep(0.05)
    pytest.fail("the child of the command is still running")


def _alive(pid: int) -> bool:
    """Running, and not only waiting to be reaped by whoever adopted it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_command_is_asked_once(write: Write) -> None:
    write(prometheus("authorization: {credentials_command: [sh, -c, 'echo x >> asked; echo token']}"))
    settings = load_settings(None, None)
    for _ in range(3):
        endpoint = settings.endpoint("prometheus")
        assert endpoint is not None
        assert endpoint.http.headers == (("Authorization", "Bearer token"),)
    assert Path("asked").read_text() == "x\n"


def test_a_command_beside_the_file(write: Write) -> None:
    write("#!/bin/sh\necho from-script\n", "conf/token.sh", mode=0o700)
    write(prometheus("authorization: {credentials_command: [./token.sh]}"), "conf/opsctl.yaml")
    endpoint = load_settings("conf/opsctl.yaml", None).endpoint("prometheus")
    assert endpoint is not None
    assert endpoint.http.headers == (("Authorization", "Bearer from-script"),)


def test_a_command_gets_no_terminal_and_no_input(write: Write) -> None:
    write(prometheus("authorization: {credentials_command: [sh, -c, 'read x && echo typed || echo nothing']}"))
    endpoint = load_settings(None, None).endpoint("prometheus")
    assert endpoint is not None
    assert endpoint.http.headers == (("Authorization", "Bearer nothing"),)


def test_nothing_secret_in_representations(write: Write) -> None:
    write(prometheus(f"basic_auth: {{username: u, password: {SECRET}}}"))
    settings = load_settings(None, None)
    endpoint = settings.endpoint("prometheus")
    assert endpoint is not None
    for thing in (
        settings.config,
        settings.spec,
        endpoint,
        endpoint.http,
        settings.placed("prometheus", None)[0].address,
    ):
        assert SECRET not in repr(thing)
        assert "cGFz" not in repr(thing)
    wanted = references.Reference("password", "", SECRET, "opsctl.yaml:1")
    assert SECRET not in f"{wanted!r} {wanted} {wanted.says()}"


# Passwords and addresses


def endpoint_of(text: str, name: str, write: Write) -> Endpoint:
    write(text)
    found = load_settings(None, None).endpoint(name, service="v")
    assert found is not None
    return found


def test_a_password_joins_its_address(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "p@ss/w:rd ü")
    text = "contexts: {{a: {{{}: {{url: '{}', password_env: PW}}}}}}"
    quoted = "p%40ss%2Fw%3Ard%20%C3%BC"
    for name, url, joined in (
        ("postgres", "postgresql://me@db/x", f"postgresql://me:{quoted}@db/x"),
        ("postgres", "postgresql://db/x", f"postgresql://db/x?password={quoted}"),
        ("postgres", "postgresql://db/x?sslmode=require", f"postgresql://db/x?sslmode=require&password={quoted}"),
        ("postgres", "host=db dbname=x", "host=db dbname=x password='p@ss/w:rd ü'"),
        ("redis", "redis://r:6379/0", f"redis://:{quoted}@r:6379/0"),
        ("redis", "rediss://ops@r", f"rediss://ops:{quoted}@r"),
    ):
        assert endpoint_of(text.format(name, url), name, write).url == joined


def test_a_whole_address_by_reference(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DB", f"postgresql://me:{SECRET}@db/x")
    endpoint = endpoint_of("contexts:\n  a:\n    postgres:\n      url_env: MY_DB\n", "postgres", write)
    assert endpoint.url == f"postgresql://me:{SECRET}@db/x"
    assert endpoint.setting == "opsctl.yaml:4 (env MY_DB)"
    monkeypatch.delenv("MY_DB")
    with pytest.raises(CouldNotLook) as caught:
        load_settings(None, None).endpoint("postgres")
    assert caught.value.says == "no url could be read: the environment variable MY_DB is not set"


def test_kyrodb_options(write: Write) -> None:
    write("key-1\n", "key")
    text = "contexts: {a: {services: {v: {endpoints: {kyrodb: {url: 'k:50051', tls: true, api_key_file: key}}}}}}"
    endpoint = endpoint_of(text, "kyrodb", write)
    assert (endpoint.url, endpoint.options) == ("k:50051", {"tls": "true", "api_key": "key-1"})


def test_passwords_of_the_file_do_not_join_another_address(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", SECRET)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@evil/x")
    assert endpoint_of(
        "contexts: {a: {postgres: {url: 'postgresql://me@db/x', password_env: PW}}}", "postgres", write
    ).url == ("postgresql://me@evil/x")


def test_libpq_escapes() -> None:
    psycopg = pytest.importorskip("psycopg.conninfo")
    for password in ("a'b", "a\\b", "a b", "\\'", "ü'\\ x"):
        assert psycopg.conninfo_to_dict(with_password("host=db", password))["password"] == password
        assert psycopg.conninfo_to_dict(with_password("", password))["password"] == password
        assert psycopg.conninfo_to_dict(with_password("postgresql://u@db/x", password))["password"] == password
        assert psycopg.conninfo_to_dict(with_password("postgresql:///x", password))["password"] == password


words = st.text("abcXYZ019%-_.!~*'()", min_size=1, max_size=20)


@given(words, st.sampled_from(["redis://h:1/0", "postgresql://u@h/db", "postgresql://h/db", "host=h", "rediss://u@h"]))
def test_a_password_put_in_is_noticed_and_taken_out_again(password: str, url: str) -> None:
    whole = with_password(url, password)
    assert holds_password(whole)
    assert not holds_password(without_password(whole)) or "…" in without_password(whole)
    assert f":{password}@" not in without_password(whole)
    assert f"password={password}" not in without_password(whole)


def test_shown_addresses() -> None:
    assert without_password("postgresql://me:pw@db/x?sslmode=require") == "postgresql://me@db/x?sslmode=require"
    assert without_password("https://p/?token=abc&x=1") == "https://p/?token=…&x=1"
    assert without_password("host=db password='a b' user=me") == "host=db password=… user=me"
    assert without_password("http://plain:9090/path") == "http://plain:9090/path"


def test_origins() -> None:
    assert origin("https://P/x") == origin("https://p:443") == ("https", "p", 443)
    assert origin("http://p") != origin("https://p")
    assert origin("kyro:50051") == ("", "kyro:50051", None)
    assert origin("http://[::1") == ("", "http://[::1", None)


def test_a_slow_secret_holds_up_no_other_system(write: Write) -> None:
    import threading

    from opsctl.clients.readers import Readers

    write(
        """\
        contexts:
          a:
            prometheus: {url: https://p, http_config: {authorization: {credentials_command: [cat, gate]}}}
            alertmanager: http://am
        """
    )
    os.mkfifo("gate")
    settings = load_settings(None, None)

    def resolve(name: str) -> Endpoint:
        endpoint = settings.endpoint(name)
        assert endpoint is not None
        return endpoint

    readers = Readers(resolve)
    slow = threading.Thread(target=readers.prometheus, daemon=True)
    slow.start()
    assert readers.alertmanager().address == "http://am"
    assert slow.is_alive()
    Path("gate").write_text("token\n")
    slow.join(30)
    assert not slow.is_alive()
