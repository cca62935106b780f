"""The lines of a time window in the output of a workload's containers (path ``kubernetes:Deployment/api``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsctl.clients.logline import LogLine, read_line
from opsctl.errors import CouldNotLook, NotConfigured
from opsctl.probes.kubernetes_scope import Scope, present_only
from opsctl.probes.look import Look
from opsctl.services.model import LogFile

PREFIX = "kubernetes:"
_CONTAINERS = 5  # logs read: each is a request that the API server passes on to a kubelet
_LINES = 5000
_BYTES = 2 * 2**20


class PodWindow:
    """As a LogWindow of a file: iterate once for the lines from ``since`` (unix seconds) on, container by container.

    Times are the kubelet's. Iterating raises CouldNotLook; one log that cannot be had is in ``notes``, and the window
    is then not complete.
    """

    def __init__(self, look: Look, spec: LogFile, *, since: float) -> None:
        self._look, self._since = look, since
        self.path = spec.path
        kind, _, name = spec.path.removeprefix(PREFIX).partition("/")
        known = look.profile.kubernetes.workloads if look.profile.kubernetes is not None else {}
        self._workload = next((key for key, one in known.items() if (one.kind, one.name or key) == (kind, name)), "")
        if not self._workload:
            raise NotConfigured(f"{look.profile.service} defines no Kubernetes workload {kind}/{name}")
        self.start: float | None = None
        self.end: float | None = None
        self.bytes_read = self.unread = 0
        self.complete, self.timeless = True, False
        self.unparsed = self.cut = self.damaged = 0
        self.set_back = 0.0
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[LogLine]:
        present_only(self._look)
        scope = Scope(self._look, self._workload)
        containers = [
            (str(pod["metadata"]["name"]), str(container.get("name", "")))
            for found in scope.find_for_pods(scope.wanted[self._workload])
            for pod in scope.list(scope.path("", "v1", "pods"), found.selector).items
            for container in _parts(pod)
        ]
        if not containers:
            says = f"no pod of {self.path} is there, so its log is not either"
            raise CouldNotLook("not-found", says, address=scope.source, setting=scope.reader.setting)
        failures: list[CouldNotLook] = []
        for pod, container in containers[:_CONTAINERS]:
            try:
                told = scope.reader.log(
                    scope.namespace,
                    pod,
                    container,
                    lines=_LINES,
                    since=self._look.now - self._since,
                    max_bytes=_BYTES,
                    timeout=min(3.0, self._look.remaining()),
                )
            except CouldNotLook as failed:
                failures.append(failed)
                continue
            if told.cut:
                self.complete = False
                self.notes.append(f"of Pod {pod} the last {len(told.lines):,} lines")
            yield from self._lines(told.lines)
        if len(failures) == min(len(containers), _CONTAINERS):
            raise failures[0]
        self.notes += [failed.says for failed in failures]
        if len(containers) > _CONTAINERS:
            self.notes.append(f"{_CONTAINERS} of {len(containers)} containers")
        self.complete = self.complete and not failures and len(containers) <= _CONTAINERS

    def _lines(self, lines: tuple[str, ...]) -> Iterator[LogLine]:
        for text in lines:
            stamp, _, said = text.partition(" ")
            moment = read_line(stamp.encode(), self._look.now).time
            if moment is None:
                continue
            self.start = moment if self.start is None else min(self.start, moment)
            self.end = moment if self.end is None else max(self.end, moment)
            if self._since <= moment <= self._look.now + 1:
                line = read_line(said.encode(), self._look.now)
                line.time = moment
                yield line


def _parts(pod: dict[str, Any]) -> list[dict[str, Any]]:
    spec = pod.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    return [one for one in containers or [] if isinstance(one, dict)]
