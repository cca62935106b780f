"""Endpoints that act, on real servers: reached, the server of the look, the rights of the actions; nothing is tried."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from opsctl.config.settings import load_settings
from opsctl.doctor.as_text import render
from opsctl.doctor.examine import Asked, examine
from opsctl.report.style import Style
from opsctl.services.model import Kubernetes, Profile, Workload
from tests.doctor.places import check, states
from tests.servers.alertmanager import start_alertmanagers
from tests.servers.pgbouncer import start_pgbouncer
from tests.servers.postgres import start_postgres
from tests.servers.redis import start_redis


def doctor(tmp_path, profile: Profile | None = None, **endpoints):
    """The places of a service whose context names these endpoints (``_`` for ``-``), by name, and the examination."""
    named = {name.replace("_", "-"): url for name, url in endpoints.items()}
    config = tmp_path / "opsctl.yaml"
    body = {"current-context": "t", "contexts": {"t": {"services": {"shop": {"endpoints": named}}}}}
    config.write_text(json.dumps(body))
    config.chmod(0o600)
    settings = load_settings(str(config), None, {}, {"HOME": str(tmp_path)})
    found = examine(Asked([profile or Profile(service="shop")], [], 30.0), settings)
    return {place.name: place for place in found.places}, found


@pytest.mark.needs("postgres")
def test_a_postgres_role_that_acts_is_held_to_what_actions_need(tmp_path, postgres):
    postgres.sql("CREATE ROLE hand LOGIN")
    try:
        places, found = doctor(tmp_path, postgres=postgres.dsn(), postgres_act=postgres.dsn("hand"))
        act = places["postgres-act"]
        assert found.exit == 1, "acting is no objective's need"
        assert check(act, "same-server").state == "ok"
        for id, lacks in (("may-signal", "pg_signal_backend"), ("sees-sessions", "pg_read_all_stats")):
            assert lacks in check(act, id).says
            postgres.sql(check(act, id).remedy.run)
        assert "acting" not in states(places["postgres"])
        places, found = doctor(tmp_path, postgres=postgres.dsn(), postgres_act=postgres.dsn("hand"))
        assert set(states(places["postgres-act"]).values()) == {"ok"}
        assert "postgres.set-role-timeout is refused" in check(places["postgres-act"], "may-alter").says

        places, _ = doctor(tmp_path, postgres=postgres.dsn(), postgres_act=postgres.superuser_dsn)
        assert check(places["postgres-act"], "least-privilege").remedy.run == "opsctl doctor --grants postgres-act"
        places, _ = doctor(tmp_path, postgres=postgres.dsn(), postgres_act=postgres.dsn("hand", "danci"))
        assert "it is in database danci, one looks in app" in check(places["postgres-act"], "same-server").says
        places, _ = doctor(tmp_path, postgres=postgres.dsn("hand"), postgres_act=postgres.dsn("hand"))
        assert "whoever may look may act" in check(places["postgres-act"], "own-role").says
    finally:
        postgres.sql("DROP ROLE hand")


@pytest.mark.needs("postgres")
def test_another_postgres_is_a_breach_and_one_that_is_gone_is_told(tmp_path, postgres):
    other = start_postgres(tmp_path / "other")
    try:
        places, _ = doctor(tmp_path, postgres=postgres.dsn(), postgres_act=other.superuser_dsn)
        found = check(places["postgres-act"], "same-server")
        assert found.state == "breach"
        assert f"this is another server than app@127.0.0.1:{postgres.port}" in found.says
        assert found.remedy.how.endswith("opsctl.yaml:1")
    finally:
        other.close()
    places, _ = doctor(tmp_path, postgres=postgres.dsn(), postgres_act=other.superuser_dsn)
    assert check(places["postgres-act"], "reachable").state == "breach"


@pytest.mark.needs("postgres")
def test_without_one_a_line_says_who_acts_and_what_that_role_cannot_do(tmp_path, postgres):
    _, found = doctor(tmp_path, postgres=postgres.dsn())
    assert found.exit in (0, 1)
    page = " ".join(render(found, Style(width=100)).split())
    assert "Acting postgres: no postgres-act for shop, so acting is done as the role opsctl_read of the look" in page
    assert "may not end sessions or cancel statements of others (pg_signal_backend), nor set timeouts" in page
    _, found = doctor(tmp_path, postgres=postgres.dsn(), postgres_act=postgres.dsn("app"))
    assert "Acting" not in render(found, Style(width=100))


@pytest.mark.needs("redis")
def test_a_redis_user_that_acts_is_judged_without_trying(tmp_path, redis_server):
    profile = Profile(service="shop", cache={"page:": "60s"})
    admin = redis_server.client()
    secret = "not-a-real-one"
    url = redis_server.url.replace("://", f"://hand:{secret}@")
    try:
        admin.execute_command("ACL", "SETUSER", "hand", "on", f">{secret}", "+info", "+ping", "+scan", "+unlink")
        admin.execute_command("CONFIG", "RESETSTAT")
        places, found = doctor(tmp_path, profile, redis=redis_server.url, redis_act=url)
        stats = admin.info("commandstats")
        assert not {"cmdstat_unlink", "cmdstat_restore", "cmdstat_dump"} & set(stats)
        act = places["redis-act"]
        assert check(act, "same-server").state == "ok"
        rights = check(act, "rights")
        assert rights.remedy.run == "ACL SETUSER hand +time ~page:* +dump +pttl +restore"
        assert "change keys page:*" in rights.says
        admin.execute_command(*rights.remedy.run.split())
        places, found = doctor(tmp_path, profile, redis=redis_server.url, redis_act=url)
        assert set(states(places["redis-act"]).values()) == {"ok"}
        assert found.exit == 0

        places, _ = doctor(tmp_path, profile, redis=redis_server.url, redis_act=url.replace("/0", "/3"))
        assert "it is in database 3, one looks in 0" in check(places["redis-act"], "same-server").says
        places, _ = doctor(tmp_path, profile, redis=url)
        assert "is not told to it (ACL DRYRUN)" in check(places["redis"], "acting").says
    finally:
        admin.execute_command("ACL", "DELUSER", "hand")
    other = start_redis(tmp_path / "other")
    try:
        places, _ = doctor(tmp_path, redis=redis_server.url, redis_act=other.url)
        assert check(places["redis-act"], "same-server").state == "breach"
    finally:
        other.stop()


@pytest.mark.needs("pgbouncer", "postgres")
def test_a_pgbouncer_user_that_acts_is_one_of_admin_users(tmp_path, pgbouncer):
    looks = pgbouncer.dsn("opsctl_read", "pgbouncer")
    places, _ = doctor(tmp_path, pgbouncer=looks, pgbouncer_act=looks)
    found = check(places["pgbouncer-act"], "may-control")
    assert found.state == "breach"
    assert found.remedy.run == "admin_users = postgres, opsctl_read"
    places, _ = doctor(tmp_path, pgbouncer=looks, pgbouncer_act=pgbouncer.admin_dsn)
    assert set(states(places["pgbouncer-act"]).values()) == {"ok"}
    places, _ = doctor(tmp_path, pgbouncer=looks)
    assert "may not control the pooler (admin_users)" in check(places["pgbouncer"], "acting").says
    other = start_pgbouncer(tmp_path / "other", pgbouncer.postgres)
    try:
        places, _ = doctor(tmp_path, pgbouncer=looks, pgbouncer_act=other.admin_dsn)
        assert check(places["pgbouncer-act"], "same-server").state == "breach"
    finally:
        other.stop()


def test_an_alertmanager_that_acts_is_of_the_cluster_of_the_look(tmp_path, alertmanagers):
    one, other = (server.url for server in alertmanagers)
    until = time.monotonic() + 60
    while True:  # a cluster that has just begun knows itself only
        places, _ = doctor(tmp_path, alertmanager=one, alertmanager_act=other)
        if states(places["alertmanager-act"])["same-server"] == "ok" or time.monotonic() > until:
            break
        time.sleep(0.5)
    assert check(places["alertmanager-act"], "same-server").says == "the cluster of the look"
    alone = start_alertmanagers(tmp_path / "alone", 1)
    try:
        places, _ = doctor(tmp_path, alertmanager=one, alertmanager_act=alone[0].url)
        assert check(places["alertmanager-act"], "same-server").state == "breach"
    finally:
        for server in alone:
            server.stop()


@pytest.mark.needs("kube")
def test_kubernetes_credentials_that_act_are_asked_what_they_may(tmp_path, kube):
    namespace = kube.namespace("act")
    profile = Profile(
        service="shop", kubernetes=Kubernetes(namespace=namespace, workloads={"api": Workload(name="api")})
    )
    looks = {"kubeconfig": str(kube.admin)}
    places, _ = doctor(tmp_path, profile, kubernetes=looks, kubernetes_act={"kubeconfig": str(kube.viewer)})
    act = places["kubernetes-act"]
    assert check(act, "same-server").state == "ok"
    found = check(act, "rights")
    assert found.state == "breach"
    assert "refused will be: restart, rollback, scale, evict" in found.says
    for part in yaml.safe_load_all(found.remedy.run.partition("\n")[2].removesuffix("EOF")):
        group = f"apis/{part['apiVersion']}/namespaces/{namespace}/{part['kind'].lower()}s"
        kube.call("POST", group, part)
    places, _ = doctor(tmp_path, profile, kubernetes=looks, kubernetes_act={"kubeconfig": str(kube.viewer)})
    assert set(states(places["kubernetes-act"]).values()) == {"ok"}
    places, _ = doctor(tmp_path, profile, kubernetes=looks)
    assert check(places["kubernetes"], "acting").says.endswith("of the look, which may do it")

    alias = kube.kubeconfig(
        tmp_path / "alias", {"token": kube.files.admin_token}, server=kube.url.replace("127.0.0.1", "localhost")
    )
    both = {"kubernetes": looks, "kubernetes_act": {"kubeconfig": str(alias)}}
    places, _ = doctor(tmp_path, profile, **both)
    assert "could not be told to be one cluster" in check(places["kubernetes-act"], "same-server").says
    kube.deploy(namespace)
    places, _ = doctor(tmp_path, profile, **both)
    assert "by another address" in check(places["kubernetes-act"], "same-server").says
