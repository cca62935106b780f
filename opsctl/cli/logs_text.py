"""What `opsctl logs` found, as data and as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsctl.cli.logs_count import Errors, Frequent
    from opsctl.cli.logs_match import Found
    from opsctl.cli.logs_open import Log, Times, Window

SCHEMA = "opsctl.logs/1"
_NEW = {True: "NEW", False: "", None: ""}


def errors_data(log: Log, lines: Window, told: Errors, window: Times, compared: str) -> dict[str, Any]:
    """``compared``: with how long before the window; "" = nothing was there to compare with."""
    return {
        **_head(log, lines, window),
        "errors": told.bad,
        "compared_with": compared or None,
        "kinds": [
            {
                "template": kind.template,
                "new": kind.new,
                "count": kind.count,
                "first": iso(kind.first),
                "last": iso(kind.last),
                "sample": kind.sample,
            }
            for kind in told.kinds
        ],
        "other": told.other,
    }


def errors_text(data: dict[str, Any], number: int) -> str:
    """The kinds as people read them: the new ones first."""
    kinds = data["kinds"]
    where = f"{data['service']} {data['log']}: {data['errors']:,} of {data['lines']:,} lines in {data['window']}"
    if not kinds:
        return f"{where} are errors"
    new = sum(kind["new"] is True for kind in kinds)
    told = f"{new} new against the {data['compared_with']} before" if data["compared_with"] else "nothing before it"
    lines = [f"{where} are errors, {_counted(len(kinds), 'kind')}, {told}"]
    if not data["compared_with"]:
        lines[0] += " to tell which are new"
    for kind in kinds[:number]:
        count = f"{kind['count']:,}"
        lines += [
            f" {_NEW[kind['new']]:<3} {count:>7}  {_clock(kind['first'])}  {kind['template']}",
            f"                        {kind['sample']}",
        ]
    if len(kinds) > number:
        lines.append(f"{_counted(len(kinds) - number, 'further kind')} (-n {len(kinds)} shows all)")
    if data["other"]:
        lines.append(f"{data['other']:,} lines of still other kinds were only counted")
    return "\n".join(lines)


def matches_data(log: Log, lines: Window, found: Found, window: Times) -> dict[str, Any]:
    """The newest lines that match, oldest first."""
    return {
        **_head(log, lines, window),
        "matched": found.matched,
        "matches": [
            {"time": iso(hit.time), "line": hit.line, "before": hit.before, "after": hit.after} for hit in found.hits
        ],
    }


def matches_text(data: dict[str, Any], found: Found) -> str:
    """One line each under its time; with context, groups set apart."""
    lines: list[str] = []
    apart = any(hit.before or hit.after for hit in found.hits)
    for number, hit in enumerate(found.hits):
        if apart and number:
            lines.append("--")
        lines += [f"          {text}" for text in hit.before]
        lines.append(f"{_clock(iso(hit.time))}  {hit.line}")
        lines += [f"          {text}" for text in hit.after]
    shown = f", the newest {len(found.hits):,} are shown" if len(found.hits) < found.matched else ""
    where = f"{data['service']} {data['log']}"
    lines.append(f"{found.matched:,} of {data['lines']:,} lines of {where} in {data['window']} match{shown}")
    return "\n".join(lines)


def counted_data(log: Log, lines: Window, frequent: Frequent, window: Times, number: int) -> dict[str, Any]:
    """The most frequent values."""
    return {
        **_head(log, lines, window),
        "matched": frequent.total + frequent.without,
        "without": frequent.without,
        "by": list(frequent.names),
        "exact": frequent.exact,
        "too_high_by_at_most": frequent.error,
        "different": frequent.different,
        "values": [{"value": list(key), "count": count} for key, count in frequent.top(number)],
    }


def counted_text(data: dict[str, Any]) -> str:
    """Count, share, value."""
    total = data["matched"] - data["without"]
    lines = [f"{row['count']:>9,}  {row['count'] / total:>6.1%}  {'  '.join(row['value'])}" for row in data["values"]]
    by = " and ".join(data["by"])
    says = f"{total:,} of {data['lines']:,} lines of {data['service']} {data['log']} in {data['window']} by {by}"
    says += f", {data['different']:,} different"
    if data["without"]:
        says += f"; {data['without']:,} more match and have no {by}"
    if not data["exact"]:
        says += f"; so many values that a count may be too high by {data['too_high_by_at_most']:,}"
    return "\n".join([*lines, says])


def _head(log: Log, lines: Window, window: Times) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "service": log.service,
        "log": log.name,
        "path": lines.path,
        "window": window.words,
        "since": iso(window.since),
        "until": iso(window.until),
        "lines": lines.lines,
        "unparsed": lines.unparsed,
        "complete": lines.complete,
        "notes": list(lines.notes()),
    }


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def iso(moment: float) -> str:
    """A unix time, UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clock(iso: str) -> str:
    return iso[11:19]
