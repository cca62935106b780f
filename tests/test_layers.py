"""The contracts of pyproject.toml hold, and would be noticed if they did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the checkout in ``folder``."""
    start = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {start}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_the_layers_hold() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("opsctl/clients/http.py", "import opsctl.probes.registry"),  # a lower layer imports a higher one
        ("opsctl/probes/registry.py", "import httpx"),  # a probe speaks to a server by itself
        ("opsctl/clients/alertmanager.py", "import httpcore"),  # a client goes round the one for HTTP
        ("opsctl/lab/stack.py", "import kubernetes"),  # not even the lab
    ],
)
def test_a_broken_layer_is_reported(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "opsctl", tmp_path / "opsctl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")
    found = lint(tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "BROKEN" in found.stdout
