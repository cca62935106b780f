"""The rights that acting takes, per system, beyond or beside those of a look. Tests hold them against what acts:
that code is out of reach here, where one only looks."""

from __future__ import annotations

from typing import NamedTuple

SUFFIX = "-act"  # an action on ``postgres`` uses ``postgres-act`` where the service has such an endpoint
SYSTEMS = ("postgres", "pgbouncer", "redis", "kubernetes")  # those whose acting role can be printed and examined


class Command(NamedTuple):
    """One Redis command. ``rule``: what ACL SETUSER grants it by; ``lost``: what cannot be done without it."""

    rule: str
    lost: str


# Role -> what it is for. Without pg_read_all_stats the session that acts does not see whom it may signal.
POSTGRES = {
    "pg_read_all_stats": "to compare what a session does with what it did when the plan was made",
    "pg_signal_backend": "to cancel statements and end sessions of other roles, except superusers'",
}
# The actions that take more than a grant -> what they take.
POSTGRES_MORE = {"postgres.set-role-timeout": "CREATEROLE"}

PGBOUNCER = ("RELOAD", "RECONNECT", "RESUME", "ENABLE", "DISABLE", "SET")

REDIS: dict[tuple[str, ...], Command] = {
    ("INFO",): Command("+info", "whether it is still the server of the plan, and the primary"),
    ("PING",): Command("+ping", "whether the removal slows it down"),
    ("SELECT",): Command("+select", "caches in a database other than 0"),
    ("SCAN",): Command("+scan", "finding the keys of a prefix"),
    ("UNLINK",): Command("+unlink", "removing them"),
    ("TIME",): Command("+time", "the end of keys that a backup keeps"),
    ("DUMP",): Command("+dump", "backups of what is removed"),
    ("PTTL",): Command("+pttl", "the end of keys that a backup keeps"),
    ("RESTORE",): Command("+restore", "undoing a removal"),
}

# (group, resource) -> verbs. ``get``: the object is compared with the plan's by the session that changes it.
KUBERNETES: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "deployments"): ("get", "patch"),
    ("apps", "statefulsets"): ("get", "patch"),
    ("apps", "daemonsets"): ("get", "patch"),
    ("apps", "replicasets"): ("get",),
    ("apps", "deployments/scale"): ("patch",),
    ("apps", "statefulsets/scale"): ("patch",),
    ("autoscaling", "horizontalpodautoscalers"): ("get", "patch"),
    ("", "pods"): ("get", "patch"),
    ("", "pods/eviction"): ("create",),
}
KUBERNETES_FOR = {  # what cannot be done without it, what is missed most first
    ("apps", "deployments"): "restart, rollback",
    ("apps", "deployments/scale"): "scale",
    ("", "pods/eviction"): "evict",
    ("", "pods"): "quarantine",
    ("autoscaling", "horizontalpodautoscalers"): "scale where a HorizontalPodAutoscaler rules",
    ("apps", "replicasets"): "rollback",
    ("apps", "statefulsets"): "restart of StatefulSets",
    ("apps", "statefulsets/scale"): "scale of StatefulSets",
    ("apps", "daemonsets"): "restart of DaemonSets",
}


def is_acting(name: str) -> bool:
    """Whether an endpoint of that name is the one that acts for another."""
    return name.endswith(SUFFIX) and name != SUFFIX


def default_role(system: str) -> str:
    """The name of a printed role when none was asked for; Kubernetes' names take no underscore."""
    if not is_acting(system):
        return "opsctl"
    return "opsctl-act" if system.startswith("kubernetes") else "opsctl_act"
