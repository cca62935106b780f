"""Debian's cron with one crontab of a test's own, apart from the machine's: it sees none of the system's crontabs."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tests.servers import process, programs, used

_HIDDEN = ("/var/spool/cron", "/etc/cron.d", "/run")  # the system's crontabs and its cron's pid file


def find_cron() -> programs.Program | programs.Missing:
    """cron, where it can be run in a mount namespace of its own: elsewhere it would run the machine's jobs, too."""
    path = programs.which("cron")
    install = "apt-get install --no-install-recommends cron, and run the tests as root"
    if path is None or programs.which("crontab") is None:
        return programs.Missing("no cron on this machine", install)
    if os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        return programs.Missing("cron cannot be run apart from the machine's own", install)
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "cron"], capture_output=True, text=True, check=False)
    return programs.Program(path, said.stdout.strip() or "?")


def check_syntax(line: str) -> subprocess.CompletedProcess[str]:
    """What ``crontab -n`` says of a crontab; nothing is installed."""
    crontab = programs.which("crontab")
    assert crontab is not None
    return subprocess.run([crontab, "-n", "-"], input=line, capture_output=True, text=True, timeout=30, check=False)


def start_cron(folder: Path, crontab: str) -> process.Server:
    """cron with that crontab for root; it looks at the beginning of each minute. Stop it with ``stop``."""
    folder.mkdir(parents=True, exist_ok=True)
    program = programs.found("cron")
    source = folder / "crontab"
    source.write_text(crontab)
    lines = [
        "set -e",
        *(f"mount -t tmpfs tmpfs {place}" for place in _HIDDEN),
        "mount --bind /dev/null /etc/crontab",
        "mkdir /var/spool/cron/crontabs",
        f"install -m 600 {shlex.quote(str(source))} /var/spool/cron/crontabs/root",
        f"exec {program.path} -f -L 15",
    ]
    argv = ["unshare", "-m", "sh", "-c", "\n".join(lines)]
    server = process.start("cron", argv, folder / "cron.log", cwd=folder, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    used.note("cron", program.version)
    return server
