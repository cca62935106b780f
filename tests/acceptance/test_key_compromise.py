"""A stolen key, from the page to the owner's new key, by the commands of one on call; the process killed once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.session import Session, top

pytestmark = [pytest.mark.slow, pytest.mark.needs("prometheus"), pytest.mark.timeout(300)]


@pytest.fixture
def session(tmp_path):
    session = Session(tmp_path)
    try:
        session.lab_up("vritti", kube=False)
        yield session
    finally:
        session.lab_down()


def test_a_stolen_key_is_contained_although_the_process_is_killed_in_the_middle(session):
    session.opsctl("lab", "break", "stolen-key", "--no-wait", check=(0,))
    until = time.monotonic() + 60
    while top(session.diagnose("key-compromise", "vritti")[1]) != "stolen-key" and time.monotonic() < until:
        time.sleep(1)
    old = next(Path(session.folder).rglob("keys/customer-3.key"))
    words = ["remediate", "key-compromise", "contain-key", "-s", "vritti", "--customer", "customer-3", "--key", "key_3"]
    words += ["--key-file", "new.key", "--old-key-file", str(old), "--suspend", "--cache-ttl", "6s"]
    session.opsctl(*words, "--save-plan", "plan.json", check=(0,))
    apply = ["remediate", "key-compromise", "contain-key", "-s", "vritti", "--plan", "plan.json", "--yes"]
    process = subprocess.Popen(
        [sys.executable, "-m", "opsctl", *apply],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=session.folder, env=session.environ,
    )  # fmt: skip
    new = session.folder / "new.key"
    while process.poll() is None and not (new.exists() and new.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)  # it is waiting for the key cache, or just about to
    told = process.communicate()[0]

    runs = session.opsctl("ledger", "list", "-o", "json", check=(0,)).json()["runs"]
    run = runs[0]["id"]
    first = new.read_text()
    done = session.opsctl("ledger", "resume", run, "--yes", timeout=120)
    assert done.code == 0, done.out + done.err
    assert new.read_text() == first, "no second key was made"
    assert os.stat(new).st_mode & 0o777 == 0o600
    shown = session.opsctl("customer", "show", "customer-3", "-s", "vritti", "-o", "json", check=(0,)).json()
    assert shown["customer"]["status"] == "active"
    assert sorted(key["active"] for key in shown["keys"]) == [False, True]
    story = session.opsctl("ledger", "show", run, check=(0,)).out
    assert "the old key is refused with 401" in story
    assert session.opsctl("ledger", "verify").code == 0
    report = session.diagnose("key-compromise", "vritti")[1]
    assert [f["state"] for f in report["findings"] if f["id"] == "log.key-shared"] == ["ok"], report["says"]
    for secret in (first.strip(), old.read_text().strip()):
        assert secret not in told + done.out + done.err + story
        holding = [
            path
            for path in session.folder.rglob("*")
            if path.is_file() and path not in (new, old) and path.suffix != ".sock" and _holds(path, secret)
        ]
        assert holding == []


def _holds(path: Path, secret: str) -> bool:
    try:
        return secret.encode() in path.read_bytes()
    except OSError:
        return False
