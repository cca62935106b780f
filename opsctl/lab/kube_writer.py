"""Makes a namespace of an API server hold given objects, and nothing else of its own. The lab's only; it writes.

Over plain ``http.client``, with no tie to the read side: nothing that a probe may import leads here.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from opsctl.lab.kube_objects import Object

MARK = "opsctl.lab/made-of"  # annotation: the digest of what it was made of
LABEL = "opsctl.lab/namespace"
RESOURCES = {  # kind -> plural
    "Node": "nodes",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "ServiceAccount": "serviceaccounts",
    "ResourceQuota": "resourcequotas",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Service": "services",
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "Pod": "pods",
    "Endpoints": "endpoints",
    "EndpointSlice": "endpointslices",
    "Event": "events",
}
LAST = ("Event", "ResourceQuota")  # refer to the others, or would refuse them
CHANGED = frozenset(
    {"Deployment", "Service", "Node", "ConfigMap", "ServiceAccount", "Endpoints"}
)  # others are replaced
VERSIONS = {  # kind -> versions, the newest first
    "EndpointSlice": ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"),
    "HorizontalPodAutoscaler": ("autoscaling/v1",),
}


class WriteError(RuntimeError):
    """The API server did not do what it was asked."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text[:400]}")
        self.status = status


class Writer:
    """Writes as the owner of ``token``. ``ca_file`` "": TLS is not verified (an own server on loopback). One thread."""

    def __init__(self, url: str, token: str = "", ca_file: str = "") -> None:
        self._parts = urlsplit(url)
        self._token = token
        self._ca_file = ca_file
        self._connection: http.client.HTTPConnection | None = None
        self._versions: dict[str, str] = {}

    def apply(self, namespace: str, objects: Sequence[Object]) -> None:
        """Make ``namespace`` hold these objects, statuses included, and take away what an earlier call left there.

        What is as it should be is left alone, so that a Deployment keeps its uid, its history and its generation.
        Raises WriteError, OSError (the server is not there).
        """
        self._have_namespace(namespace)
        wanted = {(each["kind"], each["metadata"]["name"]) for each in objects}
        there = self._made(namespace, {each["kind"]: each["apiVersion"] for each in objects})
        for key in sorted(there, key=lambda key: key[0] not in LAST):
            if key not in wanted:
                self._remove(there[key], key[0])
        uids: dict[str, str] = {}
        for each in sorted(objects, key=lambda each: each["kind"] in LAST):
            key = (each["kind"], each["metadata"]["name"])
            made = self._one(namespace, each, there.get(key), uids)
            uids[f"@{key[0]}/{key[1]}"] = made["metadata"]["uid"]

    def clear(self, namespace: str) -> None:
        """Take away all that ``apply`` made for the namespace; the namespace itself stays."""
        for key, path in self._made(namespace, {}).items():
            self._remove(path, key[0])

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Object:
        """One request, ``path`` without a leading slash; the answer's JSON. Raises WriteError, OSError."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        where = "/" + quote(path) + (f"?{urlencode(query)}" if query else "")
        sent = None if body is None else json.dumps(body).encode()
        for again in (True, False):
            connection = self._connected()
            try:
                connection.request(method, where, sent, headers)
                answer = connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, ConnectionError, BrokenPipeError):
                self.close()  # a kept connection that the server has closed meanwhile
                if not again:
                    raise
        if answer.status >= 400:
            raise WriteError(answer.status, text.decode(errors="replace"))
        return dict(json.loads(text or b"{}"))

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            if self._parts.scheme == "https":
                context = ssl.create_default_context(cafile=self._ca_file or None)
                if not self._ca_file:
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                self._connection = http.client.HTTPSConnection(host, port, timeout=30, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=30)
        return self._connection

    def _have_namespace(self, namespace: str) -> None:
        try:
            self.call("POST", "api/v1/namespaces", {"metadata": {"name": namespace}})
        except WriteError as error:
            if error.status != 409:
                raise

    def _version(self, kind: str, version: str) -> str:
        """The newest version of the kind that this server has; of most kinds, the one the object names."""
        if kind not in VERSIONS:
            return version
        if kind not in self._versions:
            for each in VERSIONS[kind]:
                try:
                    self.call("GET", f"apis/{each}")
                except WriteError:
                    continue
                self._versions[kind] = each
                break
        return self._versions.get(kind, version)

    def _folder(self, kind: str, version: str, namespace: str) -> str:
        version = self._version(kind, version)
        root = f"apis/{version}" if "/" in version else f"api/{version}"
        inside = "" if kind == "Node" else f"/namespaces/{namespace}"
        return f"{root}{inside}/{RESOURCES[kind]}"

    def _made(self, namespace: str, versions: Mapping[str, str]) -> dict[tuple[str, str], str]:
        """What earlier calls made: kind and name -> path."""
        groups = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "EndpointSlice": "", "HorizontalPodAutoscaler": ""}
        found = {}
        for kind in RESOURCES:
            folder = self._folder(kind, versions.get(kind) or groups.get(kind, "v1"), namespace)
            for item in self.call("GET", folder, query={"labelSelector": f"{LABEL}={namespace}"})["items"]:
                name = item["metadata"]["name"]
                found[kind, name] = f"{folder}/{name}"
        return found

    def _remove(self, path: str, kind: str) -> None:
        body = {"propagationPolicy": "Background"} | ({"gracePeriodSeconds": 0} if kind == "Pod" else {})
        try:
            self.call("DELETE", path, body)
        except WriteError as error:
            if error.status != 404:
                raise

    def _one(self, namespace: str, wanted: Object, path: str | None, uids: Mapping[str, str]) -> Object:
        """Create or change one object, then its status."""
        kind = wanted["kind"]
        body = {key: value for key, value in wanted.items() if key not in ("status", "@manager")}
        body = _resolved(body, uids)
        body["apiVersion"] = self._version(kind, body["apiVersion"])
        digest = hashlib.sha256(json.dumps(_lasting(body), sort_keys=True).encode()).hexdigest()[:16]
        meta = body["metadata"] = {**body["metadata"]}
        meta["labels"] = {**meta.get("labels", {}), LABEL: namespace}
        meta["annotations"] = {**meta.get("annotations", {}), MARK: digest}
        query = {"fieldManager": wanted.get("@manager", "kubectl-client-side-apply")}
        folder = self._folder(kind, body["apiVersion"], namespace)
        made = self.call("GET", path) if path else None
        if made is not None and made["metadata"].get("annotations", {}).get(MARK) != digest:
            if kind in CHANGED:
                meta["resourceVersion"] = made["metadata"]["resourceVersion"]
                if kind == "Service":
                    body["spec"] = {**body["spec"], "clusterIP": made["spec"].get("clusterIP")}
                made = self.call("PUT", str(path), body, query)
            else:
                self._remove(str(path), kind)
                made = None
        if made is None:
            made = self._create(folder, body, query)
        if kind == "Node" and (made["spec"].get("taints") or []) != wanted["spec"]["taints"]:
            made["spec"]["taints"] = wanted["spec"]["taints"]  # a new node is given some by the API server
            made = self.call("PUT", f"{folder}/{meta['name']}", made)
        return self._told(made, f"{folder}/{meta['name']}", wanted)

    def _create(self, folder: str, body: Object, query: Mapping[str, str]) -> Object:
        until = time.monotonic() + 5
        while True:
            try:
                return self.call("POST", folder, body, query)
            except WriteError as error:
                # A quota that was just taken away is remembered for a moment; so is a name.
                if error.status not in (403, 409) or time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _told(self, made: Object, path: str, wanted: Object) -> Object:
        if "status" not in wanted:
            return made
        status = dict(wanted["status"])
        if "observedGeneration" in status:
            status["observedGeneration"] = made["metadata"].get("generation", 1)
        manager = {"fieldManager": "kube-controller-manager"}
        meta = {**made["metadata"]}
        # autoscaling/v1 keeps conditions in an annotation, which the server drops while there is no status
        meta["annotations"] = {**wanted["metadata"].get("annotations", {}), **meta.get("annotations", {})}
        return self.call("PUT", f"{path}/status", {**made, "metadata": meta, "status": status}, manager)


def _resolved(value: Any, uids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(each, uids) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each, uids) for each in value]
    return uids.get(value, "") if isinstance(value, str) and value.startswith("@") else value


def _lasting(body: Object) -> Object:
    """Without what only tells the time: an event is as old as it was made."""
    times = ("eventTime", "firstTimestamp", "lastTimestamp", "series")
    return {key: value for key, value in body.items() if key not in times}
