"""The states of a workload's pods, one function per finding. Pure: raw pods in, a row out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from opsctl.durations import format_duration
from opsctl.probes.kubernetes_containers import Container, ended_words, is_ready, of_pods, pod_problem
from opsctl.probes.kubernetes_json import condition, moment, part, parts, text
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
CONFIG_REASONS = frozenset({"CreateContainerConfigError"})
START_REASONS = frozenset({"CrashLoopBackOff", "RunContainerError", "CreateContainerError", "StartError"})
_PULLS = (  # the first that fits; a registry that hides what it has says denied for what does not exist, too
    (("toomanyrequests", "rate limit"), "the registry limits how often it is asked"),
    (("x509", "tls:", "certificate"), "the registry's certificate is not trusted"),
    (
        ("no such host", "connection refused", "i/o timeout", "network is unreachable", "dial tcp"),
        "no registry answers",
    ),
    (("unauthorized", "denied", "authentication required", "no basic auth"), "the credentials are missing or refused"),
    (("not found", "manifest unknown", "name unknown"), "the name or tag does not exist"),
    (("invalid reference", "couldn't parse image"), "the name is not a valid one"),
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
        told: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.told = told  # pod -> why its image could not be pulled, by the events
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
        self.ended = [pod for pod in staying if part(pod, "status").get("phase") == "Failed"]
        self.failed = Counter(text(part(pod, "status"), "reason") or "Failed" for pod in self.ended)
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
        known = [at for each in containers if (at := each.ended or each.since) is not None]
        says = f"{self.some(len(pods), one, many)}: {first.label} of {first.pod}, {why(first)}"
        return Row("breach", says, measured=len(pods), since=min(known, default=None))


def crash_loop(pods: Pods) -> Row:
    """CrashLoopBackOff, or one between two back-offs: restarted often, ended lately with an error, not ready."""
    found = [c for c in pods.containers if loops(pods, c)]
    if not found:
        return pods.clear("no container crashes in a loop")
    found.sort(key=lambda c: -c.restarts)
    return pods.hit(found, "crashes in a loop", "crash in a loop", _crash)


def loops(pods: Pods, c: Container) -> bool:
    """Whether a container starts and ends again and again, or cannot be started at all."""
    between = c.restarts >= LOOP_RESTARTS and pods.recent(c) and not c.ready and c.exit_code not in (0, None)
    return c.waiting in START_REASONS or between


def _crash(container: Container) -> str:
    if container.waiting in START_REASONS - {"CrashLoopBackOff"}:
        return f"{container.waiting}: {container.message[:200]}".rstrip(": ")
    return f"{container.restarts} restarts, last {ended_words(container)}"


def missing_config(pods: Pods) -> Row:
    """A ConfigMap, Secret or key that a container needs and that is not there, in the kubelet's words."""
    found = [c for c in pods.containers if c.waiting in CONFIG_REASONS]
    if not found:
        return pods.clear("no container lacks its configuration")
    return pods.hit(
        found, "lacks its configuration", "lack their configuration", lambda c: c.message[:200] or c.waiting
    )


def starting(pods: Pods) -> Row:
    """Pods that are on their way to ready, for no longer than a start may take, and with nothing said against them."""
    since = {id(pod): unready_since(pod).timestamp() for pod in pods.active if not is_ready(pod)}
    young = [pod for pod in pods.active if pods.now - since.get(id(pod), 0.0) < pods.unready_for]
    troubled = {c.pod for c in pods.containers if loops(pods, c) or c.waiting in PULL_REASONS | CONFIG_REASONS}
    found = [pod for pod in young if text(part(pod, "metadata"), "name") not in troubled]
    found = [pod for pod in found if condition(pod, "PodScheduled").get("status") != "False"]
    if not found:
        return pods.clear("no pod is just starting")
    first = min(since[id(pod)] for pod in found)
    lasts = format_duration(max(0, round(pods.now - first)))
    says = f"{pods.some(len(found), 'is starting', 'are starting')}, for {lasts}: {pod_problem(found[0])}"
    return Row("breach", says, measured=len(found), since=datetime.fromtimestamp(first, UTC))


def evicted(pods: Pods) -> Row:
    """Pods that a node threw out for lack of memory, disk or process ids; they stay as objects until cleaned up."""
    found = []
    for pod in pods.ended:
        at = _ended_at(pod)
        if text(part(pod, "status"), "reason") == "Evicted" and (
            at is None or pods.now - at.timestamp() <= pods.window
        ):
            found.append((pod, at))
    if not found:
        return pods.clear(f"no pod was evicted in the last {format_duration(pods.window)}")
    pod, _ = found[0]
    name, why = text(part(pod, "metadata"), "name"), text(part(pod, "status"), "message")[:200]
    on = text(part(pod, "spec"), "nodeName")
    says = f"{pods.subject}: {len(found)} of its pods evicted, {name}{f' on {on}' if on else ''}: {why}".rstrip(": ")
    return Row("breach", says, measured=len(found), since=min((at for _, at in found if at), default=None))


def _ended_at(pod: dict[str, Any]) -> datetime | None:
    status = part(pod, "status")
    times = [moment(each.get("lastTransitionTime")) for each in parts(status, "conditions")]
    times += [
        moment(part(each, "state", "terminated").get("finishedAt")) for each in parts(status, "containerStatuses")
    ]
    return max((at for at in times if at), default=moment(status.get("startTime")))


def oom_killed(pods: Pods) -> Row:
    """The kernel killed a container for its memory limit (not every 137 is one)."""
    killed = [c for c in pods.containers if c.reason == "OOMKilled"]
    found = [c for c in killed if pods.recent(c) or c.ended is None]
    if found:
        return pods.hit(found, "was killed for memory", "were killed for memory", lambda c: f"last {ended_words(c)}")
    if killed:
        return pods.clear(
            f"no OOM kill in the last {format_duration(pods.window)}; an older one: {ended_words(killed[0])}"
        )
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
        lambda c: f"{c.waiting}: {pulling(pods, c)}".rstrip(": "),
    )


def pulling(pods: Pods, container: Container) -> str:
    """Why an image cannot be had: the registry's words, which an event holds while the kubelet waits to try again."""
    words = pods.told.get(container.pod, "") or container.message
    return words[:300] + pull_kind(words)


def pull_kind(message: str) -> str:
    """What a registry's refusal means, "" where its words do not tell: bad name, credentials, or out of reach."""
    low = message.lower()
    for words, meaning in _PULLS:
        if any(word in low for word in words):
            return f" ({meaning})"
    return ""


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
    since = {id(pod): unready_since(pod) for pod in pods.active if not is_ready(pod)}
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
    return pods.hit(pods.restarted, once, often, lambda c: f"{c.restarts} in all, {ended_words(c)}")


def unready_since(pod: dict[str, Any]) -> datetime:
    """When it stopped being ready; for a pod that never was, its creation."""
    ready = moment(condition(pod, "Ready").get("lastTransitionTime"))
    created = moment(part(pod, "metadata").get("creationTimestamp"))
    return ready or created or datetime.fromtimestamp(0).astimezone()
