"""`opsctl context list|use|show`, as a user's session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from opsctl.cli.run import run
from opsctl.config.schema import config_schema
from opsctl.config.yamlfile import load_yaml
from tests.config.conftest import Write

FILE = """\
    # our contexts
    current-context: prod   # the default
    contexts:
      prod:
        prometheus:
          url: https://prom.example:9090
          http_config:
            authorization: {credentials_env: PROM_TOKEN}
            tls_config: {insecure_skip_verify: true}
        alertmanager: http://am:9093
        postgres: {url: postgresql://me@db/danci, password_file: ~/.dbpass}
        kubernetes: {context: prod, namespace: shop}
        services:
          vritti:
            endpoints:
              app: https://vritti.example
              kyrodb: {url: "kyro:50051", tls: true, api_key_command: [pass, show, kyro]}
            window: 2m
            for: 10s
      lab:
        redis: redis://:hunter2@127.0.0.1:6379
    """


class Session:
    """Runs opsctl in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd

    def __call__(self, *argv: str, code: int = 0) -> str:
        self.capfd.readouterr()
        assert run(list(argv)) == code
        out = self.capfd.readouterr()
        self.err = out.err
        return out.out

    def json(self, *argv: str) -> Any:
        return json.loads(self(*argv, "-o", "json"))


@pytest.fixture
def opsctl(capfd: pytest.CaptureFixture[str]) -> Session:
    return Session(capfd)


def test_without_a_file(opsctl: Session) -> None:
    assert opsctl("context", "list").startswith(
        "No configuration file (looked for opsctl.yaml, ~/.config/opsctl/opsctl.yaml, "
    )
    assert opsctl.json("context", "list")["contexts"] == []
    rows = {row["key"]: row for row in opsctl.json("context", "show")["values"]}
    assert rows["state"]["value"] == "~/.local/state/opsctl"
    assert not any(key.startswith(("prometheus", "postgres", "redis", "kubernetes")) for key in rows)
    opsctl("context", "use", "prod", code=64)
    assert opsctl.err == 'opsctl: there is no context "prod". No context is defined.\n'


def test_list_use_list(opsctl: Session, write: Write) -> None:
    path = write(FILE)
    assert opsctl("context", "list").splitlines() == [
        "* prod  opsctl.yaml:4  prometheus, alertmanager, postgres, kubernetes; service vritti"
        "  (chosen by opsctl.yaml:2)",
        "  lab   opsctl.yaml:20  redis",
    ]
    assert opsctl("context", "use", "lab") == "Now using lab (written to opsctl.yaml).\n"
    assert "current-context: lab   # the default\n" in path.read_text()
    assert opsctl.json("context", "list") == {
        "config": "opsctl.yaml",
        "current": "lab",
        "current_source": "opsctl.yaml:2",
        "contexts": [
            {
                "name": "prod",
                "current": False,
                "source": "opsctl.yaml:4",
                "endpoints": ["prometheus", "alertmanager", "postgres", "kubernetes"],
                "services": ["vritti"],
            },
            {"name": "lab", "current": True, "source": "opsctl.yaml:20", "endpoints": ["redis"], "services": []},
        ],
    }


def test_show_with_sources(opsctl: Session, write: Write, home: Path) -> None:
    write(FILE)
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in opsctl("context", "show", "--sources").splitlines()}
    expected = {
        "config": ("opsctl.yaml", "found"),
        "context": ("prod", "opsctl.yaml:2"),
        "prometheus.url": ("https://prom.example:9090", "opsctl.yaml:6"),
        "prometheus.http_config.authorization.credentials_env": ("PROM_TOKEN (not set)", "opsctl.yaml:8"),
        "prometheus.http_config.tls_config.insecure_skip_verify": ("true", "opsctl.yaml:9"),
        "alertmanager.url": ("http://am:9093", "opsctl.yaml:10"),
        "postgres.url": ("postgresql://me@db/danci", "opsctl.yaml:11"),
        "postgres.password_file": ("~/.dbpass", "opsctl.yaml:11"),
        "kubernetes.context": ("prod", "opsctl.yaml:12"),
        "services.vritti.endpoints.app.url": ("https://vritti.example", "opsctl.yaml:16"),
        "services.vritti.endpoints.kyrodb.api_key_command": ("pass show kyro", "opsctl.yaml:17"),
        "services.vritti.for": ("10s", "opsctl.yaml:19"),
    }
    for key, (value, source) in expected.items():
        assert rows[key].startswith(value), key
        assert rows[key].endswith(source), key
    assert opsctl.err == "TLS verification is off for prometheus (opsctl.yaml:9)\n"
    plain = opsctl("context", "show")
    assert "opsctl.yaml:6" not in plain
    assert "prometheus.url" in plain


