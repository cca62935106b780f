"""A plan changes nothing: every action looks and proposes before servers that note all that reaches them.

A row per action says where, with which parameters, and what it is known to ask for. An action without a row fails.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import opsctl.clients
from opsctl.actions.model import Plan
from opsctl.actions.registry import all_actions
from opsctl.remediation.planner import make_plan
from tests.acceptance import planning_places as places
from tests.acceptance.planning import Place
from tests.actions.vritti_double import OLD_ID, OLD_KEY


class Row(NamedTuple):
    """``asks``: what must be among what reached the place, or the test saw nothing. ``{mine}``: the user's folder."""

    action: str
    place: str
    params: dict[str, Any]
    asks: tuple[str, ...]


KEY = {"customer": "customer-3", "key": OLD_ID}
SESSIONS = ("SELECT pg_stat_activity",)
CUSTOMER = ("GET /api/v1/customers/customer-3",)
KEYS = (*CUSTOMER, "GET /api/v1/customers/customer-3/api-keys")
ROWS = [
    Row("alertmanager.silence-symptoms", "storm", {}, ("GET /api/v2/alerts",)),
    Row("budget.raise-limit", "service", {"to": 80, "approver": "bob", "route": "/admin/budget"},
        ("GET /admin/budget", "POST /api/v1/query")),
    Row("customer.contain-key", "service",
        {**KEY, "key_file": "{mine}/new", "old_key_file": "{mine}/old.key", "evidence": "{mine}/kept", "suspend": True},
        KEYS),
    Row("customer.reactivate", "service", {"customer": "customer-4"}, ("GET /api/v1/customers/customer-4",)),
    Row("customer.revoke-key", "service", {**KEY, "old_key_file": "{mine}/old.key"}, KEYS),
    Row("customer.rotate-key", "service", {**KEY, "key_file": "{mine}/new"}, KEYS),
    Row("customer.suspend", "service", {"customer": "customer-3"}, CUSTOMER),
    Row("customer.upgrade", "service", {"customer": "customer-3", "tier": "enterprise"}, CUSTOMER),
    Row("firewall.block-ip", "service", {"ip": places.STRANGER}, ("nft -j list table inet opsctl",)),
    Row("kubernetes.evict", "cluster", {"pod": ["{pod}"]}, ("GET pods", "POST pods/eviction as a dry run")),
    Row("kubernetes.quarantine-pod", "cluster", {"pod": "{pod}"}, ("GET services", "PATCH pods as a dry run")),
    Row("kubernetes.restart", "cluster", {}, ("GET pods", "PATCH deployments as a dry run")),
    Row("kubernetes.rollback", "cluster", {}, ("GET replicasets", "PATCH deployments as a dry run")),
    Row("kubernetes.scale-out", "cluster", {"to": 3}, ("GET deployments", "PATCH deployments/scale as a dry run")),
    Row("kyrodb.restart", "units", {}, ("grpc Health", "systemctl show --no-pager -- kyrodb.service")),
    Row("pgbouncer.reconnect", "databases", {"database": "app"}, ("SHOW POOLS",)),
    Row("pgbouncer.reload", "databases", {}, ("SHOW CONFIG",)),
    Row("pgbouncer.resume", "databases", {}, ("SHOW DATABASES",)),
    Row("pgbouncer.set-pool-size", "databases", {"size": 6}, ("SHOW DATABASES", "SHOW CONFIG")),
    Row("postgres.cancel-query", "databases", {"older_than": "100ms"}, SESSIONS),
    Row("postgres.set-role-timeout", "databases", {"role": "app"}, ("SELECT pg_db_role_setting",)),
    Row("postgres.terminate-blocker", "databases", {"waited": "100ms"}, SESSIONS),
    Row("postgres.terminate-idle", "databases", {"older_than": "100ms", "keep": 0, "allow_free": True}, SESSIONS),
    Row("postgres.terminate-idle-in-transaction", "databases", {"blocking": "100ms"}, SESSIONS),
    Row("redis.invalidate-prefix", "cache", {"prefix": "page:", "backup": "{mine}/keys"}, ("scan", "info")),
    Row("service.restart", "units", {}, ("systemctl show --no-pager -- shop.service",)),
    Row("service.restart", "units", {"adapter": "pm2"}, ("pm2 jlist",)),
    Row("service.restart", "units", {"adapter": "compose"}, ("docker compose ps",)),
    Row("service.restart", "units", {"adapter": "own"}, ("keeper status",)),
    Row("service.set-env", "units", {"set": ["POOL=30"]}, ()),
    Row("service.start", "units", {"adapter": "worker"}, ("systemctl show --no-pager -- worker.service",)),
    Row("service.stop", "units", {"adapter": "app", "serving": True}, ("systemctl show --no-pager -- shop.service",)),
]  # fmt: skip


