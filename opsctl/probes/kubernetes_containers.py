"""One container's status in plain values, and what exit codes mean. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from opsctl.probes.kubernetes_json import condition, moment, number, part, parts, text

_EXITS = {
    0: "it ended by itself, without an error",
    1: "the program failed",
    2: "the program refused its arguments or failed",
    125: "the container runtime could not run it",
    126: "the command cannot be executed",
    127: "the command is not in the image",
    134: "it aborted itself (SIGABRT)",
    137: "killed (SIGKILL): after the grace period, by a liveness probe, or out of memory inside the container",
    139: "segmentation fault (SIGSEGV)",
    143: "ended by SIGTERM",
}


class Container(NamedTuple):
    """A container of a pod. ``waiting``: the reason it waits for; the rest is its last termination."""

    pod: str
    name: str
    init: bool
    ready: bool
    restarts: int
    waiting: str
    message: str
    reason: str
    exit_code: int | None
    ended: datetime | None
    memory_limit: str
    since: datetime | None = None  # since when its pod is not ready
    running: bool = False

    @property
    def label(self) -> str:
        """``container main``."""
        return f"{'init ' if self.init else ''}container {self.name}"


def of_pods(pods: Iterable[Mapping[str, Any]]) -> Iterator[Container]:
    """Every container of some pods, init containers first."""
    for pod in pods:
        name = text(part(pod, "metadata"), "name")
        limits = {
            text(each, "name"): str(part(each, "resources", "limits").get("memory", ""))
            for key in ("initContainers", "containers")
            for each in parts(part(pod, "spec"), key)
        }
        since = None if is_ready(pod) else moment(condition(pod, "Ready").get("lastTransitionTime"))
        for key, init in (("initContainerStatuses", True), ("containerStatuses", False)):
            for status in parts(part(pod, "status"), key):
                yield _container(name, init, status, limits.get(text(status, "name"), ""), since)


def exit_meaning(container: Container) -> str:
    """The last termination in words: ``exit code 137, OOMKilled: its memory limit of 512Mi``."""
    if container.exit_code is None:
        return "no termination is known"
    code = container.exit_code
    if container.reason == "OOMKilled":
        limit = f" of {container.memory_limit}" if container.memory_limit else ""
        return f"exit code {code}, OOMKilled: it exceeded its memory limit{limit}"
    default = f"ended by signal {code - 128}" if 128 < code < 160 else "the program's own code"
    word = f", {container.reason}" if container.reason not in ("", "Error", "Completed") else ""
    return f"exit code {code}{word}: {_EXITS.get(code, default)}"


def ended_words(container: Container) -> str:
    """The last termination with its time."""
    at = f" at {container.ended:%F %T} UTC" if container.ended else ""
    return f"{exit_meaning(container)}{at}"


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's Ready condition is true."""
    return condition(pod, "Ready").get("status") == "True"


def pod_problem(pod: Mapping[str, Any]) -> str:
    """Why a pod is not as it should be, "" when it is: the waiting reason of a container before the general words."""
    for container in of_pods([pod]):
        if container.waiting and container.waiting not in ("PodInitializing", "ContainerCreating"):
            says = f"{container.label}: {container.waiting}"
            return f"{says}: {container.message[:200]}" if container.message else says
    placed = condition(pod, "PodScheduled")
    if placed.get("status") == "False":
        return f"{text(placed, 'reason') or 'not scheduled'}: {text(placed, 'message')[:200]}"
    if is_ready(pod):
        return ""
    ready = condition(pod, "Ready")
    words = [text(part(pod, "status"), "phase"), text(ready, "reason") or "not ready"]
    return ": ".join(filter(None, [*words, text(ready, "message")[:200]]))


def _container(pod: str, init: bool, status: Mapping[str, Any], limit: str, since: datetime | None) -> Container:
    state, last = part(status, "state"), part(status, "lastState")
    ended = part(state, "terminated") or part(last, "terminated")
    if init and not part(last, "terminated") and ended.get("exitCode") == 0:
        ended = {}  # an init container that is done
    code = ended.get("exitCode")
    return Container(
        pod=pod,
        name=text(status, "name"),
        init=init,
        ready=status.get("ready") is True,
        restarts=number(status, "restartCount"),
        waiting=text(part(state, "waiting"), "reason"),
        message=text(part(state, "waiting"), "message"),
        reason=text(ended, "reason"),
        exit_code=code if isinstance(code, int) else None,
        ended=moment(ended.get("finishedAt")),
        memory_limit=limit,
        since=since,
        running=bool(part(state, "running")),
    )
