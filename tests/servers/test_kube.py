"""Finding the control plane's programs, and the script that builds them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.servers import kube, programs


def nothing_here(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("OPSCTL_TEST_KUBE_BIN", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "empty"))
    monkeypatch.setattr(programs, "which", lambda *names: folder / "etcd" if "etcd" in names else None)


def fake_programs(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("#!/bin/sh\necho Kubernetes v1.31.4\n")
        (folder / name).chmod(0o755)
    return folder


def test_what_is_missing_is_said_with_the_command_that_helps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing_here(monkeypatch, tmp_path)
    found = kube.find_kube()
    assert isinstance(found, programs.Missing)
    assert found.says == "no kube-apiserver with kube-controller-manager and kube-scheduler"
    assert found.install.startswith(".ci/build-kube")


def test_folders_from_the_environment_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing_here(monkeypatch, tmp_path)
    without_controllers = fake_programs(tmp_path / "envtest", "kube-apiserver", "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(without_controllers))
    assert isinstance(kube.find_kube(), programs.Missing)
    whole = fake_programs(tmp_path / "whole", *kube.PROGRAMS)
    monkeypatch.setenv("OPSCTL_TEST_KUBE_BIN", str(whole))
    assert kube.find_kube() == programs.Program(whole / "kube-apiserver", "1.31.4")


@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="the script builds from Debian's source")
def test_the_build_script_needs_nothing_to_tell_its_folder(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    def script(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([kube.BUILD, *arguments], capture_output=True, text=True, env=environ, check=False)

    where = script("--where")
    assert where.returncode == 0
    folder = Path(where.stdout.strip())
    assert folder.parent == tmp_path / "opsctl-test"
    assert folder.name.startswith("kube-1.20.2-")
    assert not folder.exists()
    assert script("--bogus").returncode == 64
    fake_programs(tmp_path / "made", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    folder.parent.mkdir()
    (tmp_path / "made").rename(folder)
    warm = script()
    assert (warm.returncode, warm.stdout) == (0, f"build-kube: ready in {folder}\n")
