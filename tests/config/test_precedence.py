"""Flag over environment over file over profile, and every address knows who chose it."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsctl.config.settings import Settings, load_settings
from opsctl.errors import ConfigError, UsageError
from tests.config.conftest import Write

FILE = """\
    current-context: prod
    contexts:
      prod:
        prometheus: http://file:9090
        postgres: postgresql://me@file/danci
        redis: {url: redis://file:6379}
        kubernetes: {context: prod, namespace: shop}
        services:
          vritti:
            endpoints:
              app: http://app.file:8000
              prometheus: {url: http://vritti.file:9090}
            window: 2m
            for: 10s
            scrape_interval: 5s
            direct_pause: 2s
            labels: {job: vritti}
            severities: {P2: sev2}
"""
PROFILE = ("http://profile:1", "", "profile vritti", {})


def settings(flags: dict[str, str] | None = None, **environ: str) -> Settings:
    import os

    return load_settings(None, None, flags or {}, {**os.environ, **environ})


def where(
    found: Settings, name: str, service: str | None = None, default: tuple[str, str, str, dict[str, str]] | None = None
) -> tuple[str, str] | None:
    endpoint = found.endpoint(name, service=service, default=default)
    return None if endpoint is None else (endpoint.url, endpoint.setting)


@pytest.mark.parametrize(
    ("name", "service", "flag", "environ", "expected"),
    [
        # the file: the service's own first, then the context's
        ("prometheus", None, "", {}, ("http://file:9090", "opsctl.yaml:4")),
        ("prometheus", "vritti", "", {}, ("http://vritti.file:9090", "opsctl.yaml:12")),
        ("prometheus", "amas", "", {}, ("http://file:9090", "opsctl.yaml:4")),
        ("app", "vritti", "", {}, ("http://app.file:8000", "opsctl.yaml:11")),
        ("app", "amas", "", {}, ("http://profile:1", "profile vritti")),
        ("postgres", "vritti", "", {}, ("postgresql://me@file/danci", "opsctl.yaml:5")),
        ("redis", "vritti", "", {}, ("redis://file:6379", "opsctl.yaml:6")),
        # the environment's own names
        ("prometheus", "vritti", "", {"PROMETHEUS_URL": "http://env:1"}, ("http://env:1", "env PROMETHEUS_URL")),
        ("prometheus", None, "", {"PROMETHEUS_URL": " "}, ("http://file:9090", "opsctl.yaml:4")),  # empty is not set
        ("postgres", None, "", {"DATABASE_URL": "postgresql://env/x"}, ("postgresql://env/x", "env DATABASE_URL")),
        ("postgres", None, "", {"PGHOST": "db"}, ("", "env PGHOST")),
        ("postgres", None, "", {"PGSERVICE": "s", "PGHOST": "db"}, ("", "env PGSERVICE")),
        ("postgres", None, "", {"PGHOST": "db", "DATABASE_URL": "host=e"}, ("host=e", "env DATABASE_URL")),
        ("postgres", None, "", {"PGPASSWORD": "x", "PGUSER": "y"}, ("postgresql://me@file/danci", "opsctl.yaml:5")),
        ("redis", None, "", {"REDIS_URL": "redis://env"}, ("redis://env", "env REDIS_URL")),
        ("kubernetes", None, "", {"KUBECONFIG": "/k"}, ("/k", "env KUBECONFIG")),
        # flags
        ("prometheus", "vritti", "http://f:1", {"PROMETHEUS_URL": "http://e"}, ("http://f:1", "--prometheus-url")),
        ("postgres", None, "postgresql://flag/x", {"PGHOST": "db"}, ("postgresql://flag/x", "--postgres-url")),
        ("kubernetes", None, "/flag", {"KUBECONFIG": "/k"}, ("/flag", "--kubeconfig")),
        ("app", "vritti", "http://flag", {}, ("http://flag", "--app-url")),
    ],
)  # fmt: skip
def test_who_wins(
    name: str,
    service: str | None,
    flag: str,
    environ: dict[str, str],
    expected: tuple[str, str],
    write: Write,
) -> None:
    write(FILE)
    found = settings({name: flag} if flag else {}, **environ)
    assert where(found, name, service, PROFILE if name == "app" else None) == expected


def test_the_services_own_variable_comes_before_the_common_one() -> None:
    default = ("postgresql://profile/x", "AMAS_DATABASE_URL", "profile amas", {})
    both = {"AMAS_DATABASE_URL": "postgresql://own/x", "DATABASE_URL": "postgresql://common/x"}
    assert where(settings(**both), "postgres", "amas", default) == ("postgresql://own/x", "env AMAS_DATABASE_URL")
    del both["AMAS_DATABASE_URL"]
    assert where(settings(**both), "postgres", "amas", default) == ("postgresql://common/x", "env DATABASE_URL")
    assert where(settings(), "postgres", "amas", default) == ("postgresql://profile/x", "profile amas")


def test_without_anything_nothing_is_configured() -> None:
    found = settings()
    assert found.context == ""
    assert found.path is None
    assert found.services() == []
    assert found.notes() == ()
    for name in ("prometheus", "alertmanager", "postgres", "redis", "kubernetes", "app"):
        assert found.endpoint(name) is None


def test_kubernetes_default_counts_only_when_it_is_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().endpoint("kubernetes") is None
    (home / ".kube").mkdir()
    (home / ".kube/config").write_text("{}")
    assert where(settings(), "kubernetes") == (str(home / ".kube/config"), "~/.kube/config (default)")


def test_in_a_pod_the_service_account_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    monkeypatch.setattr("opsctl.config.environment.SERVICE_ACCOUNT", token)
    assert where(settings(KUBERNETES_SERVICE_HOST="10.0.0.1"), "kubernetes") is None
    token.write_text("x")
    assert where(settings(KUBERNETES_SERVICE_HOST="10.0.0.1"), "kubernetes") == ("", "service account of this pod")


def test_context_and_namespace_of_the_file_join_a_kubeconfig_of_the_environment(write: Write) -> None:
    write(FILE)
    endpoint = settings(KUBECONFIG="/k").endpoint(
        "kubernetes", default=("", "", "profile v", {"namespace": "p", "x": "y"})
    )
    assert endpoint is not None
    assert endpoint.options == {"context": "prod", "namespace": "shop", "x": "y"}


def test_a_kubeconfig_of_the_file_is_relative_to_the_file(write: Write) -> None:
    write("contexts: {a: {kubernetes: {kubeconfig: kube/config}}}", "conf/opsctl.yaml")
    endpoint = load_settings("conf/opsctl.yaml", None).endpoint("kubernetes")
    assert endpoint is not None
    assert endpoint.url == str(Path.cwd() / "conf/kube/config")


def test_overrides_of_a_service(write: Write) -> None:
    write(FILE)
    found = settings()
    assert found.services() == ["vritti"]
    one = found.override("vritti")
    assert (one.window, one.for_, one.scrape_interval, one.direct_pause) == ("2m", "10s", "5s", "2s")
    assert (one.labels, one.severities) == ({"job": "vritti"}, {"P2": "sev2"})
    other = found.override("amas")
    assert (other.window, other.for_, other.labels) == ("", "", {})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("window: soon", 'services.v: window: "soon" is not a duration. Write it as 90s, 5m or 1h30m.'),
        ("window: 0s", "services.v: window must be longer than 0s"),
        ("window: 30", "services.v.window: should be text, is a number. Put it in quotes."),
        ("severities: {P1: sev9}", 'services.v.severities.P1: "sev9" is not allowed. Did you mean sev1? '
         "Allowed: sev1, sev2, sev3, sev4."),
        ("endpoint: {}", "services.v.endpoint: unknown key. Did you mean endpoints?"),
        ("endpoints: {a: {ulr: x}}", "services.v.endpoints.a.ulr: unknown key. Did you mean url?"),
        ("endpoints: {'a b': x}", 'services.v.endpoints."a b": this cannot be a name. '
         "Use letters, digits, - _ . and no spaces."),
        ("endpoints: {a: {url: x, kubeconfig: y}}", "services.v.endpoints.a: url and kubeconfig exclude each other"),
    ],
)  # fmt: skip
def test_mistakes_in_a_service(line: str, sentence: str, write: Write) -> None:
    write(f"contexts:\n  a:\n    services:\n      v:\n        {line}\n")
    with pytest.raises(ConfigError) as caught:
        settings()
    assert caught.value.sentence().rstrip(".").partition("contexts.a.")[2] == sentence.rstrip(".")
    assert caught.value.place in ("opsctl.yaml:4", "opsctl.yaml:5")


def test_addresses_that_cannot_be_http(write: Write) -> None:
    with pytest.raises(UsageError) as flag:
        settings({"prometheus": "localhost:9090"})
    assert flag.value.sentence() == (
        "--prometheus-url is not an http:// or https:// URL with a host. Write http://localhost:9090."
    )
    with pytest.raises(ConfigError) as env:
        settings(ALERTMANAGER_URL="ftp://user:hunter2@x")
    assert env.value.sentence() == (
        "env ALERTMANAGER_URL: this is not an http:// or https:// URL with a host. Write it as http://host:port."
    )
    write("contexts:\n  a:\n    prometheus: prom:9090\n")
    with pytest.raises(ConfigError) as file:
        settings()
    assert file.value.sentence() == (
        "opsctl.yaml:3: prometheus.url is not an http:// or https:// URL with a host. Write http://prom:9090."
    )


def test_an_alertmanager_cluster_is_written_with_commas(tmp_path):
    both = {"ALERTMANAGER_URL": "http://am1:9093, http://am2:9093", "HOME": str(tmp_path)}
    found = load_settings(None, None, {}, both).endpoint("alertmanager")
    assert found.url == "http://am1:9093"
    assert found.options["members"] == "http://am2:9093"
    with pytest.raises(ConfigError):
        load_settings(None, None, {}, both | {"ALERTMANAGER_URL": "http://am1:9093,am2"})
