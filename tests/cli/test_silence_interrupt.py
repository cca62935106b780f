"""Ctrl-C between request and answer: it says whether the silence exists."""

import signal
import subprocess
import sys

import pytest

from tests.silences.test_create import Between, active, members_of

pytestmark = pytest.mark.needs("alertmanager")


def _heed_interrupts():
    """A test run in the background ignores SIGINT, and its children would, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(proxy, name, tmp_path):
    argv = ["silence", "create", f"service={name}", "--for", "1h", "--comment", "x", "--alertmanager-url", proxy.url]
    child = subprocess.Popen(
        [sys.executable, "-m", "opsctl", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        preexec_fn=_heed_interrupts,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert proxy.posted.wait(60)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    proxy.shutdown()
    assert (child.returncode, out) == (130, "")
    return err.strip()


def test_a_silence_that_was_made_all_the_same_is_named(alertmanagers, tmp_path):
    said = interrupted(Between(alertmanagers[0].url, ["taken"]), "taken", tmp_path)
    (there,) = active(members_of(alertmanagers[0].url), "taken")
    assert said.startswith(f"opsctl: interrupted; the silence was made all the same: {there.id}, until ")
    assert said.endswith(f"opsctl silence expire {there.id}")


def test_a_request_that_never_arrived_made_none(alertmanagers, tmp_path):
    said = interrupted(Between(alertmanagers[0].url, ["hangs"]), "hangs", tmp_path)
    assert said == "opsctl: interrupted; no silence was made"
    assert active(members_of(alertmanagers[0].url), "hangs") == []
