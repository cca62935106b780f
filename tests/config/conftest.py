"""A machine without any opsctl configuration: empty home, empty working folder, no variable that opsctl reads."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from opsctl.config.environment import LIBPQ, URLS

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty home; the working folder is ``work`` beside it."""
    folder, work = tmp_path / "home", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    for name in list(os.environ):
        if name.startswith(("OPSCTL_", "XDG_")) or name in (*URLS.values(), *LIBPQ, "KUBERNETES_SERVICE_HOST"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(work)
    monkeypatch.setattr("opsctl.config.places.SYSTEM", tmp_path / "etc")
    return folder


@pytest.fixture
def write(home: Path) -> Write:
    """Write a file below the working folder, mode 600 unless told otherwise."""

    def put(text: str, name: str = "opsctl.yaml", mode: int = 0o600) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        path.chmod(mode)
        return path

    return put
