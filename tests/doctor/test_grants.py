"""What is granted is what is asked, and what is done: the clients' own allow-lists are held against the doctor's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml

import opsctl
from opsctl import sql
from opsctl.actions import registry as actions
from opsctl.actions import sql as acting_sql
from opsctl.cli.doctor import Grants
from opsctl.clients import kube_reads, kubernetes_write, pgbouncer_write, redis_allowed, redis_write
from opsctl.clients.writers import Writers
from opsctl.config.endpoint import Endpoint
from opsctl.doctor import acts, rbac
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
        if {"lab", "silences", "actions"} & set(path.parts) or path.stem.endswith("_write") or path.stem == "grants":
            continue
        for found in re.findall(r"""["'](/api/v[12]/[a-z_/]+)""", path.read_text()):
            asked[found[:8]].add(found)
    assert asked["/api/v1/"]
    assert asked["/api/v2/"]
    for start, system in (("/api/v1/", "prometheus"), ("/api/v2/", "alertmanager")):
        let = re.compile(re.search(r"location ~ (\S+) \{", setup(system))[1])
        for path in asked[start]:
            assert let.search(path) or let.search(f"{path}x"), path


def acting(system: str) -> list[actions.Action]:
    return [found for id, found in actions.all_actions().items() if id.startswith(f"{system}.")]


def test_every_acting_statement_has_its_role_granted_or_is_left_out_with_a_word():
    text = setup("postgres-act")
    script = [line for line in text.splitlines() if not line.startswith("--")]
    granted = set(re.findall(r"GRANT (\w+) TO opsctl_act;", "\n".join(script)))
    assert granted == {*acts.POSTGRES, "pg_use_reserved_connections"}
    for name in acting_sql.names():
        header = (PACKAGE / "actions" / "sql" / f"{name}.sql").read_text().splitlines()[2]
        named = set(re.findall(r"pg_\w+", header))
        assert named <= granted, name
        assert named or any(right in header for right in acts.POSTGRES_MORE.values()), header
    for found in acting("postgres"):
        more = acts.POSTGRES_MORE.get(found.id)
        assert (more or "pg_signal_backend") in found.privilege, found.id
        assert more is None or f"-- Left out on purpose: {found.id} needs {more}" in text
    assert not [line for line in script if re.search("SUPERUSER|CREATEROLE|pg_write|pg_read_all_data|ALL TABLES", line)]


def test_every_acting_redis_command_is_granted_and_no_other():
    (line,) = [line for line in setup("redis-act").splitlines() if line.startswith("ACL SETUSER")]
    granted = {word for word in line.split() if word.startswith("+")}
    assert granted == {right.rule for right in acts.REDIS.values()}
    assert all(right.rule == f"+{command[0].lower()}" for command, right in acts.REDIS.items())
    assert {*redis_write.ACTING, ("UNLINK",)} <= set(acts.REDIS)
    assert set(acts.REDIS) <= {*redis_write.ACTING, ("UNLINK",), *redis_allowed._ALLOWED}
    (action,) = acting("redis")
    assert granted == set(re.findall(r"\+\w+", action.privilege))
    assert [word for word in line.split() if word[0] in "~%&"] == ["~PREFIX*"]


def test_every_acting_kubernetes_right_is_granted_and_no_other():
    parts = list(yaml.safe_load_all(setup("kubernetes-act", "hand")))
    assert [part["kind"] for part in parts] == ["Namespace", "ServiceAccount", "Role", "RoleBinding"]
    granted = {
        (group, resource): set(rule["verbs"])
        for part in parts
        for rule in part.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    code = "\n".join(path.read_text() for path in (PACKAGE / "actions").glob("kubernetes*.py"))
    unused = {"delete"} if ".delete(" not in code else set()
    sent: dict[tuple[str, str], set[str]] = {}
    for (group, resource, sub), verbs in kubernetes_write.WRITABLE.items():
        sent[group, "/".join(filter(None, (resource, sub)))] = set(verbs) - unused
    assert {what: verbs - {"get"} for what, verbs in granted.items() if verbs != {"get"}} == sent
    assert set(acts.KUBERNETES_FOR) == set(granted)
    for found in acting("kubernetes"):
        assert any(verb in found.privilege for verb in ("patch", "create")), found.id
    assert "secrets" not in {resource for _, resource in granted}
    assert not [what for what, verbs in granted.items() if "*" in {*what, *verbs}]


def test_pgbouncers_commands_and_the_endpoints_that_act_are_those_of_the_clients():
    assert set(acts.PGBOUNCER) == {*get_args(pgbouncer_write.Command), "SET"}
    assert "admin_users = hand\n" in setup("pgbouncer-act", "hand")
    asked: list[str] = []

    def resolve(name: str) -> Endpoint:
        asked.append(name)
        return Endpoint(name=name, url="", setting="test")

    Writers(resolve).endpoint("postgres")
    assert asked == [f"postgres{acts.SUFFIX}"]
    assert not {f"{system}{acts.SUFFIX}" for system in acts.SYSTEMS} - set(map(str, Grants))


def test_a_role_has_the_name_its_system_takes():
    assert "CREATE ROLE opsctl_act LOGIN" in setup("postgres-act")
    assert "metadata: {name: opsctl-act, namespace: opsctl}" in setup("kubernetes-act")
    assert 'GRANT pg_signal_backend TO "On Call";' in setup("postgres-act", "On Call")
