"""This host: who may read the secrets, who may change what runs, which drivers are there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from opsctl.config.settings import load_settings
from opsctl.doctor import files, local
from opsctl.errors import ConfigError
from opsctl.services.model import EndpointSpec, Profile
from tests.doctor.places import check, states

WITH_SECRET = "contexts:\n  prod:\n    postgres: {url: 'postgresql://look@db/shop', password: not-a-real-one}\n"
SHOP = Profile(service="shop", endpoints={"postgres": EndpointSpec(kind="postgres")})


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("OPSCTL_CONFIG", "OPSCTL_CONTEXT", "OPSCTL_RUNBOOKS", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(home, text, mode=0o600):
    path = home / "opsctl.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def paste(run, cwd):
    subprocess.run(["bash", "-c", run], check=True, cwd=cwd, timeout=30, env=dict(os.environ))


def test_a_configuration_with_a_secret_that_others_can_read_is_closed_by_the_remedy(home):
    path = config(home, WITH_SECRET, 0o644)
    with pytest.raises(ConfigError) as failed:
        load_settings(None, None)
    place = files.configuration(None, os.environ, failed.value)
    found = check(place, "readable")
    assert (found.state, found.need) == ("breach", "objective")
    assert found.remedy is not None
    assert found.remedy.run == "chmod 600 opsctl.yaml"
    paste(found.remedy.run, home)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_settings(None, None).context == "prod"


def test_a_secret_in_the_file_itself_is_told_without_showing_it(home):
    config(home, WITH_SECRET)
    found = check(files.configuration(None, os.environ, None), "secret-inline")
    assert found.state == "breach"
    assert "opsctl.yaml:3" in found.says
    assert "contexts.prod.postgres.password" in found.says
    assert "not-a-real-one" not in repr(found)
    assert found.remedy is not None
    assert found.remedy.run == "password_file: password.secret"


def test_a_secret_file_that_others_can_read(home):
    (home / "db.secret").write_text("x\n")
    (home / "db.secret").chmod(0o640)
    config(home, "contexts: {prod: {postgres: {url: 'postgresql://look@db/shop', password_file: db.secret}}}\n")
    found = check(files.configuration(None, os.environ, None), "secret-file")
    assert found.state == "breach"
    assert found.remedy is not None
    paste(found.remedy.run, home)
    assert (home / "db.secret").stat().st_mode & 0o777 == 0o600
    assert states(files.configuration(None, os.environ, None))["secret-file"] == "ok"


def test_runbooks_that_everybody_can_write_are_closed_by_the_remedy(home):
    folder = home / "run books"
    (folder / "services").mkdir(parents=True)
    (folder / "mine.yaml").write_text("runbook: mine\n")
    (folder / "mine.yaml").chmod(0o666)
    folder.chmod(0o777)
    found = check(files.books(str(folder), os.environ), "writable")
    assert found.state == "breach"
    assert "anybody on this host can change what opsctl runs" in found.says
    assert found.remedy is not None
    paste(found.remedy.run, home)
    assert states(files.books(str(folder), os.environ))["writable"] == "ok"


def test_a_runbook_that_hides_a_built_in_one_is_named(home):
    folder = home / "runbooks" / "services"
    folder.mkdir(parents=True)
    (folder / "vritti.yaml").write_text("service: vritti\n")
    found = check(files.books(None, os.environ), "shadowed")
    assert "are hidden: service vritti (runbooks/services/vritti.yaml)" in found.says


@pytest.mark.parametrize(("found", "state"), [("binary", "ok"), ("c", "ok"), ("python", "breach")])
def test_psycopg_in_pure_python_is_told_with_what_it_costs(monkeypatch, found, state):
    monkeypatch.delenv("PSYCOPG_IMPL", raising=False)
    monkeypatch.setattr(local, "implementation", lambda: found)
    place = local.examine(os.environ, [SHOP])
    assert check(place, "psycopg").state == state
    if state == "breach":
        assert "15 times slower" in check(place, "psycopg").says
        assert check(place, "psycopg").remedy.run == f"{sys.executable} -m pip install 'psycopg[binary]'"


def test_psycopg_that_cannot_be_loaded_is_told(monkeypatch):
    def broken():
        raise ImportError("no pq wrapper available.\nAttempts made: ...")

    monkeypatch.setattr(local, "implementation", broken)
    found = check(local.examine(os.environ, [SHOP]), "psycopg")
    assert found.state == "breach"
    assert "no pq wrapper available" in found.says


def test_a_service_without_postgres_is_not_told_about_its_driver():
    assert "psycopg" not in states(local.examine(os.environ, [Profile(service="plain")]))


def test_missing_grpc_is_told_for_services_with_kyrodb(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    profile = Profile(service="memory", endpoints={"kyrodb-text": EndpointSpec(kind="kyrodb")})
    found = check(local.examine(os.environ, [profile]), "grpc")
    assert found.state == "breach"
    assert "memory" in found.says


def test_a_proxy_of_the_environment_is_named_without_its_password():
    place = local.examine({"HOME": "/nowhere", "https_proxy": "http://me:not-a-real-one@proxy:3128"}, [])
    says = check(place, "proxies").says
    assert "proxy:3128" in says
    assert "not-a-real-one" not in says


def test_a_state_folder_that_cannot_be_written(home, monkeypatch):
    (home / "state").mkdir()
    monkeypatch.setattr(local.os, "access", lambda path, mode: False)  # root may write everywhere
    found = check(local.examine({"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}, []), "state")
    assert found.state == "breach"
    assert found.remedy is not None
    assert found.remedy.run.startswith("sudo chown ")


def test_a_full_disk_is_told(home, monkeypatch):
    monkeypatch.setattr(local, "LEAST_SPACE", 2**63)
    assert "are free where reports are kept" in check(local.examine(os.environ, []), "state").says