def test_show_says_what_wins_and_what_it_hides(opsctl: Session, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(FILE)
    monkeypatch.setenv("PROMETHEUS_URL", "http://u:hunter2@other:9090")
    monkeypatch.setenv("PGHOST", "db2")
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    monkeypatch.setenv("KUBECONFIG", "/k/config")
    monkeypatch.setenv("PROM_TOKEN", "hunter2")
    rows = {row["key"]: row for row in opsctl.json("context", "show")["values"]}
    assert rows["prometheus.url"] == {
        "key": "prometheus.url",
        "value": "http://u@other:9090",
        "source": "env PROMETHEUS_URL",
        "hides": ["opsctl.yaml:6"],
    }
    assert rows["prometheus.http_config.authorization.credentials_env"] == {
        "key": "prometheus.http_config.authorization.credentials_env",
        "value": "PROM_TOKEN",
        "source": "opsctl.yaml:8",
        "unused": "belongs to another address",
    }
    assert rows["postgres.url"]["value"] == "PGHOST=db2"
    assert rows["kubernetes.kubeconfig"]["source"] == "env KUBECONFIG"
    assert rows["kubernetes.namespace"]["source"] == "opsctl.yaml:12"
    text = opsctl("context", "show", "--sources")
    assert "env PROMETHEUS_URL, hides opsctl.yaml:6" in text
    assert "opsctl.yaml:8, not used: belongs to another address" in text
    assert "hunter2" not in text + opsctl.err
    assert "hunter2" not in opsctl("context", "show", "-o", "json")


def test_show_another_context(opsctl: Session, write: Write) -> None:
    write(FILE)
    rows = {row["key"]: row["value"] for row in opsctl.json("context", "show", "lab")["values"]}
    assert rows["redis.url"] == "redis://127.0.0.1:6379"
    assert opsctl.json("--context", "lab", "context", "show")["context"] == "lab"
    opsctl("context", "show", "lba", code=64)
    assert opsctl.err == 'opsctl: there is no context "lba". Did you mean lab?\n'


def test_show_of_an_http_config_file(opsctl: Session, write: Write) -> None:
    write("contexts: {a: {prometheus: {url: 'http://p', http_config_file: h.yml}}}")
    write("basic_auth:\n  username: u\n  password: hunter2\n", "h.yml")
    rows = {row["key"]: (row["value"], row["source"]) for row in opsctl.json("context", "show")["values"]}
    assert rows["prometheus.http_config_file"] == ("h.yml", "opsctl.yaml:1")
    assert rows["prometheus.http_config.basic_auth.username"] == ("u", "h.yml:2")
    assert rows["prometheus.http_config.basic_auth.password"] == ("(secret)", "h.yml:3")


def test_list_helps_when_the_current_context_is_wrong(opsctl: Session, write: Write) -> None:
    write("current-context: prdo\ncontexts: {prod: {}, lab: {}}\n")
    opsctl("context", "show", code=78)
    assert opsctl("context", "list").splitlines() == ["  prod  opsctl.yaml:2", "  lab   opsctl.yaml:2"]
    assert opsctl.err == 'opsctl.yaml:1: there is no context "prdo" in this file. Did you mean prod?\n'
    opsctl("context", "use", "prod")
    assert opsctl.json("context", "show")["context"] == "prod"


def test_use_says_when_the_environment_wins(opsctl: Session, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(FILE)
    monkeypatch.setenv("OPSCTL_CONTEXT", "prod")
    opsctl("context", "use", "lab")
    assert opsctl.err == "OPSCTL_CONTEXT=prod is set and wins as long as it is\n"


def test_a_mistake_ends_with_78_and_its_line(opsctl: Session, write: Write) -> None:
    write("contexts:\n  a:\n    prometheus:\n      ulr: x\n")
    opsctl("context", "list", code=78)
    assert opsctl.err == "opsctl: opsctl.yaml:4: contexts.a.prometheus.ulr: unknown key. Did you mean url?\n"


def test_names_of_contexts_are_kept_for_completion(opsctl: Session, write: Write, home: Path) -> None:
    write(FILE)
    opsctl("context", "list")
    assert (home / ".cache/opsctl/complete/context").read_text() == "lab\nprod\n"


def test_the_json_schema_describes_what_is_read(write: Write) -> None:
    schema = config_schema()
    document, _ = load_yaml(write(FILE))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document.data, schema)
    for bad in (
        {"contexts": {"a": {"prometeus": "x"}}},
        {"contexts": {"a": {"prometheus": 3}}},
        {"contexts": {"a b": {}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
