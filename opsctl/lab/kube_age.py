"""Makes objects of the lab's API server older than they are: it dates what it is given itself, and a workload that was
made a minute ago would look like a rollout.

The API server keeps its objects in etcd as JSON here, and etcd answers HTTP; the server watches etcd and sees the
change as any other.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterable
from typing import Any

from opsctl.lab.identity import HOST
from opsctl.lab.kube_objects import Object, stamp

KEPT_AS = {"Deployment": "deployments", "ReplicaSet": "replicasets", "Pod": "pods", "Node": "minions"}


def make_old(etcd: int, objects: Iterable[Object], seconds: float) -> None:
    """Date these objects ``seconds`` back; of kinds that nobody dates, none. Raises OSError, ValueError."""
    link = http.client.HTTPConnection(HOST, etcd, timeout=5)
    try:
        for each in objects:
            if each["kind"] not in KEPT_AS:
                continue
            meta = each["metadata"]
            parts = ["/registry", KEPT_AS[each["kind"]], meta.get("namespace", ""), meta["name"]]
            key = _packed("/".join(part for part in parts if part).encode())
            found = _ask(link, "range", {"key": key}).get("kvs", [])
            if not found:
                continue
            body = json.loads(base64.b64decode(found[0]["value"]))
            body["metadata"]["creationTimestamp"] = stamp(seconds)
            _ask(link, "put", {"key": key, "value": _packed(json.dumps(body).encode())})
    except http.client.HTTPException as error:
        raise OSError(f"etcd: {type(error).__name__}") from error
    finally:
        link.close()


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _ask(link: http.client.HTTPConnection, verb: str, body: dict[str, str]) -> dict[str, Any]:
    link.request("POST", f"/v3/kv/{verb}", json.dumps(body))
    answer = link.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise OSError(f"etcd: HTTP {answer.status} {text[:200]!r}")
    return dict(json.loads(text))
