"""What may be read of a Kubernetes API: an allow-list of paths and query keys. Nothing else can be asked.

Of Secrets and ConfigMaps only the metadata can be asked: their values are none of a diagnosis' business. Left out on
purpose are the GETs that act: ``exec``, ``attach``, ``portforward`` and ``proxy`` of pods, nodes and services.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from opsctl.errors import CouldNotLook
from opsctl.redact import printable

RESOURCES: dict[str, frozenset[str]] = {  # API group -> resources
    "": frozenset(
        {
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "pods",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        }
    ),
    "apps": frozenset({"deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"}),
    "autoscaling": frozenset({"horizontalpodautoscalers"}),
    "batch": frozenset({"jobs", "cronjobs"}),
    "discovery.k8s.io": frozenset({"endpointslices"}),
    "events.k8s.io": frozenset({"events"}),
    "metrics.k8s.io": frozenset({"pods", "nodes"}),
    "networking.k8s.io": frozenset({"networkpolicies"}),
    "policy": frozenset({"poddisruptionbudgets"}),
}
PLAIN = frozenset({"version", "readyz", "livez", "api", "apis"})
QUERY = frozenset({"labelSelector", "fieldSelector", "limit", "continue", "resourceVersion"})
METADATA_ONLY = frozenset({"configmaps", "secrets"})
LOG_QUERY = frozenset({"container", "previous", "tailLines", "limitBytes", "sinceSeconds", "timestamps"})  # no follow

_NAME = r"[a-z0-9](?:[-a-z0-9.:]*[a-z0-9])?"
_PATH = re.compile(
    rf"(?:api|apis/(?P<group>{_NAME}))/(?P<version>v[0-9][a-z0-9]*)"
    rf"(?:/namespaces/(?P<namespace>{_NAME}))?/(?P<resource>[a-z]+)(?:/(?P<name>{_NAME}))?"
)
_LOG = re.compile(rf"api/v1/namespaces/(?P<namespace>{_NAME})/pods/(?P<name>{_NAME})/log")


class Asked(NamedTuple):
    """One question, in the words of an RBAC rule. ``path`` has no leading slash."""

    path: str
    verb: str  # get or list; "" for the paths outside the resources
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def metadata_only(self) -> bool:
        """Whether values must stay where they are: nothing but the object's metadata is asked."""
        return not self.group and self.resource in METADATA_ONLY

    @property
    def what(self) -> str:
        """As people say it: ``pods in namespace shop``, ``deployments "api" in namespace shop``."""
        if not self.resource:
            return self.path
        named = f' "{self.name}"' if self.name else ""
        of = f"{self.subresource} of " if self.subresource else ""
        return f"{of}{self.resource}{named}" + (f" in namespace {self.namespace}" if self.namespace else "")

    @property
    def rule(self) -> str:
        """The RBAC rule that would allow it."""
        where = f'Role in namespace "{self.namespace}"' if self.namespace else "ClusterRole"
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f'{where}: apiGroups ["{self.group}"], resources ["{resource}"], verbs ["{self.verb}"]'


def asked(path: str, query: Mapping[str, str] | None = None) -> Asked:
    """What a path asks for. Raises CouldNotLook("bad-query") for everything that is not on the list."""
    path = path.strip("/")
    log = _LOG.fullmatch(path)
    unknown = set(query or ()) - (LOG_QUERY if log else QUERY)
    if unknown:
        raise CouldNotLook("bad-query", f"opsctl does not ask Kubernetes with {', '.join(sorted(unknown))}")
    if path in PLAIN:
        return Asked(path, "")
    if log is not None:
        return Asked(path, "get", version="v1", resource="pods", subresource="log", **log.groupdict())
    found = _PATH.fullmatch(path)
    if found is not None:
        part = {key: value or "" for key, value in found.groupdict().items()}
        if part["resource"] in RESOURCES.get(part["group"], ()):
            return Asked(path, "get" if part["name"] else "list", **part)
    raise CouldNotLook("bad-query", f"opsctl does not read {printable(path)[:200]} of Kubernetes")


def collection(group: str, version: str, resource: str, namespace: str = "", name: str = "") -> str:
    """The path of a list, or with ``name`` of one object; ``namespace`` "" = the whole cluster."""
    root = f"apis/{group}/{version}" if group else f"api/{version}"
    return "/".join(filter(None, (root, f"namespaces/{namespace}" if namespace else "", resource, name)))
