"""metrics.k8s.io for the lab's API server, as a metrics-server offers it: what the pods use now.

There is no kubelet that could measure, so the use follows from the objects: a part of what a pod may have, and nearly
all of its memory when it is being killed for that.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opsctl.lab.identity import HOST
from opsctl.lab.kube_objects import Object
from opsctl.lab.kube_writer import Writer

GROUP = "/apis/metrics.k8s.io/v1beta1"
NAME = "metrics-server"
CPU, MEMORY = "40m", "100Mi"
KILLED_MEMORY = "252Mi"  # of a limit of 256Mi


def start(port: int, certificate: Path, key: Path, pods: Callable[[], list[Object]]) -> ThreadingHTTPServer:
    """Serve on ``port`` in a thread; ``pods``: those that are there now."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            found = answer(path, query, pods)
            body = json.dumps(found or {}).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    return server


def register(writer: Writer, port: int) -> None:
    """Make it known to the API server: a Service that is another name for localhost, and an APIService."""
    alias = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}
    writer.call("POST", "api/v1/namespaces/kube-system/services", {"metadata": {"name": NAME}, "spec": alias})
    spec = {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "kube-system", "name": NAME, "port": port},
    }
    body = {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": spec}
    writer.call("POST", "apis/apiregistration.k8s.io/v1/apiservices", body)


def answer(path: str, query: str, pods: Callable[[], list[Object]]) -> Object | None:
    """The JSON for a path; None when there is no such path."""
    from urllib.parse import parse_qs

    if path == GROUP:
        resource = {"name": "pods", "kind": "PodMetrics", "namespaced": True, "verbs": ["get", "list"]}
        return {"kind": "APIResourceList", "groupVersion": "metrics.k8s.io/v1beta1", "resources": [resource]}
    parts = path.removeprefix(GROUP).strip("/").split("/")
    if parts[-1] != "pods":
        return None
    namespace = parts[1] if parts[0] == "namespaces" else ""
    selector = parse_qs(query).get("labelSelector", [""])[0]
    wanted = dict(part.split("=", 1) for part in selector.split(",") if "=" in part)
    items = [
        _used(pod)
        for pod in pods()
        if (not namespace or pod["metadata"]["namespace"] == namespace)
        and wanted.items() <= pod["metadata"].get("labels", {}).items()
        and pod.get("status", {}).get("phase") == "Running"
    ]
    return {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items}


def _used(pod: Object) -> Object:
    killed = "OOMKilled" in json.dumps(pod["status"])
    usage: dict[str, Any] = {"cpu": CPU, "memory": KILLED_MEMORY if killed else MEMORY}
    return {
        "metadata": {key: pod["metadata"].get(key) for key in ("name", "namespace", "labels")},
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "window": "30s",
        "containers": [{"name": container["name"], "usage": usage} for container in pod["spec"]["containers"]],
    }
