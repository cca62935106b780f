"""The monitoring-plugins line: ``STATUS: text | perfdata``; more only when asked for (its developer guidelines)."""

from __future__ import annotations

from collections.abc import Iterator

from opsctl.healthcheck.model import Health

_SLOW = 1.0  # seconds: bound of http.health for an answer (its parameter ``slow``)


def line(found: Health, *, verbose: bool = False) -> str:
    """One line, or with ``verbose`` the services and what is wrong below it."""
    text = f"{found.state.upper()}: {_plain(found.says)} | {' '.join(perfdata(found))}"
    if not verbose:
        return text
    return "\n".join([text, *_details(found)])


def unknown(says: str) -> str:
    """The line when nothing could be looked at."""
    return f"UNKNOWN: {_plain(says)}"


def perfdata(found: Health) -> Iterator[str]:
    """``'label'=value[UOM];[warn];[crit];[min];[max]``; a threshold of 0 alerts on anything above it."""
    subjects = found.subjects
    number = len(subjects)

    def count(state: str) -> int:
        return sum(subject.state == state for subject in subjects)

    yield item("services", f"{number}", minimum="0")
    yield item("failed", f"{count('critical')}", crit="0", minimum="0", maximum=f"{number}")
    yield item("warning", f"{count('warning')}", warn="0", minimum="0", maximum=f"{number}")
    yield item("unknown", f"{count('unknown')}", minimum="0", maximum=f"{number}")
    yield item("time", f"{found.seconds:.3f}", "s", minimum="0", maximum=f"{found.deadline:.3f}")
    for subject in subjects:
        for check in subject.checks:
            if subject.kind == "service" and check.answered is not None:
                label = f"{subject.name} {check.name}"
                yield item(label, f"{check.answered:.4f}", "s", warn=f"{_SLOW:g}", minimum="0")


def item(
    label: str, value: str, unit: str = "", *, warn: str = "", crit: str = "", minimum: str = "", maximum: str = ""
) -> str:
    """One value; a label with a space or a quote is quoted, one with ``=`` or ``|`` loses it."""
    name = _plain(label).replace("=", "_")
    if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        name = "'" + name.replace("'", "''") + "'"
    return f"{name}={value}{unit};{warn};{crit};{minimum};{maximum}".rstrip(";")


def _details(found: Health) -> Iterator[str]:
    for subject in found.subjects:
        yield _plain(f"{subject.state.upper()} {subject.name}: {subject.says}")
        if subject.kind == "url":
            continue
        for check in subject.checks:
            if check.state != "ok":
                yield _plain(f"  {check.state} {check.name}: {check.says}")
    for note in found.notes:
        yield _plain(f"note: {note}")


def _plain(text: str) -> str:
    """``|`` would begin perfdata, a line break a further line."""
    return " ".join(text.replace("|", "/").splitlines())
