"""What is kept of pods before they go: state, events, the end of their logs. Bounded and redacted (B-23, B-24)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opsctl.clients.kube_reads import collection
from opsctl.errors import CouldNotLook
from opsctl.probes.kubernetes_containers import exit_meaning, is_ready, of_pods
from opsctl.probes.kubernetes_event_list import event_of, once
from opsctl.probes.kubernetes_json import part, parts, text
from opsctl.probes.kubernetes_scope import name_of
from opsctl.redact import printable, redact

if TYPE_CHECKING:
    from opsctl.clients.kubernetes import KubernetesReader

PODS, LINES, BYTES, EVENTS = 3, 60, 16 * 2**10, 15
SECONDS = 8.0


def evidence(reader: KubernetesReader, namespace: str, pods: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of at most ``PODS`` pods, those in trouble first; ``left_out``: how many more there are. Never raises.

    What could not be had is named in its place: missing evidence is no reason not to act.
    """
    until = time.monotonic() + SECONDS
    troubled = sorted(pods, key=lambda pod: (is_ready(pod), -sum(c.restarts for c in of_pods([pod]))))
    chosen = troubled[:PODS]
    return {
        "pods": [_of_pod(reader, namespace, pod, until) for pod in chosen],
        "left_out": len(troubled) - len(chosen),
    }


def _of_pod(reader: KubernetesReader, namespace: str, pod: Mapping[str, Any], until: float) -> dict[str, Any]:
    meta, status = part(pod, "metadata"), part(pod, "status")
    containers = list(of_pods([pod]))
    return {
        "pod": name_of(dict(pod)),
        "uid": text(meta, "uid"),
        "created": text(meta, "creationTimestamp"),
        "node": text(part(pod, "spec"), "nodeName"),
        "phase": text(status, "phase"),
        "conditions": [
            _line(f"{text(c, 'type')} {text(c, 'status')} {text(c, 'reason')} {text(c, 'message')}")
            for c in parts(status, "conditions")
        ],
        "containers": [
            _line(
                f"{c.label}: {'ready' if c.ready else c.waiting or 'not ready'}, {c.restarts} restarts, "
                f"{exit_meaning(c)}"
            )
            for c in containers
        ],
        "events": _events(reader, namespace, text(meta, "uid"), until),
        "logs": {
            f"{c.name}{' (previous)' if previous else ''}": _log(reader, namespace, c.pod, c.name, previous, until)
            for c in containers
            for previous in ((True, False) if c.restarts else (False,))
            if not c.init or not c.ready
        },
    }


def _events(reader: KubernetesReader, namespace: str, uid: str, until: float) -> list[str]:
    query = {"fieldSelector": f"involvedObject.uid={uid}"}
    try:
        listed = reader.list(collection("", "v1", "events", namespace), query, timeout=_left(until))
    except CouldNotLook as failure:
        return [f"not seen: {failure.says}"]
    told = once(event_of(item) for item in listed.items)[:EVENTS]
    return [
        _line(f"{f'{each.last:%F %T} ' if each.last else ''}{each.reason} x{each.times}: {each.message}")
        for each in told
    ]


def _log(reader: KubernetesReader, namespace: str, pod: str, container: str, previous: bool, until: float) -> list[str]:
    try:
        told = reader.log(
            namespace, pod, container, previous=previous, lines=LINES, max_bytes=BYTES, timeout=_left(until)
        )
    except CouldNotLook as failure:
        return [f"not seen: {failure.says}"]
    kept: list[str] = []
    room = BYTES
    for line in reversed(told.lines):  # the newest are worth most
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return kept[::-1]


def _left(until: float) -> float:
    return max(0.1, min(3.0, until - time.monotonic()))


def _line(said: str) -> str:
    return redact(printable(" ".join(said.split())))[:400]
