"""A rollout that does not come up, as an operator meets it: diagnosed, rolled back, verified, told, and undone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.acceptance.session import Session
from tests.servers.kube import Kube

NEW = "registry.test/shop/api:1.15.0"


def image(kube: Kube, path: str) -> str:
    return str(kube.call("GET", path)["spec"]["template"]["spec"]["containers"][0]["image"])


def test_a_stuck_rollout_is_rolled_back_verified_told_and_undone(kube: Kube, tmp_path: Path) -> None:
    namespace = kube.namespace("remediate")
    path = kube.deploy(namespace, replicas=2, deadline=2)
    kube.rolled_out(path)
    before = image(kube, path)
    kube.deploy(namespace, replicas=2, deadline=2, image=NEW, behaviour="imagepull")
    late = "ProgressDeadlineExceeded"
    kube.wait(path, lambda obj: any(c.get("reason") == late for c in obj["status"]["conditions"]))
    at = kube.call("GET", path)["metadata"]["generation"]

    books = tmp_path / "runbooks"
    (books / "services").mkdir(parents=True)
    profile: dict[str, Any] = {
        "service": "shop",
        "endpoints": {"kubernetes": {"kind": "kubernetes"}},
        "dependencies": {"kubernetes": {"kind": "kubernetes", "endpoints": ["kubernetes"]}},
        "symptoms": [{"id": "rollout", "runbook": "service-down", "endpoint": "kubernetes", "title": "rollout"}],
        "kubernetes": {"namespace": namespace, "workloads": {"api": {"name": "api"}}},
    }
    (books / "services" / "shop.yaml").write_text(json.dumps(profile))
    user = Session(tmp_path, KUBECONFIG=str(kube.admin))
    asked = ("--runbooks", "runbooks", "remediate", "service-down", "rollback", "-s", "shop")

    plan = user.opsctl(*asked, check=(0,)).out
    assert "image 1.15.0 -> 1.14.2" in plan
    assert kube.call("GET", path)["metadata"]["generation"] == at, "a plan changes nothing"
    found = re.search(r"--plan-hash (\w+)", plan)
    assert found is not None, plan

    done = user.opsctl(*asked, "--yes", "--plan-hash", found[1], check=(0,))
    assert "FIXED" in done.out
    assert image(kube, path) == before
    run = re.search(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", done.out)
    assert run is not None, done.out

    story = user.opsctl("--runbooks", "runbooks", "ledger", "show", run[0], check=(0,)).out
    assert "deployment/api goes back to revision 1" in " ".join(story.split())
    back = user.opsctl("--runbooks", "runbooks", "ledger", "undo", run[0], "--yes")
    assert back.code == 0, back.out + back.err
    assert image(kube, path) == NEW
