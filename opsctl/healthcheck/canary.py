"""Pages of a service that are only read: a canary asks one and is content with any good answer."""

from __future__ import annotations

from typing import Any

from opsctl.model import Finding, Seen, Value
from opsctl.probes.look import Look
from opsctl.probes.monitoring import limit, seen_at
from opsctl.runbooks.verdict import WORD
from opsctl.signals.objective import severity_of

FAILING, FIRING = "http.page-failing", "service.alert-firing"


def page(look: Look, endpoint: str) -> Seen:
    """GET of one page of the service; raises CouldNotLook for 4xx, which says more of us than of the service."""
    reader = look.readers.http(endpoint)
    answer = reader.get(timeout=limit(look), accept=None, max_bytes=2**20)
    if not (answer.status < 300 or answer.status >= 500):
        raise reader.failure(answer)
    broken = answer.status >= 500
    values = (
        Value(name="status", value=answer.status),
        Value(name="answer_seconds", value=answer.seconds, unit="s"),
    )
    says = f"{endpoint} answers HTTP {answer.status}"
    evidence = seen_at(f"http {reader.address}", reader.setting, f"GET {answer.url}", values, subject=endpoint)
    return Seen(evidence=(evidence,), findings=(Finding(id=FAILING, state="breach" if broken else "ok", says=says),))


def own_alerts(look: Look, endpoint: str) -> Seen:
    """AMAS-08: the service's own list of active alerts, empty when it is healthy. Raises CouldNotLook."""
    reader = look.readers.http(endpoint)
    answer = reader.get(timeout=limit(look), max_bytes=4 * 2**20)
    told = reader.decode(answer, list[dict[str, Any]])
    firing = [one for one in told if str(one.get("status", "firing")).lower() == "firing"]
    values = (
        Value(name="alerts", value=len(firing), unit="count"),
        Value(name="answer_seconds", value=answer.seconds, unit="s"),
    )
    evidence = seen_at(f"http {reader.address}", reader.setting, f"GET {answer.url}", values, subject=endpoint)
    if not firing:
        return Seen(evidence=(evidence,), findings=(Finding(id=FIRING, state="ok", says="no alert is active"),))
    known = [severity_of(str(one.get("severity", "")), look.profile.severities) for one in firing]
    severity = min((one for one in known if one is not None), default=None)
    named = ", ".join(_named(one) for one in firing[:5])
    more = f" and {len(firing) - 5} more" if len(firing) > 5 else ""
    says = f"{len(firing)} active: {named}{more}"
    critical = severity is None or WORD[severity] == "critical"
    id = FIRING if critical else f"{FIRING}-mild"
    return Seen(evidence=(evidence,), findings=(Finding(id=id, state="breach", says=says, severity=severity),))


def _named(alert: dict[str, Any]) -> str:
    name = str(alert.get("metric") or alert.get("id") or "an alert")[:60]
    value, threshold = alert.get("value"), alert.get("threshold")
    numbers = f" {value:g}, threshold {threshold:g}" if _number(value) and _number(threshold) else ""
    return f"{name}{numbers} ({str(alert.get('severity', 'no severity'))[:20]})"


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
