"""Prometheus' http_config, with our references beside the files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from opsctl.config.endpoint import Endpoint, OAuth2
from opsctl.config.settings import Settings, load_settings
from opsctl.errors import ConfigError, CouldNotLook
from tests.config.conftest import Write

BASE = """\
contexts:
  a:
    prometheus:
      url: https://prom:9090
"""


def load(text: str, write: Write, flags: dict[str, str] | None = None) -> Settings:
    write(BASE + text)
    return load_settings(None, None, flags)


def built(text: str, write: Write) -> Endpoint:
    endpoint = load(text, write).endpoint("prometheus")
    assert endpoint is not None
    return endpoint


def basic(login: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", "Basic " + base64.b64encode(login.encode()).decode()),)


def test_basic_auth_from_files_relative_to_the_config(write: Write) -> None:
    write("ana\n", "secrets/user")
    write("  s3 cret:ü\n", "secrets/pass")
    endpoint = built(
        "      http_config:\n        basic_auth: {username_file: secrets/user, password_file: secrets/pass}\n", write
    )
    assert endpoint.http.headers == basic("ana:s3 cret:ü")


def test_basic_auth_from_environment_and_command(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROM_USER", "ana")
    endpoint = built(
        "      http_config: {basic_auth: {username_env: PROM_USER, password_command: [printf, '%s', 'a $HOME']}}\n",
        write,
    )
    assert endpoint.http.headers == basic("ana:a $HOME")  # no shell read that


@pytest.mark.parametrize(
    ("authorization", "header"),
    [
        ("{credentials_file: token}", "Bearer abc.def"),
        ("{type: ApiKey, credentials_env: TOKEN}", "ApiKey xyz"),
    ],
)
def test_authorization(authorization: str, header: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("abc.def\n", "token")
    monkeypatch.setenv("TOKEN", "xyz")
    endpoint = built(f"      http_config: {{authorization: {authorization}}}\n", write)
    assert endpoint.http.headers == (("Authorization", header),)


def test_oauth2(write: Write) -> None:
    write("shh\n", "secret")
    endpoint = built(
        """\
      http_config:
        oauth2:
          client_id: me
          client_secret_file: secret
          token_url: https://sso/token
          scopes: [read, metrics]
          endpoint_params: {audience: prom}
""",
        write,
    )
    assert endpoint.http.oauth2 == OAuth2(
        client_id="me",
        client_secret="shh",
        token_url="https://sso/token",
        scopes=("read", "metrics"),
        endpoint_params=(("audience", "prom"),),
    )


def test_tls_proxy_and_headers(write: Write, home: Path) -> None:
    write("tenant-2\n", "tenant")
    endpoint = built(
        """\
      http_config:
        tls_config: {ca_file: tls/ca.pem, cert_file: ~/c.pem, key_file: /k.pem, server_name: prom.example}
        proxy_url: http://proxy:3128
        http_headers:
          X-Scope-OrgID: {values: [tenant-1], files: [tenant]}
        follow_redirects: true
        enable_http2: false
