"""Small programs that stand for systemctl, pm2 and docker on PATH: same arguments, output, states and exit codes.

Each notes its arguments and environment in ``calls.jsonl`` and keeps the units' state in ``state.json``. ``mode`` in
the state makes it go wrong as the real one does. Output shapes: systemctl 252, pm2 5.4, docker 24.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

PROGRAM = """#!{python} -S
import json, os, sys, time
home = {home!r}
name, argv = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(home + "/calls.jsonl", "a") as log:
    log.write(json.dumps({{"program": name, "argv": argv, "env": dict(os.environ), "cwd": os.getcwd()}}) + "\\n")
with open(home + "/state.json") as file:
    state = json.load(file)
def save():
    with open(home + "/state.json", "w") as file:
        json.dump(state, file)
def end(code, out="", err=""):
    sys.stdout.write(out); sys.stderr.write(err); sys.stdout.flush(); sys.exit(code)
mode = state.get("mode", "")
{body}
"""

SYSTEMCTL = """
argv = [a for a in argv if a not in ("--user", "--no-pager", "--no-ask-password", "--")]
verb, unit = argv[0], argv[-1]
one = state["units"].get(unit)
if mode == "no-bus":
    end(1, "", "Failed to connect to bus: No such file or directory\\n")
if verb == "show":
    if one is None:
        end(0, "Id=%s\\nLoadState=not-found\\nActiveState=inactive\\nMainPID=0\\n" % unit)
    end(0, "".join("%s=%s\\n" % pair for pair in one.items()))
if mode == "denied":
    end(4, "", "Failed to %s %s: Interactive authentication required.\\nSee system logs for details.\\n" % (verb, unit))
if one is None:
    end(5, "", "Failed to %s %s: Unit %s not found.\\n" % (verb, unit, unit))
if mode == "slow":
    time.sleep(30)
if mode == "fails":
    one.update(ActiveState="failed", SubState="failed", MainPID="0", Result="exit-code", InvocationID="f" * 32)
    save()
    end(1, "", "Job for %s failed because the control process exited with error code.\\n" % unit)
if verb == "stop":
    one.update(ActiveState="inactive", SubState="dead", MainPID="0")
else:
    pid = int(state["pid"]) + 1
    state["pid"] = pid
    one.update(ActiveState="active", SubState="running", MainPID=str(pid), InvocationID="%032x" % pid, Result="success")
save()
end(0)
"""

PM2 = """
def found(key):
    return [p for p in state["processes"] if str(p["pm_id"]) == key or p["name"] == key]
if argv[0] == "jlist":
    noise = ">>>> In-memory PM2 is out-of-date, do:\\n>>>> $ pm2 update\\n" if mode == "old" else ""
    end(0, noise + json.dumps(state["processes"]))
hit = found(argv[1])
if not hit:
    end(1, "", "[PM2][ERROR] Process or Namespace %s not found\\n" % argv[1])
for p in hit:
    env = p["pm2_env"]
    if argv[0] == "stop":
        p["pid"] = 0
        env["status"] = "stopped"
    elif mode == "crashes":
        p["pid"] = 0
        env.update(status="errored", restart_time=env["restart_time"] + 1)
    else:
        state["pid"] += 1
        p["pid"] = state["pid"]
        env.update(status="online", pm_uptime=env["pm_uptime"] + 1000)
        if argv[0] == "restart":
            env["restart_time"] += 1
save()
end(0, "[PM2] Applying action on app [%s]\\n[PM2] done\\n" % argv[1])
"""

DOCKER = """
if mode == "denied":
    end(1, "", "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock\\n")
if argv[:2] == ["compose", "ps"]:
    service = argv[-1]
    ids = [c["Id"] for c in state["containers"] if c["Config"]["Labels"]["com.docker.compose.service"] == service]
    if not ids and mode != "empty":
        end(1, "", "no such service: %s\\n" % service)
    end(0, "".join(i + "\\n" for i in ids))
if argv[0] == "inspect":
    end(0, json.dumps([c for c in state["containers"] if c["Id"] in argv[1:]]))
hit = [c for c in state["containers"] if c["Id"] == argv[-1]]
if not hit:
    end(1, "", "Error response from daemon: No such container: %s\\n" % argv[-1])
for c in hit:
    if argv[0] == "stop":
        c["State"].update(Status="exited", Pid=0, ExitCode=0)
    else:
        state["pid"] += 1
        c["State"].update(Status="running", Pid=state["pid"], StartedAt="2026-11-21T10:00:%02dZ" % (state["pid"] % 60))
save()
end(0, argv[-1] + "\\n")
"""


class Host:
    """A folder of such programs. ``environ`` has them on PATH, and a secret that no program may see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.environ = {"PATH": str(self.bin), "HOME": str(folder), "OPSCTL_SECRET": "hunter2", "LC_ALL": "C"}
        self._write({"pid": 4000})

    def install(self, name: str, body: str) -> None:
        """Put a program on PATH."""
        path = self.bin / name
        path.write_text(PROGRAM.format(python=sys.executable, home=str(self.folder), body=body))
        path.chmod(0o755)

    def systemd(self, unit: str, **more: str) -> None:
        """A unit that runs."""
        self.install("systemctl", SYSTEMCTL)
        one = {
            "Id": unit,
            "LoadState": "loaded",
            "ActiveState": "active",
            "SubState": "running",
            "MainPID": "812",
            "InvocationID": "a" * 32,
            "ActiveEnterTimestampMonotonic": "5123",
            "NRestarts": "0",
            "Result": "success",
            "TimeoutStopUSec": "1min 30s",
            **more,
        }
        self.change(units={**self.state.get("units", {}), unit: one})

    def pm2(self, name: str, *, count: int = 1) -> None:
        """Processes of that name that run."""
        self.install("pm2", PM2)
        known = self.state.get("processes", [])
        made = [
            {
                "pid": 900 + len(known) + n,
                "name": name,
                "pm_id": len(known) + n,
                "monit": {"memory": 1, "cpu": 0},
                "pm2_env": {"status": "online", "restart_time": 3, "pm_uptime": 1_700_000_000_000, "name": name},
            }
            for n in range(count)
        ]
        self.change(processes=[*known, *made])

    def compose(self, service: str, *, count: int = 1) -> None:
        """Containers of that service that run."""
        self.install("docker", DOCKER)
        made = [
            {
                "Id": f"{n:x}" * 64,
                "Name": f"/shop-{service}-{n}",
                "State": {"Status": "running", "Pid": 700 + n, "StartedAt": "2026-11-21T09:00:00Z", "ExitCode": 0},
                "Config": {"Labels": {"com.docker.compose.service": service}},
            }
            for n in range(1, count + 1)
        ]
        self.change(containers=made)

    @property
    def state(self) -> dict[str, Any]:
        """What the programs keep."""
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def change(self, **more: Any) -> None:
        """Set parts of it; ``mode``: how the next calls go wrong."""
        self._write({**self.state, **more})

    def calls(self, program: str = "") -> list[dict[str, Any]]:
        """What was called, oldest first."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [one for one in found if program in ("", one["program"])]

    def acts(self) -> list[list[str]]:
        """The calls that change something."""
        looks = ("show", "jlist", "compose", "inspect", "status")
        acted = [[one["program"], *one["argv"]] for one in self.calls()]
        return [one for one in acted if not {*one[1:4]} & {*looks}]

    def _write(self, state: dict[str, Any]) -> None:
        draft = self.folder / f"state.{os.getpid()}"
        draft.write_text(json.dumps(state))
        draft.replace(self.folder / "state.json")
