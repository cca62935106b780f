"""`opsctl doctor`: missing rights are found, and the printed remedies work when they are pasted, verbatim."""

from __future__ import annotations

import shutil
import subprocess
import threading
from typing import Any

import pytest
import yaml

from opsctl.doctor.redis import RIGHTS
from tests.acceptance.session import Session
from tests.acceptance.test_no_writes import ACTS, READS, comments_off, stack, statements, watch  # noqa: F401
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
