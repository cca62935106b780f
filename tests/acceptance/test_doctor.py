"""`opsctl doctor`: missing rights are found, and the printed remedies work when they are pasted, verbatim."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from typing import Any

import httpx
import psycopg
import pytest
import redis
import yaml

from opsctl.actions import registry
from opsctl.actions.redis_invalidate_plan import InvalidateParams
from opsctl.doctor.redis import RIGHTS
from tests.acceptance.session import Session
from tests.acceptance.test_no_writes import ACTS, READS, comments_off, stack, statements, watch  # noqa: F401
from tests.actions.kubernetes_acting import applied as kubernetes_applied
from tests.actions.kubernetes_acting import hands_on as kubernetes_hands
from tests.actions.kubernetes_acting import proposed as rehearsed
from tests.actions.postgres_server import applied, proposed
from tests.actions.postgres_server import hands_on as postgres_hands
from tests.actions.redis_acting import hands_on as redis_hands
from tests.actions.redis_acting import numbered
from tests.probes.sessions import clients_of
from tests.servers.kube import ApiError

SERVICE = """
service: shop
title: A shop
endpoints:
  prometheus: {kind: prometheus, url: ""}
  postgres: {kind: postgres, env: SHOP_DATABASE}
  redis: {kind: redis, env: SHOP_REDIS}
  kubernetes: {kind: kubernetes, url: ""}
dependencies:
  database: {kind: postgres, endpoints: [postgres]}
kubernetes:
  namespace: NAMESPACE
  workloads: {api: {name: api}}
