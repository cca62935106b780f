"""Does Prometheus itself answer, and is it ready: while it reads its write-ahead log it answers no query."""

from __future__ import annotations

from opsctl.clients.prometheus import PrometheusReader
from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.monitoring import DOWN, asked, limit, seen_at, weighed
from opsctl.probes.registry import NoParams, probe

UNREACHABLE = "prometheus.unreachable"


@probe(
    "prometheus.ready",
    emits={UNREACHABLE: "Prometheus does not answer, or is not ready: nothing is measured and no alert can fire."},
    params=NoParams,
    asks="/-/ready; if it is not, /api/v1/status/walreplay",
    privilege="none, or what a proxy before Prometheus asks for",
    cost="one or two requests",
    minimum="Prometheus 2.0; of what speaks only its query API a query is asked instead",
)
def ready(look: Look, params: NoParams) -> Seen:
    """401 and 403 are not answers about its state and raise CouldNotLook; so does a missing configuration."""
    reader = look.readers.prometheus()
    present_only(look, reader.address, reader.setting)
    source = f"prometheus {reader.address}"
    try:
        _ask(reader, look)
    except CouldNotLook as failed:
        if failed.reason not in DOWN:
            raise
        replayed = _replayed(reader, look) if failed.reason == "server-error" else ""
        says = f"Prometheus is reading its write-ahead log: {replayed}" if replayed else f"Prometheus: {failed.says}"
        values = (Value(name="ready", value=False, note=replayed or failed.says),)
        found = Finding(id=UNREACHABLE, state="breach", says=says)
        return Seen(evidence=(seen_at(source, reader.setting, "/-/ready", values),), findings=weighed(look, found))
    values = (Value(name="ready", value=True),)
    found = Finding(id=UNREACHABLE, state="ok", says="Prometheus is ready")
    return Seen(evidence=(seen_at(source, reader.setting, "/-/ready", values),), findings=(found,))


def _ask(reader: PrometheusReader, look: Look) -> None:
    try:
        asked(look, reader.ready)
    except CouldNotLook as failed:
        if failed.reason not in ("not-found", "unsupported"):
            raise
        reader.query("vector(1)", timeout=limit(look))


def _replayed(reader: PrometheusReader, look: Look) -> str:
    """How far it is after a start; "" when it does not say or is not reading."""
    try:
        told = reader.replay(limit(look))
    except CouldNotLook:
        return ""
    return f"segment {told.current} of {told.last}" if told.current < told.last else ""
