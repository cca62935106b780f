"""Many threads decode into a type that nobody used before: the process must survive it."""

from __future__ import annotations

import subprocess
import sys

# Each round makes new types: what crashes is the first use, at the same time. Without `ready` this dies in round 1-500.
PROGRAM = """
import sys, threading, types
import msgspec
from opsctl.clients.typed import ready

sys.setswitchinterval(1e-6)
SOURCE = '''
from __future__ import annotations
import msgspec
class Inner(msgspec.Struct):
    allowed: bool = False
    reason: str = ""
    more: dict[str, list[int]] = {}
class Outer(msgspec.Struct):
    kind: str
    status: Inner
    others: list[Inner] = []
'''
BODY = b'{"kind": "x", "status": {"allowed": true}, "others": [{"reason": "z"}]}'
for number in range(1500):
    module = types.ModuleType(f"made{number}")
    sys.modules[module.__name__] = module
    exec(SOURCE, module.__dict__)
    barrier = threading.Barrier(6)
    def work():
        barrier.wait()
        assert msgspec.json.decode(BODY, type=ready(module.Outer)).status.allowed
    threads = [threading.Thread(target=work) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print("survived")
"""


def test_threads_that_decode_a_type_for_the_first_time_at_once():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.stdout == "survived\n", (done.returncode, done.stderr[-2000:])
