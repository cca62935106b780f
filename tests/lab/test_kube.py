"""The lab's own API server: which programs are found, what is said without them, and what it holds."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from opsctl.clients.kubernetes import KubernetesReader
from opsctl.config.endpoint import Endpoint
from opsctl.errors import CouldNotLook
from opsctl.lab import kube
from opsctl.lab.files import NAMESPACE
from opsctl.lab.identity import free_ports
from opsctl.lab.kube import Cluster, Programs, programs
from opsctl.lab.threads_kube import Namespace
from tests.servers import programs as servers


def program(folder: Path, name: str, text: str = "echo v1.30.1") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with nothing on it but what a test puts into ``tmp_path/bin``, which is on PATH."""
    (tmp_path / "bin").mkdir()
    for name in ("OPSCTL_KUBE_BIN", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(kube, "find", lambda name: str(found) if (found := tmp_path / "bin" / name).exists() else None)
    monkeypatch.setattr(kube, "version_of", lambda argv: "1.30.1" if "broken" not in argv[0] else "")
    return tmp_path


def test_without_an_api_server_it_is_said_how_to_get_one(bare):
    assert "OPSCTL_KUBE_BIN" in str(programs())


def test_etcd_and_openssl_are_named_when_they_are_what_is_missing(bare):
    program(bare / "bin", "kube-apiserver")
    assert "etcd" in str(programs())
    program(bare / "bin", "etcd")
    assert "openssl" in str(programs())
    program(bare / "bin", "openssl")
    found = programs()
    assert isinstance(found, Programs)
    assert found.version == "1.30.1"


def test_a_named_folder_wins_over_the_cache_and_the_path(bare, monkeypatch):
    program(bare / "bin", "openssl")
    program(bare / "bin", "etcd")
    for folder in (bare / "bin", bare / "mine"):
        program(folder, "kube-apiserver")
    cached = bare / "cache" / "opsctl-test" / "kube-1.20.2-abc"
    cached.mkdir(parents=True)
    program(cached, "kube-apiserver")
    assert programs()[0] == str(cached / "kube-apiserver")
    monkeypatch.setenv("OPSCTL_KUBE_BIN", str(bare / "mine"))
    assert programs()[0] == str(bare / "mine" / "kube-apiserver")


def test_a_program_that_does_not_run_is_said_so(bare, monkeypatch):
    for name in ("openssl", "etcd"):
        program(bare / "bin", name)
    program(bare / "broken", "kube-apiserver")
    monkeypatch.setenv("OPSCTL_KUBE_BIN", str(bare / "broken"))
    assert "does not run" in str(programs())


@pytest.mark.needs("kube", "etcd")
@pytest.mark.slow
def test_the_namespace_is_healthy_breaks_and_heals_and_who_looks_cannot_write(tmp_path, monkeypatch):
    monkeypatch.setenv("OPSCTL_KUBE_BIN", str(servers.found("kube").path.parent))
    found = programs()
    assert isinstance(found, Programs), found
    ports = free_ports(4)
    cluster = Cluster(found, tmp_path / "kubernetes", tmp_path, (ports[0], ports[1], ports[2]))
    cluster.prepare()
    etcd, apiserver = cluster.etcd(), cluster.apiserver()
    try:
        etcd.start()
        apiserver.start(120.0)
        namespace = Namespace(cluster.writer, ports[1], ports[3])
        namespace.create(kube.VIEWER)
        cluster.kubeconfig(tmp_path / "kubeconfig")
        assert (tmp_path / "kubeconfig").stat().st_mode & 0o077 == 0
        place = Endpoint(name="kubernetes", url=str(tmp_path / "kubeconfig"), setting="test", options={})
        reader = KubernetesReader(place)

        def orchestrator() -> dict:
            return reader.get(f"apis/apps/v1/namespaces/{NAMESPACE}/deployments/orchestrator")

        healthy = orchestrator()
        assert healthy["status"]["availableReplicas"] == healthy["spec"]["replicas"]
        assert healthy["metadata"]["creationTimestamp"] < "2100"
        assert age(healthy) > 3600, "as old as the services, so that nothing looks like a rollout"
        used = f"apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"
        until = time.monotonic() + 60
        while True:
            try:
                usage = reader.list(used).items
                break
            except CouldNotLook:
                assert time.monotonic() < until
                time.sleep(0.5)
        assert len(usage) == len(reader.list(f"api/v1/namespaces/{NAMESPACE}/pods").items)
        assert namespace.switch(frozenset({"threads-crash-loop"})) == []
        assert "availableReplicas" not in orchestrator()["status"]
        pods = reader.list(f"api/v1/namespaces/{NAMESPACE}/pods").items
        assert "CrashLoopBackOff" in json.dumps(pods)
        assert namespace.switch(frozenset()) == []
        assert orchestrator()["status"]["availableReplicas"] == healthy["spec"]["replicas"]
        assert age(orchestrator()) > 3600
        assert reader.can("delete", "", "pods", "", NAMESPACE).allowed is False
        with pytest.raises(CouldNotLook):
            reader.get(f"api/v1/namespaces/{NAMESPACE}/secrets/none-of-that-name")
    finally:
        apiserver.stop()
        etcd.stop()


def age(found: dict) -> float:
    """Seconds since the object was made, by its own word."""
    made = datetime.fromisoformat(found["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
    return time.time() - made.timestamp()
