"""An examination as text: the verdict, each problem with its remedy ready to paste, then what is fine, in short."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from opsctl.doctor.acting import TOLD
from opsctl.doctor.model import Check, Examination, Place
from opsctl.report.style import Style

_PLAIN = frozenset({"reachable", "clock", "certificate"})  # what is checked everywhere
_LOOKS = {0: "green", 1: "yellow", 2: "red", 3: "cyan"}
_HEAD = {0: "FINE", 1: "OPTIONAL PARTS MISSING", 2: "NOT READY", 3: "CANNOT TELL"}


def render(found: Examination, style: Style, *, verbose: bool = False) -> str:
    """The page. Remedies stand at the left edge and are never wrapped: they are there to be copied."""
    about = [f"context {found.context}" if found.context else "no context"]
    about.append(f"services {', '.join(found.services)}" if found.services else "no service chosen")
    lines = [
        *_verdict(found, style),
        *_wrapped(f"{' · '.join(about) if style.unicode else '; '.join(about)}", style.width, ""),
    ]
    for place in found.places:
        troubled = [check for check in place.checks if check.state != "ok"]
        if troubled:
            lines += ["", *_head(place, style)]
            for check in troubled:
                lines += _problem(check, style)
    lines += _fine(found.places, style, verbose=verbose)
    lines += _acting(found.places, style)
    if found.absent:
        lines += ["", style.paint("Not configured", "bold")]
        lines += [line for text in found.absent for line in _wrapped(text, style.width, "  ")]
    if not found.services:
        lines += ["", "No service was chosen: -s NAME or --all looks at their own endpoints, too."]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _verdict(found: Examination, style: Style) -> list[str]:
    word = _HEAD[found.exit]
    first, *rest = _wrapped(f"{word}  {found.says}", style.width, "", hanging="  ")
    return [style.paint(word, "bold", _LOOKS[found.exit]) + first.removeprefix(word), *rest]


def _head(place: Place, style: Style) -> list[str]:
    known = [place.address] if place.address and place.address != place.name else []
    if place.setting:
        known.append(f"from {place.setting}")
    if place.services and place.kind != "service":
        known.append(f"for {', '.join(place.services)}")
    head = style.paint(place.name, "bold")
    rest = _wrapped("  ".join(known), style.width, "    ") if known else []
    line = f"{head}  {'  '.join(known)}"
    return [line.rstrip()] if len(place.name) + 2 + len("  ".join(known)) <= style.width else [head, *rest]


def _problem(check: Check, style: Style) -> Iterator[str]:
    mark = style.paint("?", "cyan") if check.state == "unknown" else style.paint("!", "red", "bold")
    if check.state == "breach" and check.need == "optional":
        mark = style.paint("!", "yellow")
    first, *rest = _wrapped(f"{check.says}.", style.width, "    ")
    yield f"  {mark} {first.strip()}"
    yield from rest
    if check.remedy is None:
        return
    how = check.remedy.how.rstrip(".:")
    yield from _wrapped(f"{how}:" if check.remedy.run else f"{how}.", style.width, "    ")
    if check.remedy.run:
        yield ""
        yield from (style.paint(line, "cyan") if line else "" for line in check.remedy.run.splitlines())
        yield ""


def _fine(places: Sequence[Place], style: Style, *, verbose: bool) -> Iterator[str]:
    """One line per place, those that are only reached together by service; with ``verbose`` each check."""
    good = [(place, [c for c in place.checks if c.state == "ok"]) for place in places]
    good = [(place, checks) for place, checks in good if checks]
    if not good:
        return
    yield ""
    yield style.paint("Fine", "bold")
    if verbose:
        for place, checks in good:
            known = filter(None, (place.address, f"from {place.setting}" if place.setting else ""))
            yield from _wrapped("  ".join((place.name, *known)), style.width, "  ", hanging="      ")
            for check in checks:
                if _tells(check):
                    continue
                yield from _wrapped(check.says, style.width, "    ", hanging="      ")
        return
    rows: dict[str, str] = {}
    reached: dict[str, list[str]] = {}
    for place, checks in good:
        names = dict.fromkeys(check.id.partition(".")[2] for check in checks if not _tells(check))
        if place.services and set(names) <= _PLAIN:
            reached.setdefault(", ".join(place.services), []).append(place.name)
            continue
        title = place.name if place.name not in rows else f"{place.name} of {', '.join(place.services)}"
        rows[title] = (f"{place.version.partition(' ')[0]}: " if place.version else "") + ", ".join(names)
    rows |= {services: f"reached: {', '.join(names)}" for services, names in reached.items()}
    width = min(24, max(map(len, rows)))
    for title, text in rows.items():
        yield from _wrapped(f"{title:<{width}}  {text}", style.width, "  ", hanging=" " * (width + 4))


def _tells(check: Check) -> bool:
    return check.id.endswith(f".{TOLD}")


def _acting(places: Sequence[Place], style: Style) -> Iterator[str]:
    """Who acts where no endpoint of its own does."""
    told = [(place.name, check.says) for place in places for check in place.checks if _tells(check)]
    if told:
        yield ""
        yield style.paint("Acting", "bold")
    for name, says in told:
        yield from _wrapped(f"{name}: {says}", style.width, "  ", hanging="      ")


def _wrapped(text: str, width: int, indent: str, *, hanging: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
