"""metrics.k8s.io, as a metrics-server offers it through the API server; numbers from the pods' annotations."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.servers import process
from tests.servers.kube_files import Files

if TYPE_CHECKING:
    from tests.servers.kube import Kube

GROUP = "/apis/metrics.k8s.io/v1beta1"


class Metrics:
    """An HTTPS server on loopback, started by ``register``."""

    def __init__(self, files: Files, pods: Mapping[str, dict[str, Any]]) -> None:
        self._files = files
        self._pods = pods
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def register(self, kube: Kube) -> None:
        """Start and make it known: a Service that is another name for localhost, and an APIService."""
        server = self._server
        if server is None:
            server = self._server = self._start()
            alias = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": server.server_port}]}
            service = {"metadata": {"name": "metrics-server"}, "spec": alias}
            kube.call("POST", "api/v1/namespaces/kube-system/services", service)
        spec = {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"namespace": "kube-system", "name": "metrics-server", "port": server.server_port},
        }
        body = {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": spec}
        kube.call("POST", "apis/apiregistration.k8s.io/v1/apiservices", body)

    def stop(self) -> None:
        """Stop the server."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(timeout=2)
            self._server = None

    def answer(self, path: str, query: str) -> dict[str, Any] | None:
        """The JSON for a path, None if there is no such path."""
        if path == GROUP:
            resource = {"name": "pods", "kind": "PodMetrics", "namespaced": True, "verbs": ["get", "list"]}
            return {"kind": "APIResourceList", "groupVersion": "metrics.k8s.io/v1beta1", "resources": [resource]}
        parts = path.removeprefix(GROUP).strip("/").split("/")
        namespace = parts[1] if parts[0] == "namespaces" else ""
        if parts[-1] != "pods":
            return None
        wanted = dict(part.split("=") for part in _selector(query).split(",") if part)
        items = [_measured(pod) for pod in list(self._pods.values()) if _matches(pod, namespace, wanted)]
        return {"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items}

    def _start(self) -> ThreadingHTTPServer:
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                found = metrics.answer(path, query)
                body = json.dumps(found if found is not None else {}).encode()
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files.server_cert, self._files.server_key)
        server = ThreadingHTTPServer((process.HOST, process.free_port()), Handler)
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return server


def _selector(query: str) -> str:
    from urllib.parse import parse_qs

    return parse_qs(query).get("labelSelector", [""])[0]


def _matches(pod: dict[str, Any], namespace: str, wanted: Mapping[str, str]) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return (not namespace or pod["metadata"]["namespace"] == namespace) and all(
        labels.get(name) == value for name, value in wanted.items()
    )


def _measured(pod: dict[str, Any]) -> dict[str, Any]:
    notes = pod["metadata"].get("annotations") or {}
    usage = {"cpu": notes.get("test.opsctl/cpu", "100m"), "memory": notes.get("test.opsctl/memory", "64Mi")}
    return {
        "metadata": {key: pod["metadata"].get(key) for key in ("name", "namespace", "labels")},
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "window": "30s",
        "containers": [{"name": container["name"], "usage": usage} for container in pod["spec"]["containers"]],
    }