"""


def session(tmp_path, namespace: str = "shop", **environ: str) -> Session:
    books = tmp_path / "runbooks" / "services"
    books.mkdir(parents=True)
    (books / "shop.yaml").write_text(SERVICE.replace("NAMESPACE", namespace))
    return Session(tmp_path, LC_ALL="C.UTF-8", **environ)


def doctor(session: Session, *more: str) -> tuple[int, dict[str, Any]]:
    done = session.opsctl("doctor", "-s", "shop", "-o", "json", "--timeout", "60s", *more, check=(0, 1, 2, 3))
    return done.code, done.json()


def check(found: dict[str, Any], id: str) -> dict[str, Any]:
    return next(check for place in found["places"] for check in place["checks"] if check["id"] == id)


def pasted(session: Session, id: str, *more: str) -> str:
    """The remedy of a check, as it stands in the printed page: what would be copied from the terminal."""
    run = check(doctor(session, *more)[1], id)["remedy"]["run"]
    page = session.opsctl("doctor", "-s", "shop", "--timeout", "60s", *more, check=(0, 1, 2, 3)).out
    assert f"\n{run}\n" in page, page
    return run


def test_a_role_without_pg_read_all_stats_is_found_and_its_remedy_works(tmp_path, postgres):
    postgres.sql('CREATE ROLE "On-Call" LOGIN')
    try:
        user = session(tmp_path, SHOP_DATABASE=postgres.dsn("On-Call"))
        code, found = doctor(user, "--only", "postgres")
        assert code == 1
        problem = check(found, "postgres.sees-sessions")
        assert problem["state"] == "breach"
        assert "lacks pg_read_all_stats" in problem["says"]
        assert problem["remedy"]["run"] == 'GRANT pg_read_all_stats TO "On-Call";'

        psql = shutil.which("psql")
        for id in ("postgres.sees-sessions", "postgres.sees-settings"):
            run = pasted(user, id, "--only", "postgres")
            if psql is None:
                postgres.sql(run)
            else:
                argv = [psql, "-X", "-v", "ON_ERROR_STOP=1", postgres.superuser_dsn]
                subprocess.run(argv, input=run, text=True, check=True, capture_output=True, timeout=60)

        code, found = doctor(user, "--only", "postgres")
        assert code == 0
        assert check(found, "postgres.sees-sessions")["state"] == "ok"
        assert check(found, "postgres.sees-settings")["state"] == "ok"
    finally:
        postgres.sql('DROP ROLE "On-Call"')


@pytest.mark.parametrize("lacking", ["-info", "-@dangerous"])
def test_a_redis_user_without_info_is_found_and_its_remedy_works(tmp_path, redis_server, lacking):
    admin = redis_server.client()
    admin.execute_command("ACL", "SETUSER", "watcher", "on", ">not-a-real-one", "~*", "+@all", lacking)
    try:
        url = redis_server.url.replace("redis://", "redis://watcher:not-a-real-one@")
        user = session(tmp_path, SHOP_REDIS=url)
        code, found = doctor(user, "--only", "redis")
        assert code == 1
        problem = check(found, "redis.rights")
        assert "user watcher may not run INFO (nearly everything" in problem["says"]
        run = pasted(user, "redis.rights", "--only", "redis")
        assert run.startswith("ACL SETUSER watcher +info")
        assert ("+slowlog|get" in run) == (lacking == "-@dangerous")

        cli = shutil.which("redis-cli")
        if cli is None:
            admin.execute_command(*run.split())
        else:
            argv = [cli, "-h", "127.0.0.1", "-p", str(redis_server.port)]
            done = subprocess.run(argv, input=run + "\n", text=True, check=True, capture_output=True, timeout=60)
            assert done.stdout.strip() == "OK", done.stdout

        code, found = doctor(user, "--only", "redis")
        assert check(found, "redis.rights")["state"] == "ok"
        assert code == 0
    finally:
        admin.execute_command("ACL", "DELUSER", "watcher")


def apply(kube, run: str) -> None:
    """Paste it into a shell with kubectl; without one, send each object as kubectl would."""
    assert run.startswith("kubectl apply -f - <<'EOF'\n")
    if shutil.which("kubectl") is not None:
        environ = {"KUBECONFIG": str(kube.admin), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(kube.folder)}
        subprocess.run(["bash", "-c", run], check=True, capture_output=True, env=environ, timeout=60)
        return
    body = run.partition("\n")[2].removesuffix("EOF")
    for part in yaml.safe_load_all(body):
        place = part["metadata"].get("namespace")
        where = f"namespaces/{place}/" if place else ""
        group = "api/v1" if part["apiVersion"] == "v1" else f"apis/{part['apiVersion']}"
        try:
            kube.call("POST", f"{group}/{where}{part['kind'].lower()}s", part)
        except ApiError as error:
            if error.status != 409:  # it is there already, as for kubectl
                raise


def take_back(kube, name: str) -> None:
    """Delete what was granted for the whole cluster."""
    for kind in ("clusterrolebindings", "clusterroles"):
        kube.call("DELETE", f"apis/rbac.authorization.k8s.io/v1/{kind}/{name}")


def test_a_viewer_without_rights_is_found_and_its_remedy_works(tmp_path, kube):
    namespace = kube.namespace()
    user = session(tmp_path, namespace, KUBECONFIG=str(kube.viewer))
    code, found = doctor(user, "--only", "kubernetes")
    assert code in (1, 2)
    problem = check(found, "kubernetes.rights")
    assert problem["state"] == "breach"
    assert f"in namespace {namespace}" in problem["says"]

    run = pasted(user, "kubernetes.rights", "--only", "kubernetes")
    assert "secrets" not in run
    try:
        apply(kube, run)
        code, found = doctor(user, "--only", "kubernetes")
    finally:
        take_back(kube, "opsctl-read-viewer")  # the viewer of the other tests has no rights
    assert check(found, "kubernetes.rights")["state"] == "ok"
    assert code == 0


def test_the_printed_setup_of_a_new_role_is_all_that_a_look_needs(tmp_path, postgres, redis_server, kube):
    namespace = kube.namespace()
    user = session(tmp_path, namespace)
    printed = {
        name: user.opsctl("doctor", "--grants", name, "--role", "lookout", check=(0,)).out
        for name in ("postgres", "redis", "kubernetes")
    }
    admin = redis_server.client()
    lines = [line for line in printed["redis"].splitlines() if line and not line.startswith("#")]
    try:
        psql = shutil.which("psql")
        if psql is None:
            pytest.skip("no psql here, which \\password and -- comments are for")
        script = printed["postgres"].replace("\\password lookout\n", "")
        argv = [psql, "-X", "-v", "ON_ERROR_STOP=1", postgres.superuser_dsn]
        subprocess.run(argv, input=script, text=True, check=True, capture_output=True, timeout=60)
        for line in lines:
            admin.execute_command(*line.split())
        admin.execute_command("ACL", "SETUSER", "lookout", ">not-a-real-one")
        apply(kube, f"kubectl apply -f - <<'EOF'\n{printed['kubernetes'].replace('NAMESPACE', namespace)}EOF")
        token = kube.call(
            "POST",
            "api/v1/namespaces/opsctl/serviceaccounts/lookout/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        )["status"]["token"]
        config = kube.kubeconfig(tmp_path / "lookout.kubeconfig", {"token": token})

        look = session(
            tmp_path / "look",
            namespace,
            SHOP_DATABASE=postgres.dsn("lookout"),
            SHOP_REDIS=redis_server.url.replace("redis://", "redis://lookout:not-a-real-one@"),
            KUBECONFIG=str(config),
        )
        code, found = doctor(look, "--only", "postgres,redis,kubernetes")
        assert [c for place in found["places"] for c in place["checks"] if c["state"] != "ok"] == []
        assert code == 0
    finally:
        admin.execute_command("ACL", "DELUSER", "lookout")
        postgres.sql("DROP ROLE IF EXISTS lookout")


def printed_setup(tmp_path, system: str) -> str:
    user = session(tmp_path / f"print-{system}")
    return user.opsctl("doctor", "--grants", system, "--role", "hand", check=(0,)).out


@pytest.mark.needs("postgres")
def test_the_printed_postgres_role_ends_sessions_and_drops_nothing(tmp_path, postgres):
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("no psql here, which \\password and -- comments are for")
    script = printed_setup(tmp_path, "postgres-act").replace("\\password hand\n", "")
    argv = [psql, "-X", "-v", "ON_ERROR_STOP=1", postgres.superuser_dsn]
    postgres.sql("CREATE TABLE ledger_of_sales (id int)", role="app")
    try:
        subprocess.run(argv, input=script, text=True, check=True, capture_output=True, timeout=60)
        with clients_of(postgres) as clients:
            forgotten = clients.idle_in_transaction()
            with postgres_hands({"postgres": postgres.dsn(), "postgres-act": postgres.dsn("hand")}) as hands:
                plan = proposed(hands, "postgres.terminate-idle-in-transaction", older_than="0s")
                assert [check.says for check in plan.checks if check.ok is not True] == []
                (step,) = [step for step in plan.steps if step.target.pin["pid"] == clients.pid(forgotten)]
                did = applied(hands, "postgres.terminate-idle-in-transaction", step)
                assert did.state == "acted", did.says
        for forbidden in ("DROP TABLE ledger_of_sales", "SELECT * FROM ledger_of_sales", "CREATE ROLE more LOGIN"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                postgres.sql(forbidden, role="hand")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            postgres.sql("ALTER ROLE app IN DATABASE app SET statement_timeout = '1s'", role="hand")
    finally:
        postgres.sql("DROP TABLE ledger_of_sales", "DROP ROLE IF EXISTS hand")


@pytest.mark.needs("redis")
def test_the_printed_redis_user_removes_the_cache_and_nothing_else(tmp_path, redis_server):
    admin = redis_server.client()
    lines = [line for line in printed_setup(tmp_path, "redis-act").splitlines() if line and line[0] != "#"]
    url = redis_server.url.replace("://", "://hand:not-a-real-one@")
    admin.mset({"page:1": "a", "page:2": "b", "orders:1": "c"})
    admin.expire("page:1", 600)
    admin.expire("page:2", 600)
    try:
        for line in lines:
            admin.execute_command(*line.replace("PREFIX", "page:").split())
        admin.execute_command("ACL", "SETUSER", "hand", ">not-a-real-one")
        with redis_hands(redis_server.url, act=url) as hands:
            kept = str(tmp_path / "kept")
            params = InvalidateParams(prefix="page:", max_keys=100, backup=kept)
            invalidate = registry.get("redis.invalidate-prefix")
            plan = invalidate.propose(invalidate.observe(hands, params), params)
            assert [check.says for check in plan.checks if check.ok is False] == []
            step = numbered(plan)
            did = invalidate.apply(hands, step)
            assert did.state == "acted", did.says
            assert sorted(admin.keys()) == [b"orders:1"]
            assert invalidate.undo(hands, step, did.inverse).state == "acted"
            assert sorted(admin.keys()) == [b"orders:1", b"page:1", b"page:2"]
        with redis.Redis.from_url(url) as hand:
            for command in (["UNLINK", "orders:1"], ["DEL", "page:1"], ["FLUSHALL"], ["GET", "page:1"], ["KEYS", "*"]):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    hand.execute_command(*command)
    finally:
        admin.execute_command("ACL", "DELUSER", "hand")
        admin.delete("page:1", "page:2", "orders:1")


@pytest.mark.needs("kube")
def test_the_printed_kubernetes_account_restarts_and_deletes_nothing(tmp_path, kube):
    namespace = kube.namespace("printed")
    text = printed_setup(tmp_path, "kubernetes-act").replace("NAMESPACE", namespace)
    assert not [part["kind"] for part in yaml.safe_load_all(text) if part["kind"].startswith("Cluster")]
    path = kube.deploy(namespace, replicas=2)
    apply(kube, f"kubectl apply -f - <<'EOF'\n{text}EOF")
    token = kube.call(
        "POST",
        "api/v1/namespaces/opsctl/serviceaccounts/hand/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )["status"]["token"]
    config = kube.kubeconfig(tmp_path / "hand.kubeconfig", {"token": token})
    kube.rolled_out(path)
    with kubernetes_hands(kube, namespace, act=config) as hands:
        plan = rehearsed("restart", hands)
        (dry,) = [check for check in plan.checks if check.id == "dry-run"]
        assert dry.ok is True, dry.says
        did = kubernetes_applied("restart", hands, plan.steps[0])
        assert did.state == "acted", did.says
    for method, forbidden in (
        ("DELETE", f"api/v1/namespaces/{namespace}"),
        ("DELETE", path),
        ("GET", f"api/v1/namespaces/{namespace}/secrets"),
        ("GET", "apis/apps/v1/namespaces/default/deployments/api"),
    ):
        answer = httpx.request(
            method,
            f"{kube.url}/{forbidden}",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=str(kube.files.ca)),
            trust_env=False,
        )
        assert answer.status_code == 403, answer.text


def test_the_examination_itself_only_reads(tmp_path, stack):  # noqa: F811
    """Recording servers, a statement log and MONITOR see every request of the doctor and of a service check."""
    (tmp_path / "opsctl.yaml").write_text(
        f"""
