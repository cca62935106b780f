"""A certificate authority and a server certificate for 127.0.0.1, made by openssl for one test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificates(NamedTuple):
    """Paths of PEM files; ``other_ca`` signed nothing."""

    ca: Path
    cert: Path
    key: Path
    other_ca: Path


def make_certificates(folder: Path, owner: str | None = None) -> Certificates:
    """Make them in ``folder``; readable by ``owner`` alone, as Postgres demands."""

    def openssl(*argv: str | Path) -> None:
        subprocess.run(["openssl", *argv], check=True, capture_output=True, timeout=60, cwd=folder)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.crt")  # fmt: skip
    openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr"
    )
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "san", "-out", "server.crt")  # fmt: skip
    for name in ("server.key", "server.crt"):
        (folder / name).chmod(0o600)
        if owner is not None:
            shutil.chown(folder / name, owner)
    return Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key", folder / "other.crt")
