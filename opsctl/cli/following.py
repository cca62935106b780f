"""``opsctl diagnose RUNBOOK --follow``: on into the runbook that the first confirmed cause names, until none does."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from opsctl.cli import output
from opsctl.cli.looking import Prepared, keep, look_once, progress_line, remember, text_of
from opsctl.cli.request import Request
from opsctl.cli.result import Result
from opsctl.model import Report, VerdictWord

if TYPE_CHECKING:
    from opsctl.report.style import Style
    from opsctl.runbooks.load import Loaded

MOST = 4  # runbooks after the first
_WORST: tuple[VerdictWord, ...] = ("critical", "warning", "unknown", "ok")


def follow(loaded: Loaded, prepared: Prepared, request: Request) -> Result:
    """Each report under a heading as soon as it is there; the exit code is that of the worst verdict.

    As JSON it is one list of reports, in the order in which they were made.
    """
    from opsctl.report.style import stdout_style
    from opsctl.runbooks.load import load
    from opsctl.runbooks.verdict import EXIT

    at_once = request.output != "json" and request.output_file is None
    style = stdout_style() if at_once else _plain()
    reports: list[Report] = []
    texts: list[str] = []
    stopped = ""
    current = loaded
    while True:
        report = look_once(current, prepared, request, progress=progress_line())
        reports.append(report)
        saved, failed = keep(report) if request.kept else (None, ())
        for line in failed:
            output.note(line)
        texts.append(
            _heading(report, len(reports), request.output, style) + text_of(report, request.output, saved)(style)
        )
        if at_once:
            output.write(texts[-1] + "\n")
        following, stopped = _next(current, report, prepared, [r.runbook for r in reports])
        if following is None:
            break
        current = load(following, prepared.dirs)
        own = {p.name for p in current.runbook.parameters}  # a parameter of one runbook means nothing to another
        request = dataclasses.replace(request, parameters={k: v for k, v in request.parameters.items() if k in own})
    remember(prepared.dirs)
    end = f"Followed no further: {stopped}"
    worst = min((r.verdict for r in reports), key=_WORST.index)
    return Result(
        data=reports,
        text=end if at_once else "\n".join([*texts, end]),
        output=request.output,
        exit=EXIT[worst],
        notes=(end,) if request.output == "json" else (),
        file=request.output_file or "",
    )


def _plain() -> Style:
    from opsctl.report.style import Style

    return Style()


def _heading(report: Report, number: int, shape: str, style: Style) -> str:
    title = f"{number}. {report.runbook} on {report.service}"
    if shape == "markdown":
        return f"# {title}\n\n"
    return style.paint(f"== {title} ".ljust(style.width, "="), "bold") + "\n"


def _next(loaded: Loaded, report: Report, prepared: Prepared, done: list[str]) -> tuple[str | None, str]:
    """The runbook to go on with, or None and why not."""
    from opsctl.runbooks.chosen import defines

    cause = next((c for c in report.causes if c.status == "confirmed"), None)
    if cause is None:
        return None, f"{report.runbook} confirmed no cause"
    spec = next((c for c in loaded.runbook.causes if c.cause == cause.cause), None)
    named = spec.try_ if spec is not None else ()
    if not named:
        return None, f"{cause.cause} names no further runbook"
    left = [name for name in named if name not in done]
    if not left:
        return None, f"{cause.cause} leads back to {', '.join(named)}"
    there = [name for name in left if name in prepared.runbooks]
    if not there:
        return None, f"{cause.cause} names {', '.join(left)}, which does not exist here"
    usable = [name for name in there if defines(prepared.profile, name)]
    if not usable:
        return None, f"{cause.cause} names {', '.join(there)}, which {report.service} does not define"
    if len(done) > MOST:
        return None, f"{MOST} runbooks after the first are enough; {cause.cause} names {usable[0]}"
    return usable[0], ""
