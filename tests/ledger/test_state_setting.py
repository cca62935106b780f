"""Where the ledger is kept: who says so, and that no password shows."""

import pytest

from opsctl.config.settings import load_settings
from opsctl.config.state import state_of
from opsctl.config.values import values
from opsctl.errors import ConfigError
from opsctl.ledger.opened import open_ledger
from tests.ledger.conftest import environ_of

TEAM = "postgresql://ops@db1:5432/ops"


@pytest.fixture
def settings(tmp_path):
    """Settings of an opsctl.yaml with that text."""

    def load(text, context=None, mode=0o600, **environ):
        path = tmp_path / "opsctl.yaml"
        path.write_text(text)
        path.chmod(mode)
        return load_settings(None, context, environ=environ_of(tmp_path, **{"OPSCTL_CONFIG": str(path), **environ}))

    return load


def test_without_a_setting_it_is_a_file_in_the_state_folder(settings):
    found = settings("contexts: {}")
    assert state_of(found) is None
    ledger = open_ledger(found, found.environ, reading=True)
    assert ledger.where.endswith("home/.local/state/opsctl/ledger.sqlite3")
    ledger.close()


def test_environment_over_context_over_file(settings):
    text = f"""
state: {TEAM}
contexts:
  prod: {{state: "postgresql://ops@prod:5432/ops"}}
  lab: {{}}
"""
    assert state_of(settings(text, "lab")).url == TEAM
    assert state_of(settings(text, "prod")).url == "postgresql://ops@prod:5432/ops"
    found = settings(text, "prod", OPSCTL_STATE="postgres://ops@mine/ops")
    assert (state_of(found).url, state_of(found).setting) == ("postgres://ops@mine/ops", "env OPSCTL_STATE")
    (row,) = [row for row in values(found) if row.key == "ledger"]
    assert (row.value, row.source) == ("postgres://ops@mine/ops", "env OPSCTL_STATE")
    assert [place.rpartition(":")[2] for place in row.hides] == ["4", "2"]


@pytest.mark.parametrize("form", ["env", "file", "command"])
def test_a_password_is_read_from_where_it_is_kept(settings, tmp_path, form):
    (tmp_path / "secret").write_text("hunter22\n")
    value = {"env": "LEDGER_PASSWORD", "file": str(tmp_path / "secret"), "command": f"[cat, {tmp_path / 'secret'}]"}[
        form
    ]
    found = settings(f"state: {{url: '{TEAM}', password_{form}: {value}}}", LEDGER_PASSWORD="hunter22", mode=0o644)
    assert state_of(found).url == "postgresql://ops:hunter22@db1:5432/ops"
    assert "hunter22" not in repr(state_of(found)) + repr(values(found)) + repr(found.config)


def test_an_address_by_reference(settings):
    found = settings("state: {url_env: TEAM_LEDGER}", TEAM_LEDGER="postgresql://ops:hunter22@db1/ops")
    assert state_of(found).url == "postgresql://ops:hunter22@db1/ops"
    (row,) = [row for row in values(found) if row.key == "ledger"]
    assert row.value == "env TEAM_LEDGER"


def test_a_secret_that_cannot_be_had_is_a_mistake_in_the_configuration(settings):
    found = settings(f"state: {{url: '{TEAM}', password_env: NOT_THERE}}")
    with pytest.raises(ConfigError, match="NOT_THERE is not set") as failed:
        open_ledger(found, found.environ)
    assert "opsctl.yaml:1" in failed.value.sentence()


def test_a_password_in_a_file_that_others_can_read_is_refused(settings):
    with pytest.raises(ConfigError, match="holds a secret, and others can read this file"):
        settings("state: postgresql://ops:hunter22@db1/ops", mode=0o644)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("state: /var/lib/ledger", "not a postgresql:// address"),
        ("state: mysql://ops@db1/ops", "not a postgresql:// address"),
        ("contexts: {prod: {state: 'postgresql://'}}", "not a postgresql:// address"),
        ("state: {password_env: X}", "url, url_env, url_file or url_command is missing"),
        ("state: {url: 'postgresql://a/b', url_env: X}", "exclude each other"),
        ("state: {ulr: 'postgresql://a/b'}", "ulr"),
    ],
)
def test_a_mistake_is_told_with_its_place(settings, text, says):
    with pytest.raises(ConfigError) as failed:
        settings(text)
    assert says in failed.value.sentence()
    assert "opsctl.yaml:1" in failed.value.sentence()


def test_a_mistake_in_the_environment_never_shows_the_value(settings):
    found = settings("contexts: {}", OPSCTL_STATE="hunter22@db1")
    with pytest.raises(ConfigError, match="not a postgresql:// address") as failed:
        open_ledger(found, found.environ)
    assert "env OPSCTL_STATE" in failed.value.sentence()
    assert "hunter22" not in failed.value.sentence()
