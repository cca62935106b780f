"""What is granted is what the read side asks: its own allow-lists are held against the doctor's."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import opsctl
from opsctl import sql
from opsctl.clients import kube_reads, redis_allowed
from opsctl.doctor import rbac
from opsctl.doctor.grants import ROLES, setup
from opsctl.doctor.redis import KEYS, RIGHTS
from opsctl.probes import registry

PACKAGE = Path(opsctl.__file__).parent


def test_every_redis_command_that_may_be_sent_is_granted():
    assert set(RIGHTS) == set(redis_allowed._ALLOWED)
    granted = setup("redis").splitlines()[1].split()
    for command, right in RIGHTS.items():
        if right.rule:
            assert right.rule == "+" + "|".join(command).lower()
            assert right.rule in granted
    assert KEYS in granted
    assert not [rule for rule in granted if rule.startswith(("+@", "~", "allkeys", "nopass"))]


def test_every_kubernetes_resource_that_may_be_read_is_granted_but_secrets():
    wanted = {(group, r) for group, resources in kube_reads.RESOURCES.items() for r in resources}
    wanted |= set(rbac.SUBRESOURCES)
    assert kube_reads.asked("api/v1/namespaces/shop/pods/api-1/log").resource == "pods"
    granted = {
        (group, resource)
        for part in yaml.safe_load_all(setup("kubernetes"))
        for rule in part.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == wanted - rbac.SENSITIVE
    assert wanted - rbac.SENSITIVE <= set(rbac.LOST)  # each says what is unknown without it


def test_a_kubernetes_role_may_get_and_list_and_nothing_else():
    parts = list(yaml.safe_load_all(setup("kubernetes", "lookout")))
    verbs = {verb for part in parts for rule in part.get("rules", ()) for verb in rule["verbs"]}
    assert verbs == {"get", "list"}
    assert all("*" not in rule["resources"] for part in parts for rule in part.get("rules", ()))
    cluster = [part for part in parts if part["kind"] == "ClusterRole"]
    assert {r for part in cluster for rule in part["rules"] for r in rule["resources"]} == {"nodes", "namespaces"}


def test_names_of_users_are_quoted():
    body = rbac.manifest('o"neil: {x}@example.com', ["shop"])
    subjects = [s for part in yaml.safe_load_all(body) for s in part.get("subjects", ())]
    assert {s["name"] for s in subjects} == {'o"neil: {x}@example.com'}
    assert 'CREATE ROLE "On Call" LOGIN' in setup("postgres", "On Call")


def test_every_role_that_a_query_asks_for_is_granted():
    text = setup("postgres")
    for name in sql.names():
        privilege = sql.load(name).privilege
        if privilege == "none":
            continue
        named = [role for role in ROLES if role in privilege]
        assert named, f"{name}.sql asks for {privilege!r}, which no role here gives"
        assert all(f"GRANT {role} TO opsctl;" in text for role in named)
    for forbidden in ("SUPERUSER", "pg_monitor", "pg_signal_backend", "pg_write_all_data", "pg_read_all_data"):
        assert forbidden not in text


def test_every_probe_of_a_system_with_rights_says_what_it_needs():
    for id, probe in registry.all_probes().items():
        if id.partition(".")[0] in ("postgres", "pgbouncer", "redis", "kubernetes"):
            assert probe.asks, id
    redis = [p.privilege for id, p in registry.all_probes().items() if id.startswith("redis.")]
    rules = {word.strip(";,()") for text in redis for word in text.split() if word.startswith("+")}
    assert rules <= {right.rule for right in RIGHTS.values()}


def test_the_http_setups_let_reads_through_and_nothing_else():
    assert "limit_except GET { deny all; }" in setup("alertmanager")
    assert "limit_except GET POST { deny all; }" in setup("prometheus")  # queries are POSTed
    assert "/api/v1/admin" not in setup("prometheus")
    assert "stats_users = lookout" in setup("pgbouncer", "lookout")
    assert "admin_users" not in setup("pgbouncer", "lookout")


def test_every_path_that_prometheus_and_alertmanager_are_asked_is_let_through():
    asked: dict[str, set[str]] = {"/api/v1/": set(), "/api/v2/": set()}
    for path in PACKAGE.rglob("*.py"):
        if {"lab", "silences"} & set(path.parts) or path.stem.endswith("_write") or path.stem == "grants":
            continue
        for found in re.findall(r"""["'](/api/v[12]/[a-z_/]+)""", path.read_text()):
            asked[found[:8]].add(found)
    assert asked["/api/v1/"]
    assert asked["/api/v2/"]
    for start, system in (("/api/v1/", "prometheus"), ("/api/v2/", "alertmanager")):
        let = re.compile(re.search(r"location ~ (\S+) \{", setup(system))[1])
        for path in asked[start]:
            assert let.search(path) or let.search(f"{path}x"), path
