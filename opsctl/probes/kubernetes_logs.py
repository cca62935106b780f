"""kubernetes.logs (K8-6): the last words of containers in trouble: of their last life, where they were restarted."""

from __future__ import annotations

from collections.abc import Sequence

from opsctl.durations import parse_duration
from opsctl.errors import CouldNotLook
from opsctl.model import Evidence, Seen, Value
from opsctl.probes.kubernetes_containers import Container, exit_meaning, of_pods
from opsctl.probes.kubernetes_json import part
from opsctl.probes.kubernetes_scope import OfWorkload, Scope, present_only
from opsctl.probes.look import Look
from opsctl.probes.registry import probe

MOST = 3  # containers read: each is a request that the API server passes on to a kubelet


class LogsParams(OfWorkload, frozen=True, kw_only=True):
    """``window``: how far back an end counts and a running container's log is read; ``lines``: shown of each."""

    window: str = "15m"
    lines: int = 10


@probe(
    "kubernetes.logs",
    params=LogsParams,
    asks="the log of at most three containers in trouble (tailLines, limitBytes, previous after a restart)",
    privilege="get pods/log, list pods, get deployments.apps",
    cost="at most three logs of 64 KiB, one GET and one list per workload",
    minimum="v1",
)
def logs(look: Look, params: LogsParams) -> Seen:
    """K8-6. Evidence only. One log that cannot be had costs the others nothing."""
    present_only(look)
    scope = Scope(look, params.workload)
    window = parse_duration(params.window)
    troubled: list[Container] = []
    evidence: list[Evidence] = []
    for name, wanted in scope.wanted.items():
        try:
            for found in scope.find_for_pods(wanted):
                items = scope.list(scope.path("", "v1", "pods"), found.selector).items
                alive = [pod for pod in items if not part(pod, "metadata").get("deletionTimestamp")]
                troubled += chosen(list(of_pods(alive)), look.now, window)[:1]  # one of each workload says enough
        except CouldNotLook as failure:
            evidence.append(scope.lose(name, wanted, failure)[0])
    troubled.sort(key=lambda each: -each.restarts)
    evidence += [_log_of(scope, each, window, params.lines) for each in troubled[:MOST]]
    if not troubled:
        none = Value(name="containers in trouble", value=0, unit="count")
        evidence.append(scope.evidence("logs", scope.path("", "v1", "pods"), [none]))
    return Seen(evidence=tuple(evidence))


def chosen(containers: Sequence[Container], now: float, window: float) -> list[Container]:
    """Those that ended lately, the most often restarted first, then those that run and are not ready. Pure."""
    ended = [c for c in containers if c.restarts and c.ended and now - c.ended.timestamp() <= window]
    unready = [c for c in containers if c.running and not c.ready and c not in ended and not c.init]
    return [*sorted(ended, key=lambda c: (-c.restarts, c.ready)), *unready]


def _log_of(scope: Scope, container: Container, window: float, lines: int) -> Evidence:
    previous = container.restarts > 0
    life = "before its last restart" if previous else "now"
    subject = f"log of {container.label} of Pod {container.pod} {life}"
    path = f"{scope.path('', 'v1', 'pods', container.pod)}/log"
    try:
        told = scope.reader.log(
            scope.namespace,
            container.pod,
            container.name,
            previous=previous,
            lines=200,
            since=None if previous else window,
            max_bytes=2**16,
            timeout=min(2.0, scope.look.remaining()),
        )
    except CouldNotLook as failure:
        return scope.unseen(subject, failure)
    shown = [Value(name="line", value=line) for line in told.lines[-lines:]] or [Value(name="lines", value=0)]
    if previous:
        shown.insert(0, Value(name="ended", value=exit_meaning(container)))
    query = f"{path}?container={container.name}&tailLines=200&limitBytes=65536&timestamps=true"
    return scope.evidence(subject, query + ("&previous=true" if previous else ""), shown)
