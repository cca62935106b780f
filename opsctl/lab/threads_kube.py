"""Threads' namespace on the lab's API server: made healthy at first, and then as the switched-on faults say."""

from __future__ import annotations

from opsctl.lab import kube_metrics
from opsctl.lab.files import NAMESPACE
from opsctl.lab.kube import Access
from opsctl.lab.kube_age import make_old
from opsctl.lab.kube_failures import failure, healthy
from opsctl.lab.kube_objects import Object
from opsctl.lab.kube_writer import WriteError, Writer
from opsctl.lab.plan import AGE
from opsctl.lab.threads_faults import KUBE

ROLE = "opsctl-look"


class Namespace:
    """The objects of one namespace."""

    def __init__(self, access: Access, etcd: int, metrics: int) -> None:
        self._writer = Writer(access.url, access.token, str(access.certificate))
        self._access, self._etcd, self._metrics = access, etcd, metrics
        self._objects: list[Object] = []
        self._now = ""

    def create(self, viewer: str) -> None:
        """The healthy objects, and the right to look at everything for ``viewer``. Raises WriteError, OSError."""
        group = "rbac.authorization.k8s.io"
        role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": ROLE}}
        looking = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
        self._writer.call("POST", f"apis/{group}/v1/clusterroles", {**role, "rules": [looking]})
        binding = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": ROLE}}
        subject = {"apiGroup": group, "kind": "User", "name": viewer}
        reference = {"apiGroup": group, "kind": "ClusterRole", "name": ROLE}
        self._writer.call(
            "POST", f"apis/{group}/v1/clusterrolebindings", {**binding, "subjects": [subject], "roleRef": reference}
        )
        self._apply("")
        kube_metrics.start(self._metrics, self._access.certificate, self._access.key, self._pods)
        kube_metrics.register(self._writer, self._metrics)

    def _pods(self) -> list[Object]:
        return [each for each in self._objects if each["kind"] == "Pod"]

    def _apply(self, wanted: str) -> None:
        """The objects of a failure, or the healthy ones; those that are the same in both are as old as the services."""
        usual = healthy(NAMESPACE)
        self._objects = failure(wanted, NAMESPACE) if wanted else usual
        self._writer.apply(NAMESPACE, self._objects)
        make_old(self._etcd, usual, AGE)

    def switch(self, on: frozenset[str]) -> list[str]:
        """Make it so; at most one fault can be shown at a time. Returns what could not be done."""
        wanted = next((KUBE[name] for name in sorted(on) if name in KUBE), "")
        if wanted == self._now:
            return []
        try:
            self._apply(wanted)
        except (WriteError, OSError, ValueError) as error:
            return [f"kubernetes: {error}"]
        self._now = wanted
        return []
