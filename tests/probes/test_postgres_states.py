"""States of a server that take some making: standby, TLS, many client addresses, autovacuum against wraparound."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from opsctl.errors import CouldNotLook
from opsctl.probes import registry
from tests.fakes.rawserver import Proxy
from tests.probes.certificates import Certificates, make_certificates
from tests.probes.looks import finding, looking, run, states, values
from tests.probes.sessions import clients_of
from tests.servers import process, programs
from tests.servers.postgres import Postgres, start_postgres

IDS = [
    "postgres.reachable", "postgres.capacity", "postgres.limits", "postgres.sessions", "postgres.transactions",
    "postgres.locks", "postgres.idle-in-transaction", "postgres.waits", "postgres.statements", "postgres.counters",
    "postgres.vacuum", "postgres.settings",
]  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres that tests may restart; clients may come from any loopback address."""
    server = start_postgres(
        tmp_path_factory.mktemp("own"),
        {"max_connections": 15, "autovacuum_naptime": "1s", "autovacuum_freeze_max_age": 100_000,
         "autovacuum_max_workers": 1},
    )  # fmt: skip
    with (server.data / "pg_hba.conf").open("a") as hba:
        hba.write("host all all 127.0.0.0/8 trust\n")
    server.sql("SELECT pg_reload_conf()")
    yield server
    server.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems answer on 127.0.0.1 only")
def test_many_clients_with_pools_of_their_own(own: Postgres) -> None:
    with ExitStack() as stack, looking({"postgres": own.dsn()}) as look:
        for number in range(2, 6):
            proxy = stack.enter_context(Proxy(own.port, f"127.0.0.{number}"))
            for _ in range(3 if number != 5 else 2):
                url = own.dsn("app").replace(str(own.port), str(proxy.port))
                stack.callback(psycopg.connect(url, application_name="api").close)
        seen = run(look, "postgres.sessions")
        many = finding(seen, "postgres.many-clients")
        assert many.state == "breach"
        assert many.says == "11 of 12 slots are held from 4 client addresses, at most 3 from one"
        assert {value.labels["address"] for value in values(seen, "sessions")} == {f"127.0.0.{n}" for n in range(2, 6)}


def test_an_autovacuum_against_wraparound_is_not_to_be_ended(own: Postgres) -> None:
    own.sql(
        # autovacuum_enabled does not hold off the one against wraparound, only the ordinary ones before it
        "CREATE TABLE public.old (id int) WITH (autovacuum_enabled = false, autovacuum_vacuum_cost_delay = 100, "
        "autovacuum_vacuum_cost_limit = 1)",
        "INSERT INTO public.old SELECT generate_series(1, 200000)",
    )
    with clients_of(own) as clients, looking({"postgres": own.dsn()}) as look:
        # each exception block takes a transaction id of its own
        burn = (
            "DO $$ BEGIN FOR i IN 1..60000 LOOP BEGIN PERFORM txid_current(); INSERT INTO public.old VALUES (1); "
            "EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$"
        )
        for _ in range(2):
            own.sql(burn)
        clients.until(
            lambda: own.sql(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%public.old (to prevent wraparound)' "
                "AND backend_type = 'autovacuum worker'"
            ) != []
        )  # fmt: skip
        clients.busy("ALTER TABLE public.old ADD COLUMN more int", role="postgres")
        clients.waiting(1)
        seen = run(look, "postgres.locks", above="0s")
        assert states(seen) == {
            "postgres.lock-wait": "breach", "postgres.lock-root-idle": "ok", "postgres.wraparound-autovacuum": "breach",
        }  # fmt: skip
        assert "let it finish" in finding(seen, "postgres.wraparound-autovacuum").says
        running = values(run(look, "postgres.vacuum"), "vacuum running")
        assert any(value.labels.get("against_wraparound") == "yes" for value in running)


def test_a_standby_refuses_writes_and_can_be_looked_at(own: Postgres) -> None:
    own.stop()
    signal = own.data / "standby.signal"
    signal.touch()
    try:
        own.start()
        with looking({"postgres": own.dsn()}) as look:
            seen = run(look, "postgres.reachable")
            assert states(seen) == {"postgres.unreachable": "ok", "postgres.standby": "breach"}
            for id in IDS:
                probe = registry.get(id)
                assert probe is not None
                run(look, id, **({"pause": "50ms"} if "pause" in probe.params.__struct_fields__ else {}))
    finally:
        own.stop()
        signal.unlink()
        own.start()


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    folder = process.private_folder("certificates", programs.postgres_user())
    yield make_certificates(folder, programs.postgres_user())
    process.remove(folder)


def test_tls_and_whether_the_certificate_was_checked(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = start_postgres(
        tmp_path_factory.mktemp("tls"),
        {"ssl": "on", "ssl_cert_file": str(certificates.cert), "ssl_key_file": str(certificates.key)},
    )
    try:

        def tls(options: str) -> object:
            with looking({"postgres": f"{server.dsn()}?{options}"}) as look:
                return values(run(look, "postgres.reachable"), "TLS")[0].value

        assert tls("sslmode=disable") == "no"
        assert tls("sslmode=require") == "yes, certificate not checked (sslmode=require)"
        checked = f"sslmode=verify-full&sslrootcert={certificates.ca}"
        assert tls(checked) == "yes, certificate checked (sslmode=verify-full)"
        wrong = f"{server.dsn()}?sslmode=verify-full&sslrootcert={certificates.other_ca}"
        with looking({"postgres": wrong}) as look, pytest.raises(CouldNotLook) as caught:
            run(look, "postgres.reachable")
        assert caught.value.reason == "tls"
    finally:
        server.close()


def test_a_redis_behind_tls(certificates: Certificates, tmp_path: Path) -> None:
    from tests.servers.redis import start_redis

    port = process.free_port()
    server = start_redis(
        tmp_path,
        {"tls-port": port, "tls-cert-file": str(certificates.cert), "tls-key-file": str(certificates.key),
         "tls-ca-cert-file": str(certificates.ca), "tls-auth-clients": "no"},
    )  # fmt: skip
    try:
        url = f"rediss://127.0.0.1:{port}"
        with looking({"redis": f"{url}?ssl_ca_certs={certificates.ca}"}) as look:
            seen = run(look, "redis.reachable")
            assert states(seen)["redis.unreachable"] == "ok"
            assert not values(seen, "TLS certificate checked")
        with looking({"redis": f"{url}?ssl_cert_reqs=none"}) as look:
            seen = run(look, "redis.reachable")
            assert states(seen)["redis.unreachable"] == "ok"
            assert values(seen, "TLS certificate checked")[0].value is False
        with (
            looking({"redis": f"{url}?ssl_ca_certs={certificates.other_ca}"}) as look,
            pytest.raises(CouldNotLook) as caught,
        ):
            run(look, "redis.reachable")
        assert caught.value.reason == "tls"
    finally:
        server.stop()
