"""``opsctl k8s`` for people: one screen each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from opsctl.durations import format_duration
from opsctl.probes.kubernetes_quantity import binary, cpus

if TYPE_CHECKING:
    from opsctl.cli.k8s_events import EventLine, Events
    from opsctl.cli.k8s_status import Status, WorkloadStatus
    from opsctl.cli.k8s_top import Amount, Top
    from opsctl.report.style import Style

KEPT = "The API server keeps events for an hour by default."


def status_text(seen: Status, style: Style) -> str:
    """Workloads as a table, below each what is to be said of it."""
    rows = [("WORKLOAD", "READY", "ROLLOUT", "PODS")]
    rows += [(each.workload, _ready(each), each.rollout, _pods(each)) for each in seen.workloads]
    table = _columns(rows)
    lines = [_head(seen.source, seen.at, style), style.paint(table[0], "bold")]
    for line, each in zip(table[1:], seen.workloads, strict=True):
        short = each.available is not None and each.wanted is not None and each.available < each.wanted
        lines.append(style.paint(line, "yellow") if short or each.trouble else line)
        lines += [_wrap(f"{one.pod}: {one.says}{_restarted(one.restarts)}", style) for one in each.trouble]
        lines += [_wrap(f"and {each.trouble_left} more pods in trouble", style)] if each.trouble_left else []
        told = [each.says, each.autoscaler, *each.budgets, f"kept by {each.managed_by}" if each.managed_by else ""]
        lines += [_wrap(text, style) for text in told if text]
    lines += _block("Quotas", seen.quotas, style)
    return "\n".join([*lines, *_block("Could not look at", seen.unseen, style)]) + "\n"


def events_text(seen: Events, style: Style) -> str:
    """The newest first; message below where it does not fit."""
    lines = [_head(seen.source, seen.at, style)]
    if not seen.events:
        lines.append(f"No events. {KEPT}")
    for each in seen.events:
        head = f"{_ago(each.last, seen.at):>9}  {'warning' if each.warning else 'normal':<7}  "
        times = f" ({each.times} times{_since(each)})" if each.times > 1 else ""
        text = _wrap(f"{each.object}  {each.reason}{times}: {each.message}", style, head, " " * 22)
        lines.append(style.paint(text, "yellow") if each.warning else text)
    if seen.left_out:
        lines.append(f"and {seen.left_out} older ones; see them with --limit {len(seen.events) + seen.left_out}")
    return "\n".join([*lines, *_block("Could not look at", seen.unseen, style)]) + "\n"


def top_text(seen: Top, style: Style) -> str:
    """One line per container."""
    rows = [("POD", "CONTAINER", "CPU", "of", "MEMORY", "of")]
    for each in seen.containers:
        cpu, memory = _amount(each.cpu, "cpu"), _amount(each.memory, "memory")
        rows.append((each.pod, each.container, *cpu, *memory))
    table = _columns(rows)
    lines = [_head(seen.source, seen.at, style), style.paint(table[0], "bold")]
    for line, each in zip(table[1:], seen.containers, strict=True):
        near = max(each.cpu.share, each.memory.share) > 0.9
        lines.append(style.paint(line, "yellow") if near else line)
    if not seen.containers:
        lines.append("No pod of the service runs.")
    return "\n".join([*lines, *_block("Could not look at", seen.unseen, style)]) + "\n"


def _head(source: str, at: datetime, style: Style) -> str:
    return style.paint(f"{source}  {at:%H:%M:%S} UTC", "bold")


def _ready(each: WorkloadStatus) -> str:
    return "-" if each.wanted is None else f"{each.available}/{each.wanted}"


def _pods(each: WorkloadStatus) -> str:
    return ", ".join(f"{count} {state}" for state, count in each.pods.items()) or "none"


def _restarted(times: int) -> str:
    return f" ({times} restarts)" if times else ""


def _ago(at: datetime | None, now: datetime) -> str:
    return f"{format_duration(max(0, round((now - at).total_seconds())))} ago" if at else "?"


def _since(each: EventLine) -> str:
    return f" since {each.first:%H:%M:%S} UTC" if each.first else ""


def _amount(amount: Amount, what: str) -> tuple[str, str]:
    """What is used, and of what: the limit, else the request."""
    shown = cpus if what == "cpu" else binary
    used = shown(amount.used) if amount.used is not None else "not measured"
    over, word = (amount.limit, "limit") if amount.limit else (amount.request, "request")
    if not over:
        return used, "no limit"
    share = f" ({amount.share:.0%})" if amount.used is not None else ""
    return used, f"{word} {shown(over)}{share}"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _block(title: str, texts: Sequence[str], style: Style) -> list[str]:
    return ["", style.paint(title, "bold"), *(_wrap(text, style) for text in texts)] if texts else []


def _wrap(text: str, style: Style, head: str = "    ", hang: str = "      ") -> str:
    return textwrap.fill(
        text,
        style.width,
        initial_indent=head,
        subsequent_indent=hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
