"""The lab's folder: only its own files are ever written or removed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from opsctl.errors import BadData, ConfigError, Unavailable
from opsctl.lab import control, state
from opsctl.lab.identity import process
from opsctl.lab.state import Lab


def lab(folder: Path, **more) -> Lab:
    return Lab(folder=str(folder), supervisor=process(os.getpid()), token="t", **more)


def test_the_state_is_read_back_and_only_for_its_owner(tmp_path):
    state.write(lab(tmp_path, on=["kyrodb-slow"]))
    found = state.read(tmp_path)
    assert found is not None
    assert found.on == ["kyrodb-slow"]
    assert state.is_running(found)
    assert state.file_of(tmp_path).stat().st_mode & 0o077 == 0


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex"):
        state.prepare(tmp_path)
    state.remove(tmp_path, [])
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_removing_takes_only_the_labs_own_and_its_temporary_folders(tmp_path):
    ours = Path(tempfile.mkdtemp(prefix="opsctl-lab-"))
    (ours / "data").mkdir()
    foreign = tmp_path / "opsctl-lab-not-in-tmp"
    foreign.mkdir()
    other = Path(tempfile.mkdtemp(prefix="something-else-"))
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "logs").mkdir()
    (folder / "lab.json").write_text("{}")
    (folder / "logs" / "app.log").write_text("")
    try:
        state.remove(folder, [str(ours), str(foreign), str(other), "/", str(Path.home())])
        assert not folder.exists()
        assert not ours.exists()
        assert foreign.exists()
        assert other.exists()
    finally:
        other.rmdir()


def test_a_broken_state_file_is_said_so(tmp_path):
    state.file_of(tmp_path).write_text("not json")
    with pytest.raises(BadData, match="not a lab's state"):
        state.read(tmp_path)


def test_without_a_lab_commands_say_how_to_start_one_and_down_is_content(tmp_path):
    with pytest.raises(Unavailable) as failure:
        control.running(tmp_path)
    assert "opsctl lab up" in failure.value.sentence()
    assert control.down(tmp_path) == []


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch):
    real = control.importlib.util.find_spec
    monkeypatch.setattr(
        control.importlib.util, "find_spec", lambda name, *rest: None if name == "grpc" else real(name, *rest)
    )
    with pytest.raises(ConfigError) as failure:
        control.check_extra()
    assert "grpcio" in failure.value.sentence()
    assert "pip install 'opsctl[lab]'" in failure.value.sentence()