def test_every_action_has_a_row():
    assert {row.action for row in ROWS} == set(all_actions())


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, which is also the present one."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "old.key").write_text(OLD_KEY)
    (folder / ".env").write_text("POOL=20\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    with places.databases(tmp_path_factory.mktemp("databases")) as place:
        yield place


@pytest.fixture(scope="module")
def cluster(kube, tmp_path_factory):
    with places.cluster(kube, tmp_path_factory.mktemp("cluster")) as place:
        yield place


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    with places.storm(tmp_path_factory.mktemp("storm")) as place:
        yield place


@pytest.fixture
def cache(redis_server):
    with places.cache(redis_server) as place:
        yield place


@pytest.fixture
def service(tmp_path, prometheus):
    with places.service(tmp_path, prometheus.url) as place:
        yield place


@pytest.fixture
def units(tmp_path, mine):
    with places.units(tmp_path, mine) as place:
        yield place


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file with its mode and a digest."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    return value.format(**names) if isinstance(value, str) else value


def acting() -> list[tuple[type, str]]:
    """What the clients that act have over those that look, but for what is known to look or to hang up."""
    found = []
    for module in pkgutil.iter_modules(opsctl.clients.__path__):
        if not module.name.endswith("_write"):
            continue
        for name, kind in vars(importlib.import_module(f"opsctl.clients.{module.name}")).items():
            if inspect.isclass(kind) and name.endswith("Writer") and kind.__module__.endswith(module.name):
                found += [(kind, method) for method in vars(kind) if not method.startswith("_")]
    return [(kind, method) for kind, method in found if f"{kind.__name__}.{method}" not in LOOKING]


# Methods of acting clients that change nothing at a server. Whatever else such a client has, or gets, is an act.
LOOKING = {
    "AlertmanagerWriter.close",
    "AlertmanagerWriter.listed",
    "KubernetesWriter.close",
    "KubernetesWriter.eviction_version",
    "RedisWriter.dump",
    "RedisWriter.pin",
}


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The acts that a client is asked for, whatever becomes of them; a dry run and what it sends are none."""
    called: list[str] = []
    rehearsing: list[str] = []

    def noting(kind: type, name: str) -> None:
        plain = getattr(kind, name)

        def noted(self: Any, *args: Any, **options: Any) -> Any:
            if not options.get("dry_run"):
                if not rehearsing:
                    called.append(f"{kind.__name__}.{name}")
                return plain(self, *args, **options)
            rehearsing.append(name)
            try:
                return plain(self, *args, **options)
            finally:
                rehearsing.pop()

        monkeypatch.setattr(kind, name, noted)

    for kind, name in acting():
        noting(kind, name)
    return called


def test_acting_clients_are_known():
    assert {kind.__name__ for kind, _ in acting()} == {
        "AlertmanagerWriter",
        "HttpWriter",
        "KubernetesWriter",
        "PgbouncerWriter",
        "PostgresWriter",
        "RedisWriter",
    }


def planned(row: Row, place: Place, mine: Path) -> Plan:
    """The plan that a user of that row would be shown; it has steps, so the action has gone all the way."""
    names = {**place.names, "mine": str(mine)}
    params = {key: filled(value, names) for key, value in row.params.items()}
    place.begin()
    plan = make_plan(all_actions()[row.action], params, place.hands)
    assert plan.proposal.steps, [one.why for one in plan.proposal.excluded]
    return plan


def title(row: Row) -> str:
    return "-".join([row.action, row.params.get("adapter", "")]).rstrip("-")


@pytest.mark.parametrize("row", ROWS, ids=title)
def test_a_plan_changes_nothing_anywhere(row: Row, request: pytest.FixtureRequest, acts: list[str], mine: Path) -> None:
    place: Place = request.getfixturevalue(row.place)
    files = contents(mine)
    proposal = planned(row, place, mine).proposal
    assert bool(proposal.undo) != bool(proposal.lost), "either it can be undone, or it says why not"
    assert proposal.lost or all_actions()[row.action].undo is not None
    asked = place.asked()
    assert [line.says for line in asked if line.wrote] == []
    said = {line.says for line in asked}
    missing = [words for words in row.asks if not any(one.startswith(words) for one in said)]
    assert not missing, f"of what it must ask, {missing} is missing in {sorted(said)}"
    assert acts == []
    assert contents(mine) == files


# One of each way to write. What each leaves is thrown away, so these come last.
SEEN = {
    "alertmanager.silence-symptoms": ("POST /api/v2/silences", "AlertmanagerWriter.post"),
    "customer.suspend": ("PATCH /api/v1/customers/customer-3", "HttpWriter.send_json"),
    "firewall.block-ip": ("nft add table inet opsctl", ""),
    "kubernetes.evict": ("POST pods/eviction", "KubernetesWriter.evict"),
    "kubernetes.scale-out": ("PATCH deployments/scale", "KubernetesWriter.patch"),
    "pgbouncer.reload": ("RELOAD", "PgbouncerWriter.command"),
    "pgbouncer.set-pool-size": ("SET default_pool_size = '6'", "PgbouncerWriter.set"),
    "postgres.cancel-query": ("SELECT pg_stat_activity", "PostgresWriter.act"),
    "postgres.set-role-timeout": ("ALTER ROLE", "PostgresWriter.act"),
    "redis.invalidate-prefix": ("unlink", "RedisWriter.unlink"),
    "service.stop": ("systemctl --no-ask-password stop -- shop.service", ""),
}


@pytest.mark.parametrize("row", [row for row in ROWS if row.action in SEEN], ids=title)
def test_an_act_would_be_seen(row: Row, request: pytest.FixtureRequest, acts: list[str], mine: Path) -> None:
    place: Place = request.getfixturevalue(row.place)
    plan = planned(row, place, mine)
    place.begin()
    did = all_actions()[row.action].apply(place.hands, plan.proposal.steps[0])
    words, method = SEEN[row.action]
    wrote = [line.says for line in place.asked() if line.wrote]
    assert any(one.startswith(words) for one in wrote), (did, wrote)
    assert not method or method in acts
