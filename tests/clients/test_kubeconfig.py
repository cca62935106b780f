"""Kubeconfig files: which is read, how several are merged, what is said about broken ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsctl.clients.kube_exec import Plugin
from opsctl.clients.kube_login import Files, log_in
from opsctl.clients.kubeconfig import in_cluster, select
from opsctl.errors import CouldNotLook, NotConfigured


def config(name: str, **user: Any) -> dict[str, Any]:
    return {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.test"}}],
        "users": [{"name": name, "user": user or {"token": f"token-of-{name}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-space"}}],
    }


def write(path: Path, content: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def refusal(path: Path | str, context: str = "") -> CouldNotLook:
    with pytest.raises(CouldNotLook) as caught:
        select(str(path), context, {})
    return caught.value


def headers(path: Path) -> dict[str, str]:
    files = Files()
    try:
        return dict(log_in(select(str(path), "", {}), files, Plugin(), 5.0).http.headers)
    finally:
        files.close()


def test_the_default_places(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home")}
    with pytest.raises(NotConfigured):
        select("", "", home)
    write(tmp_path / "home" / ".kube" / "config", config("home"))
    assert select("", "", home).context == "home"
    other = write(tmp_path / "other", config("other"))
    assert select("", "", {**home, "KUBECONFIG": str(other)}).context == "other"
    flag = write(tmp_path / "flag", config("flag"))
    assert select(str(flag), "", {**home, "KUBECONFIG": str(other)}).context == "flag"


def test_several_files_are_merged_and_the_first_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "a" / "config", config("one"))
    second_config = config("two", tokenFile="token")
    second_config["clusters"].append({"name": "one", "cluster": {"server": "https://not-this.test"}})
    second = write(tmp_path / "b" / "config", second_config)
    together = os.pathsep.join([str(first), str(tmp_path / "absent"), str(second)])
    one = select(together, "", {})
    assert (one.context, one.namespace) == ("one", "one-space")
    assert one.cluster.body["server"] == "https://one.test"
    two = select(together, "two", {})
    assert two.user.folder == tmp_path / "b", "relative paths are relative to the file they stand in"


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent").reason == "not-found"
    assert refusal(os.pathsep.join([str(tmp_path / "x"), str(tmp_path / "y")])).reason == "not-found"
    broken = refusal(write(tmp_path / "broken", "contexts:\n  - {name: a\n"))
    assert broken.reason == "bad-answer"
    assert f"{tmp_path / 'broken'}:3 is broken" in broken.says
    assert "is not a kubeconfig" in refusal(write(tmp_path / "list", "[1, 2]")).says
    assert "is not a kubeconfig" in refusal(write(tmp_path / "empty", "")).says
    assert (
        "has no user gone"
        in refusal(
            write(
                tmp_path / "gone",
                {**config("a"), "contexts": [{"name": "a", "context": {"cluster": "a", "user": "gone"}}]},
            )
        ).says
    )
    assert (
        "names no current context; it has: a"
        in refusal(write(tmp_path / "none", {**config("a"), "current-context": ""})).says
    )
    shape = refusal(write(tmp_path / "shape", {**config("a"), "users": ["a"]}))
    assert "an entry of users has another shape" in shape.says
    assert refusal(tmp_path).reason == "forbidden"


def test_user_and_password(tmp_path: Path) -> None:
    path = write(tmp_path / "config", config("a", username="ana", password="s3cret:x"))
    assert headers(path) == {"Authorization": "Basic YW5hOnMzY3JldDp4"}


def test_a_token_with_a_line_break_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "config", config("a", token="abc\r\nX-Evil: 1"))
    with pytest.raises(CouldNotLook) as caught:
        headers(path)
    assert caught.value.reason == "unauthorized"
    assert "abc" not in caught.value.says


def test_broken_inline_data_is_a_tls_failure(tmp_path: Path) -> None:
    path = write(tmp_path / "config", config("a", **{"client-certificate-data": "%%%"}))
    with pytest.raises(CouldNotLook) as caught:
        headers(path)
    assert (caught.value.reason, caught.value.says) == (
        "tls",
        "client-certificate-data of the kubeconfig is not base64",
    )


def test_several_groups_cannot_be_impersonated(tmp_path: Path) -> None:
    path = write(tmp_path / "config", config("a", **{"as": "x", "as-groups": ["a", "b"]}))
    with pytest.raises(CouldNotLook) as caught:
        headers(path)
    assert caught.value.reason == "unsupported"


def test_inside_a_pod(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod-token\n")
    (tmp_path / "namespace").write_text("shop\n")
    selected = in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert (selected.context, selected.namespace) == ("in-cluster", "shop")
    files = Files()
    login = log_in(selected, files, Plugin(), 5.0)
    assert login.server == "https://[fd00::1]:6443"
    assert dict(login.http.headers) == {"Authorization": "Bearer pod-token"}
    assert login.http.ca_file == str(tmp_path / "ca.crt")
    assert login.renewable, "the kubelet rotates the token"


def test_what_is_held_for_tls_is_gone_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files()
    path = files.hold(b"PEM")
    assert Path(path).read_bytes() == b"PEM"
    assert Path(path).read_bytes() == b"PEM"
    files.close()
    assert not Path(path).exists() or Path(path).read_bytes() != b"PEM"
    monkeypatch.delattr(os, "memfd_create", raising=False)
    files = Files()
    path = files.hold(b"PEM")
    assert Path(path).stat().st_mode & 0o077 == 0
    assert Path(path).read_bytes() == b"PEM"
    files.close()
    assert not Path(path).exists()
