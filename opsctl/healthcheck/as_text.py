"""A healthcheck as text: the verdict, one line per service, under the bad ones what is wrong and where."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from opsctl.healthcheck.model import Check, Health, Subject, counted
from opsctl.report.style import Style

_LOOKS = {"ok": "green", "warning": "yellow", "critical": "red", "unknown": "cyan"}
_MANY = 20  # addresses: beyond, those that are fine are counted only
_MARK = {"warning": "!", "critical": "!", "unknown": "?"}


def render(found: Health, style: Style, *, verbose: bool = False) -> str:
    """The page; ends with a newline."""
    word = found.state.upper()
    first, *rest = _wrapped(f"{word}  {found.says}", style.width, "", "    ")
    checks = sum(len(subject.checks) for subject in found.subjects)
    dot = " · " if style.unicode else "; "
    about = [f"context {found.context}"] if found.context else []
    about += [f"{counted(checks, 'check')} in {found.seconds:.2f} s of {found.deadline:.3g} s"]
    lines = [style.verdict(found.state) + first.removeprefix(word), *rest, dot.join(about)]
    shown, more = _shown(found.subjects, verbose)
    width = min(28, max((len(subject.name) for subject in shown if subject.kind != "url"), default=0))
    lines += [""] if shown else []
    for subject in shown:
        lines += _subject(subject, style, width, verbose=verbose)
    lines += [f"and {counted(more, 'address', 'addresses')} ok"] if more else []
    if found.changes:
        lines += ["", style.paint("Changed since the last run", "bold")]
        lines += [line for text in found.changes for line in _wrapped(text, style.width, "  ", "    ")]
    for note in found.notes:
        lines += _wrapped(f"Note  {note}", style.width, "", "      ")
    return "\n".join(lines) + "\n"


def _shown(subjects: Sequence[Subject], verbose: bool) -> tuple[list[Subject], int]:
    urls = [subject for subject in subjects if subject.kind == "url"]
    if verbose or len(urls) <= _MANY:
        return list(subjects), 0
    kept = [subject for subject in subjects if subject.kind != "url" or subject.state != "ok"]
    return kept, len(subjects) - len(kept)


def _subject(subject: Subject, style: Style, width: int, *, verbose: bool) -> Iterator[str]:
    word = subject.state if subject.state == "ok" else subject.state.upper()
    name = subject.name if subject.kind == "url" else f"{subject.name:<{width}}"
    hang = "    " if subject.kind == "url" else " " * (width + 12)
    first, *rest = _wrapped(f"{name}  {word:<8}  {subject.says}", style.width, "", hang)
    yield first.replace(word, style.paint(word, _LOOKS[subject.state]), 1) if word in first else first
    yield from rest
    if subject.kind == "url":
        return
    for check in subject.checks:
        if check.state != "ok":
            yield from _problem(check, style)
        elif verbose:
            took = f" ({check.seconds:.2f} s)"
            yield from _wrapped(f"{check.name}: {check.says}{took}", style.width, "    ", "      ")
    if verbose or subject.state != "ok":
        for text in subject.absent:
            yield from _wrapped(f"not looked at: {text}", style.width, "    ", "      ")


def _problem(check: Check, style: Style) -> Iterator[str]:
    mark = style.paint(_MARK[check.state], _LOOKS[check.state], "bold")
    first, *rest = _wrapped(f"{check.name}: {check.says.rstrip('.')}.", style.width, "    ", "      ")
    yield f"  {mark} {first.strip()}"
    yield from rest
    if check.setting:
        place = f"{check.address} " if check.address and check.address not in check.says else ""
        yield from _wrapped(f"[{place}from {check.setting}]", style.width, "      ", "      ")


def _wrapped(text: str, width: int, indent: str, hanging: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
