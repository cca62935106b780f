"""A simulated node: its kubelet answers for every pod bound to it, at once, as the pod's annotations say.

Annotations of a pod (set in the Deployment's template, so that a new behaviour is a new rollout):

``test.opsctl/behaviour``  ok (default), unready, crashloop, oom, oom-loop, killed, imagepull, config-error,
                           init-crashloop
``test.opsctl/ago``        seconds since it happened (default 0)
``test.opsctl/restarts``   restart count (default 7 for those that restart, else 0)
``test.opsctl/exit-code``  of the last termination
``test.opsctl/cpu``, ``test.opsctl/memory``  usage that metrics.k8s.io tells, e.g. 900m, 120Mi
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import zlib
from typing import Any

import httpx

from tests.servers.kube_files import Files
from tests.servers.kube_kubelet import Kubelet
from tests.servers.kube_metrics import Metrics

NAME = "node-1"


def rfc3339(unix: float) -> str:
    """As the API writes times: seconds, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix))


def pod_status(pod: dict[str, Any], now: float) -> dict[str, Any]:
    """The status a kubelet would report for that pod."""
    notes = pod["metadata"].get("annotations") or {}
    mode = notes.get("test.opsctl/behaviour", "ok")
    at = rfc3339(now - float(notes.get("test.opsctl/ago", 0)))
    restarts = int(notes.get("test.opsctl/restarts", 7 if mode in (*_RESTARTING, "init-crashloop") else 0))
    code = notes.get("test.opsctl/exit-code")
    running = {"running": {"startedAt": at}}
    spec = pod["spec"]

    def container(number: int, spec: dict[str, Any], mode: str) -> dict[str, Any]:
        status: dict[str, Any] = {
            "name": spec["name"],
            "image": spec["image"],
            "imageID": "",
            "restartCount": restarts if mode in _RESTARTING else 0,
            "ready": mode in ("ok", "oom", "killed"),
            "state": running,
        }
        if mode in _WAITING:
            reason, message = _WAITING[mode]
            status["state"] = {"waiting": {"reason": reason, "message": message.format(image=spec["image"])}}
        if mode in _RESTARTING and restarts:
            reason, default = _RESTARTING[mode]
            ended = {"reason": reason, "exitCode": int(code or default), "startedAt": at, "finishedAt": at}
            status["lastState"] = {"terminated": ended}
        return status

    first = "ok" if mode == "init-crashloop" else mode
    containers = [container(n, spec, first if n == 0 else "ok") for n, spec in enumerate(spec["containers"])]
    status: dict[str, Any] = {"phase": "Running", "startTime": pod["metadata"]["creationTimestamp"]}
    if mode == "init-crashloop":
        for each in containers:
            each.update(ready=False, restartCount=0, state={"waiting": {"reason": "PodInitializing"}})
        status["initContainerStatuses"] = [container(0, spec["initContainers"][0], "crashloop")]
    if mode in ("imagepull", "config-error", "init-crashloop"):
        status["phase"] = "Pending"
    number = zlib.crc32(pod["metadata"]["name"].encode()) % 65024 + 256
    status["podIP"] = address = f"10.42.{number // 256}.{number % 256}"  # of no network: only Endpoints hold it
    status["podIPs"] = [{"ip": address}]
    ready = all(each["ready"] for each in containers)
    truth = "True" if ready else "False"
    why = {} if ready else {"reason": "ContainersNotReady", "message": "containers with unready status: [main]"}
    status["containerStatuses"] = containers
    status["conditions"] = [
        {"type": "Initialized", "status": "False" if mode == "init-crashloop" else "True", "lastTransitionTime": at},
        {"type": "Ready", "status": truth, "lastTransitionTime": at, **why},
        {"type": "ContainersReady", "status": truth, "lastTransitionTime": at, **why},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": at},
    ]
    return status


_RESTARTING = {  # mode -> reason and exit code of the last termination
    "crashloop": ("Error", 1),
    "oom": ("OOMKilled", 137),
    "oom-loop": ("OOMKilled", 137),
    "killed": ("Error", 137),
}
_WAITING = {  # mode -> waiting reason and message
    "crashloop": ("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
    "oom-loop": ("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
    "imagepull": ("ImagePullBackOff", 'Back-off pulling image "{image}"'),
    "config-error": ("CreateContainerConfigError", 'configmap "settings" not found'),
}


class Node:
    """Registers itself, renews its lease, answers for its pods, until ``stop``."""

    def __init__(self, url: str, files: Files) -> None:
        self._http = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(files.ca)),
            headers={"Authorization": f"Bearer {files.admin_token}"},
            trust_env=False,
            timeout=httpx.Timeout(10, read=30),
        )
        self._done = threading.Event()
        self._threads: list[threading.Thread] = []
        self.pods: dict[str, dict[str, Any]] = {}  # uid -> pod
        self.metrics = Metrics(files, self.pods)
        self.kubelet = Kubelet(files)

    def start(self) -> None:
        """Register and begin."""
        self.kubelet.start()
        self._http.post("/api/v1/nodes", json={"metadata": {"name": NAME, "labels": {"kubernetes.io/hostname": NAME}}})
        self._report()
        for work in (self._renew, self._watch):
            thread = threading.Thread(target=work, name=f"{NAME}{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop; the node object stays."""
        self._done.set()
        self.metrics.stop()
        self.kubelet.stop()
        for thread in self._threads:
            thread.join(timeout=2)
        self._http.close()

    def _patch(self, path: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._http.patch(path, content=json.dumps(body), headers=headers)

    def _report(self) -> None:
        room = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "100Gi"}
        now = rfc3339(time.time())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated"}
        status = {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.kubelet.port}},
            "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
        }
        self._patch(f"/api/v1/nodes/{NAME}/status", {"status": status}).raise_for_status()

    def _renew(self) -> None:
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while not self._done.wait(1.0):
            spec = {
                "holderIdentity": NAME,
                "leaseDurationSeconds": 40,
                "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
            }
            try:
                if self._patch(f"{leases}/{NAME}", {"spec": spec}).status_code == 404:
                    self._http.post(leases, json={"metadata": {"name": NAME}, "spec": spec})
            except httpx.HTTPError:
                continue

    def _watch(self) -> None:
        query = {"fieldSelector": f"spec.nodeName={NAME}", "watch": "1", "timeoutSeconds": "20", "resourceVersion": "0"}
        while not self._done.is_set():
            try:
                with self._http.stream("GET", "/api/v1/pods", params=query) as events:
                    for line in events.iter_lines():
                        if self._done.is_set():
                            return
                        if line:
                            self._handle(json.loads(line))
            except (httpx.HTTPError, ValueError):
                self._done.wait(0.2)

    def _handle(self, event: dict[str, Any]) -> None:
        pod = event["object"]
        if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
            return
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if event["type"] == "DELETED":
            self.pods.pop(meta["uid"], None)
            return
        self.pods[meta["uid"]] = pod
        if meta.get("deletionTimestamp"):
            self._http.request("DELETE", path, json={"gracePeriodSeconds": 0})
        elif not (pod.get("status") or {}).get("containerStatuses"):
            self._patch(f"{path}/status", {"status": pod_status(pod, time.time())})  # 404: gone meanwhile