current-context: test
contexts:
  test:
    prometheus: {stack["prometheus"].url}
    alertmanager: {stack["alertmanager"].url}
    services:
      amas:
        endpoints:
          postgres: {stack["postgres"].dsn("opsctl_read", "danci")}
          redis: {stack["redis"].url}
          metrics: {stack["app"].url}/metrics
          health: {stack["app"].url}/health
          app: {stack["app"].url}
          alerts: {stack["app"].url}/alerts
          alert-history: {stack["app"].url}/history
"""
    )
    seen: list[list[str]] = []
    ready, stop = threading.Event(), threading.Event()
    threading.Thread(target=watch, args=(stack["redis"], seen, ready, stop), daemon=True).start()
    assert ready.wait(10)
    user = Session(tmp_path)
    found = user.opsctl("doctor", "-o", "json", "--timeout", "60s", check=(0, 1, 2, 3)).json()
    user.opsctl("service", "check", "amas", "--timeout", "60s", check=(0, 1, 2, 3))
    stop.set()
    stack["redis"].client().ping()

    for name in ("prometheus", "alertmanager", "app"):
        stack[name].assert_only_reads()
    asked = statements((tmp_path / "postgres" / "postgres.log").read_text())
    assert len(asked) > 3
    for statement in asked:
        assert READS.match(statement), statement
        assert not ACTS.search(comments_off(statement)), statement
    commands = [words for words in seen if words and words[0].lower() not in ("monitor", "")]
    assert len(commands) > 8
    for words in commands:
        asked_for = tuple(word.upper() for word in words)
        assert asked_for[:2] in RIGHTS or asked_for[:1] in RIGHTS or asked_for[0] in ("HELLO", "CLIENT"), (
            words
        )  # the test's own
    assert {place["kind"] for place in found["places"]} >= {"postgres", "redis", "prometheus", "alertmanager"}
