"""The states of a workload's pods, one function per finding. Pure: raw pods in, a row out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from opsctl.durations import format_duration
from opsctl.probes.kubernetes_containers import Container, exit_meaning, is_ready, of_pods, pod_problem
from opsctl.probes.kubernetes_json import condition, moment, part, text
from opsctl.probes.kubernetes_scope import Row

PULL_REASONS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
LOOP_RESTARTS = 3  # between two back-offs a looping container looks as if it ran


class Pods:
    """The pods of one workload. ``now``: unix s; ``window``, ``unready_for``: s; ``cut``: why the list is not whole."""

    def __init__(
        self,
        subject: str,
        selector: str,
        pods: Sequence[dict[str, Any]],
        desired: int | None,
        now: float,
        window: float,
        unready_for: float,
        cut: str = "",
    ) -> None:
        self.subject = subject
        self.selector = selector
        self.desired = desired
        self.now = now
        self.window = window
        self.unready_for = unready_for
        self.cut = cut
        # Pods that are being deleted, or have ended (evicted ones stay as objects), serve nobody and are replaced.
        staying = [pod for pod in pods if not part(pod, "metadata").get("deletionTimestamp")]
        self.active = [pod for pod in staying if part(pod, "status").get("phase") not in ("Succeeded", "Failed")]
        ended = [pod for pod in staying if part(pod, "status").get("phase") == "Failed"]
        self.failed = Counter(text(part(pod, "status"), "reason") or "Failed" for pod in ended)
        self.ready = [pod for pod in self.active if is_ready(pod)]
        self.containers = list(of_pods(self.active))
        self.restarted = sorted(
            (c for c in self.containers if c.restarts and self.recent(c)),
            key=lambda c: c.ended or datetime.max,
            reverse=True,
        )

    def recent(self, container: Container) -> bool:
        """Whether its last termination lies in the window."""
        return container.ended is not None and self.now - container.ended.timestamp() <= self.window

    def clear(self, says: str) -> Row:
        """Nothing was found: ok, unless not all pods were seen."""
        if self.cut:
            return Row("unknown", self.cut, reason="too-large")
        return Row("ok", f"{self.subject}: {says}", measured=0)

    def some(self, count: int, one: str, many: str) -> str:
        """``1 of 3 pods of Deployment api crashes``, ``2 of 3 pods of Deployment api crash``."""
        return f"{count} of {len(self.active)} pods of {self.subject} {one if count == 1 else many}"

    def hit(self, containers: Sequence[Container], one: str, many: str, why: Callable[[Container], str]) -> Row:
        """A breach by some containers; measured is the number of pods. ``one`` and ``many``: what they do."""
        pods = {container.pod for container in containers}
        first = containers[0]
        ends = [container.ended for container in containers if container.ended is not None]
        says = f"{self.some(len(pods), one, many)}: {first.label} of {first.pod}, {why(first)}"
        return Row("breach", says, measured=len(pods), since=min(ends, default=None))


def crash_loop(pods: Pods) -> Row:
    """CrashLoopBackOff, or one between two back-offs: restarted often, ended lately with an error, not ready."""
    found = [
        c
        for c in pods.containers
        if c.waiting == "CrashLoopBackOff"
        or (c.restarts >= LOOP_RESTARTS and pods.recent(c) and not c.ready and c.exit_code not in (0, None))
    ]
    if not found:
        return pods.clear("no container crashes in a loop")
    return pods.hit(found, "crashes in a loop", "crash in a loop", lambda c: f"{c.restarts} restarts, last {_ended(c)}")


def oom_killed(pods: Pods) -> Row:
    """The kernel killed a container for its memory limit (not every 137 is one)."""
    killed = [c for c in pods.containers if c.reason == "OOMKilled"]
    found = [c for c in killed if pods.recent(c) or c.ended is None]
    if found:
        return pods.hit(found, "was killed for memory", "were killed for memory", lambda c: f"last {_ended(c)}")
    if killed:
        return pods.clear(f"no OOM kill in the last {format_duration(pods.window)}; an older one: {_ended(killed[0])}")
    return pods.clear("no container was killed for exceeding its memory limit")


def image_pull(pods: Pods) -> Row:
    """An image that cannot be had."""
    found = [c for c in pods.containers if c.waiting in PULL_REASONS]
    if not found:
        return pods.clear("all images are there")
    return pods.hit(
        found,
        "cannot pull its image",
        "cannot pull their image",
        lambda c: f"{c.waiting}: {c.message[:200]}".rstrip(": "),
    )


def unschedulable(pods: Pods) -> Row:
    """A pod that no node takes, in the scheduler's words."""
    found = [pod for pod in pods.active if condition(pod, "PodScheduled").get("status") == "False"]
    if not found:
        return pods.clear("every pod has a node")
    placed = condition(found[0], "PodScheduled")
    why = f"{text(placed, 'reason')}: {text(placed, 'message')[:300]}".strip(": ")
    says = f"{pods.some(len(found), 'finds no node', 'find no node')}: {why}"
    since = [at for pod in found if (at := moment(condition(pod, "PodScheduled").get("lastTransitionTime")))]
    return Row("breach", says, measured=len(found), since=min(since, default=None))


def not_ready(pods: Pods) -> Row:
    """Pods that are not ready for longer than a start may take; or no pods at all where some are wanted."""
    if not pods.active:
        if pods.desired == 0:
            return pods.clear("no pods, and none are wanted (scaled to zero)")
        if pods.desired:
            return Row("breach", f"{pods.subject}: no pod exists, {pods.desired} wanted", measured=pods.desired)
        says = f"{pods.subject}: no pod is alive, and how many are wanted is not known"
        return Row("unknown", says, reason="no-data")
    since = {id(pod): _unready_since(pod) for pod in pods.active if not is_ready(pod)}
    waiting = [pod for pod in pods.active if id(pod) in since]
    late = [pod for pod in waiting if pods.now - since[id(pod)].timestamp() >= pods.unready_for]
    if late:
        first = min(since[id(pod)] for pod in late)
        lasts = format_duration(max(0, round(pods.now - first.timestamp())))
        why = pod_problem(late[0])
        says = f"{pods.some(len(late), 'is not ready', 'are not ready')}, for up to {lasts}: {why}"
        return Row("breach", says, measured=len(late), since=first)
    if waiting:
        grace = format_duration(pods.unready_for)
        return pods.clear(f"{len(waiting)} of {len(pods.active)} pods not ready yet, for less than {grace}")
    return pods.clear(f"{len(pods.ready)} of {len(pods.active)} pods are ready")


def restarts(pods: Pods) -> Row:
    """Restarts of the window. The API keeps only each container's last one, so the number is that of containers."""
    window = format_duration(pods.window)
    if not pods.restarted:
        ever = sum(c.restarts for c in pods.containers)
        older = f" ({ever} before that)" if ever else ""
        return pods.clear(f"no container was restarted in the last {window}{older}")
    once, often = f"was restarted in the last {window}", f"were restarted in the last {window}"
    return pods.hit(pods.restarted, once, often, lambda c: f"{c.restarts} in all, {_ended(c)}")


def _ended(container: Container) -> str:
    at = f" at {container.ended:%F %T} UTC" if container.ended else ""
    return f"{exit_meaning(container)}{at}"


def _unready_since(pod: dict[str, Any]) -> datetime:
    """When it stopped being ready; for a pod that never was, its creation."""
    ready = moment(condition(pod, "Ready").get("lastTransitionTime"))
    created = moment(part(pod, "metadata").get("creationTimestamp"))
    return ready or created or datetime.fromtimestamp(0).astimezone()
