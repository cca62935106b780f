"""RabbitMQ by its management API: alarms (memory, disk) and virtual hosts. GET only; nothing is declared or read."""

from __future__ import annotations

import msgspec

from opsctl.errors import CouldNotLook
from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.monitoring import limit, seen_at

_CHECKS = {  # path below /api/health/checks -> what its failing means
    "alarms": "an alarm is in effect: publishers are blocked",
    "virtual-hosts": "a virtual host is down",
}


class _Told(msgspec.Struct, frozen=True):
    status: str = ""
    reason: str = ""


def alarms(look: Look, endpoint: str) -> Seen:
    """THR-29. Any answer of 200 or 503 is a measurement. Raises CouldNotLook (401: credentials; 404: before 3.8.10)."""
    reader = look.readers.http(endpoint)
    findings: list[Finding] = []
    values: list[Value] = []
    query = ""
    for path, meaning in _CHECKS.items():
        answer = reader.get(f"/api/health/checks/{path}", timeout=limit(look), accept=None, max_bytes=2**20)
        if answer.status == 404:
            says = f"{answer.url}: RabbitMQ before 3.8.10 has no such check, or this is another server"
            raise CouldNotLook("unsupported", says, address=reader.address, setting=reader.setting)
        if answer.status not in (200, 503):
            raise reader.failure(answer)
        told = reader.decode(answer, _Told)
        broken = answer.status == 503 or told.status not in ("ok", "")
        says = f"{meaning} ({told.reason or told.status or 'no reason given'})" if broken else f"no trouble with {path}"
        findings.append(Finding(id=f"rabbitmq.{path}", state="breach" if broken else "ok", says=says))
        values.append(Value(name="answer_seconds", value=answer.seconds, unit="s"))
        query = answer.url
    evidence = seen_at(f"http {reader.address}", reader.setting, f"GET {query}", tuple(values), subject=endpoint)
    return Seen(evidence=(evidence,), findings=tuple(findings))
