"""Differences of two pod templates, as raw JSON."""

from __future__ import annotations

from typing import Any

import pytest

from opsctl.probes.kubernetes_template import differences


def template(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"metadata": more.pop("metadata", {}), "spec": {"containers": list(containers), **more}}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("shop/api:1.14.2", "shop/api:1.14.3", "image 1.14.2 -> 1.14.3"),
        ("r.test:5000/api:1", "r.test:5000/api:2", "image 1 -> 2"),
        ("r.test:5000/api", "r.test:5000/other", "image r.test:5000/api -> r.test:5000/other"),
        ("shop/api:1", "other/api:1", "image shop/api:1 -> other/api:1"),
        ("shop/api@sha256:aa", "shop/api@sha256:bb", "image shop/api@sha256:aa -> shop/api@sha256:bb"),
        ("shop/api:1@sha256:aa", "shop/api:1@sha256:bb", "image shop/api:1@sha256:aa -> shop/api:1@sha256:bb"),
        ("api", "api:2", "image api -> api:2"),
    ],
)
def test_images(old: str, new: str, says: str) -> None:
    assert differences(template({"name": "main", "image": old}), template({"name": "main", "image": new})) == [says]


def test_several_containers_are_named() -> None:
    old = template({"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"})
    new = template({"name": "a", "image": "x:2"}, {"name": "c", "image": "y:1"})
    assert differences(old, new) == ["image of container a 1 -> 2", "container b removed", "container c added"]


def test_references_commands_probes_labels_and_hashes() -> None:
    secret = {"name": "keys", "secret": {"secretName": "keys-v1"}}
    old = template(
        {"name": "a", "command": ["run"], "readinessProbe": {"periodSeconds": 1}},
        volumes=[secret],
        metadata={"labels": {"pod-template-hash": "1", "v": "1"}, "annotations": {"checksum/config": "1"}},
    )
    new = template(
        {"name": "a", "command": ["walk"], "readinessProbe": {"periodSeconds": 2}},
        volumes=[{"name": "keys", "secret": {"secretName": "keys-v2"}}],
        serviceAccountName="other",
        metadata={"labels": {"pod-template-hash": "2", "v": "2"}, "annotations": {"checksum/config": "2"}},
    )
    assert differences(old, new) == [
        "command changed",
        "readinessProbe periodSeconds 1 -> 2",
        "Secret keys-v1 no longer used",
        "Secret keys-v2 now used",
        "configuration changed (checksum/config)",
        "label v changed",
        "serviceAccountName changed",
    ]


def test_a_volume_without_a_name_worth_telling() -> None:
    old, new = template(volumes=[{"name": "a", "emptyDir": {}}]), template(volumes=[{"name": "b", "emptyDir": {}}])
    assert differences(old, new) == ["volumes changed"]
    assert differences(old, old) == []
    assert differences({}, {}) == []


def test_plain_numbers_and_switches_are_shown_and_nothing_else() -> None:
    def env(**values: str) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in values.items()]

    old = template(
        {
            "name": "a",
            "env": env(WORKERS="4", LOG_LEVEL="info", API_KEY="1234", DATABASE_URL="postgres://a:b@c/d", MODE="blue"),
            "args": ["serve", "--pool=5", "--token=1"],
        }
    )
    new = template(
        {
            "name": "a",
            "env": env(WORKERS="8", LOG_LEVEL="debug", API_KEY="5678", DATABASE_URL="postgres://a:x@c/d", MODE="green"),
            "args": ["serve", "--pool=10", "--token=2"],
        }
    )
    assert differences(old, new) == [
        "env WORKERS 4 -> 8",
        "env LOG_LEVEL info -> debug",
        "env API_KEY changed",
        "env DATABASE_URL changed",
        "env MODE changed",
        "argument --pool 5 -> 10",
        "argument --token changed",
    ]


def test_where_a_probe_asks_and_how_patiently() -> None:
    old = {
        "httpGet": {"path": "/health", "port": 80, "httpHeaders": [{"name": "X", "value": "s"}]},
        "timeoutSeconds": 5,
    }
    new = {
        "httpGet": {"path": "/ready", "port": 80, "httpHeaders": [{"name": "X", "value": "t"}]},
        "failureThreshold": 1,
    }
    told = differences(template({"name": "a", "livenessProbe": old}), template({"name": "a", "livenessProbe": new}))
    assert told == [
        "livenessProbe path /health -> /ready",
        "livenessProbe httpHeaders changed",
        "livenessProbe timeoutSeconds 5 -> default",
        "livenessProbe failureThreshold default -> 1",
    ]
    assert differences(template({"name": "a"}), template({"name": "a", "startupProbe": new})) == ["startupProbe added"]
    changed = differences(template({"name": "a", "args": ["x"]}), template({"name": "a", "args": ["y"]}))
    assert changed == ["args changed"]
