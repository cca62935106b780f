"""The answer of ``opsctl changes`` as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime

from opsctl.model import Change
from opsctl.redact import printable
from opsctl.report import unseen
from opsctl.report.apart import apart, rough
from opsctl.report.outline import what_changed
from opsctl.report.style import Style
from opsctl.runbooks.changed import Changed


def render(changed: Changed, style: Style) -> str:
    """The whole answer; ends with a newline."""
    parts = [
        _list(changed, style),
        _block("Looked at", _looked(changed), style),
        _block("Could not look at", dict.fromkeys(unseen.told(changed.unknown).values()), style),
        _block("Not configured for this service", unseen.absent(changed.not_configured), style),
        "\n".join(_wrap(f"Note  {note}", style, "", "      ") for note in changed.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(changed: Changed, style: Style) -> str:
    span = f"{_moment(changed.since, changed.until)} to {changed.until:%H:%M} UTC"
    if not changed.changes:
        seen = "Nothing changed" if not changed.unknown else "Nothing that could be looked at changed"
        return _wrap(f"{seen} for {changed.service} from {span}", style, "", "    ")
    order = "newest first" if changed.around is None else f"nearest to {changed.around:%H:%M:%S} UTC first"
    lines = [style.paint(f"What changed for {changed.service}, {span}, {order}", "bold")]
    for change in changed.changes:
        far = apart(change) or _ago(change, changed.until)
        head = f"    {_moment(change.at, changed.until, seconds=True)} UTC  {far:<14}  "
        lines.append(_wrap(f"{what_changed(change)}: {change.says}", style, head, " " * 12))
    return "\n".join(lines)


def _looked(changed: Changed) -> list[str]:
    """One line per server, with the setting that chose its address."""
    return list(
        dict.fromkeys(
            f"{unseen.place(s.source)}{f'  (from {s.setting})' if s.setting else ''}" for s in changed.sources
        )
    )


def _ago(change: Change, now: datetime) -> str:
    return f"{rough(max(1.0, (now - change.at).total_seconds()))} ago"


def _moment(moment: datetime, beside: datetime, *, seconds: bool = False) -> str:
    clock = f"{moment.astimezone(UTC):{'%H:%M:%S' if seconds else '%H:%M'}}"
    return clock if moment.date() == beside.date() else f"{moment.astimezone(UTC):%Y-%m-%d} {clock}"


def _block(title: str, texts: Iterable[str], style: Style) -> str:
    lines = [_wrap(text, style, "    ", "      ") for text in texts]
    return "\n".join([style.paint(title, "bold"), *lines]) if lines else ""


def _wrap(text: str, style: Style, head: str, hang: str) -> str:
    return textwrap.fill(
        printable(text),
        style.width,
        initial_indent=head,
        subsequent_indent=hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
