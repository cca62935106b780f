"""opsctl as a user gets it: a wheel, installed by pip into a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_wheel(folder: Path) -> Path:
    """Build the checkout's wheel into ``folder``; needs no network."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT)
    [wheel] = folder.glob("opsctl-*.whl")
    return wheel


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install ``wheel`` into a new virtual environment in ``folder``; the path of its ``opsctl``.

    Dependencies are lent from the running environment by a .pth file, written after pip has run: pip would otherwise
    see, and replace, an opsctl installed there.
    """
    run([sys.executable, "-m", "venv", folder])
    python = folder / "bin" / "python"
    run([python, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps", "--no-index", wheel])
    [packages] = folder.glob("lib/python*/site-packages")
    lent = sysconfig.get_path("purelib")
    (packages / "lent.pth").write_text(f"{lent}\n")
    run([python, "-m", "compileall", "-q", packages / "opsctl"])
    return folder / "bin" / "opsctl"


def clean_environment(home: Path) -> dict[str, str]:
    """An environment without anybody's configuration."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


def run(argv: list[str | Path], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command; its stdout. Raises AssertionError with all it printed when it fails."""
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, env=env, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout
