"""Where opsctl looks for runbooks and configuration and where it keeps things."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsctl.config import places
from opsctl.config.contexts import load_config
from opsctl.errors import ConfigError


def test_xdg_defaults(home: Path) -> None:
    assert places.config_dirs() == [home / ".config/opsctl", places.SYSTEM]
    assert places.state_dir() == home / ".local/state/opsctl"
    assert places.cache_dir() == home / ".cache/opsctl"


def test_xdg_folders_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification: ignore it
    assert places.state_dir() == Path("/s/opsctl")
    assert places.cache_dir().name == "opsctl"
    assert places.cache_dir().is_absolute()


def test_a_user_without_a_home_gets_a_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("HOME", "not/absolute")
    folder = places.state_dir()
    assert folder == tmp_path / f"opsctl-{os.geteuid()}" / "state"
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert places.config_dirs() == [places.SYSTEM]


def test_a_private_folder_that_others_can_write_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(places, "home_dir", lambda environ=None: None)
    (tmp_path / f"opsctl-{os.geteuid()}").mkdir()
    (tmp_path / f"opsctl-{os.geteuid()}").chmod(0o777)
    with pytest.raises(ConfigError, match="written by others"):
        places.state_dir()


def test_runbook_folders_in_order(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (
        tmp_path / "flag",
        tmp_path / "a",
        tmp_path / "b",
        Path("runbooks"),
        home / ".config/opsctl/runbooks",
    ):
        folder.mkdir(parents=True)
    (places.SYSTEM / "runbooks").mkdir(parents=True)
    monkeypatch.setenv("OPSCTL_RUNBOOKS", f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")
    found = places.runbook_places(str(tmp_path / "flag"))
    assert [(str(folder), setting) for folder, setting in found] == [
        (str(tmp_path / "flag"), "--runbooks"),
        (str(tmp_path / "a"), "env OPSCTL_RUNBOOKS"),
        (str(tmp_path / "b"), "env OPSCTL_RUNBOOKS"),
        ("runbooks", "found"),
        (str(home / ".config/opsctl/runbooks"), "found"),
        (str(places.SYSTEM / "runbooks"), "found"),
        (str(places.built_in()), "built-in"),
    ]
    assert places.runbook_dirs(str(tmp_path / "flag")) == [folder for folder, _ in found]


def test_one_folder_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.setenv("OPSCTL_RUNBOOKS", str(tmp_path / "link"))
    assert places.runbook_dirs(str(tmp_path / "a")) == [tmp_path / "a", places.built_in()]


def test_folders_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as flag:
        places.runbook_dirs("nope")
    assert flag.value.sentence() == "--runbooks: there is no folder nope. Name an existing folder."
    monkeypatch.setenv("OPSCTL_RUNBOOKS", "nope")
    with pytest.raises(ConfigError) as caught:
        places.runbook_dirs(None)
    assert caught.value.sentence() == (
        "env OPSCTL_RUNBOOKS: there is no folder nope. Name an existing folder or unset it."
    )


def test_the_built_in_set_is_found_in_a_checkout_and_in_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.built_in().is_dir()
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "site" / "opsctl")
    assert places.built_in() == tmp_path / "site" / "runbooks"
    (tmp_path / "site" / "opsctl" / "_runbooks").mkdir(parents=True)
    assert places.built_in() == tmp_path / "site" / "opsctl" / "_runbooks"


def test_paths_as_people_know_them(home: Path, tmp_path: Path) -> None:
    assert places.shown("opsctl.yaml") == "opsctl.yaml"
    assert places.shown(Path.cwd() / "a" / "b.yaml") == "a/b.yaml"
    assert places.shown(home / ".config/opsctl/opsctl.yaml") == "~/.config/opsctl/opsctl.yaml"
    assert places.shown("../x.yaml") == str(tmp_path / "x.yaml")
    assert places.shown("/etc/opsctl/opsctl.yaml") == "/etc/opsctl/opsctl.yaml"


def test_the_home_of_nobody_is_just_not_found() -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        places.runbook_dirs("~no-such-user-here/x")
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        load_config("~no-such-user-here/x", {})
