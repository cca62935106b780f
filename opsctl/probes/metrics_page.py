"""The service's own metrics page, asked directly: does it answer, can it be read, are its own metrics there."""

from __future__ import annotations

import re
import time

from opsctl.clients.http import HttpReader
from opsctl.clients.http_answer import HttpAnswer
from opsctl.errors import CouldNotLook, Reason
from opsctl.model import Finding, Seen, Value
from opsctl.probes.live import present_only
from opsctl.probes.look import Look
from opsctl.probes.monitoring import asked, seen_at, unknown, weighed
from opsctl.probes.prometheus_service import own_metrics
from opsctl.probes.registry import NoParams, probe
from opsctl.signals.exposition import NotMetrics, Page
from opsctl.signals.shape import metrics_of

UNREACHABLE = "metrics.unreachable"
BROKEN = "metrics.broken"
DISABLED = "metrics.disabled"
_NO_ANSWER: frozenset[Reason] = frozenset({"refused", "unresolved", "timeout", "closed"})
_BAD: frozenset[Reason] = frozenset({"server-error", "not-found", "bad-answer", "too-large", "unsupported", "tls"})
_LARGE = 8 * 2**20  # a page larger than that is not looked through line by line
TWICE = "there twice"
_ENDINGS = ("", "_count", "_bucket", "_total", "_sum")
_ACCEPT = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.8, */*;q=0.1"
_SAMPLE = re.compile(
    rb"[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?[ \t]+[+-]?(?:[0-9.]+(?:[eE][+-]?[0-9]+)?|NaN|Inf|nan|inf|0[xX][0-9a-fA-F]+)"
    rb"(?:[ \t]+-?[0-9.]+)?[ \t]*(?:#.*)?"
)


@probe(
    "metrics.page",
    emits={
        UNREACHABLE: "The service's metrics page does not answer.",
        BROKEN: "The metrics page answers with something that Prometheus cannot use.",
        DISABLED: "The metrics page holds none of the service's own metrics.",
    },
    params=NoParams,
    asks="one GET of the metrics page",
    privilege="none, or what the page asks for",
    cost="one scrape",
)
def page(look: Look, params: NoParams) -> Seen:
    """By a direct look: what Prometheus cannot tell when it is down itself, or only calls ``down``."""
    reader = look.readers.http("metrics")
    present_only(look, reader.address, reader.setting)
    source = f"scrape {reader.address}"
    try:
        answer = asked(look, lambda seconds: reader.get(timeout=seconds, headers={"Accept": _ACCEPT}))
    except CouldNotLook as failed:
        return _gone(look, reader, source, failed)
    reached = Finding(id=UNREACHABLE, state="ok", says=f"the metrics page answers in {answer.seconds * 1000:.0f} ms")
    try:
        found = Page(answer.body, time=time.time(), content_type=answer.headers.get("content-type", ""))
    except NotMetrics as error:
        if not answer.body.strip():
            return _read(look, reader, answer, reached, None)
        says = f"{reader.address}: {error}"
        odd = CouldNotLook("bad-answer", says)
        broken = Finding(id=BROKEN, state="breach", says=says)
        values = (Value(name="bytes", value=len(answer.body), unit="bytes", note=str(error)),)
        seen = seen_at(source, reader.setting, f"GET {answer.url}", values)
        return Seen(evidence=(seen,), findings=weighed(look, reached, broken, unknown(DISABLED, odd)))
    return _read(look, reader, answer, reached, found)


def _gone(look: Look, reader: HttpReader, source: str, failed: CouldNotLook) -> Seen:
    """No page: nobody there, or an answer that is an error. What only we may not see is unknown."""
    if failed.reason in _NO_ANSWER:
        first = Finding(id=UNREACHABLE, state="breach", says=f"the metrics page does not answer: {failed.says}")
        rest = (unknown(BROKEN, failed), unknown(DISABLED, failed))
    elif failed.reason in _BAD:
        first = Finding(id=UNREACHABLE, state="ok", says="something answers at the metrics page")
        rest = (Finding(id=BROKEN, state="breach", says=f"the metrics page: {failed.says}"), unknown(DISABLED, failed))
    else:
        raise failed
    values = (Value(name="answer", value=failed.says),)
    evidence = seen_at(source, reader.setting, f"GET {reader.address}", values)
    return Seen(evidence=(evidence,), findings=weighed(look, first, *rest))


def _read(look: Look, reader: HttpReader, answer: HttpAnswer, reached: Finding, found: Page | None) -> Seen:
    own = own_metrics(look)
    there = [name for name in own if found is not None and any(found.has(name + end) for end in _ENDINGS)]
    lines = [line for line in answer.body.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    values = [
        Value(name="samples", value=len(lines), unit="count"),
        Value(name="own_metrics", value=len(there), unit="count", note=f"of {len(own)} that the profile reads"),
    ]
    wrong = _wrong(lines) if len(answer.body) <= _LARGE else []
    values += [Value(name="line", value=text, note=why) for why, text in wrong[:5]]
    says = f"the metrics page can be read: {len(lines)} samples"
    if wrong:
        why, text = min(wrong, key=lambda one: one[0] == TWICE)  # what costs the whole page is told first
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        then = "Prometheus takes one of them" if why == TWICE else "for one such line Prometheus refuses the whole page"
        says = f"the metrics page has a line that is {why}: {text[:120]}{more}; {then}"
    broken = Finding(id=BROKEN, state="breach" if wrong else "ok", says=says)
    evidence = seen_at(f"scrape {reader.address}", reader.setting, f"GET {answer.url}", tuple(values))
    return Seen(evidence=(evidence,), findings=weighed(look, reached, broken, _disabled(look, own, there, len(lines))))


def _disabled(look: Look, own: list[str], there: list[str], samples: int) -> Finding:
    if not own:
        says = f"{look.profile.service} defines no signal on a metric of its own"
        return Finding(id=DISABLED, state="unknown", reason="not-configured", says=says)
    if there:
        return Finding(id=DISABLED, state="ok", says=f"{len(there)} of the {len(own)} own metrics are on the page")
    named = ", ".join(own[:3])
    what = f"its {samples} samples are all of the process and its libraries" if samples else "it is empty"
    says = f"the metrics page holds none of the service's own metrics ({named} …): {what}"
    sure = any(not s.assumed and set(metrics_of(s)) & set(own) for s in look.profile.signals.values())
    if sure:
        return Finding(id=DISABLED, state="breach", says=says)
    return Finding(
        id=DISABLED,
        state="unknown",
        reason="no-data",
        says=f"{says}; but all of their names are assumed by the profile",
    )


def _wrong(lines: list[bytes]) -> list[tuple[str, str]]:
    """Lines that cannot be read or come twice: why, and the line."""
    found: list[tuple[str, str]] = []
    seen: set[bytes] = set()
    for line in lines:
        text = line.strip()
        if _SAMPLE.fullmatch(text) is None:
            found.append(("not readable", text.decode("utf-8", "replace")[:200]))
            continue
        head, brace, _ = text.rpartition(b"}")
        series = head + brace if brace else text.split(None, 1)[0]
        if series in seen:
            found.append((TWICE, text.decode("utf-8", "replace")[:200]))
        seen.add(series)
    return found
