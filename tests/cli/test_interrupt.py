"""Ctrl-C ends a diagnosis at once: 130, one sentence, nothing left over."""

import signal
import socket
import subprocess
import sys
import time


def _heed_interrupts():
    """A test run in the background ignores SIGINT, and its children would, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_while_a_server_hangs(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        child = subprocess.Popen(
            [sys.executable, "-m", "opsctl", "diagnose", "high-latency", "-s", "insa", "--prometheus-url", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            preexec_fn=_heed_interrupts,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        )
        silent.settimeout(30)
        connection, _ = silent.accept()
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
        connection.close()
    assert child.returncode == 130
    assert out == ""
    assert err.strip().splitlines()[-1] == "opsctl: interrupted; nothing was changed"
    assert "Traceback" not in err
    assert list(tmp_path.rglob("*.json")) == []