""",
        write,
    )
    http = endpoint.http
    assert http.ca_file == str(Path.cwd() / "tls/ca.pem")
    assert http.cert_file == str(home / "c.pem")
    assert (http.key_file, http.server_name, http.proxy_url) == ("/k.pem", "prom.example", "http://proxy:3128")
    assert http.headers == (("X-Scope-OrgID", "tenant-1"), ("X-Scope-OrgID", "tenant-2"))
    assert http.insecure_skip_verify is False


def test_an_http_config_file_as_promtool_takes_it(write: Write) -> None:
    write("authorization:\n  credentials_file: token\ntls_config:\n  insecure_skip_verify: true\n", "conf/http.yml")
    write("abc\n", "conf/token")  # relative to the file that names it
    found = load("      http_config_file: conf/http.yml\n", write)
    endpoint = found.endpoint("prometheus")
    assert endpoint is not None
    assert endpoint.http.headers == (("Authorization", "Bearer abc"),)
    assert found.notes() == ("TLS verification is off for prometheus (conf/http.yml:4)",)


NOT_HTTP = "is not an http:// or https:// URL with a host"
MISTAKES = [
    ("{basic_auht: {}}", ".basic_auht: unknown key. Did you mean basic_auth?"),
    (
        "{authorization: {credential_file: x}}",
        ".authorization.credential_file: unknown key. Did you mean credentials_file?",
    ),
    (
        "{basic_auth: {username: a}, authorization: {credentials_file: t}}",
        ": basic_auth and authorization exclude each other",
    ),
    (
        "{basic_auth: {password_env: A, password_file: b}}",
        ".basic_auth: password_env and password_file exclude each other",
    ),
    (
        "{authorization: {type: basic, credentials_file: t}}",
        ".authorization: the type Basic is written as basic_auth",
    ),
    (
        "{authorization: {}}",
        ".authorization: credentials, credentials_file, credentials_env or credentials_command is missing",
    ),
    ("{oauth2: {client_id: a, token_url: 'x', client_secret_env: A}}", f".oauth2: token_url {NOT_HTTP}"),
    (
        "{oauth2: {client_id: a, token_url: 'http://x'}}",
        ".oauth2: client_secret_file, client_secret_env, client_secret_command or client_secret is missing",
    ),
    ("{tls_config: {cert_file: a}}", ".tls_config: cert_file and key_file go together"),
    (
        "{tls_config: {insecure_skip_verify: yes}}",
        ".tls_config.insecure_skip_verify: should be true or false, is text. Write true.",
    ),
    ("{proxy_url: 'socks5://x'}", f": proxy_url {NOT_HTTP}"),
    ("{basic_auth: {password_command: pass show}}", ".basic_auth.password_command: should be a list, is text"),
    ("{basic_auth: {password_command: []}}", ".basic_auth.password_command: should be a list of length >= 1"),
    ("{http_headers: {Authorization: {values: [x]}}}", ": http_headers may not set 'Authorization'"),
    ("{http_headers: {'X A': {values: [x]}}}", ": http_headers may not set 'X A'"),
    ("[]", ": should be a mapping (key: value), is a list"),
]


@pytest.mark.parametrize(("http_config", "sentence"), MISTAKES)
def test_mistakes(http_config: str, sentence: str, write: Write) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"      http_config: {http_config}\n", write)
    assert caught.value.place == "opsctl.yaml:5"
    assert caught.value.sentence().partition("contexts.a.prometheus.http_config")[2].rstrip(".") == sentence.rstrip(".")


def test_a_mistake_in_an_http_config_file_names_both_files(write: Write) -> None:
    write("basic_auth: {}\nnope: 1\n", "http.yml")
    with pytest.raises(ConfigError) as caught:
        load("      http_config_file: http.yml\n", write)
    assert caught.value.sentence().startswith("http.yml:2: nope: unknown key (named in opsctl.yaml:5). Known: ")
    with pytest.raises(ConfigError) as caught:
        load("      http_config_file: gone.yml\n", write)
    assert caught.value.sentence() == "gone.yml: there is no such http_config_file (named in opsctl.yaml:5)"
    with pytest.raises(ConfigError, match="http_config and http_config_file exclude each other"):
        load("      http_config_file: http.yml\n      http_config: {}\n", write)


def test_an_empty_http_config_file_sets_nothing(write: Write) -> None:
    write("# nothing yet\n", "http.yml")
    assert built("      http_config_file: http.yml\n", write).http.headers == ()


def test_credentials_go_only_to_the_address_they_were_written_for(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("abc\n", "token")
    text = "      http_config: {authorization: {credentials_file: token}}\n"
    # the same origin, named elsewhere: they go along
    endpoint = load(text, write, {"prometheus": "https://PROM:9090/prefix"}).endpoint("prometheus")
    assert endpoint is not None
    assert endpoint.http.headers == (("Authorization", "Bearer abc"),)
    for other in ("http://prom:9090", "https://prom:9091", "https://evil:9090"):
        found = load(text, write, {"prometheus": other})
        endpoint = found.endpoint("prometheus")
        assert endpoint is not None
        assert endpoint.http.headers == ()
        assert endpoint.setting == "--prometheus-url, without the http_config of opsctl.yaml:5"
        assert found.notes() == (
            "prometheus: --prometheus-url is another address, so the http_config of opsctl.yaml:5 is left out",
        )
    monkeypatch.setenv("PROMETHEUS_URL", "https://evil:9090")
    endpoint = load(text, write).endpoint("prometheus")
    assert endpoint is not None
    assert endpoint.http.headers == ()


def test_an_http_config_without_an_address_goes_with_whichever_is_chosen(write: Write) -> None:
    write("abc\n", "token")
    write(
        """\
        contexts:
          a:
            services:
              v: {endpoints: {app: {http_config: {authorization: {credentials_file: token}}}}}
        """
    )
    endpoint = load_settings(None, None).endpoint("app", service="v", default=("http://p", "", "profile v", {}))
    assert endpoint is not None
    assert endpoint.setting == "profile v"
    assert endpoint.http.headers == (("Authorization", "Bearer abc"),)


def test_a_service_inherits_the_contexts_http_config_at_the_same_address(write: Write) -> None:
    write("abc\n", "token")
    write(
        """\
        contexts:
          a:
            prometheus: {url: https://prom, http_config: {authorization: {credentials_file: token}}}
            services:
              v: {endpoints: {prometheus: https://prom/v}}
              w: {endpoints: {prometheus: https://other}}
        """
    )
    found = load_settings(None, None)
    v, w = found.endpoint("prometheus", service="v"), found.endpoint("prometheus", service="w")
    assert v is not None
    assert w is not None
    assert (v.url, v.http.headers) == ("https://prom/v", (("Authorization", "Bearer abc"),))
    assert (w.url, w.http.headers) == ("https://other", ())


def test_tls_notes_name_the_line_and_only_the_service_asked_for(write: Write) -> None:
    write(
        """\
        contexts:
          a:
            prometheus:
              url: https://prom
              http_config:
                tls_config:
                  insecure_skip_verify: true
            redis: rediss://r?ssl_cert_reqs=none
            services:
              v: {endpoints: {app: {url: https://v, http_config: {tls_config: {insecure_skip_verify: true}}}}}
        """
    )
    found = load_settings(None, None)
    common = (
        "TLS verification is off for prometheus (opsctl.yaml:7)",
        "TLS verification is off for redis (opsctl.yaml:8)",
    )
    assert found.notes("w") == common
    assert found.notes("v") == found.notes() == (*common, "TLS verification is off for app (opsctl.yaml:10)")
    assert load_settings(None, None, {"prometheus": "https://x", "redis": "rediss://x"}).notes("w") == (
        "prometheus: --prometheus-url is another address, so the http_config of opsctl.yaml:5 is left out",
    )


def test_a_header_beyond_ascii_is_told_and_not_shown(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "tökén")
    found = load("      http_config: {authorization: {credentials_env: TOKEN}}\n", write)
    with pytest.raises(CouldNotLook) as caught:
        found.endpoint("prometheus")
    assert caught.value.says == "the Authorization header holds characters beyond ASCII"
